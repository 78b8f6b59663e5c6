from collections.abc import Callable
from math import inf
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.streams import random_stream
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Recorded
from genesis_lab.workloads.durations import Constant, Empirical, Exponential, LogNormal
from genesis_lab.workloads.scripted import (
    DONE,
    Actor,
    Call,
    Client,
    Concurrent,
    Emit,
    Fail,
    PlainComponent,
    ScriptedComponent,
    System,
    Wait,
    WaitRandom,
)


def run(system: System, bus: gl.Bus, *, seed: int = 0) -> gl.RunResult[None]:
    async def main() -> None:
        async with bus:
            await system.run_on(bus)

    return gl.run(main, seed=seed)


def ask(component: gl.Component, request_type: str = "ask") -> Any:
    """The reply of one component, alone on a bus."""

    async def main() -> Any:
        async with gl.HybridCoordinator() as bus:
            bus.register(component)
            return await bus.call(component.id, request_type, None, "test", None)

    return gl.run(main).value


def timed(*script: Any) -> float:
    """How long a client's script takes, alone on a bus."""
    return run(System(components=(), clients=(Client(script),)), gl.HybridCoordinator()).at


def test_steps_are_taken_one_after_another() -> None:
    assert timed(Wait(1.0), Wait(0.5), Wait(0.25)) == 1.75


def test_concurrent_branches_take_as_long_as_the_longest() -> None:
    assert timed(Concurrent((Wait(1.0), Wait(0.5)), (Wait(0.25),)), Wait(0.125)) == 1.625


def test_random_wait_draws_from_its_duration() -> None:
    assert timed(WaitRandom(Constant(0.5)), WaitRandom(Constant(0.25))) == 0.75


def test_random_waits_are_the_same_under_the_same_seed() -> None:
    system = System(components=(), clients=(Client((WaitRandom(Exponential(1.0)),) * 3),))
    at = [run(system, gl.HybridCoordinator(), seed=seed).at for seed in (1, 1, 2)]
    assert at[0] == at[1]
    assert at[0] != at[2]


@pytest.mark.parametrize("seed", range(4))
def test_clients_of_one_name_wait_at_random_independently(seed: int) -> None:
    duration = Exponential(1.0)
    once = Client((WaitRandom(duration), Call("nobody", "ask")))
    twice = Client(
        (
            Concurrent(
                (WaitRandom(duration), Call("nobody", "ask")) * 2,
            ),
        )
    )
    recorder = gl.Recorder()
    run(
        System(components=(), clients=(once, twice)),
        gl.HybridCoordinator(observer=recorder),
        seed=seed,
    )
    sent_at = recorder.trace().requests["sent_at"]
    stream = random_stream("scripted", "client", repr(duration), seed=seed)
    assert sent_at.is_unique
    # The client that the system lists first has the first stream, whatever the schedule.
    assert float(stream.exponential(1.0)) in set(sent_at)


def test_clients_of_one_name_that_wait_for_different_durations_have_the_first_stream_of_each() -> (
    None
):
    durations = Exponential(1.0), Exponential(8.0)
    clients = tuple(Client((WaitRandom(duration),)) for duration in durations)
    streams = [random_stream("scripted", "client", repr(each), seed=7) for each in durations]
    ends = [
        float(each.sample(stream, 1)[0]) for each, stream in zip(durations, streams, strict=True)
    ]
    assert run(System(components=(), clients=clients), gl.HybridCoordinator(), seed=7).at == max(
        ends
    )


def test_client_begins_at_its_start() -> None:
    system = System(
        components=(), clients=(Client((Wait(1.0),), start_at=2.0), Client((), start_at=1.0))
    )
    assert run(system, gl.HybridCoordinator()).at == 3.0


def test_script_that_comes_to_its_end_replies_done() -> None:
    assert ask(ScriptedComponent("a", on_request={"ask": (Wait(1.0),)})) == DONE


def test_plain_component_replies_done() -> None:
    assert ask(PlainComponent("a")) == DONE


@pytest.mark.parametrize(
    "component",
    [
        ScriptedComponent("a", on_request={"ask": (Fail(),)}),
        PlainComponent("a", fails_on=("ask",)),
    ],
    ids=repr,
)
def test_failing_script_says_whose_it_is(component: gl.Component) -> None:
    with pytest.raises(gl.HandlerFailed) as caught:
        ask(component)
    assert str(caught.value) == (
        "'a' failed on 'ask': ScriptFailed: the script of 'a' says to fail here"
    )


def test_request_type_without_script_fails() -> None:
    with pytest.raises(gl.HandlerFailed, match="NotServed: 'a' has no method for 'other'"):
        ask(ScriptedComponent("a", on_request={"ask": ()}), "other")


def test_call_without_an_answer_lets_the_script_go_on() -> None:
    assert timed(Call("nobody", "ask"), Wait(1.0)) == 1.0


def test_raising_call_without_an_answer_ends_the_script() -> None:
    assert timed(Call("nobody", "ask", raising=True), Wait(1.0)) == 0.0


def test_failure_in_a_branch_ends_the_client_but_no_other() -> None:
    system = System(
        components=(),
        clients=(
            Client((Concurrent((Fail(),), (Wait(3.0),)),), source="one"),
            Client((Wait(2.0),), source="two"),
        ),
    )
    assert run(system, gl.HybridCoordinator()).at == 2.0


def test_error_that_no_script_asks_for_comes_out() -> None:
    system = System(components=(), clients=(Client((Wait(-1.0),)),))
    expected = pytest.RaisesExc(gl.LabError, match=r"^seconds=-1\.0: expected a number >= 0$")
    with pytest.RaisesGroup(expected):
        run(system, gl.HybridCoordinator())


def test_system_waits_for_its_last_delivery() -> None:
    system = System(
        components=(ScriptedComponent("slow", on_event={"tick": (Wait(3.0),)}),),
        subscriptions=(("slow", "tick"),),
        clients=(Client((Emit("tick"), Emit("tick"))),),
    )
    assert run(system, gl.HybridCoordinator()).at == 6.0


def ring(size: int, admission: gl.Admission, timeout: float | None) -> System:
    """Each component asks the next one, and the last one the first."""
    names = [f"c{number}" for number in range(size)]
    return System(
        components=tuple(
            ScriptedComponent(
                name,
                on_request={"ask": (Call(following, "ask", timeout),)},
                admission=admission,
            )
            for name, following in zip(names, names[1:] + names[:1], strict=True)
        ),
        clients=(Client((Call("c0", "ask", timeout=None),), start_at=0.5),),
    )


BUSES: list[Callable[[], gl.Bus]] = [gl.SynchronousBus, gl.HybridCoordinator]


@pytest.mark.parametrize("bus", BUSES)
def test_ring_of_serial_components_without_timeouts_stalls_when_it_closes(
    bus: Callable[[], gl.Bus],
) -> None:
    result = run(ring(3, gl.SERIAL, timeout=None), bus())
    assert (result.ended, result.at) == ("stalled", 0.5)


def test_ring_under_a_timeout_comes_to_an_end() -> None:
    result = run(ring(3, gl.SERIAL, timeout=2.0), gl.HybridCoordinator())
    assert (result.ended, result.at) == ("completed", 2.5)


def test_client_of_a_system_may_be_any_traffic() -> None:
    system = System(
        components=(ScriptedComponent("a", on_request={"work": (Wait(1.0),)}),),
        clients=(OpenLoop(Ask("a"), Recorded([0.0, 0.5])),),
    )
    assert run(system, gl.HybridCoordinator()).at == 2.0


def test_system_runs_on_one_bus_after_another() -> None:
    system = System(
        components=(ScriptedComponent("a", on_request={"ask": (WaitRandom(Exponential(1.0)),)}),),
        clients=(Client((Call("a", "ask", None),) * 2),),
    )
    assert run(system, gl.SynchronousBus()) == run(system, gl.HybridCoordinator())


def test_repr_of_a_system_can_be_pasted() -> None:
    system = System(
        components=(
            ScriptedComponent(
                "a",
                on_request={
                    "ask": (
                        Call("b", "ask", timeout=None, raising=True),
                        Concurrent((Wait(1.0),), (Fail(), Emit("tick"))),
                    )
                },
                on_event={"tick": (WaitRandom(Empirical([1, 2])), WaitRandom(LogNormal(1.0, 2.0)))},
                admission=gl.pool(2),
            ),
            PlainComponent("b", fails_on=("ask",), admission=gl.CALL_CHAIN),
        ),
        subscriptions=(("a", "tick"),),
        clients=(Client((Call("a", "ask", timeout=inf),), start_at=1.0),),
    )
    names = {**vars(gl), **globals()}
    assert repr(eval(repr(system), names)) == repr(system)


def test_step_of_ones_own_can_be_part_of_a_script() -> None:
    seen = []

    class Note:
        async def take(self, actor: Actor) -> None:
            seen.append(actor.id)

    run(
        System(components=(), clients=(Client((Note(), Note()), source="me"),)), gl.SynchronousBus()
    )
    assert seen == ["me", "me"]
