"""Context variables: what an event handler sets in one is its own."""

from contextvars import Context, ContextVar
from decimal import getcontext
from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.parts import Part, ask, sleeps

MARK: ContextVar[str] = ContextVar("mark", default="unset")


def sets_mark(seconds: float | None) -> Any:
    async def behave(part: Part, _data: Any) -> None:
        MARK.set(part.id)
        if seconds is not None:
            await gl.sleep(seconds)
            assert MARK.get() == part.id

    return behave


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
@pytest.mark.parametrize("seconds", [None, 0.0, 0.5])
def test_context_variable_that_an_event_handler_sets_is_unset_for_everyone_else(
    architecture: str, seconds: float | None
) -> None:
    seen = []

    async def looks(_part: Part, _data: Any) -> None:
        seen.append(MARK.get())

    async def main() -> str:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(Part("a", hear=sets_mark(seconds)))
            bus.register(Part("b", hear=looks))
            for id in ("a", "b"):
                bus.subscribe(id, "news")
            for _ in range(3):
                await bus.emit_event("news", None, "feed")
            await bus.settle()
            await bus.emit_event("news", None, "feed")
            await bus.settle()
            return MARK.get()

    assert gl.run(main, schedule=gl.Fifo()).value == "unset"
    assert seen == ["unset"] * 4


@pytest.mark.parametrize("architecture", ["synchronous", "hybrid"])
@pytest.mark.parametrize("main_uses_decimals", [False, True])
@pytest.mark.parametrize("suspends", [None, False, True])
def test_event_handler_does_not_change_the_precision_of_decimals_elsewhere(
    architecture: str, main_uses_decimals: bool, suspends: bool | None
) -> None:
    precisions = []

    class RoundsPlainly(gl.Component):
        def on_event(self, event_type: str, data: Any, source: str) -> None:
            getcontext().prec = 3

    class Rounds(gl.Component):
        async def on_event(self, event_type: str, data: Any, source: str) -> None:
            getcontext().prec = 3
            if suspends:
                await gl.sleep(0.5)
            assert getcontext().prec == 3

    class Looks(gl.Component):
        def on_event(self, event_type: str, data: Any, source: str) -> None:
            precisions.append(getcontext().prec)

    async def main() -> None:
        if main_uses_decimals:
            getcontext().prec = 20
        async with gl.ARCHITECTURES[architecture]() as bus:
            for component in (RoundsPlainly("a") if suspends is None else Rounds("a"), Looks("b")):
                bus.register(component)
                bus.subscribe(component.id, "news")
            await bus.emit_event("news", None, "feed")
            await bus.settle()
        precisions.append(getcontext().prec)

    # A context that has no decimal context yet, unlike that of the tests.
    Context().run(gl.run, main, schedule=gl.Fifo())
    assert precisions == ([20, 20] if main_uses_decimals else [28, 28])


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_event_handler_that_suspends_keeps_its_context_in_tasks_that_it_starts(
    architecture: str,
) -> None:
    seen = []

    async def sets_and_starts(part: Part, _data: Any) -> None:
        MARK.set(part.id)
        await gl.sleep(0.5)

        async def looks() -> None:
            seen.append(MARK.get())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(looks)

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(Part("a", hear=sets_and_starts))
            bus.subscribe("a", "news")
            await bus.emit_event("news", None, "feed")
            await bus.settle()

    gl.run(main)
    assert seen == ["a"]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_request_inside_an_event_handler_is_caused_by_the_delivery(architecture: str) -> None:
    recorder = gl.Recorder()

    async def asks_twice(part: Part, _data: Any) -> None:
        await part.ask("b")
        await gl.sleep(0.25)
        await part.ask("b")

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=recorder) as bus:
            bus.register(Part("a", hear=asks_twice))
            bus.register(Part("b", sleeps(0.25)))
            bus.subscribe("a", "news")
            await bus.emit_event("news", None, "feed")
            await bus.settle()
            await ask(bus, "b")

    gl.run(main)
    trace = recorder.trace()
    [delivery] = trace.deliveries["id"]
    assert list(trace.requests["cause"]) == [delivery, delivery, -1]
    assert list(trace.deliveries["blocked"]) == [0.5]
