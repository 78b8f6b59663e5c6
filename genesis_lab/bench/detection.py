"""What it costs to know who waits for whom, where nobody has to wait."""

from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import genesis_lab as gl
from genesis_lab.bench.claims import AtMost, Claim, Costs
from genesis_lab.bench.measuring import Family
from genesis_lab.bench.requests import Answers
from genesis_lab.bench.running import on_real_clock
from genesis_lab.buses.inflight import NO_CAUSE, InFlight
from genesis_lab.messages import BrokenBy, Deadlock
from genesis_lab.waits import Node, Resource, WaitForGraph


class _NoGraph(WaitForGraph):
    """Finds nothing."""

    def begin(self, node: Node, resource: Resource, now: float) -> Deadlock | None:
        return None

    def end(self, node: Node, now: float, how: BrokenBy) -> None:
        pass


class Undetecting(gl.HybridCoordinator):
    """A hybrid without detection, which no public setting switches off.

    Its graph does nothing, and no message knows the one that it is nested in: so no edges are kept
    either. (Hence also no call chains and no blocked time.)
    """

    def __init__(self, *, observer: gl.Observer | None = None) -> None:
        super().__init__(observer=observer)
        self._ledger.waits = _NoGraph()

    def _sender(self) -> tuple[InFlight | None, int]:
        caller = self._serving.get()
        return None, NO_CAUSE if caller is None else caller.id


class _Asks(gl.Component):
    """Asks another component, many times, and replies with what one request cost."""

    def __init__(self, size: int) -> None:
        super().__init__("front")
        self._size = size

    async def process_request(self, request_type: str, data: Any, source: str) -> float:
        began = process_time()
        for _ in range(self._size):
            await self.bus.request("back", "work", None, "front")
        return (process_time() - began) / self._size


def nested_request(coordinator: type[gl.HybridCoordinator], size: int) -> float:
    """A request from inside another one, to a component that is free."""

    async def main() -> float:
        async with coordinator() as bus:
            bus.register(_Asks(size))
            bus.register(Answers("back"))
            cost: float = await bus.call("front", "begin", None, "client", timeout=None)
            return cost

    return on_real_clock(main)


def single_request(coordinator: type[gl.HybridCoordinator], size: int) -> float:
    """A request from a client, to a component that is free."""

    async def main() -> float:
        async with coordinator() as bus:
            bus.register(Answers("back"))
            began = process_time()
            for _ in range(size):
                await bus.request("back", "work", None, "client")
            return (process_time() - began) / size

    return on_real_clock(main)


def _added(work: str) -> Callable[[Costs], float]:
    return lambda costs: 100 * (costs[work] / costs[f"{work}, undetected"] - 1)


FAMILY = Family(
    contenders={
        "request": partial(single_request, gl.HybridCoordinator),
        "request, undetected": partial(single_request, Undetecting),
        "nested request": partial(nested_request, gl.HybridCoordinator),
        "nested request, undetected": partial(nested_request, Undetecting),
    },
    size=10_000,
    claims=(
        Claim(
            work="detection, added to an uncontended request",
            measured=_added("request"),
            unit="%",
            bar=AtMost(5),
        ),
        Claim(
            work="detection, chains and blocked time, added to a nested one",
            measured=_added("nested request"),
            unit="%",
        ),
    ),
)
