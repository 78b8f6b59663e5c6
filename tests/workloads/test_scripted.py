import pickle
import re
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.components import INTERLEAVED, AdmissionByType
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
    NextEvent,
    PlainComponent,
    ScriptedComponent,
    StepNeedsHandler,
    System,
    Wait,
    WaitRandom,
    Work,
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
                        Work(0.5),
                        NextEvent("tick", timeout=2.0),
                        Call("b", "ask"),
                    )
                },
                on_event={"tick": (WaitRandom(Empirical([1, 2])), WaitRandom(LogNormal(1.0, 2.0)))},
                admission=gl.pool(2),
            ),
            PlainComponent("b", fails_on=("ask",), admission=gl.CALL_CHAIN),
            PlainComponent("c", admission=gl.SERIAL.bounded(2)),
            PlainComponent(
                "d", admission=AdmissionByType({"ask": gl.RE_ENTRANT}, default=gl.pool(2))
            ),
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


# --- the time that a step takes, and from whom ----------------------------------------------------


def worked(step: Any, admission: gl.Admission) -> float:
    """When three messages that each take the step at one component are done."""
    system = System(
        components=(ScriptedComponent("a", on_request={"ask": (step,)}, admission=admission),),
        clients=(Client((Call("a", "ask", None),)),) * 3,
    )
    return run(system, gl.HybridCoordinator()).at


@pytest.mark.parametrize(
    ("admission", "waits", "works"),
    [
        (gl.SERIAL, 3.0, 3.0),
        (INTERLEAVED, 3.0, 3.0),
        (gl.pool(2), 2.0, 2.0),
        (gl.RE_ENTRANT, 1.0, 3.0),
    ],
    ids=repr,
)
def test_work_occupies_the_component_and_a_wait_does_not(
    admission: gl.Admission, waits: float, works: float
) -> None:
    assert worked(Wait(1.0), admission) == waits
    assert worked(Work(1.0), admission) == works


def test_work_of_a_client_takes_its_time() -> None:
    assert timed(Concurrent((Work(1.0),), (Work(1.0),))) == 1.0


def hears(step: NextEvent, *, at: float) -> float:
    """When a script is over that waits for an event from 0.5 s on, and one second more."""
    system = System(
        components=(
            ScriptedComponent(
                "a",
                on_request={"ask": (Wait(0.5), step, Wait(1.0))},
                on_event={"news": (Wait(0.25),)},
                admission=gl.RE_ENTRANT,
            ),
        ),
        subscriptions=(("a", "news"),),
        clients=(Client((Call("a", "ask", None),)), Client((Emit("news"),), start_at=at)),
    )
    return run(system, gl.HybridCoordinator()).at


def test_next_event_lets_the_script_go_on_when_the_event_has_been_handled() -> None:
    assert hears(NextEvent("news"), at=2.0) == 3.25


def test_next_event_lets_the_script_go_on_after_its_timeout() -> None:
    assert hears(NextEvent("news", timeout=0.125), at=0.125) == 1.625


def test_raising_next_event_fails_after_its_timeout() -> None:
    component = ScriptedComponent(
        "a", on_request={"ask": (NextEvent("news", timeout=0.5, raising=True), Wait(1.0))}
    )

    async def main() -> Any:
        async with gl.HybridCoordinator() as bus:
            bus.register(component)
            bus.subscribe("a", "news")
            return await bus.call("a", "ask", None, "test")

    with pytest.raises(gl.HandlerFailed) as caught:
        gl.run(main)
    assert (
        str(caught.value)
        == "'a' failed on 'ask': EventTimedOut: 'a' handled no 'news' within 0.5 s"
    )


def test_client_cannot_wait_for_an_event_and_is_told_so() -> None:
    system = System(components=(), clients=(Client((NextEvent("news"),), source="me"),))
    message = (
        "'me' cannot take the step NextEvent(event_type='news', timeout=None, raising=False): "
        "it is in no component's handler"
    )
    with pytest.RaisesGroup(pytest.RaisesExc(StepNeedsHandler, match=f"^{re.escape(message)}$")):
        run(system, gl.HybridCoordinator())


# --- the timeout that a call gives ----------------------------------------------------------------


class ATenth:
    """A table of timeouts that says 0.1 s for all."""

    def of(self, target: str, request_type: str) -> float:
        return 0.1


@pytest.mark.parametrize(("call", "ends_at"), [(Call("a", "ask"), 0.1), (Call("a", "ask", 5.0), 5)])
@pytest.mark.parametrize("is_sent", [False, True], ids=["here", "in another process"])
def test_call_that_gives_no_timeout_has_that_of_the_bus(
    call: Call, ends_at: float, is_sent: bool
) -> None:
    call = pickle.loads(pickle.dumps(call)) if is_sent else call
    system = System(
        components=(ScriptedComponent("a", on_request={"ask": (Wait(9.0),)}),),
        clients=(Client((call,)),),
    )
    assert run(system, gl.HybridCoordinator(timeouts=ATenth())).at == ends_at


def test_traffic_that_gives_no_timeout_has_that_of_the_bus() -> None:
    system = System(
        components=(ScriptedComponent("a", on_request={"work": (Wait(9.0),)}),),
        clients=(OpenLoop(Ask("a"), Recorded([0.0])),),
    )
    assert run(system, gl.HybridCoordinator(timeouts=ATenth())).at == 0.1


def test_timeout_is_shown_where_it_is_given() -> None:
    calls = [Call("a", "ask"), Call("a", "ask", 5.0), Call("a", "ask", None, raising=True)]
    assert [repr(call) for call in calls] == [
        "Call('a', 'ask', raising=False)",
        "Call('a', 'ask', timeout=5.0, raising=False)",
        "Call('a', 'ask', timeout=None, raising=True)",
    ]
    assert repr(Ask("a")) == "Ask('a', 'work', source='client')"
    assert repr(Ask("a", timeout=1.0)) == "Ask('a', 'work', source='client', timeout=1.0)"
