"""A ring: c0 asks c1, ... the last one asks c0, and each does so 0.25 s after it was asked."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.facts import Facts
from tests.parts import Part, all_but, ask, asking, asks, sleeps

HOP = 0.25
SIZES = range(1, 6)
OLD = ("synchronous", "synchronous-component")
HYBRIDS = ("hybrid", "hybrid-awaited", "hybrid-raise")


class Link(Part):
    """Passes a request on to the next component until the hops are used up, then answers."""

    def __init__(self, number: int, size: int, admission: gl.Admission) -> None:
        super().__init__(f"c{number}", admission=admission)
        self._next = f"c{(number + 1) % size}"

    async def process_request(self, request_type: str, data: int, source: str) -> int:
        await gl.sleep(HOP)
        if data == 0:
            return 1
        served: int = await self.ask(self._next, data - 1)
        return served + 1


def run_ring(
    architecture: str, size: int, timeouts: Callable[[int], float | None]
) -> tuple[gl.RunResult[Any], Facts]:
    """Close a ring; hop 0 is the client's request, hop `size` the one that closes the ring."""
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            for number in range(size):
                following = f"c{(number + 1) % size}"
                behaviour = asks(following, after=HOP, timeout=timeouts(number + 1))
                bus.register(Part(f"c{number}", behaviour))
            return await ask(bus, "c0", "reply", timeout=timeouts(0))

    return gl.run(main), facts


def names(size: int) -> tuple[str, ...]:
    """Where the members are: each served at its component, and the last one waiting at c0."""
    return (*(f"c{number}" for number in range(size)), "c0")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("architecture", OLD)
def test_old_bus_stalls_at_the_instant_the_ring_closes(architecture: str, size: int) -> None:
    result, facts = run_ring(architecture, size, lambda _: 1.0)
    assert (result.ended, result.at) == ("stalled", size * HOP)
    assert facts.requests("target", "outcome", "sent_at", "started_at", "finished_at") == [
        *((f"c{hop}", "pending", hop * HOP, hop * HOP, None) for hop in range(size)),
        ("c0", "pending", size * HOP, None, None),
    ]
    assert facts.deadlocks(
        "formed_at", "members", "components", "victims", "broken_at", "broken_by"
    ) == [(size * HOP, tuple(range(size + 1)), names(size), (), None, None)]


@pytest.mark.parametrize("admission", [gl.CALL_CHAIN, gl.RE_ENTRANT, gl.pool(9)], ids=repr)
@pytest.mark.parametrize("architecture", OLD)
def test_old_bus_stalls_whatever_admission_its_components_ask_for(
    architecture: str, admission: gl.Admission
) -> None:
    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(Link(0, 2, admission))
            bus.register(Link(1, 2, admission))
            await ask(bus, "c0", 2)

    result = gl.run(main)
    assert (result.ended, result.at) == ("stalled", 2 * HOP)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("architecture", ["hybrid", "hybrid-awaited"])
def test_the_request_that_closes_the_ring_times_out_and_the_others_are_answered(
    architecture: str, size: int
) -> None:
    result, facts = run_ring(architecture, size, lambda hop: 1.0 if hop == size else 9.0)
    broken_at = size * HOP + 1.0
    assert (result.ended, result.at) == ("completed", broken_at)
    assert facts.requests("target", "outcome", "finished_at") == [
        *((f"c{hop}", "answered", broken_at) for hop in range(size)),
        ("c0", "timed_out", broken_at),
    ]
    assert facts.deadlocks(
        "formed_at", "members", "components", "victims", "broken_at", "broken_by"
    ) == [(size * HOP, tuple(range(size + 1)), names(size), (), broken_at, "timed_out")]


@pytest.mark.parametrize("size", SIZES)
def test_outer_deadline_cuts_the_inner_ones_of_a_ring(size: int) -> None:
    result, facts = run_ring("hybrid", size, lambda hop: 2.0 if hop == 0 else 9.0)
    assert (result.value, result.ended, result.at) == (None, "completed", 2.0)
    assert facts.requests("target", "outcome", "finished_at") == [
        ("c0", "timed_out", 2.0),
        *((f"c{hop % size}", "cancelled", 2.0) for hop in range(1, size + 1)),
    ]
    assert facts.deadlocks("formed_at", "broken_at", "broken_by") == [
        (size * HOP, 2.0, "timed_out")
    ]


@pytest.mark.parametrize("size", SIZES)
def test_deadlines_that_end_together_all_count_as_timed_out(size: int) -> None:
    result, facts = run_ring("hybrid", size, lambda hop: 2.0 - hop * HOP)
    assert (result.value, result.at) == (None, 2.0)
    assert set(facts.requests("outcome", "finished_at")) == {("timed_out", 2.0)}


@pytest.mark.parametrize("size", SIZES)
def test_without_timeouts_the_hybrid_stalls_as_the_old_bus_does(size: int) -> None:
    result, facts = run_ring("hybrid", size, lambda _: None)
    assert (result.ended, result.at) == ("stalled", size * HOP)
    assert set(facts.requests("outcome")) == {("pending",)}
    assert facts.deadlocks("formed_at", "components", "broken_by") == [
        (size * HOP, names(size), None)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_the_request_that_closes_the_ring_is_refused_and_the_others_are_answered(
    size: int,
) -> None:
    result, facts = run_ring("hybrid-raise", size, lambda _: 9.0)
    closed_at = size * HOP
    assert (result.ended, result.at) == ("completed", closed_at)
    assert facts.requests("target", "outcome", "error", "started_at", "finished_at") == [
        *((f"c{hop}", "answered", None, hop * HOP, closed_at) for hop in range(size)),
        ("c0", "deadlocked", "DeadlockDetected", None, closed_at),
    ]
    assert facts.deadlocks("formed_at", "components", "broken_at", "broken_by") == [
        (closed_at, names(size), closed_at, "refused")
    ]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("admission", [gl.CALL_CHAIN, gl.RE_ENTRANT], ids=repr)
@pytest.mark.parametrize("architecture", HYBRIDS)
def test_a_ring_of_components_that_may_be_entered_again_is_answered(
    architecture: str, admission: gl.Admission, size: int
) -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            for number in range(size):
                bus.register(Link(number, size, admission))
            return await ask(bus, "c0", size)

    result = gl.run(main)
    assert (result.value, result.at) == (size + 1, (size + 1) * HOP)
    assert facts.requests("outcome") == [("answered",)] * (size + 1)
    assert facts.deadlocks() == []


# --- two chains that cross ------------------------------------------------------------------------


def run_crossing(architecture: str, second_at: float) -> tuple[gl.RunResult[None], Facts]:
    """One client asks a, which asks b; another one asks b, which asks a."""
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", unless_told_otherwise(asks("b", after=HOP, timeout=1.0))))
            bus.register(Part("b", unless_told_otherwise(asks("a", after=HOP, timeout=1.0))))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(ask, bus, "a", "pass on", 9.0))
                await gl.sleep(second_at)
                nursery.start_soon(partial(ask, bus, "b", "pass on", 9.0))

    return gl.run(main), facts


def unless_told_otherwise(behaviour: Callable[[Part, Any], Any]) -> Callable[[Part, Any], Any]:
    """Answer at once when a component asks; only clients tell it to pass the request on."""

    async def behave(part: Part, data: Any) -> Any:
        if data == "answer":
            return data
        return await behaviour(part, "answer")

    return behave


@pytest.mark.parametrize("architecture", ["synchronous-component", "hybrid"])
def test_two_chains_that_cross_are_a_deadlock(architecture: str) -> None:
    _, facts = run_crossing(architecture, second_at=0.125)
    [(formed_at, members, components)] = facts.deadlocks("formed_at", "members", "components")
    assert formed_at == 0.375
    # The first chain at a waits for its request to b, that one for the second chain at b, ...
    assert facts.requests("id", "source", "target") == [
        (0, "client", "a"),
        (1, "client", "b"),
        (2, "a", "b"),
        (3, "b", "a"),
    ]
    assert members == (0, 2, 1, 3)
    assert components == ("a", "b", "b", "a")


def test_the_older_wait_of_two_crossing_chains_times_out_first_and_lets_the_other_one_go() -> None:
    result, facts = run_crossing("hybrid", second_at=0.125)
    assert facts.requests("source", "target", "outcome", "finished_at") == [
        ("client", "a", "answered", 1.25),
        ("client", "b", "answered", 1.25),
        ("a", "b", "timed_out", 1.25),
        ("b", "a", "answered", 1.25),
    ]
    assert facts.deadlocks("broken_at", "broken_by") == [(1.25, "timed_out")]
    assert result.at == 1.25


@pytest.mark.parametrize("architecture", all_but("layered"))
def test_the_same_two_chains_at_different_times_are_no_deadlock(architecture: str) -> None:
    result, facts = run_crossing(architecture, second_at=0.5)
    assert result.ended == "completed"
    assert facts.requests("outcome") == [("answered",)] * 4
    assert facts.deadlocks() == []


def test_the_old_bus_lets_one_chain_at_a_time_through_so_chains_never_cross() -> None:
    result, facts = run_crossing("synchronous", second_at=0.125)
    assert (result.ended, result.at) == ("completed", 2 * HOP)
    assert facts.requests("source", "target", "outcome", "started_at") == [
        ("client", "a", "answered", 0.0),
        ("client", "b", "answered", HOP),
        ("a", "b", "answered", HOP),
        ("b", "a", "answered", 2 * HOP),
    ]
    assert facts.deadlocks() == []


# --- what is not a deadlock, and what is more than a ring -----------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_an_open_chain_is_no_deadlock(architecture: str) -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", asks("c")))
            bus.register(Part("c", sleeps(1.0)))
            return await ask(bus, "a", "reply")

    result = gl.run(main)
    assert (result.value, result.at) == ("reply", 1.0)
    assert facts.deadlocks() == []


@pytest.mark.parametrize("architecture", all_but("as-written", "dedicated-queues"))
def test_waiting_for_a_slow_component_is_no_deadlock(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("slow", sleeps(100.0)))
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(asking(bus, "slow", timeout=None))

    assert gl.run(main).at == 300.0
    assert facts.requests("outcome") == [("answered",)] * 3
    assert facts.deadlocks() == []


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_a_wait_that_times_out_because_a_component_is_slow_is_no_deadlock(
    architecture: str,
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", asks("slow", timeout=0.5)))
            bus.register(Part("slow", sleeps(100.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "slow", timeout=2.0))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "a"))

    gl.run(main)
    assert facts.requests("source", "target", "outcome", "finished_at") == [
        ("client", "slow", "timed_out", 2.0),
        ("client", "a", "answered", 0.75),
        ("a", "slow", "timed_out", 0.75),
    ]
    assert facts.deadlocks() == []


def test_whoever_waits_for_a_ring_is_a_victim_and_no_deadlock_of_its_own() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("tail", asks("a", timeout=None)))
            bus.register(Part("a", asks("b", timeout=None)))
            bus.register(Part("b", asks("a", timeout=1.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "tail", timeout=None))

    gl.run(main)
    assert facts.requests("id", "target", "sent_at") == [
        (0, "a", 0.0),
        (1, "b", 0.0),
        (2, "a", 0.0),
        (3, "tail", 0.25),
        (4, "a", 0.25),
        (5, "b", 1.0),  # when the ring is broken, the tail's request is served, and closes another
        (6, "a", 1.0),
    ]
    assert facts.deadlocks("formed_at", "members", "victims", "broken_at") == [
        (0.0, (0, 1, 2), (3, 4), 1.0),
        (1.0, (4, 5, 6), (3,), 2.0),
    ]


def test_a_tail_that_waits_before_the_ring_closes_is_a_victim_too() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("b", after=1.0, timeout=None)))
            bus.register(Part("b", asks("a", timeout=None)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(0.5)
                nursery.start_soon(asking(bus, "a", timeout=None))

    result = gl.run(main)
    assert (result.ended, result.at) == ("stalled", 1.0)
    assert facts.requests("id", "target", "sent_at") == [
        (0, "a", 0.0),
        (1, "a", 0.5),
        (2, "b", 1.0),
        (3, "a", 1.0),
    ]
    # 3 waits behind 1 at a, yet what keeps it from going on is 0: served at a, and waiting for 2.
    assert facts.deadlocks("formed_at", "members", "victims") == [(1.0, (0, 2, 3), (1,))]


def test_two_separate_rings_are_two_deadlocks() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("a", after=1.0, timeout=1.0)))
            bus.register(Part("b", asks("b", after=2.0, timeout=3.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=9.0))
                nursery.start_soon(asking(bus, "b", timeout=9.0))

    gl.run(main)
    assert facts.deadlocks("formed_at", "components", "broken_at") == [
        (1.0, ("a", "a"), 2.0),
        (2.0, ("b", "b"), 5.0),
    ]


def test_a_heartbeat_that_keeps_the_run_busy_does_not_hide_a_deadlock() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("a", after=0.5, timeout=None)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                while True:
                    await gl.sleep(1.0)

    result = gl.run(main, horizon=10.0)
    assert (result.ended, result.at) == ("horizon", 10.0)
    assert facts.deadlocks("formed_at", "components", "broken_at") == [(0.5, ("a", "a"), None)]


def test_a_branch_of_a_handler_that_still_runs_does_not_save_it_from_its_deadlock() -> None:
    facts = Facts()

    async def asks_itself_and_another(part: Part, data: Any) -> None:
        if data == "root":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(part.ask, "a", timeout=None))
                nursery.start_soon(partial(part.ask, "slow", timeout=None))

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks_itself_and_another))
            bus.register(Part("slow", sleeps(7.0)))
            await ask(bus, "a", "root", timeout=None)

    # A nursery waits for all its children, so the branch that is stuck holds the handler for ever.
    result = gl.run(main)
    assert (result.ended, result.at) == ("stalled", 7.0)
    assert facts.deadlocks("formed_at", "components", "broken_at") == [(0.0, ("a", "a"), None)]
    assert sorted(facts.requests("target", "outcome")) == [
        ("a", "pending"),
        ("a", "pending"),
        ("slow", "answered"),
    ]


def test_a_deadlock_broken_by_cancellation_says_so() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("a", timeout=None)))
            with trio.move_on_after(3.0):
                await ask(bus, "a", timeout=None)

    gl.run(main)
    assert facts.requests("outcome", "finished_at") == [("cancelled", 3.0)] * 2
    assert facts.deadlocks("formed_at", "broken_at", "broken_by") == [(0.0, 3.0, "cancelled")]


def test_the_refusal_names_the_cycle() -> None:
    async def calls_a(part: Part, data: Any) -> str:
        with pytest.raises(gl.DeadlockDetected) as caught:
            await part.bus.call("a", "ask", data, part.id)
        return str(caught.value)

    async def main() -> Any:
        async with gl.HybridCoordinator(on_deadlock="raise") as bus:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", calls_a))
            return await ask(bus, "a")

    assert gl.run(main).value == "waiting would close a deadlock: a -> b -> a"
