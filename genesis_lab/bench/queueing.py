"""An M/M/1 queue in virtual time, at load 0.8: on the hybrid, on bare trio and in SimPy.

The customers of all come at the same rate and take as long in the mean; all draw them in blocks.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from time import process_time
from typing import Any

import numpy as np
import trio
import trio.testing

import genesis_lab as gl
from genesis_lab.bench.claims import AtLeast, AtMost, Claim, ratio
from genesis_lab.bench.measuring import Family
from genesis_lab.extras import require_extra
from genesis_lab.scopes import DeadlineScope
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Poisson
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.services import Service

RATE = 1.0
MEAN_SERVICE = 0.8
TIMEOUT = 1e6
"""On, and so long that nobody gives up [s]."""


def on_hybrid(admission: gl.Admission, size: int, *, recorded: bool) -> float:
    """A customer of the lab's own workload."""

    async def main() -> None:
        async with gl.HybridCoordinator(observer=gl.Recorder() if recorded else None) as bus:
            bus.register(Service("server", Exponential(MEAN_SERVICE), admission=admission))
            await _customers(size).run_on(bus)

    return _in_virtual_time(main, size)


def without_bus(serve: Callable[[], Awaitable[None]], size: int) -> float:
    """A customer of the same arrivals, where something less than a bus serves it."""

    async def main() -> None:
        await _customers(size).run_on(_Stub(serve))

    return _in_virtual_time(main, size)


def _customers(size: int) -> OpenLoop:
    return OpenLoop(Ask("server", timeout=TIMEOUT), Poisson(rate=RATE, count=size))


def _in_virtual_time(main: Callable[[], Awaitable[None]], size: int) -> float:
    began = process_time()
    gl.run(main)
    return (process_time() - began) / size


class _Stub:
    """What `OpenLoop` needs of a bus."""

    def __init__(self, serve: Callable[[], Awaitable[None]]) -> None:
        self._serve = serve

    def now(self) -> float:
        return trio.current_time()

    async def request(self, *_args: Any, **_options: Any) -> None:
        await self._serve()

    call = emit_event = next_event = request

    def unregister(self, component_id: str) -> None:
        raise NotImplementedError


async def at_once() -> None:
    """Serve in no time."""


async def sleeping() -> None:
    """Serve for the mean time, without a queue."""
    await gl.sleep(MEAN_SERVICE)


async def under_deadline() -> None:
    """Serve for the mean time under the lab's deadline, without a queue."""
    with DeadlineScope(trio.current_time() + TIMEOUT):
        await gl.sleep(MEAN_SERVICE)


def on_mock_clock(size: int) -> float:
    """A customer of the same model on trio's own virtual clock, which records nothing."""

    async def main() -> None:
        gaps, services = _draws(size)
        server = trio.Lock()

        async def customer() -> None:
            with trio.move_on_after(TIMEOUT):
                async with server:
                    await trio.sleep(next(services))

        async with trio.open_nursery() as nursery:
            for gap in gaps:
                await trio.sleep(gap)
                nursery.start_soon(customer)

    began = process_time()
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return (process_time() - began) / size


def on_simpy(size: int) -> float:
    """A customer of SimPy's model, a process for each, which records nothing."""
    simpy = require_extra("simpy")
    began = process_time()
    environment = simpy.Environment()
    server = simpy.Resource(environment, capacity=1)
    gaps, services = _draws(size)

    def customer() -> Iterator[Any]:
        with server.request() as turn:
            yield turn
            yield environment.timeout(next(services))

    def arrivals() -> Iterator[Any]:
        for gap in gaps:
            yield environment.timeout(gap)
            environment.process(customer())

    environment.process(arrivals())
    environment.run()
    return (process_time() - began) / size


def _draws(size: int) -> tuple[Iterator[float], Iterator[float]]:
    """Gaps between arrivals, and service times [s]."""
    stream = np.random.default_rng(0)
    gaps, services = (stream.exponential(mean, size) for mean in (1 / RATE, MEAN_SERVICE))
    return iter(gaps.tolist()), iter(services.tolist())


_STEPS = (
    ("arrivals", "arrivals"),
    ("the service's sleep", "sleeping"),
    ("the scope", "under deadline"),
    ("the bus", "unrecorded request, no queue"),
    ("the queue", "unrecorded M/M/1"),
    ("the record", "recorded M/M/1"),
)

FAMILY = Family(
    contenders={
        "arrivals": partial(without_bus, at_once),
        "sleeping": partial(without_bus, sleeping),
        "under deadline": partial(without_bus, under_deadline),
        "unrecorded request, no queue": partial(on_hybrid, gl.RE_ENTRANT, recorded=False),
        "unrecorded M/M/1": partial(on_hybrid, gl.SERIAL, recorded=False),
        "recorded M/M/1": partial(on_hybrid, gl.SERIAL, recorded=True),
        "MockClock": on_mock_clock,
        "simpy": on_simpy,
    },
    size=3_000,
    claims=(
        Claim(
            work="M/M/1 in virtual time, MockClock unrecorded / recorded",
            measured=ratio("MockClock", "recorded M/M/1"),
            bar=AtLeast(3.5),
            steps=_STEPS,
        ),
        Claim(
            work="M/M/1 in virtual time, recorded / SimPy unrecorded",
            measured=ratio("recorded M/M/1", "simpy"),
            bar=AtMost(3.3),
            steps=_STEPS,
        ),
    ),
)
