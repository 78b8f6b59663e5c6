"""What admits messages: gates, each with places that messages hold and a queue for the others.

A message passes a path of gates, one after another, and gives its places back in reverse order.
`Bus._path` decides which gates these are; `enter` and `leave` below are the one place where they
are passed. Gates are the resources of the wait-for graph.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from math import inf

from genesis_lab.components import Admission
from genesis_lab.messages import WaitKind
from genesis_lab.waits import Home, Node

Path = tuple["Gate", ...]


class Visitor(Node):
    """A message as a gate sees it."""

    __slots__ = ("chain", "go_on", "path")

    chain: int
    """The id of the message that its call chain began with."""
    go_on: Callable[[], None]
    """Called when a gate has given it a place that it queued for."""

    def __init__(self, id: int, parent: Node | None, home: Home) -> None:
        super().__init__(id, parent, home)
        self.path: Path = ()
        """The gates that it passes, in order."""

    def held(self) -> Iterable["Gate"]:
        """The gates that it holds a place of."""
        return [gate for gate in self.path if gate.holds(self)]


class Gate:
    """Admits messages up to its capacity, each to a place; the others enter in order of arrival.

    Parameters
    ----------
    capacity
        How many places there are.
    limit
        How many messages may queue.
    kind, where
        What a wait for a place is, and the component that it is at.
    """

    steps_aside = False
    """Whether a message gives its place up while it waits for a reply."""

    def __init__(
        self,
        capacity: float,
        *,
        limit: float = inf,
        kind: WaitKind = "admission",
        where: str = "",
    ) -> None:
        self.capacity = capacity
        self.limit = limit
        self.kind: WaitKind = kind
        self.where = where
        self.taken: dict[Visitor, None] = {}
        self.queue: OrderedDict[Visitor, None] = OrderedDict()

    @property
    def has_no_place(self) -> bool:
        """Whether each place is some message's."""
        return len(self.taken) >= self.capacity

    @property
    def is_full(self) -> bool:
        """Whether the queue has no room for another message."""
        return len(self.queue) >= self.limit

    def is_open_to(self, chain: int | None) -> bool:
        """Whether a message of this chain (None: of a new one) would enter at once."""
        return len(self.taken) < self.capacity

    def enter(self, message: Visitor) -> bool:
        """Take a place if there is one now."""
        if len(self.taken) < self.capacity:
            self.taken[message] = None
            return True
        return False

    def join(self, message: Visitor) -> None:
        """Queue; `message.go_on()` is called when a place has become the message's."""
        self.queue[message] = None

    def withdraw(self, message: Visitor) -> None:
        """Leave the queue."""
        self.queue.pop(message, None)
        message.waiting_for = None

    def leave(self, message: Visitor) -> None:
        """Give the place back, if it has one; the message that has waited longest gets it."""
        if message in self.taken:
            del self.taken[message]
            if self.queue:
                self.admit_waiting()

    def admit_waiting(self) -> None:
        """Let the first in the queue enter, as far as there is room."""
        while self.queue and len(self.taken) < self.capacity:
            message, _ = self.queue.popitem(last=False)
            self.enter(message)
            message.waiting_for = None
            message.go_on()

    def holds(self, message: Visitor) -> bool:
        """Whether the message has a place."""
        return message in self.taken

    def holders(self) -> Iterable[Visitor]:
        """The messages that have a place."""
        return self.taken

    def places(self) -> Iterator[Collection[Visitor]]:
        """The holders, place by place; a free place has none."""
        for holder in self.taken:
            yield (holder,)
        if len(self.taken) < self.capacity:
            yield ()

    def waiters(self) -> Iterable[Visitor]:
        """The messages that wait for a place."""
        return self.queue


class InterleavingGate(Gate):
    """A gate whose place a message gives up while it waits for a reply."""

    steps_aside = True


class ChainGate(Gate):
    """A gate whose places belong to call chains: further messages of the same chain may enter."""

    def __init__(
        self,
        capacity: float,
        *,
        limit: float = inf,
        kind: WaitKind = "admission",
        where: str = "",
    ) -> None:
        super().__init__(capacity, limit=limit, kind=kind, where=where)
        self._held_by: dict[int, dict[Visitor, None]] = {}
        # So that a chain's messages are found without a look at all the others that wait.
        self._queued_of: dict[int, dict[Visitor, None]] = {}

    def is_open_to(self, chain: int | None) -> bool:
        """Whether a message of this chain (None: of a new one) would enter at once."""
        return chain in self._held_by or len(self._held_by) < self.capacity

    def enter(self, message: Visitor) -> bool:
        """Take a place if there is one, or the chain has one, now."""
        holders = self._held_by.get(message.chain)
        if holders is not None:
            holders[message] = None
        elif len(self._held_by) < self.capacity:
            self._held_by[message.chain] = {message: None}
        else:
            return False
        self.taken[message] = None
        return True

    def join(self, message: Visitor) -> None:
        """Queue; `message.go_on()` is called when a place has become the message's."""
        super().join(message)
        self._queued_of.setdefault(message.chain, {})[message] = None

    def withdraw(self, message: Visitor) -> None:
        """Leave the queue."""
        super().withdraw(message)
        queued = self._queued_of.get(message.chain)
        if queued is not None and queued.pop(message, message) is None and not queued:
            del self._queued_of[message.chain]

    def leave(self, message: Visitor) -> None:
        """Give the chain's place back with its last message; the longest queued one gets it."""
        if message not in self.taken:
            return
        del self.taken[message]
        holders = self._held_by[message.chain]
        del holders[message]
        if not holders:
            del self._held_by[message.chain]
            self.admit_waiting()

    def admit_waiting(self) -> None:
        """Let the first in the queue enter, and with it the others of its chain."""
        while self.queue and len(self._held_by) < self.capacity:
            for message in self._queued_of.pop(next(iter(self.queue)).chain):
                del self.queue[message]
                self.enter(message)
                message.waiting_for = None
                message.go_on()

    def places(self) -> Iterator[Collection[Visitor]]:
        """The holders, place by place; a free place has none."""
        yield from self._held_by.values()
        if len(self._held_by) < self.capacity:
            yield ()


class Inbox(Gate):
    """A subscriber's deliveries: places for those that are handled, and a bounded queue.

    It lets as many go to the component's own gate as that may admit, in order of arrival. Emitters
    that wait for room stand behind the queue.
    """

    def __init__(self, capacity: float, *, limit: float, where: str) -> None:
        super().__init__(capacity, limit=limit, kind="inbox", where=where)
        self.blocked: OrderedDict[Visitor, None] = OrderedDict()
        """Deliveries whose emitters wait for room."""

    def withdraw(self, message: Visitor) -> None:
        """Take back a delivery that waits for its turn, or for room."""
        self.blocked.pop(message, None)
        super().withdraw(message)

    def waiters(self) -> Iterable[Visitor]:
        """The queued deliveries, and those that wait for room."""
        yield from self.queue
        yield from self.blocked


def gate_of(admission: Admission, where: str) -> Gate:
    """The gate that admits messages to a component in this way."""
    if admission.by_chain:
        kind: type[Gate] = ChainGate
    elif admission.interleaves:
        kind = InterleavingGate
    else:
        kind = Gate
    return kind(admission.capacity, limit=admission.queue, where=where)


def are_open(path: Path, chain: int | None) -> bool:
    """Whether a message of this chain (None: of a new one) would pass all gates at once."""
    for gate in path:  # noqa: SIM110  # a generator costs as much as a plain request's record
        if not gate.is_open_to(chain):
            return False
    return True


def leave(message: Visitor) -> None:
    """Give back every place that the message has, the last one first."""
    for gate in reversed(message.path):
        gate.leave(message)
