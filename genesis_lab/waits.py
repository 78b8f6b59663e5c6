"""The wait-for graph: who waits for whom now, and what of that can never go on.

Pure: no I/O, no trio, no clock. A bus says when a wait begins and when a message ends; the graph
says which deadlock has just formed or been broken.

What is *live* is a least fixpoint: a message is live when all that it waits for is live, and a
message that waits for nothing is live (it runs, or a timer will wake it). A message waits for each
of its nested messages, and for a resource when it is queued there. A resource is live when at least
one of its places is free or held by live messages only. The rest is *stuck*, and nothing but an end
from outside (a timeout, a cancellation, a refusal) can move it.

A **deadlock** is a largest set of stuck messages that reach one another and keep each other stuck
without help from outside the set: a cycle, or with several places per resource a knot. Such a set
forms exactly when its last wait begins, so looking at each beginning is enough.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import ClassVar, Protocol

from genesis_lab.messages import BrokenBy, Deadlock, Wait, WaitKind


class Resource(Protocol):
    """Something with places that messages hold and queue for."""

    kind: WaitKind
    """What a wait for a place is."""
    where: str
    """The component that it belongs to; empty for the bus as a whole."""

    def places(self) -> Iterable[Collection["Node"]]:
        """The holders, place by place; a free place has none."""

    def waiters(self) -> Iterable["Node"]:
        """The messages that wait for a place."""


class Node:
    """A message in flight: a request, a delivery or an emit.

    Not a dataclass: one is made per message, on the hot path.
    """

    __slots__ = ("children", "ended", "id", "parent", "sent_at", "waiting_for", "waiting_since")

    awaited_as: ClassVar[WaitKind]
    """What whoever waits for it waits for."""
    sent_at: float
    """When it was sent [s]."""
    waiting_since: float
    """Since when it is queued [s]."""

    def __init__(self, id: int, parent: "Node | None") -> None:
        self.id = id
        self.parent = parent
        self.children: dict[Node, None] | None = None
        """The nested messages that it waits for, all of them; None until there is one."""
        self.waiting_for: Resource | None = None
        """The resource that it is queued at."""
        self.ended = False

    def place(self) -> str:
        """The component that serves it, or that it waits for."""
        raise NotImplementedError

    def held(self) -> Iterable[Resource]:
        """The resources that it holds a place of."""
        raise NotImplementedError


class WaitForGraph:
    """Finds each deadlock at the instant it forms, and follows it until it is broken."""

    def __init__(self) -> None:
        self.standing: dict[Deadlock, Involved] = {}
        """The deadlocks that there are now."""

    def begin(self, node: Node, resource: Resource, now: float) -> Deadlock | None:
        """Let `node`, already among the resource's waiters, wait; the deadlock that this closes."""
        node.waiting_for = resource
        node.waiting_since = now
        if _plainly_live(resource):
            return None
        stuck = _sustained(_reach([node], _waits_on))
        if node not in stuck:
            return None
        formed = self._form(_knot(node, stuck), now)
        self._add_victims(node, stuck)
        return formed

    def end(self, node: Node, now: float, how: BrokenBy) -> None:
        """Take away a message that has ended; `how` counts if this breaks a deadlock."""
        node.ended = True
        node.waiting_for = None
        for deadlock, involved in list(self.standing.items()):
            if node in involved.members and not _sustained(involved.open_members()):
                deadlock.broken_at = now
                deadlock.broken_by = how
                del self.standing[deadlock]

    def _form(self, knot: set[Node], now: float) -> Deadlock | None:
        if not knot:
            return None
        members = _in_waiting_order(knot)
        deadlock = Deadlock(
            formed_at=now,
            members=tuple(member.id for member in members),
            components=tuple(member.place() for member in members),
            waits=[wait for member in members for wait in _edges(member, knot)],
        )
        self.standing[deadlock] = Involved(knot)
        return deadlock

    def _add_victims(self, node: Node, stuck: set[Node]) -> None:
        """Name whoever is stuck since `node` waits, as a victim of what it waits for."""
        above = _reach([node], _waited_by)
        all_stuck = _sustained(_reach(above, _waits_on))
        newly_stuck = _reach([node], _waited_by, within=all_stuck)
        for deadlock, involved in self.standing.items():
            behind = newly_stuck
            if stuck.isdisjoint(involved.members):
                # Not by way of the node: another place of something waited for was stuck before.
                members = involved.members & all_stuck
                behind = newly_stuck & _reach(members, _waited_by, within=all_stuck)
            joined = behind - involved.members - involved.victims
            in_order = sorted(joined, key=_age)
            deadlock.victims += [other.id for other in in_order]
            involved.victims |= joined
            stuck_here = involved.members | involved.victims
            deadlock.waits += [wait for other in in_order for wait in _edges(other, stuck_here)]


class Involved:
    """The nodes of a standing deadlock, whose report holds their ids."""

    def __init__(self, members: set[Node]) -> None:
        self.members = frozenset(members)
        self.victims: set[Node] = set()

    def open_members(self) -> set[Node]:
        """The members that have not ended."""
        return {member for member in self.members if not member.ended}


def _edges(node: Node, within: Collection[Node]) -> Iterator[Wait]:
    """The waits of a node for others of a set."""
    for child in node.children or ():
        if child in within:
            yield Wait(node.id, child.id, child.awaited_as, child.place(), child.sent_at)
    resource = node.waiting_for
    if resource is not None:
        for holders in resource.places():
            for holder in holders:
                if holder in within:
                    since = node.waiting_since
                    yield Wait(node.id, holder.id, resource.kind, resource.where, since)


def _waits_on(node: Node) -> Iterator[Node]:
    """Whoever `node` waits for: its nested messages and the holders of what it is queued at."""
    if node.children:
        yield from node.children
    if node.waiting_for is not None:
        for holders in node.waiting_for.places():
            yield from holders


def _waited_by(node: Node) -> Iterator[Node]:
    """Whoever waits for `node`: the message it is nested in, and the queues at what it holds."""
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
            if holder.children or holder.waiting_for is not None:
                break
        else:
            return True
    return False


def _sustained(candidates: set[Node]) -> set[Node]:
    """The largest subset whose members all wait for members: the greatest fixpoint."""
    kept = set(candidates)
    while freed := [node for node in kept if not _is_kept_waiting(node, kept)]:
        kept.difference_update(freed)
    return kept


def _is_kept_waiting(node: Node, by: set[Node]) -> bool:
    """Whether a nested message, or each place of the resource waited for, depends on `by`."""
    if node.children and not by.isdisjoint(node.children):
        return True
    return node.waiting_for is not None and all(
        any(holder in by for holder in holders) for holders in node.waiting_for.places()
    )


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
