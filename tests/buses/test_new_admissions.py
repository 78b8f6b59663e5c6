"""INTERLEAVED, admissions per request type, bounded queues, and work."""

from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.facts import Facts
from tests.parts import Part, ask, asking, asks, sleeps


async def at_once(bus: gl.Bus, *targets: str, timeout: float | None = 5.0) -> None:
    """Ask all these components at one instant, in this order."""
    async with trio.open_nursery() as nursery:
        for target in targets:
            nursery.start_soon(asking(bus, target, timeout=timeout))


def works(seconds: float) -> Any:
    async def behave(_part: Part, data: Any) -> Any:
        await gl.work(seconds)
        return data

    return behave


# --- interleaved ----------------------------------------------------------------------------------


def test_interleaved_component_takes_another_message_while_it_waits_for_a_reply() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("b"), admission=gl.INTERLEAVED))
            bus.register(Part("b", sleeps(1.0), admission=gl.RE_ENTRANT))
            await at_once(bus, "a", "a")

    gl.run(main, schedule=gl.Fifo())
    assert facts.requests("target", "started_at", "finished_at", "blocked") == [
        ("a", 0.0, 1.0, 1.0),
        ("a", 0.0, 1.0, 1.0),
        ("b", 0.0, 1.0, 0.0),
        ("b", 0.0, 1.0, 0.0),
    ]


def test_interleaved_component_runs_one_message_at_a_time() -> None:
    facts = Facts()

    async def sleeps_asks_sleeps(part: Part, _data: Any) -> None:
        await gl.sleep(1.0)
        await part.ask("b")
        await gl.sleep(1.0)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", sleeps_asks_sleeps, admission=gl.INTERLEAVED))
            bus.register(Part("b", sleeps(0.5)))
            await at_once(bus, "a", "a")

    gl.run(main, schedule=gl.Fifo())
    # The first runs until 1, the second until 2; the first, answered at 1.5, goes on from 2 to 3.
    assert [
        row for row in facts.requests("target", "started_at", "finished_at") if row[0] == "a"
    ] == [
        ("a", 0.0, 3.0),
        ("a", 1.0, 4.0),
    ]


@pytest.mark.parametrize("ring", [1, 2, 3])
def test_ring_of_interleaved_components_does_not_deadlock(ring: int) -> None:
    facts = Facts()
    names = [f"c{number}" for number in range(ring)]

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            for number, name in enumerate(names):
                following = names[(number + 1) % ring]

                async def passes_on(part: Part, data: int, following: str = following) -> Any:
                    return await part.ask(following, data - 1) if data else "done"

                bus.register(Part(name, passes_on, admission=gl.INTERLEAVED))
            assert await ask(bus, "c0", ring + 1) == "done"

    gl.run(main)
    assert facts.deadlocks("members") == []


def test_handler_that_gives_up_a_reply_has_its_place_again_before_it_goes_on() -> None:
    times = []

    async def gives_up(part: Part, data: Any) -> None:
        with trio.move_on_after(0.5):
            await part.ask("b")
        times.append((data, part.bus.now()))
        await gl.sleep(1.0)

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("a", gives_up, admission=gl.INTERLEAVED))
            bus.register(Part("b", sleeps(9.0), admission=gl.RE_ENTRANT))
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(asking(bus, "a", number, None))

    gl.run(main, schedule=gl.Fifo())
    # All give up at 0.5; then one after another runs for a second.
    assert times == [(0, 0.5), (1, 1.5), (2, 2.5)]


def test_message_that_times_out_while_it_waits_for_its_place_is_timed_out() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:

            async def asks_or_sleeps(part: Part, data: float) -> None:
                await (gl.sleep(data) if data else part.ask("b"))

            bus.register(Part("a", asks_or_sleeps, admission=gl.INTERLEAVED))
            bus.register(Part("b", sleeps(0.5)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", 0.0, 1.0))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "a", 9.0, None))

    gl.run(main)
    assert facts.requests("target", "outcome", "finished_at") == [
        ("a", "timed_out", 1.0),
        ("b", "answered", 0.5),
        ("a", "answered", 9.25),
    ]


def test_interleaved_component_that_waits_for_an_event_takes_it() -> None:
    async def waits(part: Part, _data: Any) -> Any:
        return await part.bus.next_event("answer")

    async def main() -> Any:
        async with gl.HybridCoordinator() as bus, trio.open_nursery() as nursery:
            bus.register(Part("a", waits, admission=gl.INTERLEAVED))
            bus.subscribe("a", "answer")

            async def answers_later() -> None:
                await gl.sleep(1.0)
                await bus.emit_event("answer", 42, "feed")

            nursery.start_soon(answers_later)
            return await ask(bus, "a"), bus.now()

    assert gl.run(main).value == (42, 1.0)


@pytest.mark.parametrize("architecture", ["hybrid", "hybrid-awaited"])
def test_events_at_an_interleaved_component_interleave_too(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", hear=asks("b"), admission=gl.INTERLEAVED))
            bus.register(Part("b", sleeps(1.0), admission=gl.RE_ENTRANT))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(bus.emit_event, "news", None, "feed")
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("started_at", "finished_at") == [(0.0, 1.0)] * 3


# --- work -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("admission", "done_at"),
    [
        (gl.SERIAL, 8.0),
        (gl.CALL_CHAIN, 8.0),
        (gl.INTERLEAVED, 8.0),
        (gl.RE_ENTRANT, 8.0),
        (gl.pool(2), 4.0),
        (gl.pool(8), 1.0),
    ],
    ids=repr,
)
def test_eight_seconds_of_work_take_as_long_as_there_are_workers_for(
    admission: gl.Admission, done_at: float
) -> None:
    async def main() -> float:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("a", works(1.0), admission=admission))
            await at_once(bus, *["a"] * 8, timeout=None)
            return bus.now()

    assert gl.run(main).value == done_at


def test_sleep_leaves_a_re_entrant_component_to_others() -> None:
    async def main() -> float:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("a", sleeps(1.0), admission=gl.RE_ENTRANT))
            await at_once(bus, *["a"] * 8)
            return bus.now()

    assert gl.run(main).value == 1.0


def test_work_outside_a_handler_only_takes_its_time() -> None:
    async def main() -> float:
        async with gl.HybridCoordinator() as bus:
            await gl.work(1.5)
            return bus.now()

    assert gl.run(main).value == 1.5


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), "1", None, True])
def test_work_refuses_what_is_no_time(seconds: Any) -> None:
    async def main() -> None:
        await gl.work(seconds)

    with pytest.raises(gl.LabError) as caught:
        gl.run(main)
    assert str(caught.value) == f"seconds={seconds!r}: expected seconds >= 0"


# --- per request type -----------------------------------------------------------------------------

STATUS_ANY_TIME = gl.AdmissionByType({"status": gl.RE_ENTRANT}, default=gl.SERIAL)


def test_request_type_with_its_own_admission_does_not_wait_for_the_others() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", sleeps(1.0), admission=STATUS_ANY_TIME))
            async with trio.open_nursery() as nursery:
                for type in ("move", "move", "status", "status"):
                    nursery.start_soon(bus.request, "a", type, None, "client")

    gl.run(main, schedule=gl.Fifo())
    assert facts.requests("request_type", "started_at") == [
        ("move", 0.0),
        ("move", 1.0),
        ("status", 0.0),
        ("status", 0.0),
    ]
    [component] = facts.trace().components.to_dict("records")
    assert (component["admission"], component["capacity"]) == ("SERIAL; status: RE_ENTRANT", 1)


def test_operation_that_always_interleaves_cures_an_activation_that_calls_back() -> None:
    async def starts(part: Part, _data: Any) -> Any:
        return await part.bus.request("b", "init", None, part.id)

    async def calls_back(part: Part, _data: Any) -> Any:
        return await part.bus.call("a", "status", None, part.id)

    class A(Part):
        async def process_request(self, request_type: str, data: Any, source: str) -> Any:
            return "fine" if request_type == "status" else await starts(self, data)

    facts = Facts()

    async def main() -> Any:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(A("a", admission=STATUS_ANY_TIME))
            bus.register(Part("b", calls_back))
            return await bus.request("a", "start", None, "client")

    assert gl.run(main).value == "fine"
    assert facts.deadlocks("members") == []


@pytest.mark.parametrize(
    ("types", "default", "message"),
    [
        (
            {"a": "SERIAL"},
            gl.SERIAL,
            "types['a']='SERIAL': expected SERIAL, CALL_CHAIN, INTERLEAVED",
        ),
        ({1: gl.SERIAL}, gl.SERIAL, "request_type=1: expected text that can be written as UTF-8"),
        ({}, 3, "default=3: expected SERIAL, CALL_CHAIN, INTERLEAVED"),
        ([], gl.SERIAL, "types=[]: expected a mapping from request types to admissions"),
    ],
)
def test_admission_by_type_names_what_it_refuses(types: Any, default: Any, message: str) -> None:
    with pytest.raises(gl.LabError) as caught:
        gl.AdmissionByType(types, default=default)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("admission", ["SERIAL", None, gl.pool, 1])
def test_component_with_no_admission_is_refused(admission: Any) -> None:
    async def main() -> str:
        async with gl.HybridCoordinator() as bus:
            with pytest.raises(gl.LabError) as caught:
                bus.register(Part("a", admission=admission))
            return str(caught.value)

    expected = "SERIAL, CALL_CHAIN, INTERLEAVED, RE_ENTRANT or pool(n)"
    assert gl.run(main).value == f"admission={admission!r}: expected {expected}"


# --- bounded queues -------------------------------------------------------------------------------


def test_request_that_finds_the_queue_full_is_rejected_at_once() -> None:
    facts = Facts()
    errors = []

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", sleeps(1.0), admission=gl.pool(2).bounded(1)))

            async def calls() -> None:
                try:
                    await bus.call("a", "ask", None, "client")
                except gl.QueueFull as error:
                    errors.append(str(error))

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(calls)

    gl.run(main, schedule=gl.Fifo())
    assert facts.requests("outcome", "error", "started_at", "finished_at") == [
        ("answered", None, 0.0, 1.0),
        ("answered", None, 0.0, 1.0),
        ("answered", None, 1.0, 2.0),
        ("rejected", "QueueFull", None, 0.0),
        ("rejected", "QueueFull", None, 0.0),
    ]
    assert errors == ["'a' rejected 'ask': its queue is full"] * 2


def test_plain_handler_behind_a_bounded_queue_answers_while_there_is_room() -> None:
    class Plain(gl.Component):
        admission = gl.SERIAL.bounded(0)

        def process_request(self, request_type: str, data: Any, source: str) -> str:
            return "done"

    async def main() -> list[Any]:
        async with gl.HybridCoordinator() as bus:
            bus.register(Plain("a"))
            return [await ask(bus, "a") for _ in range(3)]

    assert gl.run(main).value == ["done"] * 3


def test_rejecting_instead_of_queueing_lets_a_knot_of_pools_resolve() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            for name, other in (("a", "b"), ("b", "a")):

                async def passes_on(part: Part, data: int, other: str = other) -> Any:
                    await gl.sleep(0.5)
                    return await part.ask(other, data - 1, timeout=None) if data else "done"

                bus.register(Part(name, passes_on, admission=gl.pool(4).bounded(0)))
            async with trio.open_nursery() as nursery:
                for name in ("a", "b"):
                    for _ in range(4):
                        nursery.start_soon(asking(bus, name, 1, None))

    assert gl.run(main).ended == "completed"
    assert facts.deadlocks("members") == []
    assert set(facts.requests("outcome")) == {("answered",), ("rejected",)}


def test_delivery_that_finds_the_queue_full_is_dropped() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus, trio.open_nursery() as nursery:
            bus.register(Part("a", sleeps(1.0), hear=sleeps(1.0), admission=gl.SERIAL.bounded(0)))
            bus.subscribe("a", "news")
            nursery.start_soon(asking(bus, "a"))
            await gl.sleep(0.5)
            await bus.emit_event("news", None, "feed")

    gl.run(main)
    assert facts.deliveries("outcome", "error") == [("dropped", "QueueFull")]


@pytest.mark.parametrize("queue", [-1, 1.5, "2", True, None])
def test_bound_that_is_no_count_is_refused(queue: Any) -> None:
    with pytest.raises(gl.LabError) as caught:
        gl.SERIAL.bounded(queue)
    assert str(caught.value) == f"queue={queue!r}: expected a whole number >= 0"


def test_bounded_admission_shows_its_bound() -> None:
    assert repr(gl.pool(4).bounded(10)) == "pool(4).bounded(10)"
    assert gl.pool(4).bounded(10).bounded(2) == gl.pool(4).bounded(2)
