"""Messages on their way: the nodes of the wait-for graph, and what their records say.

Made once per message on the hot path, hence plain classes whose defaults are class attributes.
"""

from collections.abc import Callable, Iterable
from math import inf, isnan, nan
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from genesis_lab.buses.mailbox import Gate, Mailbox, Turns
from genesis_lab.messages import Failure, Outcome, Route
from genesis_lab.observers import Observer
from genesis_lab.waits import Node, Resource

if TYPE_CHECKING:
    import trio

PENDING = Outcome.PENDING  # an enum's member costs a look-up each time it is named
NO_CAUSE = -1
"""The cause of a message that no other message led to."""


class Queue(Resource, Protocol):
    """A resource as the bus uses it."""

    def holds(self, message: "InFlight") -> bool:
        """Whether the message has a place."""

    def withdraw(self, message: Any) -> None:
        """Stop waiting for a place."""


class InFlight(Node):
    """A message on its way, from its sending until its outcome is known.

    Parameters
    ----------
    id
        Its number on this bus, in order of sending.
    parent
        The message whose handler sent it and waits for it; None for a message on its own.
    route
        Who sends what to whom.
    sent_at
        When it was sent [s since the bus opened].
    """

    __slots__ = (
        "_blocked_since",
        "blocked",
        "chain",
        "deadline",
        "go_on",
        "gone",
        "route",
        "scope",
        "started_at",
        "system",
        "was_refused",
    )

    completed: ClassVar[Outcome]
    """The outcome when all goes well."""
    abandoned: ClassVar[Outcome] = Outcome.CANCELLED
    """The outcome when its target goes away."""
    refused: ClassVar[Outcome] = Outcome.DROPPED
    """The outcome when its wait would close a deadlock."""
    is_delivery: ClassVar[bool] = False

    parent: "InFlight | None"
    go_on: Callable[[], None]
    """Resumes whoever waits on its behalf."""

    def __init__(self, id: int, parent: "InFlight | None", route: Route, sent_at: float) -> None:
        # Not by super(): one message, one call.
        self.id = id
        self.parent = parent
        self.children = None
        self.waiting_for = None
        self.ended = False
        self.chain: int = id if parent is None else parent.chain
        """The id of the message that the call chain began with."""
        self.route = route
        self.sent_at = sent_at
        self.started_at = nan
        self.blocked = 0.0
        """The part of service spent waiting for nested messages, so far [s]."""
        self.deadline = inf
        """When its sender gives up [s since the bus opened]."""
        self.gone = False
        """Its target was unregistered, or the bus is closing."""
        self.was_refused = False
        """Its wait would have closed a deadlock."""
        self.scope: trio.CancelScope | None = None
        """What cancels its handler; None while that has not been entered."""
        self.system: Gate | None = None
        """The system-wide gate that it passes, where the architecture has one."""

    def nest(self, child: "InFlight", now: float) -> None:
        """Begin to wait for a nested message."""
        if self.children is None:
            self.children = {}
        if not self.children:
            self._blocked_since = now
        self.children[child] = None

    def unnest(self, child: "InFlight", now: float) -> None:
        """Wait no longer for a nested message."""
        assert self.children is not None, "only a nested message is taken out"
        del self.children[child]
        if not self.children:
            self.blocked += now - self._blocked_since

    def cancel(self) -> None:
        """Make its handler stop, because its target or its bus goes away."""
        self.gone = True
        if self.scope is not None:
            self.scope.cancel()

    @property
    def has_expired(self) -> bool:
        """Whether its deadline has passed: only that and `cancel` cancel its scope."""
        return self.scope is not None and self.scope.cancel_called and not self.gone

    def held(self) -> Iterable[Resource]:
        """The resources that it holds a place of."""
        return [resource for resource in self.resources() if resource.holds(self)]

    def resources(self) -> Iterable[Queue]:
        """The resources that it may hold a place of."""
        return () if self.system is None else (self.system,)

    def report(
        self, observer: Observer, outcome: Outcome, error: Failure | None, now: float
    ) -> None:
        """Tell the observer how it ended, or that it is `PENDING` now."""
        raise NotImplementedError

    def blocked_until(self, now: float) -> float:
        """The time blocked, with a nested wait that is still open [s]."""
        return self.blocked + (now - self._blocked_since if self.children else 0.0)


class Request(InFlight):
    """A request, from its sending until its sender knows the outcome."""

    __slots__ = ("attempt", "cause", "intended_at", "mailbox")

    awaited_as = "reply"
    completed = Outcome.ANSWERED
    abandoned = Outcome.TARGET_GONE
    refused = Outcome.DEADLOCKED

    def __init__(
        self,
        id: int,
        parent: InFlight | None,
        cause: int,
        route: Route,
        mailbox: Mailbox,
        attempt: int,
        intended_at: float,
        sent_at: float,
    ) -> None:
        super().__init__(id, parent, route, sent_at)
        self.cause = cause
        self.mailbox = mailbox
        self.attempt = attempt
        self.intended_at = intended_at

    def place(self) -> str:
        """The component that serves it, or that it waits for."""
        return self.route.target

    def resources(self) -> Iterable[Queue]:
        """The gates of its target and of the system."""
        return (self.mailbox.gate, *super().resources())

    def report(
        self, observer: Observer, outcome: Outcome, error: Failure | None, now: float
    ) -> None:
        """Tell the observer how it ended."""
        observer.request_ended(
            self.id,
            self.cause,
            self.chain,
            self.route.number,
            self.attempt,
            outcome,
            error,
            self.deadline - self.sent_at,
            self.intended_at,
            self.sent_at,
            self.sent_at,
            self.started_at,
            nan if outcome is PENDING or isnan(self.started_at) else now,
            nan if outcome is PENDING else now,
            self.blocked_until(now) if self.children else self.blocked,
        )


class Emit(InFlight):
    """An event, until its emitter goes on; that may wait for handlers, or for room in an inbox."""

    __slots__ = ("cause", "data", "intended_at", "subscribers")

    awaited_as = "emit"
    completed = Outcome.HANDLED

    def __init__(
        self,
        id: int,
        parent: InFlight | None,
        cause: int,
        route: Route,
        data: Any,
        intended_at: float,
        sent_at: float,
    ) -> None:
        super().__init__(id, parent, route, sent_at)
        self.cause = cause
        self.data = data
        """What the event carries."""
        self.intended_at = intended_at
        self.subscribers = 0
        """How many deliveries it has led to."""

    def place(self) -> str:
        """The component that emits it."""
        return self.route.source

    def report(
        self, observer: Observer, outcome: Outcome, error: Failure | None, now: float
    ) -> None:
        """Tell the observer when the emitter went on."""
        observer.event_emitted(
            self.id,
            self.cause,
            self.chain,
            self.route.number,
            self.subscribers,
            self.intended_at,
            self.sent_at,
            nan if outcome is PENDING else now,
        )


class Delivery(InFlight):
    """One event on its way to one subscriber; a part of its emitter's chain only if that waits."""

    __slots__ = ("emit", "is_admitted", "mailbox", "turns")

    awaited_as = "handling"
    completed = Outcome.HANDLED
    is_delivery = True

    def __init__(self, id: int, emit: Emit, route: Route, mailbox: Mailbox, sent_at: float) -> None:
        super().__init__(id, None, route, sent_at)
        self.emit = emit
        self.mailbox = mailbox
        self.is_admitted = False
        """The gate has let it in while nobody waited in a task for it."""
        self.turns: Turns | None = None
        """The line that it stands in, where an architecture handles deliveries in turn."""

    def place(self) -> str:
        """The component that handles it, or that it waits for."""
        return self.route.target

    def resources(self) -> Iterable[Queue]:
        """The subscriber's gate, its inbox, and the line that it stands in."""
        turns = () if self.turns is None else (self.turns,)
        return (self.mailbox.gate, self.mailbox.inbox, *turns, *super().resources())

    def report(
        self, observer: Observer, outcome: Outcome, error: Failure | None, now: float
    ) -> None:
        """Tell the observer how it ended."""
        observer.delivery_ended(
            self.id,
            self.emit.id,
            self.chain,
            self.route.number,
            outcome,
            error,
            self.emit.intended_at,
            self.sent_at,
            self.sent_at,
            self.started_at,
            nan if outcome is PENDING or isnan(self.started_at) else now,
            nan if outcome is PENDING else now,
            self.blocked_until(now) if self.children else self.blocked,
        )
