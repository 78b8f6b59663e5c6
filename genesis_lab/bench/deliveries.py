"""What it costs to deliver an event to 100 subscribers, until all of them have handled it."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import genesis_lab as gl
from genesis_lab.bench.asyncio_design import AsyncioCoordinator
from genesis_lab.bench.claims import AtMost, Claim, ratio
from genesis_lab.bench.measuring import Family
from genesis_lab.bench.running import on_real_clock
from genesis_lab.extras import require_extra

SUBSCRIBERS = 100


class Hears(gl.Component):
    """Takes events without suspending."""

    async def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Do nothing."""


class HearsPlainly(gl.Component):
    """Takes events in a plain method."""

    def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Do nothing."""


def deliver(component: type[gl.Component], size: int, *, recorded: bool) -> float:
    """A delivery through the hybrid."""

    async def main() -> float:
        async with gl.HybridCoordinator(observer=gl.Recorder() if recorded else None) as bus:
            for number in range(SUBSCRIBERS):
                bus.register(component(f"subscriber {number}"))
                bus.subscribe(f"subscriber {number}", "tick")
            began = process_time()
            for _ in range(size):
                await bus.emit_event("tick", None, "market")
                await bus.drain()
            return (process_time() - began) / size / SUBSCRIBERS

    return on_real_clock(main)


def asyncio_deliver(size: int) -> float:
    """A delivery in the original design."""

    async def main() -> float:
        coordinator = AsyncioCoordinator()
        coordinator.subscribers["tick"] = [
            Hears(f"subscriber {number}").on_event for number in range(SUBSCRIBERS)
        ]
        began = process_time()
        for _ in range(size):
            await coordinator.emit_event("tick", None, "market")
        return (process_time() - began) / size / SUBSCRIBERS

    return asyncio.run(main())


def bubus_deliver(size: int) -> float:
    """A delivery by bubus, which takes a hundred times as long: so it makes fewer of them."""
    bubus = require_extra("bubus")
    event = type("Tick", (bubus.BaseEvent,), {"__module__": __name__})
    events = -(-size // 20)

    async def main() -> float:
        bus = bubus.EventBus(name="bench")
        for number in range(SUBSCRIBERS):
            bus.on(event, _bubus_handler(number))
        began = process_time()
        for _ in range(events):
            await bus.dispatch(event())
        cost = (process_time() - began) / events / SUBSCRIBERS
        await bus.stop()
        return cost

    return asyncio.run(main())


def _bubus_handler(number: int) -> Callable[[object], Any]:
    """A handler with a name of its own, by which bubus tells handlers apart."""

    async def hear(_event: object) -> None:
        pass

    hear.__name__ = hear.__qualname__ = f"hear_{number}"
    return hear


FAMILY = Family(
    contenders={
        "unrecorded delivery, async def": partial(deliver, Hears, recorded=False),
        "recorded delivery, async def": partial(deliver, Hears, recorded=True),
        "unrecorded delivery, plain def": partial(deliver, HearsPlainly, recorded=False),
        "recorded delivery, plain def": partial(deliver, HearsPlainly, recorded=True),
        "asyncio": asyncio_deliver,
        "bubus": bubus_deliver,
    },
    size=60,
    claims=(
        Claim(
            work="recorded delivery, async def / asyncio.gather unrecorded",
            measured=ratio("recorded delivery, async def", "asyncio"),
            bar=AtMost(0.65),
            steps=(
                ("the bus", "unrecorded delivery, plain def"),
                ("a coroutine and its context", "unrecorded delivery, async def"),
                ("the record", "recorded delivery, async def"),
            ),
        ),
        Claim(
            work="recorded delivery, plain def / asyncio.gather unrecorded",
            measured=ratio("recorded delivery, plain def", "asyncio"),
            bar=AtMost(0.55),
            steps=(
                ("the bus", "unrecorded delivery, plain def"),
                ("the record", "recorded delivery, plain def"),
            ),
        ),
        Claim(
            work="delivery, bubus / recorded, async def",
            measured=ratio("bubus", "recorded delivery, async def"),
        ),
    ),
)
