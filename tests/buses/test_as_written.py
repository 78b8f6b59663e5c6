"""The design as written: components re-enter, emitters wait, and meet subscribers' exceptions."""

from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.facts import Facts
from tests.parts import Part, ask, asking, raises, sleeps, tells


def run_event(*parts: Part, cancel_after: float = 9.0) -> tuple[Any, Facts]:
    """An event to all parts; what came out at its emitter, and when."""
    facts = Facts()

    async def main() -> Any:
        async with gl.DesignAsWritten(observer=facts) as bus:
            for part in parts:
                bus.register(part)
                bus.subscribe(part.id, "news")
            came_out: Any = "nothing"
            with trio.move_on_after(cancel_after) as scope:
                try:
                    await bus.emit_event("news", None, "feed")
                except Exception as error:  # noqa: BLE001  # whatever it is
                    came_out = error
            at = bus.now()
            await bus.settle()
            return "cancelled" if scope.cancelled_caught else came_out, at

    return gl.run(main, schedule=gl.Fifo()).value, facts


def test_emitter_waits_for_the_slowest_subscriber() -> None:
    found, facts = run_event(Part("a", hear=sleeps(0.5)), Part("b", hear=sleeps(2.0)))
    assert found == ("nothing", 2.0)
    assert facts.deliveries("target", "outcome", "started_at", "finished_at") == [
        ("a", "handled", 0.0, 0.5),
        ("b", "handled", 0.0, 2.0),
    ]


def test_exception_of_a_subscriber_comes_out_at_once_while_the_others_go_on() -> None:
    error = ValueError("bad")

    async def fails_late(_part: Part, _data: Any) -> None:
        await gl.sleep(0.5)
        raise error

    async def fails_later(_part: Part, _data: Any) -> None:
        await gl.sleep(1.0)
        raise KeyError("worse")

    (came_out, at), facts = run_event(
        Part("a", hear=sleeps(2.0)), Part("b", hear=fails_late), Part("c", hear=fails_later)
    )
    assert came_out is error
    assert at == 0.5
    assert facts.deliveries("target", "outcome", "error", "finished_at") == [
        ("a", "handled", None, 2.0),
        ("b", "failed", "ValueError", 0.5),
        ("c", "failed", "KeyError", 1.0),
    ]
    assert facts.events("finished_at") == [(0.5,)]


def test_handlers_that_an_emitter_waits_for_are_cancelled_with_it() -> None:
    found, facts = run_event(
        Part("a", hear=sleeps(0.25)), Part("b", hear=sleeps(2.0)), cancel_after=0.5
    )
    assert found == ("cancelled", 0.5)
    assert facts.deliveries("target", "outcome", "finished_at") == [
        ("a", "handled", 0.25),
        ("b", "cancelled", 0.5),
    ]


def test_emitter_waits_for_the_clean_up_of_the_handlers_that_are_cancelled_with_it() -> None:
    async def cleans_up(_part: Part, _data: Any) -> None:
        try:
            await gl.sleep(9.0)
        finally:
            with trio.CancelScope(shield=True):
                await gl.sleep(1.0)

    found, facts = run_event(Part("a", hear=cleans_up), cancel_after=0.5)
    assert found == ("cancelled", 1.5)
    assert facts.deliveries("outcome", "finished_at") == [("cancelled", 1.5)]


def test_handlers_that_were_left_behind_are_not_cancelled_with_the_emitter() -> None:
    facts = Facts()

    async def emits(part: Part, _data: Any) -> None:
        try:
            await part.tell("news")
        except ValueError:
            await gl.sleep(9.0)

    async def main() -> None:
        async with gl.DesignAsWritten(observer=facts) as bus:
            bus.register(Part("emitter", emits))
            bus.register(Part("bad", hear=raises(ValueError("bad"))))
            bus.register(Part("slow", hear=sleeps(2.0)))
            for id in ("bad", "slow"):
                bus.subscribe(id, "news")
            await ask(bus, "emitter", timeout=1.0)
            await bus.settle()

    assert gl.run(main).at == 2.0
    assert facts.requests("outcome", "finished_at") == [("timed_out", 1.0)]
    assert sorted(facts.deliveries("target", "outcome")) == [("bad", "failed"), ("slow", "handled")]


def test_a_subscribers_exception_fails_the_request_whose_handler_emits() -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.DesignAsWritten(observer=facts) as bus:
            bus.register(Part("a", tells("news")))
            bus.register(Part("b", hear=raises(ValueError("bad"))))
            bus.subscribe("b", "news")
            return await ask(bus, "a")

    assert gl.run(main).value is None
    assert facts.requests("target", "outcome", "error") == [("a", "failed", "ValueError")]


def test_subscribers_begin_in_order_of_subscription() -> None:
    order: list[str] = []

    async def notes(part: Part, _data: Any) -> None:
        order.append(part.id)

    run_event(*(Part(id, hear=notes) for id in ("c", "a", "b")))
    assert order == ["c", "a", "b"]


@pytest.mark.parametrize("admission", [gl.SERIAL, gl.CALL_CHAIN, gl.pool(2)], ids=repr)
def test_components_re_enter_whatever_their_admission(admission: gl.Admission) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DesignAsWritten(observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0), admission=admission))
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(asking(bus, "b"))

    assert gl.run(main).at == 1.0
    assert list(facts.trace().components["admission"]) == ["RE_ENTRANT"]


def test_a_circular_call_is_answered() -> None:
    async def once_around(part: Part, data: int) -> int:
        return data if data == 0 else await part.ask("a" if part.id == "b" else "b", data - 1)

    async def main() -> Any:
        async with gl.DesignAsWritten() as bus:
            bus.register(Part("a", once_around))
            bus.register(Part("b", once_around))
            return await ask(bus, "a", 3)

    assert gl.run(main).value == 0


def test_a_timeout_of_zero_begins_no_handler() -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.DesignAsWritten(observer=facts) as bus:
            bus.register(Part("b"))
            with pytest.raises(gl.RequestTimedOut):
                await bus.call("b", "ask", None, "client", 0)
            return await ask(bus, "b", timeout=0)

    assert gl.run(main).value is None
    assert (
        facts.requests("outcome", "timeout", "started_at", "finished_at")
        == [("timed_out", 0.0, None, 0.0)] * 2
    )


def test_a_handler_that_waits_for_the_event_that_it_handles_holds_its_emitter() -> None:
    facts = Facts()

    async def waits_for_its_own(part: Part, _data: Any) -> None:
        await part.bus.next_event("news")

    async def main() -> None:
        async with gl.DesignAsWritten(observer=facts) as bus:
            bus.register(Part("b", hear=waits_for_its_own))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")

    assert gl.run(main).ended == "stalled"
    assert facts.events("finished_at") == [(None,)]


def test_leaving_the_bus_cancels_what_was_left_behind() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.DesignAsWritten(observer=facts) as bus:
            bus.register(Part("bad", hear=raises(ValueError("bad"))))
            bus.register(Part("slow", hear=sleeps(9.0)))
            for id in ("bad", "slow"):
                bus.subscribe(id, "news")
            with pytest.raises(ValueError, match="bad"):
                await bus.emit_event("news", None, "feed")

    assert gl.run(main, schedule=gl.Fifo()).at == 0.0
    assert facts.deliveries("target", "outcome") == [("bad", "failed"), ("slow", "cancelled")]
    assert facts.times_closed == 1
