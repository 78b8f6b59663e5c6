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
from genesis_lab.buses.directory import RequestRoute
from genesis_lab.buses.inflight import InFlight, Request
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.messages import BrokenBy
from genesis_lab.waits import Knot, Node, Resource, WaitForGraph


class _NoGraph(WaitForGraph):
    """Finds nothing."""

    def begin(self, node: Node, resource: Resource) -> Knot | None:
        return None

    def freed(self, node: Node, how: BrokenBy) -> None:
        pass


class Undetecting(gl.HybridCoordinator):
    """A hybrid without detection, which no public setting switches off.

    Its graph does nothing, and no message knows the one that it is nested in: so no edges are kept
    either. (Hence also no call chains and no blocked time.)
    """

    def __init__(self, *, observer: gl.Observer | None = None) -> None:
        super().__init__(observer=observer)

    def _open_bus(self) -> None:
        super()._open_bus()
        self._ledger.waits = _NoGraph()

    def _sender(self) -> InFlight | None:
        return None

    def _open(
        self,
        route: RequestRoute,
        mailbox: Mailbox,
        chain: int | None,
        cause: int,
        timeout: float,
        intended_at: float | None,
        attempt: int,
    ) -> Request:
        sent_at = self._now()
        id = self._ledger.next_id()
        intended_at = sent_at if intended_at is None else intended_at
        request = Request(
            id,
            None,
            id,
            self._ledger,
            route,
            sent_at,
            cause,
            mailbox,
            attempt,
            intended_at,
            timeout,
        )
        request.path = route.path
        self._ledger.open(request)
        return request


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
