"""What every bus shares: its public face, and the life of a request.

A bus reports facts to its observer and analyses nothing. There is one subclass per architecture.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextvars import ContextVar
from html import escape
from itertools import count
from math import inf, isnan, nan
from types import TracebackType
from typing import Any, ClassVar, Self

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab import virtual_time
from genesis_lab.buses.directory import Directory, RequestRoute, Topic
from genesis_lab.buses.endings import ending_of
from genesis_lab.buses.inflight import NO_CAUSE, Delivery, Emit, InFlight, Request
from genesis_lab.buses.ledger import Ledger
from genesis_lab.buses.mailbox import Inbox, Mailbox
from genesis_lab.buses.policies import Attempt, Policy, nest
from genesis_lab.buses.statistics import BusStatistics, statistics_of
from genesis_lab.buses.unprotected import Handler, call_async, call_plain
from genesis_lab.components import Admission, Component
from genesis_lab.errors import (
    AlreadyRegistered,
    BusNotOpen,
    BusOpenedTwice,
    DrainInsideHandler,
    HandlerFailed,
    InvalidTimeout,
    RequestError,
    RequestTimedOut,
    TargetGone,
    UnknownTarget,
)
from genesis_lab.messages import Failure, Membership, Outcome, Route
from genesis_lab.observers import BusDescription, Observer

log = logging.getLogger("genesis_lab.bus")

# An enum's member costs a look-up each time it is named.
ANSWERED, CANCELLED = Outcome.ANSWERED, Outcome.CANCELLED

_SHOWN = 8
"""How many components a bus names in its text."""


class Bus(ABC):
    """Carries requests and events between components; an async context manager."""

    architecture: ClassVar[str]
    """The name under which it stands in `ARCHITECTURES`, frames and figures."""

    def __init__(
        self, *, observer: Observer | None, refuses_deadlocks: bool, includes_emitter: bool
    ) -> None:
        self._observer = observer
        self._now: Callable[[], float] = self._refuse_unopened
        self._ledger = Ledger(observer, self.now, refuses_deadlocks=refuses_deadlocks)
        self._directory = Directory(observer, includes_emitter=includes_emitter)
        self._request_routes = self._directory.request_routes
        # One variable per bus: a component of one bus may be a client of another one.
        self._serving: ContextVar[InFlight | None] = ContextVar("serving", default=None)
        self._is_open = False
        self._was_opened = False
        self._is_stopped = False

    @property
    @abstractmethod
    def configuration(self) -> Mapping[str, Any]:
        """The settings, as the record shows them."""

    # --- opening and closing ----------------------------------------------------------------------

    @enable_ki_protection
    async def __aenter__(self) -> Self:
        self._open()
        return self

    @enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        try:
            if exc is None:
                await self._let_finish()
        finally:
            self._stop()
            with trio.CancelScope(shield=True):
                await self._ledger.until(lambda: not self._ledger.in_flight)
            self._close()

    @abstractmethod
    async def _let_finish(self) -> None:
        """Give what is in flight its time to end, on leaving the bus."""

    def _stop(self) -> None:
        """Cancel whatever is in flight; its senders and handlers then close the records."""
        self._is_stopped = True
        for message in list(self._ledger.in_flight.values()):
            message.cancel()

    def _open(self) -> None:
        if self._was_opened:
            raise BusOpenedTwice(type(self).__name__)
        self._was_opened = True
        clock = trio.lowlevel.current_clock()
        read = virtual_time.time_source()
        opened = read()
        self._epoch = trio.current_time()
        self._now = self._ledger.now = lambda: read() - opened
        self._forget_clock: Callable[[], None] = lambda: None
        seed, name = None, "real"
        if isinstance(clock, virtual_time.LabClock):
            self._forget_clock = clock.on_cut(self._cut)
            seed, name = clock.seed, clock.name
        self._is_open = True
        if self._observer is not None:
            self._observer.bus_opened(
                self,
                BusDescription(
                    architecture=self.architecture,
                    configuration=self.configuration,
                    seed=seed,
                    clock=name,
                ),
            )
        log.debug("bus opened", extra={"architecture": self.architecture})

    def _cut(self) -> None:
        self._is_open = False
        self._ledger.cut()

    def _close(self) -> None:
        self._forget_clock()
        if self._observer is not None:
            self._observer.bus_closed()
        log.debug("bus closed", extra={"architecture": self.architecture})

    def now(self) -> float:
        """Seconds since the bus opened."""
        return self._now()

    def _refuse_unopened(self) -> float:
        raise BusNotOpen(type(self).__name__)

    def report_open(self, observer: Observer) -> None:
        """Report everything in flight to `observer`, as `PENDING`."""
        self._ledger.report_open(observer)

    def routes(self) -> Iterator[Route]:
        """All routes so far, by number."""
        return iter(self._directory.routes)

    def statistics(self) -> BusStatistics:
        """What the bus is doing now: components, messages in flight, deadlocks that stand.

        While the bus is open, call this in the thread that the bus is in.

        Raises
        ------
        BusNotOpen
            The bus has not been opened.
        """
        return statistics_of(self._directory, self._ledger)

    def __repr__(self) -> str:
        names = [*self._directory.mailboxes]
        more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
        components = ", ".join([*names[:_SHOWN], *more]) or "no components"
        return f"<{type(self).__name__} {self._state()}: {components}>"

    def _repr_html_(self) -> str:
        components = self.statistics().components if self._was_opened else ()
        rows = "".join(
            f"<tr><th>{escape(each.id)}</th><td>{each.serving}</td><td>{each.waiting}</td>"
            f"<td>{each.inbox}</td></tr>"
            for each in components
        )
        return (
            f"<table><caption>{type(self).__name__}, {self._state()}</caption>"
            "<tr><th>component</th><th>serving</th><th>waiting</th><th>in its inbox</th></tr>"
            f"{rows}</table>"
        )

    def _state(self) -> str:
        return "open" if self._is_open else "closed"

    # --- who is on the bus ------------------------------------------------------------------------

    def register(self, component: Component) -> None:
        """Put a component on the bus.

        Raises
        ------
        AlreadyRegistered
            Its id is taken, or it is on an open bus already.
        InvalidSetting
            Its id is not text, or none that a record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        if not self._is_open:
            raise BusNotOpen(type(self).__name__)
        other = getattr(component, "bus", None)
        if isinstance(other, Bus) and other._is_open and component.id in other.components():
            raise AlreadyRegistered(component.id)
        admission = self._admission_of(component)
        mailbox = Mailbox(component, admission, self._new_inbox())
        self._directory.register(mailbox)
        mailbox.membership = Membership(
            id=component.id,
            admission=admission.name,
            capacity=admission.capacity,
            joined_at=self._now(),
        )
        if self._observer is not None:
            self._observer.component_joined(mailbox.membership)
        component.bus = self

    def unregister(self, component_id: str) -> None:
        """Take a component off the bus.

        What it is serving is cancelled at its next checkpoint, and what waits for it ends: requests
        as `target_gone`, deliveries as `cancelled`. A reply that is already there still counts.

        Raises
        ------
        NotRegistered
            There is no such component.
        """
        mailbox = self._directory.unregister(component_id)
        mailbox.membership.left_at = self._now()
        for message in list(self._ledger.in_flight.values()):
            if isinstance(message, Request | Delivery) and message.mailbox is mailbox:
                message.cancel()

    def components(self) -> tuple[str, ...]:
        """The ids of the registered components."""
        return tuple(self._directory.mailboxes)

    def subscribe(self, component_id: str, event_type: str) -> None:
        """Let a component receive the events of a type.

        Raises
        ------
        NotRegistered
            There is no such component.
        InvalidSetting
            The type is not text, or none that a record can hold.
        """
        self._directory.subscribe(component_id, event_type)

    def unsubscribe(self, component_id: str, event_type: str) -> None:
        """Stop a subscription, if there is one; what was emitted before still arrives."""
        self._directory.unsubscribe(component_id, event_type)

    def add_policy(
        self, policy: Policy, *, target: str | None = None, request_type: str | None = None
    ) -> None:
        """Put a policy before the requests to a target, of a type, of both, or all of them.

        Policies nest in the order in which they are added, the first one outermost.
        """
        self._directory.add_policy(policy, target, request_type)

    @abstractmethod
    def _admission_of(self, component: Component) -> Admission:
        """How many messages this architecture lets the component take."""

    @abstractmethod
    def _new_inbox(self) -> Inbox:
        """The inbox of a new component."""

    # --- requests ---------------------------------------------------------------------------------

    def request(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = 5.0,
        *,
        intended_at: float | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Ask a component; the reply, or None whatever went wrong on the other side.

        The record knows which it was: an answer of None, no such component, a timeout, a failure.

        Parameters
        ----------
        target_id, request_type, data, source
            Whom to ask what, and who asks.
        timeout
            Seconds until the caller gives up; None or infinite: never.
        intended_at
            When the workload meant to send [s since the bus opened]; now, unless told.

        Raises
        ------
        InvalidTimeout
            The timeout is negative or not a number.
        InvalidSetting
            The target, the type or the source is not text, or none that a record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        # Returns the inner coroutine: one of its own would cost on the hot path.
        return self._exchange(target_id, request_type, data, source, timeout, intended_at, False)

    def call(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = 5.0,
        *,
        intended_at: float | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Ask a component as `request` does, but raise when there is no reply.

        Raises
        ------
        RequestError
            The subclass says how the request ended.
        InvalidTimeout
            The timeout is negative or not a number.
        InvalidSetting
            The target, the type or the source is not text, or none that a record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        return self._exchange(target_id, request_type, data, source, timeout, intended_at, True)

    def _exchange(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None,
        intended_at: float | None,
        raising: bool,
    ) -> Coroutine[Any, Any, Any]:
        """One request of a caller's, by way of the policies that stand before it."""
        if timeout is None:
            timeout = inf
        elif not timeout >= 0:
            raise InvalidTimeout(timeout)
        if not self._is_open:
            self._refuse_new_work()
        route = self._request_routes.get((source, target_id, request_type))
        if route is None:
            route = self._directory.request_route(source, target_id, request_type)
        if route.policies:
            return self._send_under_policies(route, data, timeout, intended_at, raising)
        return self._send(route, data, timeout, intended_at, raising, 1)

    async def _send_under_policies(
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
    ) -> Any:
        numbers = count(1)
        if intended_at is None:
            intended_at = self._now()  # of each attempt: what waits in between counts as latency
        attempt = Attempt(
            target=route.target,
            request_type=route.type,
            now=self.now,
            send=lambda: self._send(route, data, timeout, intended_at, True, next(numbers)),
            record_rejection=lambda: self._report_unserved(
                route, Outcome.REJECTED, timeout, intended_at, next(numbers)
            ),
        )
        try:
            return await nest(route.policies, attempt)()
        except RequestError:
            if raising:
                raise
            return None

    @enable_ki_protection
    async def _send(
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
        attempt: int,
    ) -> Any:
        """One sending of a request, and so one record: the reply, None or an exception."""
        if not self._is_open:
            await self._refuse_when_closed()
        parent, cause = self._sender()
        mailbox = route.mailbox
        if mailbox is None:
            self._report_unserved(route, Outcome.UNKNOWN_TARGET, timeout, intended_at, attempt)
            await trio.lowlevel.checkpoint()  # so that asking in a loop can be cancelled
            outcome, result = Outcome.UNKNOWN_TARGET, None
        elif mailbox.serves_plainly and self._would_enter(mailbox, parent):
            outcome, result = self._answer_plainly(
                route, mailbox, parent, cause, data, timeout, intended_at, attempt
            )
        else:
            sent_at = self._now()
            if intended_at is None:
                intended_at = sent_at
            request = Request(
                self._ledger.next_id(), parent, cause, route, mailbox, attempt, intended_at, sent_at
            )
            request.deadline = sent_at + timeout
            self._ledger.open(request)
            outcome, result = await self._perform(
                request, mailbox.component.process_request, mailbox.serves_plainly, data
            )
        if outcome is ANSWERED:
            return result
        if not raising:
            return None
        if outcome is Outcome.FAILED:
            error = f"{type(result).__name__}: {result}"
            raise HandlerFailed(route.target, route.type, error) from result
        raise _explanation(outcome, result, route, timeout)

    def _sender(self) -> tuple[InFlight | None, int]:
        """The message being served in this context, if it still is, and the id of the cause."""
        caller = self._serving.get()
        if caller is None:
            return None, NO_CAUSE
        return (None if caller.ended else caller), caller.id

    async def _refuse_when_closed(self) -> None:
        """After a cut everything is cancelled; else as `_refuse_new_work`."""
        if self._ledger.is_cut:
            await trio.lowlevel.checkpoint()
        self._refuse_new_work()

    def _refuse_new_work(self) -> None:
        """A bus that is left takes no new work, but what it still serves may go on asking."""
        is_new = self._sender()[0] is None
        if not self._ledger.is_cut and (self._is_stopped or is_new):
            raise BusNotOpen(type(self).__name__)

    def _would_enter(self, mailbox: Mailbox, parent: InFlight | None) -> bool:
        """Whether a request sent now would be served at once."""
        return mailbox.gate.is_open_to(None if parent is None else parent.chain)

    def _answer_plainly(
        self,
        route: RequestRoute,
        mailbox: Mailbox,
        parent: InFlight | None,
        cause: int,
        data: Any,
        timeout: float,
        intended_at: float | None,
        attempt: int,
    ) -> tuple[Outcome, Any]:
        """Serve a request by a handler that never waits: nothing else can happen meanwhile."""
        outcome, error = CANCELLED, None
        result: Any = None
        sent_at = self._now()
        try:
            result = call_plain(mailbox.component.process_request, route.type, data, route.source)
            outcome = ANSWERED
        except BaseException as exception:  # noqa: BLE001  # `outward` goes on
            result = exception
            outcome, error, outward = ending_of(exception, route)
            if outward is not None:
                raise outward from None
        finally:
            self._report_at_once(
                route,
                parent,
                cause,
                outcome,
                error,
                timeout,
                intended_at,
                sent_at,
                sent_at,
                attempt,
            )
        return outcome, result

    def _report_unserved(
        self,
        route: RequestRoute,
        outcome: Outcome,
        timeout: float,
        intended_at: float | None,
        attempt: int,
    ) -> None:
        """Report a request that nobody began to serve."""
        parent, cause = self._sender()
        self._report_at_once(
            route, parent, cause, outcome, None, timeout, intended_at, self._now(), nan, attempt
        )

    @enable_ki_protection
    def _report_at_once(
        self,
        route: RequestRoute,
        parent: InFlight | None,
        cause: int,
        outcome: Outcome,
        error: Failure | None,
        timeout: float,
        intended_at: float | None,
        sent_at: float,
        started_at: float,
        attempt: int,
    ) -> None:
        """Report a request that was never in flight, because it ended where it began."""
        id = self._ledger.next_id()
        if self._observer is None or self._ledger.is_cut:
            return
        self._observer.request_ended(
            id,
            cause,
            id if parent is None else parent.chain,
            route.number,
            attempt,
            outcome,
            error,
            timeout,
            sent_at if intended_at is None else intended_at,
            sent_at,
            sent_at,
            started_at,
            nan if isnan(started_at) else self._now(),
            self._now(),
            0.0,
        )

    # --- serving ----------------------------------------------------------------------------------

    async def _perform(
        self, message: Request | Delivery, handler: Handler, is_plain: bool, data: Any
    ) -> tuple[Outcome, Any]:
        """Serve an open message in this task, under its deadline; its outcome, reply or exception.

        Whatever happens the message is closed, once, with that outcome.
        """
        route = message.route
        outcome, error = CANCELLED, None
        result: Any = None
        try:
            with trio.CancelScope(deadline=self._epoch + message.deadline) as scope:
                message.scope = scope
                if not self._admit(message):
                    await self._wait_for_admission(message)
                message.started_at = self._now()
                before = self._serving.set(message)
                try:
                    if is_plain:
                        result = call_plain(handler, route.type, data, route.source)
                    else:
                        result = await call_async(handler, route.type, data, route.source)
                finally:
                    self._serving.reset(before)
                    self._dismiss(message)
                outcome = message.completed
            if scope.cancelled_caught:
                outcome = message.abandoned if message.gone else Outcome.TIMED_OUT
        except BaseException as exception:  # noqa: BLE001  # `outward` goes on
            result = exception
            outcome, error, outward = ending_of(exception, route)
            if message.was_refused:
                outcome = message.refused
            elif outcome is CANCELLED and error is None and message.has_expired:
                outcome = Outcome.TIMED_OUT  # at the same instant as a deadline further out
            if outward is not None:
                raise outward from None
        finally:
            self._ledger.close(message, outcome, error)
        return outcome, result

    def _admit(self, message: Request | Delivery) -> bool:
        """Let a message in, if it need not wait."""
        return message.mailbox.gate.enter(message)

    async def _wait_for_admission(self, message: Request | Delivery) -> None:
        """Wait in this task until the message is let in."""
        gate = message.mailbox.gate
        gate.join(message)
        await self._ledger.wait_in_line(message, gate)

    def _dismiss(self, message: Request | Delivery) -> None:
        """Give back what the message was let into."""
        message.mailbox.gate.leave(message)

    # --- events -----------------------------------------------------------------------------------

    @abstractmethod
    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event to the subscribers of its type.

        Parameters
        ----------
        event_type, data, source
            What happened, and to whom.
        intended_at
            When the workload meant to emit [s since the bus opened]; now, unless told.

        Raises
        ------
        InvalidSetting
            The type or the source is not text, or none that a record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """

    def _open_emit(self, topic: Topic, data: Any, intended_at: float | None) -> Emit:
        """A new event, in flight until its emitter goes on."""
        now = self._now()
        parent, cause = self._sender()
        if intended_at is None:
            intended_at = now
        emit = Emit(self._ledger.next_id(), parent, cause, topic.route, data, intended_at, now)
        self._ledger.open(emit)
        return emit

    def _open_delivery(self, emit: Emit, to: tuple[Mailbox, Route], sent_at: float) -> Delivery:
        """An event's delivery to one subscriber, in flight."""
        mailbox, route = to
        delivery = Delivery(self._ledger.next_id(), emit, route, mailbox, sent_at)
        emit.subscribers += 1
        self._ledger.open(delivery)
        return delivery

    def _open_awaited(self, emit: Emit, to: tuple[Mailbox, Route]) -> Delivery:
        """A delivery that its emitter waits for, which makes it a part of the same call chain."""
        delivery = self._open_delivery(emit, to, emit.sent_at)
        delivery.chain = emit.chain
        self._ledger.hold(emit, delivery)
        return delivery

    async def _handle_here(self, delivery: Delivery) -> None:
        """Handle a delivery in this task, unless its subscriber has gone meanwhile."""
        if delivery.gone:
            self._ledger.close(delivery, delivery.abandoned)
            return
        mailbox = delivery.mailbox
        await self._perform(
            delivery, mailbox.component.on_event, mailbox.handles_plainly, delivery.emit.data
        )

    async def drain(self) -> None:
        """Wait until every event emitted so far has been handled, or lost.

        Raises
        ------
        DrainInsideHandler
            A handler calls it, and would wait for itself.
        """
        if self._serving.get() is not None:
            raise DrainInsideHandler
        await trio.lowlevel.checkpoint()
        await self._ledger.until(lambda: not self._ledger.open_deliveries)


def _explanation(
    outcome: Outcome, result: Any, route: RequestRoute, timeout: float
) -> RequestError:
    """The error that tells a caller how its request ended."""
    match outcome:
        case Outcome.UNKNOWN_TARGET:
            return UnknownTarget(route.target)
        case Outcome.TIMED_OUT:
            return RequestTimedOut(route.target, route.type, timeout)
        case Outcome.TARGET_GONE:
            return TargetGone(route.target, route.type)
        case Outcome.DEADLOCKED:
            assert isinstance(result, RequestError), "a refusal comes as its exception"
            return result
        case _:
            raise AssertionError(outcome)
