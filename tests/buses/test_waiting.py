"""Who waits for whom where it does not show: foreign nurseries, other buses, events to come."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.components import INTERLEAVED
from genesis_lab.errors import EventTimedOut, OutsideHandler
from tests.facts import Facts
from tests.parts import Part, answers, ask, asking, asks, sleeps

# --- the gate of the whole system -----------------------------------------------------------------


def test_client_that_gives_up_at_a_busy_component_gives_the_system_back() -> None:
    async def starts_a_task(part: Part, data: trio.Nursery) -> None:
        data.start_soon(part.ask, "x")
        await gl.sleep(0.25)

    async def main() -> None:
        async with gl.SynchronousBus() as bus, trio.open_nursery() as nursery:
            bus.register(Part("a", starts_a_task))
            bus.register(Part("x", sleeps(10.0)))
            bus.register(Part("y"))
            await ask(bus, "a", nursery)  # the task outlives this request, and asks x
            with trio.move_on_after(1.0):
                await ask(bus, "x")
            assert bus.now() == 1.25
            assert await ask(bus, "y", "served") == "served"

    result = gl.run(main)
    assert (result.ended, result.at) == ("completed", 10.0)


# --- nurseries of others --------------------------------------------------------------------------


@pytest.mark.parametrize("on_deadlock", ["wait", "raise"])
def test_request_in_a_nursery_of_another_is_not_waited_for_by_the_handler(on_deadlock: Any) -> None:
    facts = Facts()

    async def asks_itself_elsewhere(part: Part, data: trio.Nursery | None) -> None:
        if data is not None:
            data.start_soon(part.ask, "a")
            await gl.sleep(1.0)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts, on_deadlock=on_deadlock) as bus:
            bus.register(Part("a", asks_itself_elsewhere))
            async with trio.open_nursery() as nursery:
                await ask(bus, "a", nursery)

    assert gl.run(main).ended == "completed"
    assert facts.requests("outcome", "started_at", "finished_at", "blocked") == [
        ("answered", 0.0, 1.0, 0.0),
        ("answered", 1.0, 1.0, 0.0),
    ]
    assert facts.deadlocks() == []


class Lending(Part):
    """Lends a nursery of its handler to whoever it asks, and waits until its tasks are done."""

    nursery: trio.Nursery

    async def process_request(self, request_type: str, data: Any, source: str) -> None:
        async with trio.open_nursery() as self.nursery:
            await self.ask("guest", self.nursery)


def _starts_in(nursery: Callable[[Any], trio.Nursery], target: str) -> Any:
    async def behave(part: Part, data: Any) -> None:
        nursery(data).start_soon(partial(part.ask, target, timeout=None))

    return behave


def test_owner_of_a_nursery_waits_for_the_requests_in_it() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Lending("a"))
            bus.register(Part("guest", _starts_in(lambda lent: lent, "a")))
            await ask(bus, "a", timeout=None)

    result = gl.run(main)
    assert (result.ended, result.at) == ("stalled", 0.0)
    assert facts.deadlocks("members", "components") == [((0, 2), ("a", "a"))]


def test_owner_of_a_nursery_waits_for_the_requests_of_a_client_in_it() -> None:
    facts = Facts()
    a = Lending("a")

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(a)
            bus.register(Part("guest", sleeps(2.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(1.0)
                a.nursery.start_soon(asking(bus, "a", timeout=None))

    assert gl.run(main).ended == "stalled"
    assert facts.deadlocks("members", "components", "formed_at") == [((0, 2), ("a", "a"), 1.0)]


@pytest.mark.parametrize(
    ("make_bus", "cycle"),
    [
        (gl.SynchronousBus, ("feed", "a", "b", "b")),  # the last one waits for the whole bus
        (partial(gl.SynchronousBus, scope="component"), ("b", "b")),
        (gl.HybridCoordinator, ("b", "b")),
    ],
)
def test_owner_of_a_nursery_may_serve_a_request_of_an_event_that_its_task_handles(
    make_bus: Callable[..., gl.Bus], cycle: tuple[str, ...]
) -> None:
    facts = Facts()
    owner: list[trio.Nursery] = []

    async def opens(_part: Part, _data: Any) -> None:
        async with trio.open_nursery() as nursery:
            owner.append(nursery)
            await gl.sleep(1.0)

    async def main() -> None:
        async with make_bus(observer=facts) as bus:
            bus.register(Part("a", hear=asks("b")))
            bus.register(Part("b", opens))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bus.emit_event, "news", None, "feed")
                await gl.sleep(0.5)
                owner[0].start_soon(asking(bus, "b", timeout=None))

    gl.run(main)
    assert facts.deadlocks("components", "formed_at") == [(cycle, 0.5)]


# --- several buses --------------------------------------------------------------------------------


def test_deadlock_across_two_buses_is_reported_on_each_that_has_a_member() -> None:
    first, second, third = Facts(), Facts(), Facts()

    async def main() -> None:
        async with (
            gl.HybridCoordinator(observer=first) as one,
            gl.HybridCoordinator(observer=second) as other,
            gl.HybridCoordinator(observer=third),
        ):

            async def asks_b(_part: Part, _data: Any) -> None:
                await gl.sleep(1.0)
                await ask(other, "b", timeout=None, source="a")

            async def asks_a(_part: Part, _data: Any) -> None:
                await gl.sleep(2.0)
                await ask(one, "a", timeout=None, source="b")

            one.register(Part("a", asks_b))
            other.register(Part("b", asks_a))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(one, "a", timeout=None))
                nursery.start_soon(asking(other, "b", timeout=None))

    result = gl.run(main)
    assert (result.ended, result.at) == ("stalled", 2.0)
    [(members, formed_at)] = first.deadlocks("members", "formed_at")
    assert (sorted(members), formed_at) == ([-1, -1, 0, 1], 2.0)
    [(members, formed_at)] = second.deadlocks("members", "formed_at")
    assert (sorted(members), formed_at) == ([-1, -1, 0, 1], 2.0)
    assert third.deadlocks() == []


# --- events to come -------------------------------------------------------------------------------


def listens(timeout: float | None = None) -> Any:
    async def behave(part: Part, _data: Any) -> Any:
        try:
            return await part.bus.next_event("news", timeout=timeout)
        except EventTimedOut:
            return "nothing"

    return behave


def hearing(
    facts: Facts,
    *,
    event_at: float,
    request_at: float,
    admission: gl.Admission = gl.SERIAL,
    timeout: float | None = None,
) -> tuple[gl.RunResult[None], list[Any]]:
    """One component that is asked and waits for an event, which comes before that or later."""
    replies: list[Any] = []

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            part = Part("a", listens(timeout), hear=sleeps(0.25), admission=admission)
            bus.register(part)
            bus.subscribe("a", "news")

            async def emits() -> None:
                await gl.sleep(event_at)
                await bus.emit_event("news", "it happened", "feed")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(emits)
                await gl.sleep(request_at)
                replies.append(await ask(bus, "a", timeout=None))

    return gl.run(main), replies


def test_serial_component_that_waits_for_an_event_in_its_own_inbox_is_a_deadlock() -> None:
    facts = Facts()
    result, _ = hearing(facts, event_at=2.0, request_at=1.0)
    assert (result.ended, result.at) == ("stalled", 2.0)
    assert facts.deadlocks("members", "components", "formed_at") == [((0, 2), ("a", "a"), 2.0)]
    assert [line.partition(" waits")[0] for line in result.explanation] == [
        "request 0 (ask from client) at a",
        "delivery 2 (news from feed) at a",
    ]


def test_further_events_are_victims_of_the_deadlock_and_form_none_of_their_own() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", lambda part, _: part.bus.next_event("news")))
            bus.register(Part("feed"))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                for _ in range(5):
                    await gl.sleep(1.0)
                    await bus.emit_event("news", None, "feed")

    gl.run(main)
    assert facts.deadlocks("members", "victims", "formed_at") == [((0, 2), (4, 6, 8, 10), 1.0)]


def test_event_that_arrives_behind_another_may_close_the_deadlock() -> None:
    facts = Facts()
    latency = {("near", "a"): 0.5, ("far", "a"): 2.0}

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts, latency=latency) as bus:
            bus.register(Part("a", lambda part, _: part.bus.next_event("news")))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(1.0)
                await bus.emit_event("news", None, "near")
                await bus.emit_event("news", None, "far")

    assert gl.run(main).ended == "stalled"
    # While the second one is on its way, the handler waits for what may yet be handled.
    assert facts.deadlocks("members", "victims", "formed_at") == [((0, 2), (4,), 3.0)]


def test_serial_component_that_waits_for_an_event_that_came_before_is_a_deadlock() -> None:
    facts = Facts()

    async def sleeps_and_listens(part: Part, data: Any) -> Any:
        await gl.sleep(1.0)
        return await listens()(part, data)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", sleeps_and_listens))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(0.5)
                await bus.emit_event("news", None, "feed")

    result = gl.run(main)
    assert (result.ended, result.at) == ("stalled", 1.0)
    assert facts.deadlocks("members", "components", "formed_at") == [((0, 2), ("a", "a"), 1.0)]


def test_timeout_breaks_the_deadlock_of_a_component_that_waits_for_its_own_event() -> None:
    facts = Facts()
    result, replies = hearing(facts, event_at=2.0, request_at=1.0, timeout=3.0)
    assert (result.ended, result.at, replies) == ("completed", 4.25, ["nothing"])
    assert facts.deadlocks("formed_at", "broken_at", "broken_by") == [(2.0, 4.0, "timed_out")]
    assert facts.requests("blocked") == [(3.0,)]


@pytest.mark.parametrize("admission", [gl.RE_ENTRANT, gl.pool(2), INTERLEAVED], ids=repr)
def test_component_that_can_take_the_event_beside_the_wait_for_it_goes_on(
    admission: gl.Admission,
) -> None:
    facts = Facts()
    result, replies = hearing(facts, event_at=2.0, request_at=1.0, admission=admission)
    assert (result.ended, result.at, replies) == ("completed", 2.25, ["it happened"])
    assert facts.deadlocks() == []


def test_call_chain_that_waits_for_an_awaited_event_of_its_own_goes_on() -> None:
    facts = Facts()

    async def emits(part: Part, _data: Any) -> None:
        await part.tell("news", "mine")

    async def main() -> Any:
        async with gl.HybridCoordinator(observer=facts, delivery="awaited") as bus:

            async def asks_and_listens(part: Part, data: Any) -> Any:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(part.ask, "b")
                    return await listens()(part, data)

            bus.register(Part("a", asks_and_listens, admission=gl.CALL_CHAIN))
            bus.register(Part("b", emits))
            bus.subscribe("a", "news")
            return await ask(bus, "a")

    assert gl.run(main).value == "mine"
    assert facts.deadlocks() == []


def test_pool_is_a_deadlock_only_once_the_last_worker_waits_for_the_event_as_well() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", listens(), admission=gl.pool(2), hear=answers))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                for at in (1.0, 2.0):
                    await gl.sleep(at)
                    nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(1.0)
                await bus.emit_event("news", None, "feed")

    result = gl.run(main)
    assert (result.ended, result.at) == ("stalled", 4.0)
    [(members, formed_at)] = facts.deadlocks("members", "formed_at")
    assert (sorted(members), formed_at) == ([0, 1, 3], 4.0)


def test_handler_that_waits_for_a_later_event_than_the_one_it_handles_is_no_deadlock() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", hear=listens(timeout=1.0)))
            bus.subscribe("a", "news")
            await bus.emit_event("news", None, "feed")
            await bus.settle()

    assert gl.run(main).at == 1.0
    assert facts.deadlocks() == []


def test_losing_the_last_live_event_closes_the_deadlock_behind_the_others() -> None:
    facts = Facts()

    async def hears(part: Part, data: str) -> None:
        if data == "fails":
            await gl.sleep(2.0)
            raise ValueError(data)
        await part.ask("b", timeout=None)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", listens(), hear=hears, admission=gl.pool(3)))
            bus.register(Part("b", asks("a", timeout=None)))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(0.5)
                await bus.emit_event("news", "fails", "feed")
                await bus.emit_event("news", "asks", "feed")
                await gl.sleep(0.5)
                nursery.start_soon(asking(bus, "a", timeout=None))

    result = gl.run(main)
    assert result.ended == "stalled"
    assert facts.deadlocks("formed_at") == [(2.5,)]


def test_task_in_a_nursery_of_another_cannot_wait_for_the_handlers_event() -> None:
    errors: list[BaseException] = []

    async def listens_elsewhere(part: Part, nursery: trio.Nursery) -> None:
        async def listen() -> None:
            with pytest.raises(OutsideHandler) as caught:
                await part.bus.next_event("news")
            errors.append(caught.value)

        nursery.start_soon(listen)

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("a", listens_elsewhere))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                await ask(bus, "a", nursery)

    gl.run(main)
    assert [str(error) for error in errors] == [
        "next_event() works only inside a component's process_request or on_event"
    ]


# --- what the bus does not know -------------------------------------------------------------------


def test_stalled_run_names_what_lies_undelivered_where_a_handler_waits_for_something_else() -> None:
    async def waits_for_a_bare_event(_part: Part, _data: Any) -> None:
        await trio.Event().wait()

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("a", waits_for_a_bare_event))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(1.0)
                await bus.emit_event("news", None, "feed")

    result = gl.run(main)
    assert result.ended == "stalled"
    request, delivery = "request 0 (ask from client) at a", "delivery 2 (news from feed) at a"
    assert result.explanation == (
        f"{request} runs, or waits for something outside the bus; undelivered there: {delivery}",
        f"{delivery} waits for admission to a, held by {request}",
    )


# --- interleaved components -----------------------------------------------------------------------


def test_interleaved_handler_with_two_tasks_takes_its_place_back_with_the_last_of_them() -> None:
    facts = Facts()

    async def asks_both(part: Part, data: Any) -> None:
        if data is None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(part.ask, "a", 2.0)
                nursery.start_soon(part.ask, "b")
        else:
            await gl.sleep(data)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks_both, admission=INTERLEAVED))
            bus.register(Part("b", sleeps(1.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a"))
                await gl.sleep(0.5)
                nursery.start_soon(asking(bus, "a", 1.0))

    result = gl.run(main)
    assert (result.ended, result.at) == ("completed", 3.0)
    assert facts.requests("started_at", "finished_at") == [
        (0.0, 3.0),
        (0.0, 2.0),
        (0.0, 1.0),
        (2.0, 3.0),
    ]
    assert facts.deadlocks() == []


@pytest.mark.parametrize("latency", [0.0, 0.5])
def test_event_whose_wait_in_an_inbox_would_close_a_deadlock_is_dropped(latency: float) -> None:
    facts = Facts()

    async def listens_to_more(part: Part, _data: Any) -> Any:
        return await part.bus.next_event("more", timeout=9.0)

    async def main() -> None:
        async with gl.HybridCoordinator(
            observer=facts, on_deadlock="raise", latency={("feed", "a"): latency}
        ) as bus:
            bus.register(Part("a", hear=listens_to_more))
            for type in ("news", "more"):
                bus.subscribe("a", type)
            await bus.emit_event("news", None, "feed")
            await gl.sleep(1.0)
            await bus.emit_event("more", None, "feed")
            await bus.settle()

    assert gl.run(main).at == 9.0 + latency
    assert facts.deliveries("event_type", "outcome", "error") == [
        ("news", "failed", "EventTimedOut"),
        ("more", "dropped", "DeadlockDetected"),
    ]
    assert facts.deadlocks("formed_at", "broken_by") == [(1.0 + latency, "refused")]


# --- on the way -----------------------------------------------------------------------------------


def test_latency_per_pair_stands_in_the_record_by_the_names_of_the_pair() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts, latency={("a", "b"): 0.5}):
            pass

    gl.run(main)
    assert facts.trace().manifest.configuration["latency"] == {"a -> b": 0.5}
