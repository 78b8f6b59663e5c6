"""What has nothing to do with the work must not add to its cost: curves over 10 to 10,000 of it.

Each contender does its work beside so many deadlocks, waiting messages, request types and so on.
Where the work has to look at all of them, its cost may grow with their number, but no faster.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from time import process_time
from typing import Any

import trio
import trio.testing

import genesis_lab as gl
from genesis_lab.bench.claims import AtMost, Claim, Costs
from genesis_lab.bench.measuring import Contender, Family
from genesis_lab.bench.requests import Answers
from genesis_lab.bench.running import on_real_clock
from genesis_lab.buses.gates import ChainGate, Visitor
from genesis_lab.messages import Deadlock, WaitKind
from genesis_lab.waits import Node, WaitForGraph

NUMBERS = (10, 100, 1_000, 10_000)


class _Home:
    """The bus of messages that are on none."""

    def now(self) -> float:
        return 0.0

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        pass


_HOME = _Home()


class _Message(Node):
    """A message at nowhere in particular."""

    awaited_as = "reply"

    def __init__(self, id: int, parent: Node | None = None) -> None:
        super().__init__(id, parent, _HOME)
        self.sent_at = 0.0
        if parent is not None:
            parent.children = {self: None}

    def place(self) -> str:
        return ""

    def held(self) -> Iterable["_Desk"]:
        return ()


class _Desk:
    """Places that are all taken."""

    kind: WaitKind = "admission"
    where = ""

    def __init__(self, holders: Collection[Node]) -> None:
        self._holders = holders

    def places(self) -> Iterable[Collection[Node]]:
        for holder in self._holders:
            yield (holder,)

    def holders(self) -> Iterable[Node]:
        return self._holders

    def waiters(self) -> Iterable[Node]:
        return ()


# --- what has to be looked at ---------------------------------------------------------------------


def wait_behind_a_chain(number: int, size: int) -> float:
    """The beginning of a wait for the first of a chain of messages that wait for the next one."""
    first = message = _Message(0)
    for id in range(1, number):
        message = _Message(id, message)
    return _waiting_at(_Desk([first]), size)


def wait_at_a_pool(number: int, size: int) -> float:
    """The beginning of a wait at a pool whose holders all wait for others."""
    holders = [_Message(id) for id in range(number)]
    for holder in holders:
        _Message(number + holder.id, holder)
    return _waiting_at(_Desk(holders), size)


def _waiting_at(desk: _Desk, size: int) -> float:
    graph, message = WaitForGraph(), _Message(-1)
    message.waiting_for, message.waiting_since = desk, 0.0
    return _cost(lambda: graph.begin(message, desk), size)


# --- what has not ---------------------------------------------------------------------------------


def _go_on() -> None:
    """Nothing follows: these are messages without tasks."""


def leave_a_chain_gate(number: int, size: int) -> float:
    """Entering and leaving a gate with so many other call chains waiting."""
    gate = ChainGate(1)
    visitors = [Visitor(id, None, _HOME) for id in range(number + 1)]
    for visitor in visitors:
        visitor.chain = visitor.id
        visitor.go_on = _go_on
    holder, *others = visitors
    gate.enter(holder)
    for other in others:
        gate.join(other)

    def turn() -> None:
        nonlocal holder
        left, holder = holder, next(iter(gate.queue))
        gate.leave(left)
        gate.join(left)

    return _cost(turn, size)


class _AsksItself(gl.Component):
    async def process_request(self, request_type: str, data: Any, source: str) -> None:
        await self.bus.request(self.id, "ask", None, self.id, timeout=None)


class _Sleeps(gl.Component):
    admission = gl.RE_ENTRANT

    async def process_request(self, request_type: str, data: Any, source: str) -> None:
        await trio.sleep_forever()


async def _unrelated_request(bus: gl.Bus, size: int) -> float:
    bus.register(Answers("back"))
    began = process_time()
    for _ in range(size):
        await bus.request("back", "work", None, "client")
    return (process_time() - began) / size


async def _register_and_unregister(bus: gl.Bus, size: int) -> float:
    component = Answers("new")
    began = process_time()
    for _ in range(size):
        bus.register(component)
        bus.unregister("new")
    return (process_time() - began) / size


def beside_deadlocks(number: int, size: int) -> float:
    """A request while so many deadlocks stand."""
    components = [_AsksItself(f"c{index}") for index in range(number)]
    return _beside_requests(components, 1, _unrelated_request, size)


def beside_requests(number: int, size: int) -> float:
    """Registering and unregistering while so many requests are in flight."""
    return _beside_requests([_Sleeps("busy")], number, _register_and_unregister, size)


def _beside_requests(
    components: list[Any], of_each: int, work: Callable[[gl.Bus, int], Awaitable[float]], size: int
) -> float:
    async def main() -> float:
        async with gl.HybridCoordinator(grace=0.0) as bus, trio.open_nursery() as nursery:
            for component in components:
                bus.register(component)
                for _ in range(of_each):
                    nursery.start_soon(
                        partial(bus.request, component.id, "ask", None, "client", timeout=None)
                    )
            await trio.testing.wait_all_tasks_blocked()
            cost = await work(bus, size)
            nursery.cancel_scope.cancel()
        return cost

    return on_real_clock(main)


def after_request_types(number: int, size: int) -> float:
    """Registering and unregistering after so many types of requests to another component."""

    async def main() -> float:
        async with gl.HybridCoordinator() as bus:
            bus.register(Answers("back"))
            for index in range(number):
                await bus.request("back", f"work {index}", None, "client")
            return await _register_and_unregister(bus, size)

    return on_real_clock(main)


def _cost(work: Callable[[], object], size: int) -> float:
    began = process_time()
    for _ in range(size):
        work()
    return (process_time() - began) / size


# --- what is claimed ------------------------------------------------------------------------------

INDEPENDENT: dict[str, tuple[Callable[[int, int], float], str]] = {
    "a request": (beside_deadlocks, "deadlocks that stand"),
    "leaving a CALL_CHAIN gate": (leave_a_chain_gate, "chains that wait there"),
    "register, unregister": (beside_requests, "requests in flight"),
    "register, unregister again": (after_request_types, "request types so far"),
}
LINEAR: dict[str, tuple[Callable[[int, int], float], str]] = {
    "a wait behind a chain": (wait_behind_a_chain, "messages deep"),
    "a wait at a pool": (wait_at_a_pool, "holders that wait"),
}


def _name(work: str, number: int) -> str:
    return f"{work}, {number:,}"


def _contenders() -> dict[str, Contender]:
    return {
        _name(work, number): partial(measured, number)
        for work, (measured, _) in {**INDEPENDENT, **LINEAR}.items()
        for number in NUMBERS
    }


def _microseconds(contender: str) -> Callable[[Costs], float]:
    return lambda costs: costs[contender] * 1e6


def _growth(work: str, *, per: float = 1.0) -> Callable[[Costs], float]:
    """How many times as much the work costs at the largest number as at 100."""
    return lambda costs: costs[_name(work, NUMBERS[-1])] / costs[_name(work, NUMBERS[1])] / per


def _claims() -> list[Claim]:
    claims = []
    for work, (_, beside) in {**INDEPENDENT, **LINEAR}.items():
        claims += [
            Claim(
                work=f"{work}: {number:,} {beside}",
                measured=_microseconds(_name(work, number)),
                unit="us",
            )
            for number in NUMBERS
        ]
        many, few = NUMBERS[-1], NUMBERS[1]
        is_linear = work in LINEAR
        claims.append(
            Claim(
                work=f"{work}: {many:,} / {few:,} {beside}{', each' if is_linear else ''}",
                measured=_growth(work, per=many / few if is_linear else 1.0),
                bar=AtMost(2),
            )
        )
    return claims


FAMILY = Family(contenders=_contenders(), size=200, claims=tuple(_claims()))
