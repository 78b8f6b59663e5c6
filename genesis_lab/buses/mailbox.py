"""What a registered component has on its bus: the gate that admits messages, the inbox for events.

Both are resources of the wait-for graph: messages hold their places and queue for them.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator
from inspect import iscoroutinefunction, unwrap
from typing import TYPE_CHECKING, Any

from genesis_lab.components import Admission, Component
from genesis_lab.messages import Membership, WaitKind

if TYPE_CHECKING:
    from genesis_lab.buses.inflight import Delivery, InFlight


class Gate:
    """Admits messages up to its capacity, each to a place; the others enter in order of arrival."""

    def __init__(self, capacity: float, *, kind: WaitKind = "admission", where: str = "") -> None:
        self.capacity = capacity
        self.kind: WaitKind = kind
        self.where = where
        self.taken: dict[Any, list[InFlight]] = {}
        """The holders of each place in use, by what a place belongs to: a message."""
        self.queue: OrderedDict[InFlight, None] = OrderedDict()

    def is_open_to(self, chain: int | None) -> bool:
        """Whether a message of this chain (None: of a new one) would enter at once."""
        return len(self.taken) < self.capacity

    def enter(self, message: "InFlight") -> bool:
        """Take a place if there is one now."""
        if len(self.taken) < self.capacity:
            self.taken[message] = [message]
            return True
        return False

    def join(self, message: "InFlight") -> None:
        """Queue; `message.go_on()` is called when a place has become the message's."""
        self.queue[message] = None

    def withdraw(self, message: "InFlight") -> None:
        """Leave the queue."""
        self.queue.pop(message, None)
        message.waiting_for = None

    def leave(self, message: "InFlight") -> None:
        """Give the place back, and to whoever has waited longest."""
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

    def holds(self, message: "InFlight") -> bool:
        """Whether the message has a place."""
        return message in self.taken

    def places(self) -> Iterator[Collection["InFlight"]]:
        """The holders, place by place; a free place has none."""
        yield from self.taken.values()
        if len(self.taken) < self.capacity:
            yield ()

    def waiters(self) -> Iterable["InFlight"]:
        """The messages that wait for a place."""
        return self.queue


class ChainGate(Gate):
    """A gate whose places belong to call chains: further messages of the same chain may enter."""

    def is_open_to(self, chain: int | None) -> bool:
        """Whether a message of this chain (None: of a new one) would enter at once."""
        return chain in self.taken or super().is_open_to(chain)

    def enter(self, message: "InFlight") -> bool:
        """Take a place if there is one, or the chain has one, now."""
        if message.chain in self.taken:
            self.taken[message.chain].append(message)
        elif len(self.taken) < self.capacity:
            self.taken[message.chain] = [message]
        else:
            return False
        return True

    def leave(self, message: "InFlight") -> None:
        """Give the chain's place back with its last message, and to whoever has waited longest."""
        holders = self.taken[message.chain]
        holders.remove(message)
        if not holders:
            del self.taken[message.chain]
            self.admit_waiting()

    def admit_waiting(self) -> None:
        """Let the first in the queue enter, and with it the others of its chain."""
        while self.queue and len(self.taken) < self.capacity:
            chain = next(iter(self.queue)).chain
            for message in [other for other in self.queue if other.chain == chain]:
                del self.queue[message]
                self.enter(message)
                message.waiting_for = None
                message.go_on()

    def holds(self, message: "InFlight") -> bool:
        """Whether the message has a part in its chain's place."""
        return message in self.taken.get(message.chain, ())


class Turns:
    """Deliveries that are handled one after another: the current one, and those behind it."""

    kind: WaitKind = "turn"
    where = ""

    def __init__(self) -> None:
        self.current: Delivery | None = None
        self.queue: deque[Delivery] = deque()

    def withdraw(self, message: "Delivery") -> None:
        """Give a turn up before it has come."""
        self.queue.remove(message)
        message.waiting_for = None

    def take(self, delivery: "Delivery") -> bool:
        """Stand in line; whether it is the delivery's turn at once."""
        if self.current is None:
            self.current = delivery
            return True
        self.queue.append(delivery)
        return False

    def advance(self) -> None:
        """Give the turn to the next one, if there is one."""
        self.current = self.queue.popleft() if self.queue else None
        if self.current is not None:
            self.current.waiting_for = None

    def holds(self, message: "InFlight") -> bool:
        """Whether it is the message's turn."""
        return message is self.current

    def places(self) -> Iterable[Collection["InFlight"]]:
        """The one place: whose turn it is."""
        return ((self.current,) if self.current is not None else (),)

    def waiters(self) -> Iterable["InFlight"]:
        """The deliveries whose turn has not come."""
        return self.queue


class Inbox(Turns):
    """A subscriber's bounded queue; deliveries whose emitters wait for room are blocked here."""

    def __init__(self, capacity: float) -> None:
        super().__init__()
        self.kind = "inbox"
        self.capacity = capacity
        self.blocked: OrderedDict[Delivery, None] = OrderedDict()

    @property
    def is_full(self) -> bool:
        """Whether the queue has no room for another delivery."""
        return len(self.queue) >= self.capacity

    def withdraw(self, message: "Delivery") -> None:
        """Take back a delivery that waits for room."""
        self.blocked.pop(message, None)
        message.waiting_for = None

    def waiters(self) -> Iterable["InFlight"]:
        """The queued deliveries, and those that wait for room."""
        yield from self.queue
        yield from self.blocked


class Mailbox:
    """A component on its bus: gate, inbox, and how its two methods are to be called."""

    def __init__(self, component: Component, admission: Admission, inbox: Inbox) -> None:
        self.component = component
        self.is_registered = True
        self.membership: Membership
        self.gate = (ChainGate if admission.by_chain else Gate)(
            admission.capacity, where=component.id
        )
        inbox.where = component.id
        self.inbox = inbox
        self.serves_plainly = not _is_async(component.process_request)
        self.handles_plainly = not _is_async(component.on_event)


def _is_async(method: object) -> bool:
    """Whether calling the method, or what a decorator wraps, gives an awaitable."""
    return callable(method) and iscoroutinefunction(unwrap(method))
