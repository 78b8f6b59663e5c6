"""KeyboardInterrupt and SystemExit come out of a run as they are, and every record is closed."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import genesis_lab as gl
import genesis_lab.buses
from tests.facts import Facts
from tests.interrupts import Line, interrupt_at, interruptible, lines_of
from tests.parts import Part, ask, asking, asks, raises, sleeps

OURS = str(Path(genesis_lab.buses.__file__).parent)

# An interrupt between making a coroutine and awaiting it is not the fault of whoever made it.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.fixture(name="interruptible")
def _interruptible() -> Iterator[None]:
    with interruptible():
        yield
    gc.collect()  # what was never awaited is to be found here, and not in another test


async def kills(_part: Part, _data: Any) -> None:
    await gl.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)
    await gl.sleep(9.0)


class KilledPlainly(gl.Component):
    def process_request(self, request_type: str, data: Any, source: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))  # the signal arrives somewhere in here

    def on_event(self, event_type: str, data: Any, source: str) -> None:
        self.process_request(event_type, data, source)


def run_until(
    architecture: str, component: gl.Component, error: type[BaseException], *, by: str
) -> Facts:
    """Let a message reach component b, beside one that waits; the error comes out of the run."""
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("relay", asks("b", after=0.25)))
            bus.register(component)
            bus.register(Part("slow", sleeps(9.0)))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                if not architecture.startswith("synchronous"):
                    nursery.start_soon(asking(bus, "slow", timeout=None))
                if by == "request":
                    nursery.start_soon(asking(bus, "relay", timeout=None))
                else:
                    nursery.start_soon(bus.emit_event, "news", None, "feed")
                await trio.sleep_forever()

    with pytest.raises(error) as caught:
        gl.run(main)
    assert type(caught.value) is error
    return facts


INTERRUPTS: dict[str, tuple[Callable[[], gl.Component], type[BaseException]]] = {
    "signal": (lambda: Part("b", kills, hear=kills), KeyboardInterrupt),
    "signal in a plain handler": (lambda: KilledPlainly("b"), KeyboardInterrupt),
    "KeyboardInterrupt": (lambda: part_that_raises(KeyboardInterrupt()), KeyboardInterrupt),
    "SystemExit": (lambda: part_that_raises(SystemExit(3)), SystemExit),
}


def part_that_raises(error: BaseException) -> Part:
    return Part("b", raises(error), hear=raises(error))


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("architecture", "kind", "by"),
    [
        (architecture, kind, by)
        for architecture in gl.ARCHITECTURES
        for kind in INTERRUPTS
        for by in ("request", "event")
    ],
)
def test_an_interrupt_comes_out_of_the_run_with_all_records_closed(
    architecture: str, kind: str, by: str
) -> None:
    make, error = INTERRUPTS[kind]
    facts = run_until(architecture, make(), error, by=by)
    assert facts.times_closed == 1
    waiting = [] if architecture.startswith("synchronous") else ["slow"]
    hit = ["b", "relay"] if by == "request" else []
    assert sorted(facts.requests("target")) == [(id,) for id in hit + waiting]
    assert len(facts.deliveries()) == len(facts.events()) == (by == "event")
    outcomes = {*facts.requests("outcome"), *facts.deliveries("outcome")}
    assert outcomes == {("cancelled",)}


# --- a signal at each line of the buses' own code -------------------------------------------------


class Plain(gl.Component):
    def process_request(self, request_type: str, data: Any, source: str) -> Any:
        return data

    def on_event(self, event_type: str, data: Any, source: str) -> None:
        pass


async def run_a_bit_of_everything(architecture: str, facts: Facts) -> None:
    async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
        bus.register(Part("a", asks("b"), hear=sleeps(0.25)))
        bus.register(Part("b", sleeps(0.25)))
        bus.register(Plain("c"))
        for id in ("a", "c"):
            bus.subscribe(id, "news")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "a", timeout=None))
            nursery.start_soon(asking(bus, "a", timeout=0.125))
        await ask(bus, "c")
        await bus.emit_event("news", None, "feed")
        await bus.emit_event("news", None, "feed")


def interrupted_at(line: Line, architecture: str) -> str:
    """What is wrong with a run that gets a signal when it first reaches a line; nothing: empty."""
    facts = Facts()
    try:
        with interrupt_at(line):
            gl.run(partial(run_a_bit_of_everything, architecture, facts))
    except KeyboardInterrupt:
        return what_is_wrong_with(facts)
    except BaseException as error:  # noqa: BLE001  # whatever else comes out is what is wrong
        return f"{type(error).__name__} came out"
    return "nothing came out"


def what_is_wrong_with(facts: Facts) -> str:
    try:
        ids = [*facts.requests("id"), *facts.events("id"), *facts.deliveries("id")]
    except ValueError as error:
        return f"the records cannot be read: {error}"
    if sorted(ids) != [(number,) for number in range(len(ids))]:
        return "there is not one record for each message"
    if facts.times_closed != (facts.trace().manifest.architecture is not None):
        return "the observer was not told that the bus closed"
    return ""


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    "architecture", ["synchronous", "hybrid", "as-written", "dedicated-queues"]
)
def test_a_signal_at_any_line_of_ours_comes_out_with_all_records_closed(architecture: str) -> None:
    gl.ARCHITECTURES[architecture]()  # so that its module has been imported
    lines = lines_of(OURS, lambda: gl.run(partial(run_a_bit_of_everything, architecture, Facts())))
    assert len(lines) > 100
    wrong = [
        (Path(file).name, number, interrupted_at((file, number), architecture))
        for file, number in lines
    ]
    assert [what for what in wrong if what[-1]] == []
