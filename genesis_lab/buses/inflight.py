"""Messages on their way: the nodes of the wait-for graph, and what their records say.

One is made per message, on the hot path, where each field that is set costs time. So a message has
only what most messages need. What few need is kept elsewhere: the ledger knows refusals, returns
and outcomes that came before the end of a service.
"""

from collections.abc import Iterable
from contextvars import Context, ContextVar
from math import inf, nan
from typing import TYPE_CHECKING, Any, ClassVar

from genesis_lab.buses.gates import Gate, Visitor
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.messages import Failure, Outcome, Route
from genesis_lab.observers import Observer
from genesis_lab.waits import Home, Resource

if TYPE_CHECKING:
    import trio

    from genesis_lab.scopes import DeadlineScope

NO_CAUSE = -1
"""The cause of a message that no other message led to."""


class InFlight(Visitor):
    """A message on its way, from its sending until its outcome is known and its service is over.

    Parameters
    ----------
    id
        Its number on its bus, in order of sending.
    waiter
        The message whose service waits for this one; None for a message that no other waits for.
    chain
        The id of the message that its call chain began with.
    home
        Its bus.
    route
        Who sends what to whom.
    sent_at
        When it was sent [s since the bus opened].
    """

    __slots__ = (
        "_blocked_since",
        "arrived_at",
        "blocked",
        "gone",
        "nurseries",
        "outer",
        "route",
        "scope",
        "started_at",
        "task",
    )

    completed: ClassVar[Outcome]
    """The outcome when all goes well."""
    abandoned: ClassVar[Outcome] = Outcome.CANCELLED
    """The outcome when its target goes away."""
    is_delivery: ClassVar[bool] = False
    mailbox: Mailbox | None = None
    """Its target's; None for an event, whose deliveries have one each."""
    deadline: float = inf
    """When its sender gives up [s since the bus opened]."""

    parent: "InFlight | None"
    # The next three are known, and set, once its handler begins.
    task: "trio.lowlevel.Task | None"
    """The task that its handler runs in."""
    nurseries: int
    """How many nurseries that task had open when the handler began: they are not its own."""
    outer: "InFlight | None"
    """The message that is served around this one, in the same context."""

    def __init__(
        self,
        id: int,
        waiter: "InFlight | None",
        chain: int,
        home: Home,
        route: Route,
        sent_at: float,
    ) -> None:
        # Not by super(): one message, one call.
        self.id = id
        self.parent = waiter
        self.home = home
        self.children = None
        self.waiting_for = None
        self.listening = None
        self.ended = False
        self.path = ()
        self.chain = chain
        self.route = route
        self.sent_at = sent_at
        self.arrived_at = nan
        """When it reached its target's gate, or got into its inbox."""
        self.started_at = nan
        self.blocked = 0.0
        """The part of service spent waiting for nested messages and events, so far [s]."""
        self.gone = False
        """Its target was unregistered, or the bus is closing."""
        self.scope: trio.CancelScope | DeadlineScope | None = None
        """What cancels its handler; None while that has not been entered."""

    def held(self) -> Iterable[Gate | Any]:
        """The gates that it holds a place of, and the waits for events that it holds up."""
        if self.mailbox is None or not self.mailbox.listeners:
            return super().held()
        listeners = [each for each in self.mailbox.listeners if each.waits_for(self)]
        return [*super().held(), *listeners]

    def nest(self, child: "InFlight") -> None:
        """Begin to wait for a nested message."""
        if self.children is None:
            self.children = {}
        if not self.children and not self.listening:
            self._blocked_since = self.home.now()
        self.children[child] = None

    def unnest(self, child: "InFlight") -> None:
        """Wait no longer for a nested message."""
        assert self.children is not None, "only a nested message is taken out"
        del self.children[child]
        if not self.children and not self.listening:
            self.blocked += self.home.now() - self._blocked_since

    def listen(self, listener: Resource, now: float) -> None:
        """Begin to wait for an event."""
        if self.listening is None:
            self.listening = {}
        if not self.children and not self.listening:
            self._blocked_since = now
        self.listening[listener] = now

    def stop_listening(self, listener: Resource, now: float) -> None:
        """Wait no longer for an event."""
        assert self.listening is not None, "only what is listened to is taken out"
        del self.listening[listener]
        if not self.children and not self.listening:
            self.blocked += now - self._blocked_since

    def cancel(self) -> None:
        """Make its handler stop, because its target or its bus goes away."""
        self.gone = True
        if self.scope is not None:
            self.scope.cancel()
        if self in returning:
            returning[self].cancel()

    @property
    def has_started(self) -> bool:
        """Whether its handler has begun."""
        return self.started_at == self.started_at  # NaN differs from itself

    @property
    def has_expired(self) -> bool:
        """Whether its deadline has passed: only that and `cancel` cancel its scope."""
        return self.scope is not None and self.scope.cancel_called and not self.gone

    def report(
        self,
        observer: Observer,
        outcome: Outcome,
        error: Failure | None,
        served_at: float,
        finished_at: float,
    ) -> None:
        """Tell the observer how it ended, or that it is `PENDING` now."""
        raise NotImplementedError

    def blocked_by_now(self) -> float:
        """The time blocked, with a wait that is still open [s]."""
        if self.children or self.listening:
            return self.blocked + (self.home.now() - self._blocked_since)
        return self.blocked


class Request(InFlight):
    """A request, from its sending until its sender knows the outcome and its service has ended."""

    __slots__ = ("attempt", "cause", "deadline", "intended_at", "mailbox", "timeout")

    mailbox: Mailbox

    awaited_as = "reply"
    completed = Outcome.ANSWERED
    abandoned = Outcome.TARGET_GONE

    def __init__(
        self,
        id: int,
        waiter: InFlight | None,
        chain: int,
        home: Home,
        route: Route,
        sent_at: float,
        cause: int,
        mailbox: Mailbox,
        attempt: int,
        intended_at: float,
        timeout: float,
    ) -> None:
        super().__init__(id, waiter, chain, home, route, sent_at)
        self.arrived_at = sent_at
        self.deadline = sent_at + timeout
        self.timeout = timeout
        self.cause = cause
        self.mailbox = mailbox
        self.attempt = attempt
        self.intended_at = intended_at

    def place(self) -> str:
        """The component that serves it, or that it waits for."""
        return self.route.target

    def report(
        self,
        observer: Observer,
        outcome: Outcome,
        error: Failure | None,
        served_at: float,
        finished_at: float,
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
            self.timeout,
            self.intended_at,
            self.sent_at,
            self.arrived_at,
            self.started_at,
            served_at,
            finished_at,
            self.blocked_by_now() if self.children or self.listening else self.blocked,
        )


class Emit(InFlight):
    """An event, until its emitter goes on; that may wait for handlers, or for room in an inbox."""

    __slots__ = ("cause", "data", "intended_at", "subscribers")

    awaited_as = "emit"
    completed = Outcome.HANDLED

    def __init__(
        self,
        id: int,
        waiter: InFlight | None,
        chain: int,
        home: Home,
        route: Route,
        sent_at: float,
        cause: int,
        data: Any,
        intended_at: float,
    ) -> None:
        super().__init__(id, waiter, chain, home, route, sent_at)
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
        self,
        observer: Observer,
        outcome: Outcome,
        error: Failure | None,
        served_at: float,
        finished_at: float,
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
            finished_at,
        )


class Delivery(InFlight):
    """One event on its way to one subscriber; a part of its emitter's chain only if that waits."""

    __slots__ = ("emit", "mailbox")

    mailbox: Mailbox

    awaited_as = "handling"
    completed = Outcome.HANDLED
    is_delivery = True

    def __init__(
        self, id: int, home: Home, route: Route, sent_at: float, emit: Emit, mailbox: Mailbox
    ) -> None:
        # Written out, because a fan-out makes hundreds of them at one instant.
        self.id = self.chain = id
        self.parent = None
        self.home = home
        self.children = None
        self.waiting_for = None
        self.listening = None
        self.ended = False
        self.path = mailbox.delivery_path
        self.route = route
        self.sent_at = self.arrived_at = sent_at
        self.started_at = nan
        self.blocked = 0.0
        self.gone = False
        self.scope = None
        self.emit = emit
        self.mailbox = mailbox

    def place(self) -> str:
        """The component that handles it, or that it waits for."""
        return self.route.target

    def report(
        self,
        observer: Observer,
        outcome: Outcome,
        error: Failure | None,
        served_at: float,
        finished_at: float,
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
            self.arrived_at,
            self.started_at,
            served_at,
            finished_at,
            self.blocked_by_now() if self.children or self.listening else self.blocked,
        )


serving: ContextVar[Any] = ContextVar("serving", default=None)
"""The message being served in this context, on whichever bus of the run: an `InFlight`, or an
`Adopted` identity of one (see `identity`), or None."""

contexts: dict[InFlight, Context] = {}
"""The contexts of those handlers that run in one that is not their task's."""

returning: dict[InFlight, "trio.CancelScope"] = {}
"""What ends the wait of those messages that queue for a place that they gave up."""
