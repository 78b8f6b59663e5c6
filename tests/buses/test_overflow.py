"""A subscriber that takes one second per event, an inbox of two, five events at once."""

from typing import Any, Literal

import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from tests.facts import Facts
from tests.parts import Part, answers, ask, sleeps

Overflow = Literal["drop_oldest", "drop_newest", "block", "reject"]


def run_burst(
    overflow: Overflow, *, events: int = 5, capacity: float = 2
) -> tuple[Facts, list[str]]:
    """Emit a burst; the facts, and what the emitter was told."""
    facts = Facts()
    told: list[str] = []

    async def main() -> None:
        async with gl.HybridCoordinator(
            overflow=overflow, inbox_capacity=capacity, observer=facts
        ) as bus:
            bus.register(Part("slow", hear=sleeps(1.0)))
            bus.subscribe("slow", "news")
            for number in range(events):
                try:
                    await bus.emit_event("news", number, "feed")
                except gl.InboxFull as full:
                    told.append(str(full))
            await bus.drain()

    gl.run(main)
    return facts, told


def test_drop_oldest_keeps_the_newest_events() -> None:
    facts, told = run_burst("drop_oldest")
    assert facts.deliveries("outcome", "error", "started_at", "finished_at") == [
        ("handled", None, 0.0, 1.0),  # it was out of the inbox when the others came
        ("dropped", "InboxFull", None, 0.0),
        ("dropped", "InboxFull", None, 0.0),
        ("handled", None, 1.0, 2.0),
        ("handled", None, 2.0, 3.0),
    ]
    assert facts.events("subscribers", "finished_at") == [(1, 0.0)] * 5
    assert told == []


def test_drop_newest_keeps_the_oldest_events() -> None:
    facts, told = run_burst("drop_newest")
    assert facts.deliveries("outcome", "error", "started_at", "finished_at") == [
        ("handled", None, 0.0, 1.0),
        ("handled", None, 1.0, 2.0),
        ("handled", None, 2.0, 3.0),
        ("dropped", "InboxFull", None, 0.0),
        ("dropped", "InboxFull", None, 0.0),
    ]
    assert facts.events("subscribers", "finished_at") == [(1, 0.0)] * 5
    assert told == []


def test_reject_drops_the_newest_events_and_tells_the_emitter() -> None:
    facts, told = run_burst("reject")
    assert facts.deliveries("outcome") == [("handled",)] * 3 + [("dropped",)] * 2
    assert told == ["no room for 'news' in the inbox of 'slow'"] * 2


def test_block_holds_the_emitter_until_there_is_room_and_loses_nothing() -> None:
    facts, told = run_burst("block")
    assert facts.events("sent_at", "finished_at") == [
        (0.0, 0.0),
        (0.0, 0.0),
        (0.0, 0.0),
        (0.0, 1.0),
        (1.0, 2.0),
    ]
    assert facts.deliveries("outcome", "sent_at", "started_at", "finished_at") == [
        ("handled", 0.0, 0.0, 1.0),
        ("handled", 0.0, 1.0, 2.0),
        ("handled", 0.0, 2.0, 3.0),
        ("handled", 1.0, 3.0, 4.0),  # sent when it entered the inbox
        ("handled", 2.0, 4.0, 5.0),
    ]
    assert told == []


@pytest.mark.parametrize(
    ("overflow", "handled", "dropped"),
    [("drop_oldest", 4, 96), ("drop_newest", 4, 96), ("reject", 4, 96), ("block", 100, 0)],
)
def test_every_event_of_a_long_burst_is_handled_or_dropped(
    overflow: Overflow, handled: int, dropped: int
) -> None:
    facts, _ = run_burst(overflow, events=100, capacity=3)
    outcomes = [outcome for (outcome,) in facts.deliveries("outcome")]
    assert (outcomes.count("handled"), outcomes.count("dropped")) == (handled, dropped)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "reject", "block"])
def test_an_inbox_that_is_not_full_takes_everything(overflow: Overflow) -> None:
    facts, told = run_burst(overflow, events=3)
    assert facts.deliveries("outcome") == [("handled",)] * 3
    assert facts.events("finished_at") == [(0.0,)] * 3
    assert told == []


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "reject", "block"])
def test_an_infinite_inbox_never_overflows(overflow: Overflow) -> None:
    facts, _ = run_burst(overflow, events=2000, capacity=float("inf"))
    assert facts.deliveries("outcome") == [("handled",)] * 2000


def test_reject_names_all_full_inboxes_and_delivers_to_the_others() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(overflow="reject", inbox_capacity=1, observer=facts) as bus:
            for id in ("x", "y"):
                bus.register(Part(id, hear=sleeps(1.0)))
                bus.subscribe(id, "news")
            bus.register(Part("quick"))
            bus.subscribe("quick", "news")
            for number in range(2):
                await bus.emit_event("news", number, "feed")
                await gl.sleep(0.25)
            with pytest.raises(gl.InboxFull) as caught:
                await bus.emit_event("news", 2, "feed")
            assert caught.value.subscribers == ("x", "y")
            assert str(caught.value) == "no room for 'news' in the inbox of 'x', 'y'"
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("target", "outcome")[-3:] == [
        ("x", "dropped"),
        ("y", "dropped"),
        ("quick", "handled"),
    ]
    assert facts.events("subscribers") == [(3,)] * 3


def test_a_full_inbox_holds_an_event_back_from_the_subscribers_after_it() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(overflow="block", inbox_capacity=1, observer=facts) as bus:
            bus.register(Part("slow", hear=sleeps(1.0)))
            bus.register(Part("quick"))
            bus.subscribe("slow", "news")
            bus.subscribe("quick", "news")
            for number in range(3):
                await bus.emit_event("news", number, "feed")
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("target", "sent_at", "finished_at")[1::2] == [
        ("quick", 0.0, 0.0),
        ("quick", 0.0, 0.0),
        ("quick", 1.0, 1.0),
    ]


def test_blocked_emitters_enter_in_order_of_arrival() -> None:
    heard: list[Any] = []

    async def hears(_part: Part, data: Any) -> None:
        await gl.sleep(1.0)
        heard.append(data)

    async def main() -> None:
        async with gl.HybridCoordinator(overflow="block", inbox_capacity=1) as bus:
            bus.register(Part("slow", hear=hears))
            bus.subscribe("slow", "news")
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(bus.emit_event, "news", number, f"source {number}")
                    await gl.sleep(0.0625)
            await bus.drain()

    gl.run(main)
    assert heard == [0, 1, 2, 3, 4, 5]


def test_an_emitter_that_is_cancelled_while_blocked_takes_its_delivery_back() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(overflow="block", inbox_capacity=1, observer=facts) as bus:
            bus.register(Part("slow", hear=sleeps(1.0)))
            bus.subscribe("slow", "news")
            with trio.move_on_after(0.5):
                for number in range(3):
                    await bus.emit_event("news", number, "feed")
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("outcome", "sent_at", "finished_at") == [
        ("handled", 0.0, 1.0),
        ("handled", 0.0, 2.0),
        ("cancelled", None, 0.5),
    ]
    assert facts.events("finished_at") == [(0.0,), (0.0,), (0.5,)]


def test_unregistering_the_subscriber_frees_the_emitter_that_it_blocks() -> None:
    facts = Facts()

    async def main() -> float:
        async with gl.HybridCoordinator(overflow="block", inbox_capacity=1, observer=facts) as bus:
            bus.register(Part("slow", hear=sleeps(9.0)))
            bus.subscribe("slow", "news")
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(bus.emit_event, "news", number, "feed")
                await gl.sleep(0.5)
                bus.unregister("slow")
            return bus.now()

    assert gl.run(main).value == 0.5
    assert facts.deliveries("outcome", "finished_at") == [("cancelled", 0.5)] * 3


def test_a_subscriber_that_leaves_while_the_emitter_is_blocked_misses_the_event() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(overflow="block", inbox_capacity=1, observer=facts) as bus:
            for id in ("slow", "quick"):
                bus.register(Part(id, hear=sleeps(1.0) if id == "slow" else answers))
                bus.subscribe(id, "news")
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(bus.emit_event, "news", number, "feed")
                    await gl.sleep(0.0625)
                bus.unregister("quick")
            await bus.drain()

    gl.run(main)
    assert [row for row in facts.deliveries("target", "outcome") if row[0] == "quick"] in (
        [("quick", "handled")] * 2,
        [("quick", "handled")] * 2 + [("quick", "cancelled")],
    )


# --- a blocked emit in a cycle --------------------------------------------------------------------


def run_blocked_cycle(architecture: str, timeout: float) -> tuple[gl.RunResult[Any], Facts]:
    """a, while it serves, emits to b, whose inbox is full because b waits for a to answer."""
    facts = Facts()

    async def floods(part: Part, data: Any) -> Any:
        if data == "flood":
            for number in range(3):
                await part.tell("news", number)
        return data

    async def asks_back(part: Part, _data: Any) -> Any:
        return await part.ask("a", "answer", timeout)

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](
            overflow="block", inbox_capacity=1, observer=facts
        ) as bus:
            bus.register(Part("a", floods))
            bus.register(Part("b", hear=asks_back))
            bus.subscribe("b", "news")
            reply = await ask(bus, "a", "flood", timeout=None)
            await bus.drain()
            return reply

    return gl.run(main), facts


def test_an_emitter_blocked_by_a_subscriber_that_waits_for_it_is_a_deadlock() -> None:
    result, facts = run_blocked_cycle("hybrid", timeout=2.0)
    assert result.value == "flood"
    [(formed_at, components, broken_at, broken_by)] = facts.deadlocks(
        "formed_at", "components", "broken_at", "broken_by"
    )
    assert (formed_at, broken_at, broken_by) == (0.0, 2.0, "timed_out")
    # a serves and emits; the delivery waits for room at b, which is held by the delivery before
    # it; that waits for the one being handled; and this one has asked a.
    assert set(components) == {"a", "b"}
    assert facts.deliveries("outcome") == [("handled",)] * 3


def test_without_timeouts_that_deadlock_stalls_the_run() -> None:
    result, facts = run_blocked_cycle("hybrid", timeout=float("inf"))
    assert (result.ended, result.at) == ("stalled", 0.0)
    assert facts.deadlocks("formed_at", "broken_by") == [(0.0, None)]


def test_refusing_deadlocks_drops_the_delivery_that_would_block_and_all_goes_on() -> None:
    result, facts = run_blocked_cycle("hybrid-raise", timeout=9.0)
    assert (result.value, result.at) == ("flood", 0.0)
    assert facts.deliveries("target", "outcome", "error", "finished_at") == [
        ("b", "handled", None, 0.0),
        ("b", "handled", None, 0.0),
        ("b", "dropped", "DeadlockDetected", 0.0),
    ]
    assert facts.events("subscribers", "finished_at") == [(1, 0.0)] * 3
    assert facts.requests("source", "target", "outcome") == [
        ("client", "a", "answered"),
        ("b", "a", "answered"),
        ("b", "a", "answered"),
    ]
    assert facts.deadlocks("formed_at", "broken_at", "broken_by") == [(0.0, 0.0, "refused")]


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 0.5, float("nan")])
def test_an_inbox_without_room_is_refused(capacity: float) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.HybridCoordinator(inbox_capacity=capacity)
    assert str(caught.value) == f"inbox_capacity={capacity!r}: expected a number >= 1"


def test_an_unknown_overflow_policy_is_refused() -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.HybridCoordinator(overflow="lose")  # type: ignore[arg-type]  # that is the mistake
    assert str(caught.value) == (
        "overflow='lose': expected 'drop_oldest' or 'drop_newest' or 'block' or 'reject'"
    )


def test_awaited_delivery_needs_no_inbox() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(
            delivery="awaited", inbox_capacity=1, overflow="drop_newest", observer=facts
        ) as bus:
            bus.register(Part("slow", hear=sleeps(1.0)))
            bus.subscribe("slow", "news")
            async with trio.open_nursery() as nursery:
                for number in range(4):
                    nursery.start_soon(bus.emit_event, "news", number, "feed")

    gl.run(main)
    assert sorted(facts.deliveries("outcome", "finished_at")) == [
        ("handled", 1.0),
        ("handled", 2.0),
        ("handled", 3.0),
        ("handled", 4.0),
    ]
