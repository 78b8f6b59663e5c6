"""The wait-for graph: who waits for whom now, and what of that can never go on.

Pure: no I/O, no trio, no clock. A bus says when a wait begins and when one ends; the graph says
which deadlock has just formed or been broken. All buses of a run share one graph, because a message
on one bus may wait for a message on another.

What is *live* is a least fixpoint: a message is live when all that it waits for is live, and a
message that waits for nothing is live (it runs, or a timer will wake it). A message waits for each
of its nested messages, and for each resource that it is queued at. A resource is live when at least
one of its places is free or held by live messages only. The rest is *stuck*, and nothing but an end
from outside (a timeout, a cancellation, a refusal) can move it.

A **deadlock** is a largest set of stuck messages that reach one another and keep each other stuck
without help from outside the set: a cycle, or with several places per resource a knot. Such a set
forms when its last wait begins, so each beginning is looked at. There is one more way, and the bus
asks for a look at that, too: of the events that would end a handler's wait, one that was live is
lost.

Every search here is linear in what is waited for, directly or not. A search that instead peeled off
one layer of live messages per pass took time quadratic in the depth of a call chain.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import count
from math import isnan
from typing import ClassVar, Protocol

from genesis_lab.messages import ELSEWHERE, BrokenBy, Deadlock, Wait, WaitKind


class Resource(Protocol):
    """Something with places that messages hold and queue for."""

    @property
    def kind(self) -> WaitKind:
        """What a wait for a place is."""

    @property
    def where(self) -> str:
        """The component that it belongs to; empty for the bus as a whole."""

    def places(self) -> Iterable[Collection["Node"]]:
        """The holders, place by place; a free place has none."""

    def holders(self) -> Iterable["Node"]:
        """What is told of a wait here: the messages that it is for."""

    def waiters(self) -> Iterable["Node"]:
        """The messages that wait for a place."""


class Home(Protocol):
    """The bus that a message is on, as the graph sees it."""

    def now(self) -> float:
        """Seconds since the bus opened."""

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        """Learn of a deadlock that has a member on this bus."""


class Node:
    """A message in flight: a request, a delivery or an emit.

    Not a dataclass: one is made per message, on the hot path.
    """

    __slots__ = (
        "children",
        "ended",
        "home",
        "id",
        "listening",
        "parent",
        "sent_at",
        "waiting_for",
        "waiting_since",
    )

    awaited_as: ClassVar[WaitKind]
    """What a message that waits for this one waits for."""
    sent_at: float
    """When it was sent [s]."""
    waiting_since: float
    """Since when it is queued [s]."""

    def __init__(self, id: int, parent: "Node | None", home: Home) -> None:
        self.id = id
        self.parent = parent
        """The message that waits for this one."""
        self.home = home
        self.children: dict[Node, None] | None = None
        """The nested messages that it waits for, all of them; None until there is one."""
        self.waiting_for: Resource | None = None
        """The resource that it is queued at."""
        self.listening: dict[Resource, float] | None = None
        """The events that its handler waits for, and since when; None until there is one."""
        self.ended = False

    def place(self) -> str:
        """The component that serves it, or that it waits for."""
        raise NotImplementedError

    def held(self) -> Iterable[Resource]:
        """The resources that it holds a place of."""
        raise NotImplementedError


class Knot:
    """A deadlock as the graph knows it: its nodes, and what each bus is told of it."""

    def __init__(self, number: int, members: list[Node]) -> None:
        self.number = number
        self.members = frozenset(members)
        self.victims: set[Node] = set()
        self.reports: dict[Home, Deadlock] = {}
        """One per bus that has a member; ids and times are those of that bus."""
        waits = [wait for member in members for wait in _edges(member, self.members)]
        for home in dict.fromkeys(member.home for member in members):
            self.reports[home] = Deadlock(
                formed_at=home.now(),
                members=tuple(_id_at(home, member) for member in members),
                components=tuple(member.place() for member in members),
                waits=[_wait_at(home, *wait) for wait in waits],
            )

    def join(self, victims: Iterable[Node]) -> None:
        """Add messages that have come to wait for a member."""
        joined = sorted(victims, key=_age)
        self.victims.update(joined)
        involved = self.members | self.victims
        waits = [wait for victim in joined for wait in _edges(victim, involved)]
        for home, deadlock in self.reports.items():
            deadlock.victims += [victim.id for victim in joined if victim.home is home]
            deadlock.waits += [_wait_at(home, *wait) for wait in waits]

    def broken(self, how: BrokenBy) -> None:
        """A member no longer waits."""
        for home, deadlock in self.reports.items():
            deadlock.broken_at = home.now()
            deadlock.broken_by = how


class WaitForGraph:
    """Finds each deadlock at the instant it forms, and follows it until it is broken."""

    def __init__(self) -> None:
        self.buses = 0
        """How many buses have been opened in the run."""
        self.standing: dict[Knot, None] = {}
        """The deadlocks that there are now, in the order in which they formed."""
        self._numbers = count()
        # So that what has nothing to do with a deadlock costs one look-up, however many stand.
        self._knots_of: defaultdict[Node, list[Knot]] = defaultdict(list)

    def begin(self, node: Node, resource: Resource) -> Knot | None:
        """Let `node`, already among the resource's waiters, wait; the deadlock that this closes."""
        return None if _plainly_live(resource) else self.look_at(node)

    def look_at(self, node: Node) -> Knot | None:
        """Find out whether `node`, which waits already, is stuck; the deadlock that has formed."""
        stuck = _sustained(_reach([node], _waits_on))
        if node not in stuck:
            return None
        members = _knot(node, stuck)
        known = any(knot.members == members for knot in self._knots_of.get(node, ()))
        formed = None if known else self._form(members)
        self._add_victims(node, stuck)
        if formed is not None:
            for home, deadlock in formed.reports.items():
                home.deadlock_formed(deadlock)
        return formed

    def is_known(self, node: Node, resource: Resource) -> bool:
        """Whether a node's wait at a resource is part of a deadlock that stands."""
        return any(
            holder in knot.members
            for knot in self._knots_of.get(node, ())
            for holder in resource.holders()
        )

    def freed(self, node: Node, how: BrokenBy) -> None:
        """A message has ended, or has given up a wait; `how` counts if this breaks a deadlock."""
        for knot in list(self._knots_of.get(node, ())):
            if not _sustained({member for member in knot.members if not member.ended}):
                knot.broken(how)
                del self.standing[knot]
                for member in knot.members:
                    self._forget(member, knot)

    def deadlocks(self, home: Home) -> Iterator[Deadlock]:
        """The deadlocks that stand and have a member on this bus."""
        for knot in self.standing:
            if home in knot.reports:
                yield knot.reports[home]

    def _forget(self, member: Node, knot: Knot) -> None:
        knots = self._knots_of[member]
        knots.remove(knot)
        if not knots:
            del self._knots_of[member]

    def _form(self, nodes: set[Node]) -> Knot | None:
        if not nodes:
            return None
        knot = Knot(next(self._numbers), _in_waiting_order(nodes))
        self.standing[knot] = None
        for member in knot.members:
            self._knots_of[member].append(knot)
        return knot

    def _add_victims(self, node: Node, stuck: set[Node]) -> None:
        """Name each message that is stuck since `node` waits, as a victim of what it waits for."""
        above = _reach([node], _waited_by)
        all_stuck = _sustained(_reach(above, _waits_on))
        newly_stuck = _reach([node], _waited_by, within=all_stuck)
        # Only the deadlocks that some of these reach: others may stand in their thousands.
        for knot in self._knots_among(all_stuck):
            behind = newly_stuck
            if stuck.isdisjoint(knot.members):
                # Not by way of the node: another place of something waited for was stuck before.
                members = knot.members & all_stuck
                behind = newly_stuck & _reach(members, _waited_by, within=all_stuck)
            joined = behind - knot.members - knot.victims
            if joined:
                knot.join(joined)

    def _knots_among(self, nodes: set[Node]) -> list[Knot]:
        found = {knot for node in nodes for knot in self._knots_of.get(node, ())}
        return sorted(found, key=lambda knot: knot.number)


def _id_at(home: Home, node: Node) -> int:
    return node.id if node.home is home else ELSEWHERE


def _wait_at(
    home: Home, waiter: Node, holder: Node, kind: WaitKind, where: str, since: float
) -> Wait:
    """One edge, as it stands in the record of one bus."""
    return Wait(_id_at(home, waiter), _id_at(home, holder), kind, where, since)


def _edges(
    node: Node, within: Collection[Node]
) -> Iterator[tuple[Node, Node, WaitKind, str, float]]:
    """The waits of a node for others of a set: waiter, holder, kind, where and since when."""
    for child in node.children or ():
        if child in within:
            # A delivery that waits for room has not been sent yet.
            since = child.waiting_since if isnan(child.sent_at) else child.sent_at
            yield node, child, child.awaited_as, child.place(), since
    for resource, since in _queued_at(node):
        for holder in resource.holders():
            if holder in within:
                yield node, holder, resource.kind, resource.where, since


def _queued_at(node: Node) -> Iterator[tuple[Resource, float]]:
    """The resources that a node waits at, and since when."""
    if node.waiting_for is not None:
        yield node.waiting_for, node.waiting_since
    if node.listening:
        yield from node.listening.items()


def _waits_on(node: Node) -> Iterator[Node]:
    """The messages that `node` waits for: its nested ones, and the holders where it is queued."""
    if node.children:
        yield from node.children
    for resource, _ in _queued_at(node):
        for holders in resource.places():
            yield from holders


def _waited_by(node: Node) -> Iterator[Node]:
    """The messages that wait for `node`: the one it is nested in, and the queues at its places."""
    if node.parent is not None and not node.parent.ended:
        yield node.parent
    for resource in node.held():
        yield from resource.waiters()


def _reach(
    start: Iterable[Node],
    step: Callable[[Node], Iterable[Node]],
    *,
    within: Collection[Node] | None = None,
) -> set[Node]:
    """The start and all that repeated steps lead to, passing only through `within` if given."""
    reached = set(start)
    frontier = list(reached)
    while frontier:
        for other in step(frontier.pop()):
            if other not in reached and (within is None or other in within):
                reached.add(other)
                frontier.append(other)
    return reached


def _plainly_live(resource: Resource) -> bool:
    """Whether some place's holders wait for nothing: the common case, seen without a search."""
    # Loops, not any(all()): this is asked at each wait, and nested generators cost as much as it.
    for holders in resource.places():
        for holder in holders:
            if holder.children or holder.waiting_for is not None or holder.listening:
                break
        else:
            return True
    return False


class _Places:
    """A resource during one search: how many candidates hold each of its places."""

    def __init__(self, resource: Resource, candidates: Collection[Node]) -> None:
        self.waiters: list[Node] = []
        self.holders: list[list[Node]] = [
            [holder for holder in holders if holder in candidates] for holders in resource.places()
        ]
        self.left = [len(holders) for holders in self.holders]
        self.is_live = 0 in self.left


def _sustained(candidates: set[Node]) -> set[Node]:
    """The largest subset whose members all wait for members: the greatest fixpoint.

    Candidates that nothing among them keeps waiting are taken out one by one, and each that goes
    tells those that waited for it: a work list over the reversed edges, so each edge is looked at
    once.
    """
    kept = set(candidates)
    nested: dict[Node, int] = {}
    """For each candidate, how many of its nested messages are kept."""
    blocked: dict[Node, int] = {}
    """For each candidate, how many of the resources where it is queued have no live place."""
    resources: dict[Resource, _Places] = {}
    held_by: defaultdict[Node, list[tuple[_Places, int]]] = defaultdict(list)
    for node in candidates:
        nested[node] = sum(child in candidates for child in node.children or ())
        waits = 0
        for resource, _ in _queued_at(node):
            places = resources.get(resource)
            if places is None:
                places = resources[resource] = _Places(resource, candidates)
                for number, holders in enumerate(places.holders):
                    for holder in holders:
                        held_by[holder].append((places, number))
            if not places.is_live:
                places.waiters.append(node)
                waits += 1
        blocked[node] = waits
    freed = [node for node in candidates if not (nested[node] or blocked[node])]
    kept.difference_update(freed)

    def recheck(node: Node) -> None:
        if node in kept and not (nested[node] or blocked[node]):
            kept.discard(node)
            freed.append(node)

    while freed:
        node = freed.pop()
        if node.parent is not None and node.parent in kept and node in (node.parent.children or ()):
            nested[node.parent] -= 1
            recheck(node.parent)
        for places, number in held_by.get(node, ()):
            places.left[number] -= 1
            if places.left[number] == 0 and not places.is_live:
                places.is_live = True
                for waiter in places.waiters:
                    blocked[waiter] -= 1
                    recheck(waiter)
    return kept


def _knot(node: Node, stuck: set[Node]) -> set[Node]:
    """The largest set around `node` that is strongly connected and sustains itself, or nothing."""
    kept = stuck
    while node in kept:
        connected = _reach([node], _waits_on, within=kept) & _reach([node], _waited_by, within=kept)
        smaller = _sustained(connected)
        if smaller == kept:
            return kept
        kept = smaller
    return set()


def _in_waiting_order(knot: set[Node]) -> list[Node]:
    """Each member after the one that waits for it, from the oldest on: a cycle, as it runs."""
    order: dict[Node, None] = {}
    frontier = [min(knot, key=_age)]
    while frontier:
        node = frontier.pop()
        if node not in order:
            order[node] = None
            following = {other for other in _waits_on(node) if other in knot}
            frontier += sorted(following, key=_age, reverse=True)
    return list(order)


def _age(node: Node) -> int:
    """Ids are given in order of sending."""
    return node.id
