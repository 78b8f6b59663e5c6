"""What a registered component has on its bus: the gate that admits messages, the inbox for events.

Both are resources of the wait-for graph: messages hold their places and queue for them.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator
from inspect import iscoroutinefunction, unwrap
from typing import TYPE_CHECKING

from genesis_lab.components import Admission, Component

if TYPE_CHECKING:
    from genesis_lab.buses.inflight import Delivery, InFlight


class Gate:
    """Admits messages up to its capacity; the others enter in order of arrival.

    A place belongs to one message or, where the admission says so, to a whole call chain.
    """

    def __init__(self, admission: Admission) -> None:
        self._capacity = admission.capacity
        self._by_chain = admission.by_chain
        self._places: dict[InFlight, list[InFlight]] = {}
        self._queue: OrderedDict[InFlight, None] = OrderedDict()

    def is_open_to(self, chain: "InFlight | None") -> bool:
        """Whether a message of this chain (None: of a new one) would enter at once."""
        return len(self._places) < self._capacity or (self._by_chain and chain in self._places)

    def enter(self, message: "InFlight") -> bool:
        """Take a place if there is one now."""
        key = message.root if self._by_chain else message
        if self._by_chain and key in self._places:
            self._places[key].append(message)
        elif len(self._places) < self._capacity:
            self._places[key] = [message]
        else:
            return False
        return True

    def join(self, message: "InFlight") -> None:
        """Queue; `message.go_on()` is called when a place has become the message's."""
        self._queue[message] = None

    def withdraw(self, message: "InFlight") -> None:
        """Leave the queue."""
        self._queue.pop(message, None)
        message.waiting_for = None

    def leave(self, message: "InFlight") -> None:
        """Give the place back, and to whoever has waited longest."""
        if self._by_chain:
            holders = self._places[message.root]
            holders.remove(message)
            if not holders:
                del self._places[message.root]
        else:
            del self._places[message]
        while self._queue and len(self._places) < self._capacity:
            self._admit(next(iter(self._queue)))

    def _admit(self, message: "InFlight") -> None:
        admitted = [message]
        if self._by_chain:
            admitted = [other for other in self._queue if other.root is message.root]
        for each in admitted:
            del self._queue[each]
            self.enter(each)
            each.waiting_for = None
            each.go_on()

    def holds(self, message: "InFlight") -> bool:
        """Whether the message has a place."""
        key = message.root if self._by_chain else message
        return message in self._places.get(key, ())

    def places(self) -> Iterator[Collection["InFlight"]]:
        """The holders, place by place; a free place has none."""
        yield from self._places.values()
        if len(self._places) < self._capacity:
            yield ()

    def waiters(self) -> Iterable["InFlight"]:
        """The messages that wait for a place."""
        return self._queue


class Turns:
    """Deliveries that are handled one after another: the current one, and those behind it."""

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

    def advance(self) -> "Delivery | None":
        """The next one's turn."""
        self.current = self.queue.popleft() if self.queue else None
        if self.current is not None:
            self.current.waiting_for = None
        return self.current

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
        self.gate = Gate(admission)
        self.inbox = inbox
        self.serves_plainly = not _is_async(component.process_request)
        self.handles_plainly = not _is_async(component.on_event)


def _is_async(method: object) -> bool:
    """Whether calling the method, or what a decorator wraps, gives an awaitable."""
    return callable(method) and iscoroutinefunction(unwrap(method))
