import random
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import DrainInsideHandler
from tests.facts import Facts
from tests.parts import Part, all_but, ask, asking, asks, raises, sleeps, tells

OLD = ("synchronous", "synchronous-component")
HYBRIDS = ("hybrid", "hybrid-awaited", "hybrid-raise")


async def emit(bus: gl.Bus, data: Any = None, source: str = "feed") -> None:
    await bus.emit_event("news", data, source)


class Listener(gl.Component):
    """Writes down when it began and ended each event; the event says how long it takes [s]."""

    def __init__(self, id: str, admission: gl.Admission = gl.SERIAL) -> None:
        super().__init__(id)
        self.admission = admission
        self.heard: list[tuple[Any, float, float]] = []

    async def on_event(self, event_type: str, data: float, source: str) -> None:
        began = self.bus.now()
        if data > 0:
            await gl.sleep(data)
        self.heard.append((data, began, self.bus.now()))


# --- an event and its own emitter -----------------------------------------------------------------


def run_own_event(architecture: str) -> tuple[gl.RunResult[Any], Facts]:
    """A component subscribes to the event that it emits while it serves a request."""
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", tells("news")))
            bus.subscribe("a", "news")
            await gl.sleep(0.5)
            return await ask(bus, "a", "reply")

    return gl.run(main), facts


@pytest.mark.parametrize("architecture", OLD)
def test_old_bus_hangs_when_a_component_receives_the_event_that_it_emits(
    architecture: str,
) -> None:
    result, facts = run_own_event(architecture)
    assert (result.ended, result.at) == ("stalled", 0.5)
    assert facts.requests("id", "outcome") == [(0, "pending")]
    assert facts.events("id", "source", "subscribers", "finished_at") == [(1, "a", 1, None)]
    assert facts.deliveries("id", "target", "outcome", "started_at") == [(2, "a", "pending", None)]
    assert facts.deadlocks("formed_at", "members", "components", "broken_by") == [
        (0.5, (0, 1, 2), ("a", "a", "a"), None)
    ]


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_hybrid_does_not_deliver_an_event_to_its_emitter(architecture: str) -> None:
    result, facts = run_own_event(architecture)
    assert (result.value, result.at) == ("reply", 0.5)
    assert facts.events("source", "subscribers", "finished_at") == [("a", 0, 0.5)]
    assert facts.deliveries() == []
    assert facts.deadlocks() == []


@pytest.mark.parametrize("architecture", OLD)
def test_old_bus_makes_the_subscribers_after_a_stuck_one_a_part_of_the_deadlock(
    architecture: str,
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            for id in ("before", "a", "after"):
                bus.register(Part(id, tells("news")))
                bus.subscribe(id, "news")
            await ask(bus, "a")

    assert gl.run(main).ended == "stalled"
    assert facts.deliveries("id", "target", "outcome") == [
        (2, "before", "handled"),
        (3, "a", "pending"),
        (4, "after", "pending"),
    ]
    # The emitter waits for all its deliveries, and the last one for the turn of the stuck one.
    assert facts.deadlocks("members", "components", "victims") == [
        ((0, 1, 3, 4), ("a", "a", "a", "after"), ())
    ]


@pytest.mark.parametrize("architecture", OLD)
def test_old_bus_delivers_an_event_to_an_emitter_that_is_not_busy(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a"))
            bus.subscribe("a", "news")
            await emit(bus, source="a")

    gl.run(main)
    assert facts.deliveries("source", "target", "outcome") == [("a", "a", "handled")]


# --- publish -> call back -------------------------------------------------------------------------


def run_call_back(architecture: str) -> tuple[gl.RunResult[Any], Facts]:
    """a emits while it serves a request; b, which receives the event, asks a."""
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", emits_for_clients))
            bus.register(Part("b", hear=asks("a", timeout=2.0)))
            bus.subscribe("b", "news")
            reply = await bus.request("a", "work", "work", "client", 9.0)
            await bus.drain()
            return reply

    async def emits_for_clients(part: Part, data: Any) -> Any:
        if data == "work":
            await part.tell("news", "called back")
            await gl.sleep(0.5)
        return data

    return gl.run(main), facts


@pytest.mark.parametrize("architecture", OLD)
def test_old_bus_hangs_when_a_subscriber_calls_the_emitter_back(architecture: str) -> None:
    result, facts = run_call_back(architecture)
    assert (result.ended, result.at) == ("stalled", 0.0)
    assert facts.deadlocks("formed_at", "members", "components") == [
        (0.0, (0, 1, 2, 3), ("a", "a", "b", "a"))
    ]


@pytest.mark.parametrize("architecture", ["hybrid", "hybrid-raise"])
def test_hybrid_answers_a_subscriber_that_calls_the_emitter_back(architecture: str) -> None:
    result, facts = run_call_back(architecture)
    assert (result.value, result.at) == ("work", 0.5)
    assert facts.requests("source", "target", "outcome", "started_at", "finished_at") == [
        ("client", "a", "answered", 0.0, 0.5),
        ("b", "a", "answered", 0.5, 0.5),
    ]
    assert facts.deliveries("target", "outcome", "finished_at") == [("b", "handled", 0.5)]
    assert facts.deadlocks() == []


def test_awaited_delivery_brings_the_deadlock_back_until_the_timeout() -> None:
    result, facts = run_call_back("hybrid-awaited")
    assert (result.value, result.at) == ("work", 2.5)
    assert facts.requests("source", "target", "outcome", "finished_at") == [
        ("client", "a", "answered", 2.5),
        ("b", "a", "timed_out", 2.0),
    ]
    assert facts.deadlocks("formed_at", "members", "components", "broken_at", "broken_by") == [
        (0.0, (0, 1, 2, 3), ("a", "a", "b", "a"), 2.0, "timed_out")
    ]


# --- what an emitter pays -------------------------------------------------------------------------


def run_slow_subscribers(architecture: str, *seconds: float) -> Facts:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            for number, duration in enumerate(seconds):
                bus.register(Part(f"s{number}", hear=sleeps(duration)))
                bus.subscribe(f"s{number}", "news")
            await emit(bus)
            await bus.drain()

    gl.run(main)
    return facts


@pytest.mark.parametrize("architecture", ["hybrid", "hybrid-raise"])
def test_hybrid_emitter_is_not_delayed_by_a_slow_subscriber(architecture: str) -> None:
    facts = run_slow_subscribers(architecture, 0.2)
    assert facts.events("sent_at", "finished_at") == [(0.0, 0.0)]
    assert facts.deliveries("outcome", "started_at", "finished_at") == [("handled", 0.0, 0.2)]


@pytest.mark.parametrize("architecture", [*OLD, "hybrid-awaited"])
def test_emitter_is_delayed_by_exactly_what_its_subscriber_takes(architecture: str) -> None:
    facts = run_slow_subscribers(architecture, 0.2)
    assert facts.events("sent_at", "finished_at") == [(0.0, 0.2)]
    assert facts.deliveries("outcome", "started_at", "finished_at") == [("handled", 0.0, 0.2)]


@pytest.mark.parametrize("architecture", OLD)
def test_old_bus_makes_the_emitter_wait_for_the_sum_of_its_subscribers(architecture: str) -> None:
    facts = run_slow_subscribers(architecture, 0.25, 1.0, 0.5)
    assert facts.events("subscribers", "finished_at") == [(3, 1.75)]
    assert facts.deliveries("target", "started_at", "finished_at") == [
        ("s0", 0.0, 0.25),
        ("s1", 0.25, 1.25),
        ("s2", 1.25, 1.75),
    ]


def test_awaited_delivery_makes_the_emitter_wait_for_its_slowest_subscriber() -> None:
    facts = run_slow_subscribers("hybrid-awaited", 0.25, 1.0, 0.5)
    assert facts.events("subscribers", "finished_at") == [(3, 1.0)]
    assert facts.deliveries("target", "started_at", "finished_at") == [
        ("s0", 0.0, 0.25),
        ("s1", 0.0, 1.0),
        ("s2", 0.0, 0.5),
    ]


def test_hybrid_subscribers_do_not_wait_for_one_another() -> None:
    facts = run_slow_subscribers("hybrid", 5.0, 0.25, 0.0)
    assert facts.deliveries("target", "started_at", "finished_at") == [
        ("s0", 0.0, 5.0),
        ("s1", 0.0, 0.25),
        ("s2", 0.0, 0.0),
    ]


def test_time_spent_waiting_for_awaited_handlers_counts_as_blocked() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(delivery="awaited", observer=facts) as bus:
            bus.register(Part("a", tells("news")))
            bus.register(Part("b", hear=sleeps(0.5)))
            bus.subscribe("b", "news")
            await ask(bus, "a")

    gl.run(main)
    assert facts.requests("target", "blocked", "finished_at") == [("a", 0.5, 0.5)]


# --- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("admission", [gl.SERIAL, gl.CALL_CHAIN], ids=repr)
@pytest.mark.parametrize("seed", range(5))
def test_serial_subscriber_handles_events_one_at_a_time_in_order(
    seed: int, admission: gl.Admission
) -> None:
    durations = [random.Random(seed).choice([0.0, 0.0, 0.25, 0.5, 2.0]) for _ in range(30)]
    listener = Listener("b", admission)

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(listener)
            bus.subscribe("b", "news")
            for number, duration in enumerate(durations):
                await emit(bus, duration)
                if number % 7 == 0:
                    await gl.sleep(1.0)
            await bus.drain()

    gl.run(main, seed=seed)
    assert [duration for duration, _, _ in listener.heard] == durations
    ends = [0.0, *(ended for _, _, ended in listener.heard)]
    assert all(began >= ended for (_, began, _), ended in zip(listener.heard, ends, strict=False))


@pytest.mark.parametrize(
    ("admission", "begins"),
    [
        (gl.SERIAL, [0.0, 1.0, 2.0, 3.0]),
        (gl.pool(3), [0.0, 0.0, 0.0, 1.0]),
        (gl.RE_ENTRANT, [0.0, 0.0, 0.0, 0.0]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("architecture", ["hybrid", "hybrid-awaited"])
def test_subscriber_handles_as_many_events_side_by_side_as_its_admission_lets_in(
    architecture: str, admission: gl.Admission, begins: list[float]
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", hear=sleeps(1.0), admission=admission))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                for _ in begins:
                    nursery.start_soon(emit, bus)
            await bus.drain()

    gl.run(main)
    assert sorted(began for (began,) in facts.deliveries("started_at")) == begins


@pytest.mark.parametrize("seed", range(20))
def test_events_at_a_subscriber_that_takes_several_begin_in_order(seed: int) -> None:
    begun = []

    async def notes(_part: Part, data: int) -> None:
        begun.append(data)
        await gl.sleep(1.0)

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b", hear=notes, admission=gl.RE_ENTRANT))
            bus.subscribe("b", "news")
            for number in range(10):
                await emit(bus, number)

    gl.run(main, seed=seed)
    assert begun == list(range(10))


def test_seed_decides_the_order_of_subscribers_that_are_ready_at_one_instant() -> None:
    orders = {tuple(order_of_subscribers("hybrid", gl.Seeded(seed))) for seed in range(60)}
    assert len(orders) == 6


def test_events_of_several_types_and_sources_keep_their_order_at_a_subscriber() -> None:
    heard = []

    class Collector(gl.Component):
        async def on_event(self, event_type: str, data: float, source: str) -> None:
            await gl.sleep(data)
            heard.append((source, event_type))

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Collector("c"))
            bus.subscribe("c", "price")
            bus.subscribe("c", "trade")
            await bus.emit_event("price", 1.0, "x")
            await bus.emit_event("trade", 0.0, "y")
            await bus.emit_event("price", 0.5, "y")
            await bus.drain()

    gl.run(main)
    assert heard == [("x", "price"), ("y", "trade"), ("y", "price")]


@pytest.mark.parametrize("architecture", ["synchronous", "hybrid"])
def test_subscribers_are_served_in_order_of_subscription_when_the_schedule_is_fifo(
    architecture: str,
) -> None:
    assert order_of_subscribers(architecture, gl.Fifo()) == ["second", "third", "first"]


def order_of_subscribers(architecture: str, schedule: gl.Schedule) -> list[str]:
    order: list[str] = []

    async def notes_its_id(part: Part, _data: Any) -> None:
        order.append(part.id)

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]() as bus:
            for id in ("first", "second", "third"):
                bus.register(Part(id, hear=notes_its_id))
            for id in ("second", "third", "first"):
                bus.subscribe(id, "news")
            await emit(bus)
            await bus.drain()

    gl.run(main, schedule=schedule)
    return order


# --- who receives an event ------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_an_event_without_subscribers_is_a_record_all_the_same(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "other")
            await emit(bus)

    gl.run(main)
    assert facts.events("source", "event_type", "subscribers", "finished_at") == [
        ("feed", "news", 0, 0.0)
    ]
    assert facts.deliveries() == []


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_subscribing_twice_delivers_once(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "news")
            bus.subscribe("b", "news")
            await emit(bus)
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("target", "outcome") == [("b", "handled")]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_unsubscribing_stops_later_events(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "news")
            await emit(bus)
            bus.unsubscribe("b", "news")
            await emit(bus)
            bus.unsubscribe("b", "news")  # there is no subscription any more, which is no mistake
            bus.subscribe("b", "news")
            await emit(bus)
            await bus.drain()

    gl.run(main)
    assert facts.events("subscribers") == [(1,), (0,), (1,)]
    assert facts.deliveries("outcome") == [("handled",), ("handled",)]


def test_what_was_emitted_before_unsubscribing_still_arrives() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", hear=sleeps(1.0)))
            bus.subscribe("b", "news")
            for _ in range(3):
                await emit(bus)
            bus.unsubscribe("b", "news")
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("outcome", "finished_at") == [
        ("handled", 1.0),
        ("handled", 2.0),
        ("handled", 3.0),
    ]


@pytest.mark.parametrize("architecture", ["synchronous", "hybrid-awaited"])
def test_subscriber_that_leaves_while_others_are_served_misses_the_event(
    architecture: str,
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", hear=sleeps(1.0)))
            bus.register(Part("b", hear=sleeps(2.0)))
            bus.subscribe("a", "news")
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(emit, bus)
                await gl.sleep(0.5)
                bus.unregister("b")

    gl.run(main)
    assert facts.deliveries("target", "outcome") == [("a", "handled"), ("b", "cancelled")]
    assert facts.events("subscribers", "finished_at") == [(2, 1.0)]


def test_subscriber_that_leaves_before_an_event_enters_the_system_does_not_get_it() -> None:
    heard: list[str] = []

    async def notes_its_id(part: Part, _data: Any) -> None:
        heard.append(part.id)

    async def main() -> None:
        async with gl.SynchronousBus() as bus:
            bus.register(Part("slow", sleeps(1.0)))
            bus.register(Part("b", hear=notes_its_id))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "slow"))
                await gl.sleep(0.25)
                nursery.start_soon(emit, bus)
                await gl.sleep(0.25)
                bus.unregister("b")

    gl.run(main)
    assert heard == []


@pytest.mark.parametrize(
    ("architecture", "second_started_at"),
    [("synchronous", None), ("synchronous-component", None), ("hybrid-awaited", 0.0)],
)
def test_cancelling_an_emitter_that_waits_cancels_its_deliveries(
    architecture: str, second_started_at: float | None
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            for id in ("a", "b"):
                bus.register(Part(id, hear=sleeps(9.0)))
                bus.subscribe(id, "news")
            with trio.move_on_after(0.5):
                await emit(bus)

    gl.run(main)
    assert facts.deliveries("target", "outcome", "started_at", "finished_at") == [
        ("a", "cancelled", 0.0, 0.5),
        ("b", "cancelled", second_started_at, 0.5),
    ]
    assert facts.events("subscribers", "finished_at") == [(2, 0.5)]


# --- admission of deliveries ----------------------------------------------------------------------


def run_event_while_busy(admission: gl.Admission) -> Facts:
    """A component gets an event while it serves a request that takes a second."""
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0), hear=sleeps(0.25), admission=admission))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(0.5)
                await emit(bus)

    gl.run(main)
    return facts


@pytest.mark.parametrize("admission", [gl.SERIAL, gl.CALL_CHAIN, gl.pool(1)], ids=repr)
def test_a_delivery_waits_until_its_component_is_free(admission: gl.Admission) -> None:
    facts = run_event_while_busy(admission)
    assert facts.deliveries("sent_at", "started_at", "finished_at") == [(0.5, 1.0, 1.25)]


@pytest.mark.parametrize("admission", [gl.RE_ENTRANT, gl.pool(2)], ids=repr)
def test_a_delivery_enters_a_component_that_takes_several_messages(
    admission: gl.Admission,
) -> None:
    facts = run_event_while_busy(admission)
    assert facts.deliveries("sent_at", "started_at", "finished_at") == [(0.5, 0.5, 0.75)]


def test_requests_and_deliveries_enter_in_order_of_arrival() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0), hear=sleeps(1.0)))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b"))
                await gl.sleep(0.25)
                await emit(bus)
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b"))

    gl.run(main)
    assert facts.requests("started_at") == [(0.0,), (2.0,)]
    assert facts.deliveries("started_at") == [(1.0,)]


def test_a_request_inside_a_delivery_is_served_while_later_deliveries_wait() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", hear=asks("slow")))
            bus.register(Part("slow", sleeps(1.0)))
            bus.subscribe("b", "news")
            await emit(bus)
            await emit(bus)
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("started_at", "finished_at", "blocked") == [
        (0.0, 1.0, 1.0),
        (1.0, 2.0, 1.0),
    ]
    assert facts.requests("sent_at", "finished_at") == [(0.0, 1.0), (1.0, 2.0)]


# --- handlers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", all_but("as-written"))
@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), ExceptionGroup("both", [ValueError("bad"), KeyError("worse")])],
    ids=["exception", "group"],
)
def test_a_handler_that_raises_hurts_neither_emitter_nor_other_subscribers(
    architecture: str, error: Exception
) -> None:
    facts = Facts()

    async def main() -> str:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("bad", hear=raises(error)))
            bus.register(Part("good"))
            bus.subscribe("bad", "news")
            bus.subscribe("good", "news")
            await emit(bus)
            await emit(bus)
            await bus.drain()
            return "went on"

    assert gl.run(main).value == "went on"
    assert (
        facts.deliveries("target", "outcome", "error")
        == [
            ("bad", "failed", type(error).__name__),
            ("good", "handled", None),
        ]
        * 2
    )


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_a_component_without_on_event_fails_its_deliveries(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(gl.Component("deaf"))
            bus.subscribe("deaf", "news")
            await emit(bus)
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("outcome", "error") == [("failed", "NotServed")]


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_plain_and_async_handlers_leave_the_same_records(architecture: str) -> None:
    class Plain(gl.Component):
        def on_event(self, event_type: str, data: int, source: str) -> None:
            if data == 1:
                raise ValueError(data)

    class Async(gl.Component):
        async def on_event(self, event_type: str, data: int, source: str) -> None:
            if data == 1:
                raise ValueError(data)

    def record(component: gl.Component) -> tuple[list[tuple[Any, ...]], ...]:
        facts = Facts()

        async def main() -> None:
            async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
                bus.register(component)
                bus.subscribe("c", "news")
                for number in range(3):
                    await emit(bus, number)
                    await gl.sleep(0.5)
                await bus.drain()

        gl.run(main)
        columns = ("id", "event", "outcome", "error", "sent_at", "started_at", "finished_at")
        return facts.deliveries(*columns), facts.events("id", "subscribers", "finished_at")

    deliveries, _ = record(Plain("c"))
    assert [row[2:4] for row in deliveries] == [
        ("handled", None),
        ("failed", "ValueError"),
        ("handled", None),
    ]
    assert record(Plain("c")) == record(Async("c"))


def test_an_event_that_a_handler_emits_is_caused_by_its_delivery_and_begins_a_new_chain() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", hear=tells("more")))
            bus.register(Part("b"))
            bus.subscribe("a", "news")
            bus.subscribe("b", "more")
            await emit(bus)
            await bus.drain()

    gl.run(main)
    [(first, _), (second, cause)] = facts.events("id", "cause")
    [(at_a, first_again, chain_a), (_, second_again, chain_b)] = facts.deliveries(
        "id", "event", "chain"
    )
    assert (first_again, second_again) == (first, second)
    assert cause == at_a
    assert chain_a == at_a
    assert chain_b != chain_a


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_an_event_keeps_the_time_at_which_it_was_meant_to_be_sent(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "news")
            await gl.sleep(1.0)
            await bus.emit_event("news", None, "feed", intended_at=0.25)
            await bus.emit_event("news", None, "feed")
            await bus.drain()

    gl.run(main)
    assert facts.events("intended_at", "sent_at") == [(0.25, 1.0), (1.0, 1.0)]
    assert facts.deliveries("intended_at", "sent_at") == [(0.25, 1.0), (1.0, 1.0)]


# --- drain ----------------------------------------------------------------------------------------


def test_drain_waits_until_all_that_was_emitted_has_been_handled() -> None:
    async def main() -> list[float]:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b", hear=sleeps(1.0)))
            bus.subscribe("b", "news")
            times = []
            for _ in range(3):
                await emit(bus)
            times.append(bus.now())
            await bus.drain()
            times.append(bus.now())
            await bus.drain()
            times.append(bus.now())
            return times

    assert gl.run(main).value == [0.0, 3.0, 3.0]


@pytest.mark.parametrize(("wait", "until"), [("drain", 1.0), ("settle", 3.0)])
def test_only_settle_waits_for_the_events_that_events_lead_to(wait: str, until: float) -> None:
    async def slow_then_tells(part: Part, _data: Any) -> None:
        await gl.sleep(1.0)
        await part.tell("more")

    async def main() -> float:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("a", hear=slow_then_tells))
            bus.register(Part("b", hear=sleeps(2.0)))
            bus.subscribe("a", "news")
            bus.subscribe("b", "more")
            await emit(bus)
            await getattr(bus, wait)()
            return bus.now()

    assert gl.run(main).value == until


def test_drain_returns_under_two_steady_feeds() -> None:
    async def main() -> float:
        async with gl.HybridCoordinator() as bus, trio.open_nursery() as nursery:
            bus.register(Part("b", hear=sleeps(0.75)))
            bus.subscribe("b", "news")

            async def feeds(first_at: float) -> None:
                await gl.sleep(first_at)
                while True:
                    await emit(bus)
                    await gl.sleep(1.0)

            nursery.start_soon(feeds, 0.0)
            nursery.start_soon(feeds, 0.5)
            await gl.sleep(2.25)
            await bus.drain()
            nursery.cancel_scope.cancel()
            return bus.now()

    # Five events were emitted until then; each takes 0.75 s.
    assert gl.run(main, horizon=100.0).value == 3.75


def test_drain_waits_for_an_emitter_that_is_held_up_between_two_subscribers() -> None:
    async def main() -> float:
        async with (
            gl.HybridCoordinator(inbox_capacity=1, overflow="block") as bus,
            trio.open_nursery() as nursery,
        ):
            for id, seconds in (("slow", 1.0), ("quick", 0.5)):
                bus.register(Part(id, hear=sleeps(seconds)))
                bus.subscribe(id, "news")
            for _ in range(3):
                nursery.start_soon(emit, bus)
            await gl.sleep(0.25)
            await bus.drain()
            return bus.now()

    # The third event waits one second for room at the slow one, which then has two to handle.
    assert gl.run(main).value == 3.0


def test_drain_does_not_return_when_the_run_is_cut() -> None:
    returned = []

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b", hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            await emit(bus)
            await bus.drain()
            returned.append(bus.now())

    assert gl.run(main, horizon=2.0).ended == "horizon"
    assert returned == []


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
@pytest.mark.parametrize("kind", ["request", "event"])
def test_drain_inside_a_handler_is_refused(architecture: str, kind: str) -> None:
    refusals: list[str] = []

    async def drains(part: Part, _data: Any) -> None:
        with pytest.raises(DrainInsideHandler) as caught:
            await bus_of(part).drain()
        refusals.append(str(caught.value))

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(Part("a", drains, hear=drains))
            bus.subscribe("a", "news")
            if kind == "request":
                await ask(bus, "a")
            else:
                await emit(bus)
            await bus.drain()

    gl.run(main)
    assert refusals == ["drain() was called inside a handler, which would wait for itself"]


def bus_of(part: Part) -> gl.Bus:
    assert isinstance(part.bus, gl.Bus)
    return part.bus


@pytest.mark.parametrize("architecture", ["hybrid-awaited", "as-written"])
def test_livelock_of_events_nested_a_thousand_deep_is_cut_as_any_other(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            for id, other in (("a", "b"), ("b", "a")):
                part = Part(id, hear=tells(f"to {other}"), admission=gl.RE_ENTRANT)
                bus.register(part)
                bus.subscribe(id, f"to {id}")
            await bus.emit_event("to a", None, "feed")

    assert gl.run(main, livelock_after=2500).ended == "livelock"
    outcomes = [outcome for (outcome,) in facts.deliveries("outcome")]
    assert len(outcomes) > 1000
    assert set(outcomes) == {"pending"}
