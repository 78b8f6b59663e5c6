"""The bus of dedicated queues: a queue and a worker per component, and one fixed timeout."""

import math
from contextvars import ContextVar
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import InvalidTimeout
from tests.facts import Facts
from tests.parts import Part, ask, asking, asks, raises, sleeps, sleeps_as_told, tells

TIMES = ("sent_at", "arrived_at", "started_at", "served_at", "finished_at")


# --- queue and worker -----------------------------------------------------------------------------


def test_requests_and_events_go_through_one_queue_in_order() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0), hear=sleeps(0.5)))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(0.25)
                await bus.emit_event("news", None, "feed")
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b"))

    assert gl.run(main).at == 2.5
    assert facts.requests("outcome", *TIMES) == [
        ("answered", 0.0, 0.0, 0.0, 1.0, 1.0),
        ("answered", 0.5, 0.5, 1.5, 2.5, 2.5),
    ]
    assert facts.deliveries("outcome", *TIMES) == [("handled", 0.25, 0.25, 1.0, 1.5, 1.5)]
    assert facts.events("finished_at") == [(0.25,)]


@pytest.mark.parametrize("admission", [gl.CALL_CHAIN, gl.RE_ENTRANT, gl.pool(2)], ids=repr)
def test_one_worker_serves_one_message_at_a_time_whatever_the_admission(
    admission: gl.Admission,
) -> None:
    async def main() -> None:
        async with gl.DedicatedQueueBus() as bus:
            bus.register(Part("b", sleeps(1.0), admission=admission))
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(asking(bus, "b"))

    assert gl.run(main).at == 3.0


def test_other_components_do_not_wait_for_a_slow_one() -> None:
    async def main() -> float:
        async with gl.DedicatedQueueBus() as bus:
            bus.register(Part("slow", hear=sleeps(9.0)))
            bus.register(Part("b"))
            bus.subscribe("slow", "news")
            await bus.emit_event("news", None, "feed")
            await ask(bus, "b")
            return bus.now()

    assert gl.run(main).value == 0.0


def test_an_event_does_not_come_back_to_its_emitter() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            for id in ("a", "b"):
                bus.register(Part(id, tells("news")))
                bus.subscribe(id, "news")
            await ask(bus, "a")
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("target", "outcome") == [("b", "handled")]


def test_the_chain_and_the_cause_reach_the_worker() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", asks("c"), hear=asks("c")))
            bus.register(Part("c"))
            bus.subscribe("b", "news")
            await ask(bus, "a")
            await bus.emit_event("news", None, "feed")
            await bus.drain()

    gl.run(main)
    assert facts.requests("id", "source", "cause", "chain") == [
        (0, "client", -1, 0),
        (1, "a", 0, 0),
        (2, "b", 1, 0),
        (5, "b", 4, 4),
    ]
    assert facts.deliveries("id", "event", "chain") == [(4, 3, 4)]


def test_what_a_handler_sets_in_a_context_variable_stays_its_own() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: list[str] = []

    async def sets(part: Part, _data: Any) -> None:
        seen.append(variable.get())
        variable.set(part.id)
        await part.tell("news")

    async def main() -> str:
        async with gl.DedicatedQueueBus() as bus:
            bus.register(Part("a", sets))
            bus.register(Part("b", sets, hear=sets))
            bus.subscribe("b", "news")
            await ask(bus, "a")
            await ask(bus, "b")
            await bus.drain()
        return variable.get()

    assert gl.run(main).value == "unset"
    assert seen == ["unset"] * 3


# --- one fixed timeout ----------------------------------------------------------------------------


def test_the_timeout_of_a_call_is_ignored() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(timeout=2.0, observer=facts) as bus:
            bus.register(Part("b", sleeps_as_told))
            await ask(bus, "b", 1.0, timeout=0.5)
            await ask(bus, "b", 9.0, timeout=None)

    gl.run(main)
    assert facts.requests("outcome", "timeout", "finished_at") == [
        ("answered", 2.0, 1.0),
        ("timed_out", 2.0, 3.0),
    ]


def test_service_goes_on_when_its_caller_has_given_up() -> None:
    facts = Facts()

    async def main() -> tuple[Any, float]:
        async with gl.DedicatedQueueBus(timeout=1.0, observer=facts) as bus:
            bus.register(Part("b", sleeps(1.5)))
            reply = await ask(bus, "b")
            gave_up_at = bus.now()
            await gl.sleep(4.0)
            return reply, gave_up_at

    assert gl.run(main).value == (None, 1.0)
    assert facts.requests("outcome", *TIMES) == [("timed_out", 0.0, 0.0, 0.0, 1.5, 1.0)]


def test_service_of_a_request_whose_caller_has_given_up_is_still_begun() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(timeout=1.0, observer=facts) as bus:
            bus.register(Part("b", sleeps(1.5)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b"))
            await gl.sleep(4.0)

    gl.run(main)
    assert facts.requests("outcome", *TIMES) == [
        ("timed_out", 0.0, 0.0, 0.0, 1.5, 1.0),
        ("timed_out", 0.25, 0.25, 1.5, 3.0, 1.25),
    ]


def test_a_caller_that_is_cancelled_leaves_its_request_with_the_worker() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", sleeps(1.0)))
            with trio.move_on_after(0.5):
                await ask(bus, "a")
            await gl.sleep(2.0)

    gl.run(main)
    assert facts.requests("target", "outcome", *TIMES) == [
        ("a", "cancelled", 0.0, 0.0, 0.0, 1.0, 0.5),
        ("b", "answered", 0.0, 0.0, 0.0, 1.0, 1.0),
    ]


def test_a_failure_after_the_caller_gave_up_leaves_the_outcome_that_the_caller_knew() -> None:
    facts = Facts()

    async def fails_late(_part: Part, _data: Any) -> None:
        await gl.sleep(2.0)
        raise ValueError("late")

    async def main() -> None:
        async with gl.DedicatedQueueBus(timeout=1.0, observer=facts) as bus:
            bus.register(Part("b", fails_late))
            await ask(bus, "b")
            await gl.sleep(2.0)

    assert gl.run(main).failures == 1
    assert facts.requests("outcome", "error", "served_at") == [("timed_out", None, 2.0)]


@pytest.mark.parametrize("seed", range(4))
def test_a_reply_at_the_very_instant_of_the_deadline_comes_too_late(seed: int) -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.DedicatedQueueBus(timeout=1.0, observer=facts) as bus:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", sleeps(1.0)))
            return await ask(bus, "a", "reply")

    assert gl.run(main, seed=seed).value is None
    assert facts.requests("outcome", "finished_at") == [("timed_out", 1.0)] * 2


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_without_a_limit_a_request_waits_as_long_as_it_takes(timeout: float | None) -> None:
    async def main() -> Any:
        async with gl.DedicatedQueueBus(timeout=timeout) as bus:
            bus.register(Part("b", sleeps(1e6)))
            return await ask(bus, "b", "reply")

    assert gl.run(main).value == "reply"


@pytest.mark.parametrize("timeout", [-1, math.nan, "5", True])
def test_a_timeout_that_is_no_duration_is_refused(timeout: Any) -> None:
    with pytest.raises(InvalidTimeout) as refused:
        gl.DedicatedQueueBus(timeout=timeout)
    assert str(refused.value) == f"timeout={timeout!r}: expected seconds >= 0, math.inf or None"


# --- deadlocks ------------------------------------------------------------------------------------


def test_a_circular_call_is_a_deadlock_until_the_fixed_timeout() -> None:
    facts = Facts()

    async def asks_once(part: Part, data: int) -> Any:
        await gl.sleep(0.25)
        return data if data == 0 else await part.ask("b" if part.id == "a" else "a", data - 1)

    async def main() -> Any:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            bus.register(Part("a", asks_once))
            bus.register(Part("b", asks_once))
            reply = await ask(bus, "a", 2)
            await gl.sleep(5.0)
            return reply

    assert gl.run(main).value is None
    assert facts.requests("target", "outcome", *TIMES) == [
        ("a", "timed_out", 0.0, 0.0, 0.0, 5.25, 5.0),
        ("b", "timed_out", 0.25, 0.25, 0.25, 5.5, 5.25),
        ("a", "timed_out", 0.5, 0.5, 5.25, 5.5, 5.5),
    ]
    assert facts.deadlocks("formed_at", "members", "components", "broken_at", "broken_by") == [
        (0.5, (0, 1, 2), ("a", "b", "a"), 5.25, "timed_out")
    ]


def test_a_component_that_asks_itself_waits_for_its_own_worker() -> None:
    facts = Facts()

    async def once_more(part: Part, data: str) -> Any:
        return await part.ask(part.id, "again") if data == "first" else data

    async def main() -> Any:
        async with gl.DedicatedQueueBus(timeout=1.0, observer=facts) as bus:
            bus.register(Part("a", once_more))
            await gl.sleep(0.5)
            reply = await ask(bus, "a", "first")
            await gl.sleep(1.0)
            return reply

    assert gl.run(main).value is None
    assert facts.deadlocks("formed_at", "members", "broken_at", "broken_by") == [
        (0.5, (0, 1), 1.5, "timed_out")
    ]
    # The worker takes its own question from the queue when there is no one left to answer.
    assert facts.requests("outcome", "started_at", "finished_at") == [
        ("timed_out", 0.5, 1.5),
        ("timed_out", 1.5, 1.5),
    ]


def test_a_component_waits_in_vain_for_an_event_in_its_own_queue() -> None:
    facts = Facts()

    async def waits(part: Part, _data: Any) -> Any:
        return await part.bus.next_event("news")

    async def main() -> None:
        async with gl.DedicatedQueueBus(timeout=None, observer=facts) as bus:
            bus.register(Part("a", waits))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a"))
                await gl.sleep(0.5)
                await bus.emit_event("news", None, "feed")

    assert gl.run(main).ended == "stalled"
    assert facts.deadlocks("formed_at", "components") == [(0.5, ("a", "a"))]


# --- going away -----------------------------------------------------------------------------------


def test_unregistering_ends_what_is_served_and_what_is_queued() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            bus.register(Part("b", sleeps(9.0)))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b"))
                await bus.emit_event("news", None, "feed")
                await gl.sleep(0.25)
                bus.unregister("b")

    assert gl.run(main).at == 0.5
    assert facts.requests("outcome", "started_at", "finished_at") == [
        ("target_gone", 0.0, 0.5),
        ("target_gone", None, 0.5),
    ]
    assert facts.deliveries("outcome", "started_at", "finished_at") == [("cancelled", None, 0.5)]


def test_leaving_cancels_what_is_served_and_what_is_queued() -> None:
    facts = Facts()

    async def main() -> int:
        before = trio.lowlevel.current_statistics().tasks_living
        async with gl.DedicatedQueueBus(timeout=0.5, observer=facts) as bus:
            bus.register(Part("b", sleeps(9.0), hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            await ask(bus, "b")
            await bus.emit_event("news", None, "feed")
        return trio.lowlevel.current_statistics().tasks_living - before

    result = gl.run(main)
    assert (result.value, result.at) == (0, 0.5)
    assert facts.requests("outcome", "served_at", "finished_at") == [("timed_out", 0.5, 0.5)]
    assert facts.deliveries("outcome", "started_at") == [("cancelled", None)]
    assert facts.times_closed == 1


def test_what_is_queued_at_the_horizon_is_pending_but_a_known_outcome_stays() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(timeout=2.0, observer=facts) as bus:
            bus.register(Part("b", sleeps(9.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(1.5)
                nursery.start_soon(asking(bus, "b"))

    assert gl.run(main, horizon=3.0).ended == "horizon"
    assert facts.requests("outcome", "started_at", "served_at", "finished_at") == [
        ("timed_out", 0.0, None, 2.0),
        ("pending", None, None, None),
    ]


def test_a_deadlock_that_stands_at_the_horizon_is_not_broken_by_the_cut() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", asks("a")))
            await ask(bus, "a")

    gl.run(main, horizon=1.0)
    assert facts.deadlocks("formed_at", "broken_at", "broken_by") == [(0.0, None, None)]


def test_many_queued_messages_are_given_up_at_once_at_the_horizon() -> None:
    async def main() -> None:
        async with gl.DedicatedQueueBus() as bus:
            bus.register(Part("b", hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            for _ in range(200):
                await bus.emit_event("news", None, "feed")
            await gl.sleep(2.0)

    passes: list[int] = []

    async def counted() -> None:
        clock: Any = trio.lowlevel.current_clock()
        try:
            await main()
        finally:
            passes.append(clock.passes)
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()

    gl.run(counted, horizon=1.0)
    assert passes[0] < 600


def test_an_interrupt_in_a_handler_is_no_answer_to_whoever_waits_for_it() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(observer=facts) as bus:
            bus.register(Part("a", asks("b", after=0.25)))
            bus.register(Part("b", raises(SystemExit(3))))
            await ask(bus, "a")

    with pytest.raises(SystemExit):
        gl.run(main)
    assert facts.requests("outcome") == [("cancelled",), ("cancelled",)]


# --- links ----------------------------------------------------------------------------------------


def test_messages_and_replies_take_the_latency_of_their_links_and_the_worker_does_not_wait() -> (
    None
):
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(latency=0.5, observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0), hear=sleeps(1.0)))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(0.25)
                await bus.emit_event("news", None, "feed")
            await bus.drain()

    gl.run(main)
    assert facts.requests("outcome", *TIMES) == [("answered", 0.0, 0.5, 0.5, 1.5, 2.0)]
    assert facts.deliveries("outcome", *TIMES) == [("handled", 0.25, 0.75, 1.5, 2.5, 2.5)]


def test_what_is_on_its_way_to_a_component_that_leaves_ends_there() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DedicatedQueueBus(latency=0.5, observer=facts) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(0.25)
                bus.unregister("b")

    assert gl.run(main).at == 0.25
    assert facts.requests("outcome", *TIMES) == [("target_gone", 0.0, None, None, None, 0.25)]
    assert facts.deliveries("outcome", *TIMES) == [("cancelled", 0.0, None, None, None, 0.25)]
