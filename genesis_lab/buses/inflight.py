"""Messages on their way: the nodes of the wait-for graph, and what their records say.

Made once per message on the hot path, hence plain classes whose defaults are class attributes.
"""

from collections.abc import Callable, Iterable
from math import inf, nan
from typing import Any, Protocol

import trio

from genesis_lab.buses.mailbox import Gate, Mailbox, Turns
from genesis_lab.messages import Outcome
from genesis_lab.observers import Observer, Route
from genesis_lab.waits import Node, Resource

NO_CAUSE = -1
"""The cause of a message that no other message led to."""


class Queue(Resource, Protocol):
    """A resource as the bus uses it."""

    def holds(self, message: "InFlight") -> bool:
        """Whether the message has a place."""

    def withdraw(self, message: Any) -> None:
        """Stop waiting for a place."""


class InFlight(Node):
    """A message on its way, from its sending until its outcome is known."""

    parent: "InFlight | None"
    completed: Outcome
    """The outcome when all goes well."""
    abandoned = Outcome.CANCELLED
    """The outcome when its target goes away."""
    refused = Outcome.DROPPED
    """The outcome when its wait would close a deadlock."""

    started_at = nan
    blocked = 0.0
    """The part of service spent waiting for nested messages, so far [s]."""
    deadline = inf
    """When its sender gives up [s since the bus opened]."""
    is_delivery = False
    gone = False
    """Its target was unregistered, or the bus is closing."""
    was_refused = False
    """Its wait would have closed a deadlock."""
    scope: trio.CancelScope | None = None
    """What cancels its handler; None while that has not been entered."""
    system: Gate | None = None
    """The system-wide gate that it passes, where the architecture has one."""
    go_on: Callable[[], None]
    """Resumes whoever waits on its behalf."""

    def __init__(
        self,
        id: int,
        parent: "InFlight | None",
        cause: int,
        route: Route,
        intended_at: float,
        sent_at: float,
    ) -> None:
        self.id = id
        self.parent = parent
        self.root: InFlight = self if parent is None else parent.root
        self.cause = cause
        self.route = route
        self.intended_at = intended_at
        self.sent_at = sent_at

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

    def report(self, observer: Observer, outcome: Outcome, error: str | None, now: float) -> None:
        """Tell the observer how it ended, or that it is `PENDING` now."""
        raise NotImplementedError

    def blocked_until(self, now: float) -> float:
        """The time blocked, with a nested wait that is still open [s]."""
        return self.blocked + (now - self._blocked_since if self.children else 0.0)


class Request(InFlight):
    """A request, from its sending until its sender knows the outcome."""

    completed = Outcome.ANSWERED
    abandoned = Outcome.TARGET_GONE
    refused = Outcome.DEADLOCKED

    def __init__(
        self,
        id: int,
        parent: InFlight | None,
        cause: int,
        route: Route,
        intended_at: float,
        sent_at: float,
        mailbox: Mailbox,
        attempt: int,
    ) -> None:
        super().__init__(id, parent, cause, route, intended_at, sent_at)
        self.mailbox = mailbox
        self.attempt = attempt

    def place(self) -> str:
        """The component that serves it, or that it waits for."""
        return self.route.target

    def resources(self) -> Iterable[Queue]:
        """The gates of its target and of the system."""
        return (self.mailbox.gate, *super().resources())

    def report(self, observer: Observer, outcome: Outcome, error: str | None, now: float) -> None:
        """Tell the observer how it ended."""
        observer.request_ended(
            self.id,
            self.cause,
            self.root.id,
            self.route.number,
            self.attempt,
            outcome,
            error,
            self.intended_at,
            self.sent_at,
            self.started_at,
            nan if outcome is Outcome.PENDING else now,
            self.blocked_until(now),
        )


class Delivery(InFlight):
    """One event on its way to one subscriber."""

    completed = Outcome.HANDLED
    is_delivery = True
    is_admitted = False
    """The gate has let it in while nobody waited in a task for it."""

    def __init__(
        self,
        id: int,
        parent: InFlight | None,
        cause: int,
        route: Route,
        intended_at: float,
        sent_at: float,
        mailbox: Mailbox,
        line: Turns | None,
        data: Any,
    ) -> None:
        super().__init__(id, parent, cause, route, intended_at, sent_at)
        self.mailbox = mailbox
        self.line = line
        self.data = data
        """What the event carries."""

    def place(self) -> str:
        """The component that handles it, or that it waits for."""
        return self.route.target

    def resources(self) -> Iterable[Queue]:
        """The subscriber's gate, and the line that it stands in."""
        line = () if self.line is None else (self.line,)
        return (self.mailbox.gate, *line, *super().resources())

    def report(self, observer: Observer, outcome: Outcome, error: str | None, now: float) -> None:
        """Tell the observer how it ended."""
        observer.delivery_ended(
            self.id,
            self.cause,
            self.root.id,
            self.route.number,
            outcome,
            error,
            self.intended_at,
            self.sent_at,
            self.started_at,
            nan if outcome is Outcome.PENDING else now,
            self.blocked_until(now),
        )


class Emit(InFlight):
    """An event while its emitter waits: for handlers, or for room in an inbox."""

    completed = Outcome.HANDLED
    subscribers = 0
    """How many deliveries it has led to."""

    def place(self) -> str:
        """The component that emits it."""
        return self.route.source

    def report(self, observer: Observer, outcome: Outcome, error: str | None, now: float) -> None:
        """Tell the observer when the emitter went on."""
        observer.event_emitted(
            self.id,
            self.cause,
            self.root.id,
            self.route.number,
            self.subscribers,
            self.intended_at,
            self.sent_at,
            nan if outcome is Outcome.PENDING else now,
        )
