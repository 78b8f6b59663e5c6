"""The wait-for graph by itself: messages and desks, no bus and no clock."""

from collections.abc import Collection, Iterable
from math import isnan
from typing import Any

import pytest

from genesis_lab.messages import ELSEWHERE, BrokenBy, Deadlock, Wait, WaitKind
from genesis_lab.waits import Home, Node, WaitForGraph


class Desk:
    """A resource with so many places."""

    kind: WaitKind = "admission"

    def __init__(self, name: str, places: int = 1) -> None:
        self.name = name
        self.taken: list[list[Message]] = [[] for _ in range(places)]
        self.queue: list[Message] = []

    @property
    def where(self) -> str:
        return self.name

    def places(self) -> Iterable[Collection[Node]]:
        return self.taken

    def holders(self) -> Iterable[Node]:
        return [message for place in self.taken for message in place]

    def waiters(self) -> Iterable[Node]:
        return self.queue


class Message(Node):
    """A message at one desk: it sits there, or waits there."""

    awaited_as = "reply"

    def __init__(self, id: int, desk: Desk, parent: Node | None, home: Home, now: float) -> None:
        super().__init__(id, parent, home)
        self.desk = desk
        self.sent_at = now

    def place(self) -> str:
        return self.desk.name

    def held(self) -> Iterable[Desk]:
        return [self.desk] if any(self in place for place in self.desk.taken) else []


class Bus:
    """Where messages are, with a clock of its own; it keeps what it is told."""

    def __init__(self) -> None:
        self.time = 0.0
        self.told: list[Deadlock] = []

    def now(self) -> float:
        return self.time

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        self.told.append(deadlock)


class Scene:
    """Lets messages sit down, wait and end; instants are the numbers of what has happened."""

    def __init__(self) -> None:
        self.graph = WaitForGraph()
        self.bus = Bus()
        self._ids = iter(range(1000))

    def sits(
        self, desk: Desk, parent: Node | None = None, *, place: int = 0, on: Bus | None = None
    ) -> Message:
        """A new message that is served at the desk."""
        message = self._new(desk, parent, on or self.bus)
        desk.taken[place].append(message)
        return message

    def waits(
        self, desk: Desk, parent: Node | None = None, *, at: float = 0.0, on: Bus | None = None
    ) -> tuple[Message, Deadlock | None]:
        """A new message that waits at the desk, and the deadlock that it closes, on its bus."""
        self.bus.time = at
        message = self._new(desk, parent, on or self.bus)
        desk.queue.append(message)
        message.waiting_for, message.waiting_since = desk, at
        knot = self.graph.begin(message, desk)
        return message, None if knot is None else knot.reports[message.home]

    def ends(self, message: Message, *, at: float, how: BrokenBy = "timed_out") -> None:
        """Take a message away, as a bus does: no message waits for it, its place is free."""
        self.bus.time = at
        message.ended = True
        message.waiting_for = None
        if message.parent is not None and message.parent.children is not None:
            message.parent.children.pop(message)
        self.graph.freed(message, how)
        for place in message.desk.taken:
            if message in place:
                place.remove(message)
        if message in message.desk.queue:
            message.desk.queue.remove(message)

    def _new(self, desk: Desk, parent: Node | None, bus: Bus) -> Message:
        message = Message(next(self._ids), desk, parent, bus, bus.time)
        if parent is not None:
            parent.children = parent.children or {}
            parent.children[message] = None
        return message


def facts(deadlock: Deadlock | None) -> tuple[Any, ...] | None:
    if deadlock is None:
        return None
    return deadlock.members, deadlock.components, deadlock.victims


# --- no deadlock ----------------------------------------------------------------------------------


def test_waiting_for_one_that_runs_is_no_deadlock() -> None:
    scene, desk = Scene(), Desk("a")
    scene.sits(desk)
    _, formed = scene.waits(desk)
    assert formed is None


def test_waiting_behind_others_that_wait_for_one_that_runs_is_no_deadlock() -> None:
    scene, desk = Scene(), Desk("a")
    scene.sits(desk)
    assert [scene.waits(desk)[1] for _ in range(3)] == [None] * 3


def test_an_open_chain_is_no_deadlock() -> None:
    scene, a, b, c = Scene(), Desk("a"), Desk("b"), Desk("c")
    at_a = scene.sits(a)
    at_b = scene.sits(b, at_a)
    scene.sits(c)  # of another chain, and still at work
    _, formed = scene.waits(c, at_b)
    assert formed is None


def test_two_chains_that_cross_one_after_another_are_no_deadlock() -> None:
    scene, a, b = Scene(), Desk("a"), Desk("b")
    at_a = scene.sits(a)
    at_b = scene.sits(b, at_a)
    scene.ends(at_b, at=1.0)
    scene.ends(at_a, at=1.0)
    later = scene.sits(b)
    _, formed = scene.waits(a, later)
    assert formed is None


@pytest.mark.parametrize("free", [0, 1])
def test_a_free_place_makes_a_wait_live_even_if_the_others_wait_for_it(free: int) -> None:
    scene, pool = Scene(), Desk("pool", places=2)
    served = scene.sits(pool, place=1 - free)
    _, formed = scene.waits(pool, served)
    assert formed is None


def test_one_place_whose_holder_runs_makes_a_wait_live() -> None:
    scene, pool = Scene(), Desk("pool", places=2)
    stuck = scene.sits(pool, place=0)
    scene.sits(pool, place=1)
    _, formed = scene.waits(pool, stuck)
    assert formed is None


# --- cycles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 6))
def test_a_ring_is_a_deadlock_with_its_members_in_waiting_order(size: int) -> None:
    scene = Scene()
    desks = [Desk(f"c{number}") for number in range(size)]
    served: Message | None = None
    for desk in desks:
        served = scene.sits(desk, served)
    _, formed = scene.waits(desks[0], served, at=7.0)
    assert formed is not None
    assert formed.formed_at == 7.0
    assert facts(formed) == (
        tuple(range(size + 1)),
        (*(desk.name for desk in desks), "c0"),
        [],
    )
    assert isnan(formed.broken_at)
    assert formed.broken_by is None


def test_two_chains_that_cross_are_a_deadlock_told_from_its_oldest_member() -> None:
    scene, a, b = Scene(), Desk("a"), Desk("b")
    at_a, at_b = scene.sits(a), scene.sits(b)
    _, first = scene.waits(a, at_b)
    _, formed = scene.waits(b, at_a)
    assert first is None
    assert facts(formed) == ((0, 3, 1, 2), ("a", "b", "b", "a"), [])


def test_a_place_that_a_chain_holds_with_several_messages_is_live_only_if_all_of_them_are() -> None:
    scene, a, b = Scene(), Desk("a"), Desk("b")
    first = scene.sits(a)
    scene.sits(a, first)  # of the same chain, at the same place, and still at work
    at_b = scene.sits(b, first)
    _, formed = scene.waits(a, at_b)
    assert facts(formed) == ((0, 2, 3), ("a", "b", "a"), [])


def test_a_branch_that_runs_does_not_save_a_message_whose_other_branch_is_stuck() -> None:
    scene, a, b = Scene(), Desk("a"), Desk("b")
    at_a = scene.sits(a)
    scene.sits(b, at_a)
    _, formed = scene.waits(a, at_a)
    assert facts(formed) == ((0, 2), ("a", "a"), [])


def test_cycles_that_share_a_message_are_one_deadlock_when_one_wait_closes_both() -> None:
    scene, a, b, c = Scene(), Desk("a"), Desk("b"), Desk("c")
    at_a = scene.sits(a)
    at_b = scene.sits(b)
    at_c = scene.sits(c)
    scene.waits(a, at_b)  # 3
    scene.waits(a, at_c)  # 4
    _, first = scene.waits(b, at_a)  # 5: a -> b -> a
    assert facts(first) == ((0, 5, 1, 3), ("a", "b", "b", "a"), [2, 4])
    _, second = scene.waits(c, at_a)  # 6: a -> c -> a as well, by another branch
    assert facts(second) == ((0, 5, 1, 3, 6, 2, 4), ("a", "b", "b", "a", "c", "c", "a"), [])


# --- knots ----------------------------------------------------------------------------------------


def test_a_pool_is_a_deadlock_when_its_last_holder_waits_for_it() -> None:
    scene, pool = Scene(), Desk("pool", places=2)
    one, other = scene.sits(pool, place=0), scene.sits(pool, place=1)
    _, first = scene.waits(pool, one)
    _, formed = scene.waits(pool, other, at=3.0)
    assert first is None
    assert formed is not None
    assert formed.formed_at == 3.0
    assert sorted(formed.members) == [0, 1, 2, 3]
    assert formed.components == ("pool",) * 4


def test_a_pool_is_a_deadlock_by_way_of_another_component_too() -> None:
    scene, pool, desk = Scene(), Desk("pool", places=2), Desk("desk")
    one, other = scene.sits(pool, place=0), scene.sits(pool, place=1)
    at_desk = scene.sits(desk)
    _, first = scene.waits(desk, one)
    _, second = scene.waits(desk, other)
    _, formed = scene.waits(pool, at_desk)
    assert (first, second) == (None, None)
    assert formed is not None
    assert sorted(formed.members) == [0, 1, 2, 3, 4, 5]


def test_message_that_needs_help_from_outside_to_be_stuck_is_a_victim() -> None:
    scene, a, pool = Scene(), Desk("a"), Desk("pool", places=2)
    at_a = scene.sits(a)
    _, ring = scene.waits(a, at_a)  # 0 and 1 are deadlocked
    one, other = scene.sits(pool, place=0), scene.sits(pool, place=1)  # 2 and 3
    _, of_one = scene.waits(pool, one)  # 4 waits for a worker, and the other one is at work
    assert of_one is None
    _, of_other = scene.waits(a, other)  # 5 waits for the ring, so no worker is left
    assert of_other is None
    assert facts(ring) == ((0, 1), ("a", "a"), [2, 3, 4, 5])


# --- victims --------------------------------------------------------------------------------------


def test_message_that_waits_for_a_member_later_is_a_victim_and_no_deadlock_of_its_own() -> None:
    scene, a, tail = Scene(), Desk("a"), Desk("tail")
    at_a = scene.sits(a)
    _, ring = scene.waits(a, at_a)
    at_tail = scene.sits(tail)
    _, formed = scene.waits(a, at_tail)
    assert formed is None
    assert facts(ring) == ((0, 1), ("a", "a"), [2, 3])


def test_message_that_waited_for_a_member_before_is_a_victim_from_the_start() -> None:
    scene, a, tail = Scene(), Desk("a"), Desk("tail")
    at_a = scene.sits(a)
    at_tail = scene.sits(tail)
    scene.waits(a, at_tail)
    scene.waits(tail)
    _, ring = scene.waits(a, at_a)
    assert facts(ring) == ((0, 4), ("a", "a"), [1, 2, 3])


def test_victims_are_named_once_in_the_order_in_which_they_joined() -> None:
    scene, a, tail = Scene(), Desk("a"), Desk("tail")
    late = scene.sits(tail)
    at_a = scene.sits(a)
    _, ring = scene.waits(a, at_a)
    scene.waits(a)
    scene.waits(a, late)
    scene.waits(tail)
    scene.waits(a, late)
    assert ring is not None
    assert ring.victims == [3, 0, 4, 5, 6]


def test_one_message_may_be_a_victim_of_two_deadlocks() -> None:
    scene, a, b, c = Scene(), Desk("a"), Desk("b"), Desk("c")
    _, first = scene.waits(a, scene.sits(a))
    _, second = scene.waits(b, scene.sits(b))
    both = scene.sits(c)
    scene.waits(a, both)
    scene.waits(b, both)
    assert facts(first) == ((0, 1), ("a", "a"), [4, 5])
    assert facts(second) == ((2, 3), ("b", "b"), [4, 6])


# --- how it ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["timed_out", "cancelled", "refused"])
def test_a_deadlock_is_broken_when_a_member_ends(how: BrokenBy) -> None:
    scene, a, b = Scene(), Desk("a"), Desk("b")
    at_b = scene.sits(b, scene.sits(a))
    waiting, formed = scene.waits(a, at_b, at=1.0)
    assert formed is not None
    scene.ends(waiting, at=4.0, how=how)
    assert (formed.formed_at, formed.broken_at, formed.broken_by) == (1.0, 4.0, how)
    scene.ends(at_b, at=5.0, how="cancelled")
    assert (formed.broken_at, formed.broken_by) == (4.0, how)


def test_the_end_of_a_victim_breaks_nothing() -> None:
    scene, a = Scene(), Desk("a")
    _, formed = scene.waits(a, scene.sits(a))
    victim, _ = scene.waits(a)
    scene.ends(victim, at=2.0)
    assert formed is not None
    assert isnan(formed.broken_at)
    assert formed.victims == [2]


def test_a_knot_that_still_holds_without_a_member_is_not_broken() -> None:
    scene, a, b = Scene(), Desk("a"), Desk("b")
    at_b = scene.sits(b, scene.sits(a))
    scene_twice = [scene.waits(a, at_b) for _ in range(2)]
    [(first, formed), (second, _)] = scene_twice
    assert formed is not None
    scene.ends(second, at=2.0)
    assert isnan(formed.broken_at)
    scene.ends(first, at=3.0)
    assert formed.broken_at == 3.0


def test_the_same_wait_after_a_break_is_another_deadlock() -> None:
    scene, a = Scene(), Desk("a")
    at_a = scene.sits(a)
    waiting, first = scene.waits(a, at_a, at=1.0)
    scene.ends(waiting, at=2.0)
    _, second = scene.waits(a, at_a, at=3.0)
    assert first is not None
    assert second is not None
    assert (first.formed_at, first.broken_at) == (1.0, 2.0)
    assert second.formed_at == 3.0
    assert isnan(second.broken_at)
    assert first.victims == []


# --- what is told ---------------------------------------------------------------------------------


def test_deadlock_tells_who_waits_for_whom_and_since_when() -> None:
    scene, a, b = Scene(), Desk("a"), Desk("b")
    at_b = scene.sits(b, scene.sits(a))
    _, formed = scene.waits(a, at_b, at=3.0)
    assert formed is not None
    assert formed.waits == [
        Wait(0, 1, "reply", "b", 0.0),
        Wait(1, 2, "reply", "a", 3.0),
        Wait(2, 0, "admission", "a", 3.0),
    ]
    scene.waits(b, at=4.0)
    assert formed.waits[3:] == [Wait(3, 1, "admission", "b", 4.0)]


def test_deadlock_across_two_buses_is_told_to_each_in_its_own_ids_and_times() -> None:
    scene, a, b, other = Scene(), Desk("a"), Desk("b"), Bus()
    other.time = 100.0
    at_b = scene.sits(b, scene.sits(a), on=other)
    _, formed = scene.waits(a, at_b, at=1.0)
    assert scene.bus.told == [formed]
    [seen] = other.told
    assert facts(formed) == ((0, ELSEWHERE, 2), ("a", "b", "a"), [])
    assert facts(seen) == ((ELSEWHERE, 1, ELSEWHERE), ("a", "b", "a"), [])
    assert formed is not None
    assert (formed.formed_at, seen.formed_at) == (1.0, 100.0)
    assert formed.waits == [
        Wait(0, ELSEWHERE, "reply", "b", 100.0),
        Wait(ELSEWHERE, 2, "reply", "a", 1.0),
        Wait(2, 0, "admission", "a", 1.0),
    ]
