"""What a request costs beside the bare deadline that it cannot do without."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from time import process_time
from typing import Any

import trio

import genesis_lab as gl
from genesis_lab.bench.asyncio_design import AsyncioCoordinator
from genesis_lab.bench.claims import AtLeast, AtMost, Claim, ratio
from genesis_lab.bench.measuring import Family
from genesis_lab.bench.running import on_real_clock
from genesis_lab.extras import require_extra
from genesis_lab.scopes import DeadlineScope


class Answers(gl.Component):
    """Replies without suspending."""

    async def process_request(self, request_type: str, data: Any, source: str) -> Any:
        """Reply at once."""
        return data


class Suspends(gl.Component):
    """Suspends once and replies."""

    async def process_request(self, request_type: str, data: Any, source: str) -> Any:
        """Let others run, and reply."""
        await trio.lowlevel.checkpoint()
        return data


class Plain(gl.Component):
    """Replies in a plain method."""

    def process_request(self, request_type: str, data: Any, source: str) -> Any:
        """Reply at once."""
        return data


async def answer() -> None:
    """Reply at once."""


async def suspend() -> None:
    """Let others run, and reply."""
    await trio.lowlevel.checkpoint()


def alone(handle: Callable[[], Awaitable[None]], size: int) -> float:
    """The handler without a deadline."""

    async def main() -> float:
        began = process_time()
        for _ in range(size):
            await handle()
        return (process_time() - began) / size

    return on_real_clock(main)


def bare(handle: Callable[[], Awaitable[None]], size: int) -> float:
    """The handler under trio's deadline, and nothing else."""

    async def main() -> float:
        began = process_time()
        for _ in range(size):
            with trio.move_on_after(5):
                await handle()
        return (process_time() - began) / size

    return on_real_clock(main)


def scoped(handle: Callable[[], Awaitable[None]], size: int) -> float:
    """The handler under the lab's own deadline, and nothing else."""

    async def main() -> float:
        began = process_time()
        for _ in range(size):
            with DeadlineScope(trio.current_time() + 5):
                await handle()
        return (process_time() - began) / size

    return on_real_clock(main)


def request(component: type[gl.Component], size: int, *, recorded: bool) -> float:
    """A request through the hybrid."""

    async def main() -> float:
        async with gl.HybridCoordinator(observer=gl.Recorder() if recorded else None) as bus:
            bus.register(component("server"))
            began = process_time()
            for _ in range(size):
                await bus.request("server", "work", None, "client")
            return (process_time() - began) / size

    return on_real_clock(main)


def asyncio_request(size: int) -> float:
    """A request in the original design."""

    async def main() -> float:
        coordinator = AsyncioCoordinator()
        coordinator.serving["server"] = Answers("server").process_request
        began = process_time()
        for _ in range(size):
            await coordinator.request("server", "work", None, "client")
        return (process_time() - began) / size

    return asyncio.run(main())


def pykka_ask(size: int) -> float:
    """A message to an actor in another thread, and its answer."""
    pykka = require_extra("pykka")
    actor: Any = type(
        "Actor", (pykka.ThreadingActor,), {"on_receive": lambda _self, message: message}
    )
    reference = actor.start()
    try:
        began = process_time()
        for _ in range(size):
            reference.ask("work")
        return (process_time() - began) / size
    finally:
        reference.stop()


_THEN = "its wait_for begins a task per request; the bar is for Python >= 3.12, where it does not"

FAMILY = Family(
    contenders={
        "handler": partial(alone, answer),
        "bare": partial(bare, answer),
        "scoped": partial(scoped, answer),
        "unrecorded request, async def": partial(request, Answers, recorded=False),
        "recorded request, async def": partial(request, Answers, recorded=True),
        "handler that suspends": partial(alone, suspend),
        "bare, suspends": partial(bare, suspend),
        "scoped, suspends": partial(scoped, suspend),
        "unrecorded request, suspends": partial(request, Suspends, recorded=False),
        "recorded request, suspends": partial(request, Suspends, recorded=True),
        "unrecorded request, plain def": partial(request, Plain, recorded=False),
        "recorded request, plain def": partial(request, Plain, recorded=True),
        "asyncio": asyncio_request,
        "pykka": pykka_ask,
    },
    size=5_000,
    claims=(
        Claim(
            work="recorded request, async def / bare move_on_after",
            measured=ratio("recorded request, async def", "bare"),
            bar=AtMost(0.85),
            steps=(
                ("handler", "handler"),
                ("the scope", "scoped"),
                ("the bus", "unrecorded request, async def"),
                ("the record", "recorded request, async def"),
            ),
        ),
        Claim(
            work="recorded request, suspends once / bare move_on_after",
            measured=ratio("recorded request, suspends", "bare, suspends"),
            bar=AtMost(0.95),
            steps=(
                ("handler and trio's scheduler", "handler that suspends"),
                ("the scope", "scoped, suspends"),
                ("the bus", "unrecorded request, suspends"),
                ("the record", "recorded request, suspends"),
            ),
        ),
        Claim(
            work="recorded request, plain def / bare move_on_after",
            measured=ratio("recorded request, plain def", "bare"),
            bar=AtMost(0.17),
            steps=(
                ("handler and the bus", "unrecorded request, plain def"),
                ("the record", "recorded request, plain def"),
            ),
        ),
        Claim(
            work="request, asyncio design unrecorded / recorded, plain def",
            measured=ratio("asyncio", "recorded request, plain def"),
            bar=AtLeast(2.5),
            note=_THEN if sys.version_info < (3, 12) else "",
        ),
        Claim(
            work="request, asyncio design unrecorded / recorded, async def",
            measured=ratio("asyncio", "recorded request, async def"),
        ),
        Claim(
            work="request, pykka ask / recorded, async def",
            measured=ratio("pykka", "recorded request, async def"),
        ),
    ),
)
