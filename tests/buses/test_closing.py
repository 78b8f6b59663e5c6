"""Opening a bus, and leaving it with work in flight."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import BusNotOpen, InvalidSetting
from tests.facts import Facts
from tests.parts import Part, ask, asking, asks, sleeps

pytestmark = pytest.mark.usefixtures("both_scopes")

BUS_NAMES = {
    "synchronous": "SynchronousBus",
    "synchronous-component": "SynchronousBus",
    "hybrid": "HybridCoordinator",
    "hybrid-awaited": "HybridCoordinator",
    "hybrid-raise": "HybridCoordinator",
    "as-written": "DesignAsWritten",
    "layered": "LayeredBus",
    "dedicated-queues": "DedicatedQueueBus",
}


def living_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


# --- grace, then cancellation ---------------------------------------------------------------------


@pytest.mark.parametrize("grace", [1.0, 2.0, float("inf")])
def test_what_ends_within_the_grace_period_ends_as_if_nothing_happened(grace: float) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(grace=grace, observer=facts) as bus:
            bus.register(Part("b", hear=sleeps(0.25)))
            bus.subscribe("b", "news")
            for _ in range(3):
                await bus.emit_event("news", None, "feed")

    assert gl.run(main).at == 0.75
    assert facts.deliveries("outcome", "finished_at") == [
        ("handled", 0.25),
        ("handled", 0.5),
        ("handled", 0.75),
    ]
    assert facts.times_closed == 1


@pytest.mark.parametrize("grace", [0, 0.5, 1.0, 2.5])
def test_what_takes_longer_than_the_grace_period_is_cancelled_then(grace: float) -> None:
    facts = Facts()

    async def main() -> int:
        before = living_tasks()
        async with gl.HybridCoordinator(grace=grace, observer=facts) as bus:
            bus.register(Part("b", hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")
            await bus.emit_event("news", None, "feed")
            await gl.sleep(0.25)
        return living_tasks() - before

    result = gl.run(main)
    assert (result.value, result.at) == (0, 0.25 + grace)
    assert facts.deliveries("outcome", "started_at", "finished_at") == [
        ("cancelled", 0.0, 0.25 + grace),
        ("cancelled", None, 0.25 + grace),
    ]
    assert facts.times_closed == 1


def test_grace_is_one_second_unless_told() -> None:
    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b", hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")

    assert gl.run(main).at == 1.0


def test_requests_from_outside_the_bus_end_as_target_gone_after_the_grace_period() -> None:
    facts = Facts()

    async def main() -> None:
        async with (
            trio.open_nursery() as nursery,
            gl.HybridCoordinator(grace=0.5, observer=facts) as bus,
        ):
            bus.register(Part("a", asks("b", timeout=None)))
            bus.register(Part("b", sleeps(9.0)))
            nursery.start_soon(asking(bus, "a", timeout=None))
            await gl.sleep(0.25)
            nursery.start_soon(asking(bus, "b", timeout=None))
            await gl.sleep(0.25)

    assert gl.run(main).at == 1.0
    outcomes = facts.requests("source", "target", "started_at", "finished_at")
    assert outcomes == [
        ("client", "a", 0.0, 1.0),
        ("a", "b", 0.0, 1.0),
        ("client", "b", None, 1.0),
    ]
    assert {row for row in facts.requests("source", "outcome") if row[0] == "client"} == {
        ("client", "target_gone")
    }


@pytest.mark.parametrize("architecture", ["synchronous", "synchronous-component"])
def test_old_bus_has_no_grace_period(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with (
            trio.open_nursery() as nursery,
            gl.ARCHITECTURES[architecture](observer=facts) as bus,
        ):
            bus.register(Part("b", sleeps(9.0)))
            nursery.start_soon(asking(bus, "b", timeout=None))
            await gl.sleep(0.25)

    assert gl.run(main).at == 0.25
    assert facts.requests("outcome", "finished_at") == [("target_gone", 0.25)]
    assert facts.times_closed == 1


def test_callers_of_a_bus_that_is_left_hear_what_happened() -> None:
    errors: list[str] = []

    async def calls(bus: gl.Bus) -> None:
        with pytest.raises(gl.TargetGone) as caught:
            await bus.call("b", "ask", None, "client", None)
        errors.append(str(caught.value))

    async def main() -> None:
        async with trio.open_nursery() as nursery, gl.HybridCoordinator(grace=0.5) as bus:
            bus.register(Part("b", sleeps(9.0)))
            nursery.start_soon(calls, bus)
            await gl.sleep(0.25)

    gl.run(main)
    assert errors == ["'b' went away while 'ask' was open"]


def test_a_blocked_emitter_goes_on_when_the_bus_is_left() -> None:
    facts = Facts()
    went_on_at: list[float] = []

    async def emits(bus: gl.Bus) -> None:
        for number in range(3):
            await bus.emit_event("news", number, "feed")
        went_on_at.append(bus.now())

    async def main() -> None:
        async with (
            trio.open_nursery() as nursery,
            gl.HybridCoordinator(
                overflow="block", inbox_capacity=1, grace=0.5, observer=facts
            ) as bus,
        ):
            bus.register(Part("b", hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            nursery.start_soon(emits, bus)
            await gl.sleep(0.25)

    gl.run(main)
    assert went_on_at == [0.75]
    assert facts.deliveries("outcome", "finished_at") == [("cancelled", 0.75)] * 3
    assert facts.events("finished_at") == [(0.0,), (0.0,), (0.75,)]


def test_a_deadlock_is_broken_as_cancelled_when_the_bus_is_left() -> None:
    facts = Facts()

    async def main() -> None:
        async with (
            trio.open_nursery() as nursery,
            gl.HybridCoordinator(grace=0.5, observer=facts) as bus,
        ):
            bus.register(Part("a", asks("a", timeout=None)))
            nursery.start_soon(asking(bus, "a", timeout=None))
            await gl.sleep(0.25)

    assert gl.run(main).at == 0.75
    assert facts.deadlocks("formed_at", "broken_at", "broken_by") == [(0.0, 0.75, "cancelled")]


def test_what_is_still_served_may_go_on_asking_during_the_grace_period() -> None:
    facts = Facts()

    async def asks_and_tells_late(part: Part, _data: Any) -> None:
        await gl.sleep(0.5)
        await part.ask("c")
        await part.tell("more")

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", hear=asks_and_tells_late))
            bus.register(Part("c", sleeps(0.25), hear=sleeps(0.125)))
            bus.subscribe("b", "news")
            bus.subscribe("c", "more")
            await bus.emit_event("news", None, "feed")

    assert gl.run(main).at == 0.875
    assert facts.requests("target", "outcome", "finished_at") == [("c", "answered", 0.75)]
    assert facts.deliveries("target", "outcome", "finished_at") == [
        ("b", "handled", 0.75),
        ("c", "handled", 0.875),
    ]


def test_new_work_is_refused_during_the_grace_period() -> None:
    async def main() -> str:
        async with trio.open_nursery() as nursery, gl.HybridCoordinator() as bus:
            bus.register(Part("b", hear=sleeps(0.5)))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")
            nursery.start_soon(asks_too_late, bus)
        return "done"

    async def asks_too_late(bus: gl.Bus) -> None:
        await gl.sleep(0.25)
        with pytest.raises(BusNotOpen):
            await ask(bus, "b")
        with pytest.raises(BusNotOpen):
            await bus.emit_event("news", None, "feed")
        with pytest.raises(BusNotOpen):
            bus.register(Part("c"))

    assert gl.run(main).value == "done"


def test_leaving_waits_for_a_handler_that_shields_its_last_steps() -> None:
    facts = Facts()

    async def cleans_up(_part: Part, _data: Any) -> None:
        try:
            await gl.sleep(9.0)
        finally:
            with trio.CancelScope(shield=True):
                await gl.sleep(2.0)

    async def main() -> int:
        before = living_tasks()
        async with gl.HybridCoordinator(grace=0.5, observer=facts) as bus:
            bus.register(Part("b", hear=cleans_up))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")
        return living_tasks() - before

    result = gl.run(main)
    assert (result.value, result.at) == (0, 2.5)
    assert facts.deliveries("outcome", "finished_at") == [("cancelled", 2.5)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_cancelling_the_block_closes_every_record_at_that_instant(architecture: str) -> None:
    facts = Facts()

    async def main() -> int:
        before = living_tasks()
        with trio.move_on_after(0.5):
            async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
                bus.register(Part("a", asks("b", timeout=None)))
                bus.register(Part("b", sleeps(9.0), hear=sleeps(9.0)))
                bus.subscribe("b", "news")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(asking(bus, "a", timeout=None))
                    nursery.start_soon(bus.emit_event, "news", None, "feed")
        return living_tasks() - before

    result = gl.run(main)
    assert (result.value, result.at) == (0, 0.5)
    assert {
        *facts.requests("outcome", "finished_at"),
        *facts.deliveries("outcome", "finished_at"),
    } == {("cancelled", 0.5)}
    assert facts.times_closed == 1


# --- what the block raises ------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_what_the_block_raises_comes_out_as_it_is(architecture: str) -> None:
    error = ValueError("mine")

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]():
            raise error

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        gl.run(main)
    assert caught.value is error


@pytest.mark.parametrize(
    ("architecture", "errors"),
    [
        pytest.param(
            architecture,
            errors,
            id=f"{architecture}-{len(errors)}",
        )
        for architecture in gl.ARCHITECTURES
        for errors in ([ValueError("one")], [ValueError("one"), KeyError("two")])
    ],
)
def test_a_group_that_the_block_raises_comes_out_as_a_group(
    architecture: str, errors: list[Exception]
) -> None:
    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]():
            raise ExceptionGroup("mine", errors)

    with pytest.raises(ExceptionGroup) as caught:
        gl.run(main)
    assert caught.value.message == "mine"
    assert list(caught.value.exceptions) == errors


def test_an_exception_ends_the_block_without_a_grace_period() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")
            await gl.sleep(0.25)
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        gl.run(main)
    assert facts.deliveries("outcome", "finished_at") == [("cancelled", 0.25)]
    assert facts.times_closed == 1


# --- a bus that is not open -----------------------------------------------------------------------


async def request(bus: gl.Bus) -> None:
    await ask(bus, "b")


async def call(bus: gl.Bus) -> None:
    await bus.call("b", "ask", None, "client")


async def emit(bus: gl.Bus) -> None:
    await bus.emit_event("news", None, "feed")


async def register(bus: gl.Bus) -> None:
    bus.register(Part("c"))


@pytest.mark.parametrize("use", [request, call, emit, register])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_bus_is_used_inside_its_block(
    architecture: str, when: str, use: Callable[[gl.Bus], Any]
) -> None:
    async def main() -> str:
        bus = gl.ARCHITECTURES[architecture]()
        if when == "after":
            async with bus:
                bus.register(Part("b"))
                await ask(bus, "b")
                await emit(bus)
        with pytest.raises(BusNotOpen) as caught:
            await use(bus)
        return str(caught.value)

    name = BUS_NAMES[architecture]
    assert gl.run(main).value == (
        f"this {name} is not open: use it inside `async with {name}(...) as bus`"
    )


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_the_clock_of_a_bus_starts_when_it_is_opened(architecture: str) -> None:
    async def main() -> tuple[float, float]:
        bus = gl.ARCHITECTURES[architecture]()
        with pytest.raises(BusNotOpen):
            bus.now()
        await gl.sleep(3.0)
        async with bus:
            opened = bus.now()
            await gl.sleep(0.5)
            return opened, bus.now()

    assert gl.run(main).value == (0.0, 0.5)


# --- what a bus says of itself --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "configuration"),
    [
        ("synchronous", {"scope": "system"}),
        ("synchronous-component", {"scope": "component"}),
        (
            "hybrid",
            {
                "delivery": "concurrent",
                "on_deadlock": "wait",
                "inbox_capacity": 1024,
                "overflow": "drop_oldest",
                "grace": 1.0,
            },
        ),
    ],
)
def test_an_observer_is_told_what_opens(architecture: str, configuration: dict[str, Any]) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts):
            assert facts.times_closed == 0

    gl.run(main, seed=7)
    manifest = facts.trace().manifest
    assert manifest.architecture == architecture
    assert manifest.configuration == configuration
    assert (manifest.seed, manifest.clock) == (7, "virtual")
    assert facts.times_closed == 1


def test_a_bus_shows_its_state_and_its_components() -> None:
    async def main() -> list[str]:
        bus = gl.HybridCoordinator()
        shown = [repr(bus)]
        async with bus:
            bus.register(Part("a"))
            bus.register(Part("b"))
            shown.append(repr(bus))
        return [*shown, repr(bus)]

    assert gl.run(main).value == [
        "<HybridCoordinator closed: no components>",
        "<HybridCoordinator open: a, b>",
        "<HybridCoordinator closed: a, b>",
    ]


@pytest.mark.parametrize("grace", [-1, float("nan")])
def test_a_grace_period_that_is_no_duration_is_refused(grace: float) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.HybridCoordinator(grace=grace)
    assert str(caught.value) == f"grace={grace!r}: expected seconds >= 0"


def test_settings_with_a_closed_set_of_values_name_it() -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.HybridCoordinator(delivery="late")  # type: ignore[arg-type]  # that is the mistake
    assert str(caught.value) == "delivery='late': expected 'concurrent' or 'awaited'"
    with pytest.raises(InvalidSetting) as caught:
        gl.HybridCoordinator(on_deadlock="cry")  # type: ignore[arg-type]  # that is the mistake
    assert str(caught.value) == "on_deadlock='cry': expected 'wait' or 'raise'"
    with pytest.raises(InvalidSetting) as caught:
        gl.SynchronousBus(scope="galaxy")  # type: ignore[arg-type]  # that is the mistake
    assert str(caught.value) == "scope='galaxy': expected 'system' or 'component'"
