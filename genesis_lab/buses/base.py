"""What every bus shares: its public face, its nursery, who is on it, and the wait for events.

A bus reports facts to its observer and analyses nothing. There is one subclass per architecture: it
says which gates a message passes, how an event is delivered and, where that is not the caller's
task, who runs a service.
"""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from math import inf
from types import TracebackType
from typing import Any, ClassVar, Self

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab import virtual_time
from genesis_lab.buses import gates
from genesis_lab.buses.checks import check_instant, check_seconds
from genesis_lab.buses.directory import Directory, Subscriber, Timeouts, Topic
from genesis_lab.buses.endings import is_cancellation, unwrapped
from genesis_lab.buses.explanations import explain
from genesis_lab.buses.gates import Gate, Path
from genesis_lab.buses.identity import Adopted, CallToken, adopted, waiter_of
from genesis_lab.buses.inflight import NO_CAUSE, Delivery, Emit, Request, serving
from genesis_lab.buses.ledger import Ledger, graph_of_run
from genesis_lab.buses.links import Latency, Links
from genesis_lab.buses.listening import Listener, Matches
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.policies import Policy
from genesis_lab.buses.requests import Requests, lent_by
from genesis_lab.buses.service import serve
from genesis_lab.buses.statistics import BusStatistics, statistics_of
from genesis_lab.components import SERIAL, Admission, AdmissionByType, Component, check_admission
from genesis_lab.errors import (
    AlreadyRegistered,
    BusNotOpen,
    BusOpenedTwice,
    DrainInsideHandler,
    EventTimedOut,
    InvalidSetting,
    NotSubscribed,
    OutsideHandler,
    check_text,
)
from genesis_lab.messages import BrokenBy, Outcome, Route
from genesis_lab.observers import BusDescription, Observer

log = logging.getLogger("genesis_lab.bus")

_SHOWN = 8
"""How many components a bus names in its text."""


class Bus(Requests):
    """Carries requests and events between components; an async context manager.

    Parameters
    ----------
    observer
        Who is told the facts, such as a `Recorder`.
    latency
        How long messages are on their way between components.
    timeouts
        The timeouts of requests that give none.
    includes_emitter
        Whether an event comes back to its source, if that subscribes to it.
    refuses_deadlocks
        Whether a wait that would close a deadlock is refused.
    """

    architecture: str
    """The name under which it stands in `ARCHITECTURES`, frames and figures."""
    _imposes: ClassVar[Admission | None] = None
    """The admission that every component gets; None: its own."""
    _serves_in_place: ClassVar[bool] = True
    """Whether a service runs in its caller's task, so that a plain handler may answer at once."""

    def __init__(
        self,
        *,
        observer: Observer | None,
        latency: Latency | None,
        timeouts: Timeouts | None,
        includes_emitter: bool,
        refuses_deadlocks: bool = False,
    ) -> None:
        super().__init__()
        _check_observer(observer)
        self._observer = observer
        self._now: Callable[[], float] = self._refuse_unopened
        self._ledger = Ledger(observer, self.now, refuses_deadlocks=refuses_deadlocks)
        self._links = Links(latency, self.now)
        self._directory = Directory(
            observer,
            path_of=self._path,
            links=self._links,
            timeouts=timeouts,
            includes_emitter=includes_emitter,
            serves_in_place=self._serves_in_place,
        )
        self._request_routes = self._directory.request_routes
        self._common = {"latency": latency, "timeouts": timeouts}
        self._is_open = False
        self._was_opened = False
        self._is_stopped = False
        self._has_warned = False

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The settings, as the record shows them."""
        common = {name: value for name, value in self._common.items() if value is not None}
        return {**self._settings(), **common}

    @abstractmethod
    def _settings(self) -> Mapping[str, Any]:
        """The settings that are this architecture's own."""

    @abstractmethod
    def _path(self, gate: Gate, nested: bool) -> Path:
        """The gates that a message passes, in order.

        Parameters
        ----------
        gate
            The one of its component.
        nested
            Whether it is part of a call chain that is on the bus already.
        """

    # --- opening and closing ----------------------------------------------------------------------

    @enable_ki_protection
    async def __aenter__(self) -> Self:
        self._open_bus()
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()
        self._start()
        return self

    @enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._is_open = False
            try:
                if exc is None:
                    await self._let_finish()
            finally:
                self._stop()
                try:
                    await self._until_all_ended()
                finally:
                    self._close()
        finally:
            self._nursery.cancel_scope.cancel()
            await self._leave_nursery(exc)

    async def _until_all_ended(self) -> None:
        """Wait until no record is open; a first interrupt waits, too, but a second one does not."""
        with trio.CancelScope(shield=True):
            try:
                await self._ledger.until(lambda: not self._ledger.in_flight)
            except KeyboardInterrupt:
                await self._ledger.until(lambda: not self._ledger.in_flight)
                raise

    async def _leave_nursery(self, exc: BaseException | None) -> None:
        """Wait for the nursery's tasks; raise nothing in a group that the caller did not make.

        The nursery is not told of the block's own exception, which thus goes on as it is. Handlers'
        exceptions are outcomes, so all that comes from the tasks is an interrupt.
        """
        try:
            await self._nursery_manager.__aexit__(None, None, None)
        except BaseException as failure:  # noqa: BLE001  # what is no cancellation goes on
            if exc is None or not is_cancellation(failure):
                raise unwrapped(failure) from None

    def _start(self) -> None:
        """Start the tasks that the architecture needs, in the bus's nursery."""

    async def _let_finish(self) -> None:
        """Give what is in flight its time to end, on leaving the bus; by default none."""

    def _stop(self) -> None:
        """Cancel what is in flight; its senders and handlers then close the records."""
        self._is_stopped = True
        for message in list(self._ledger.in_flight.values()):
            message.cancel()

    def _open_bus(self) -> None:
        if self._was_opened:
            raise BusOpenedTwice(type(self).__name__)
        self._was_opened = True
        clock = trio.lowlevel.current_clock()
        read = virtual_time.time_source()
        opened = read()
        self._epoch = trio.current_time()
        self._now = self._ledger.now = lambda: read() - opened
        self._ledger.waits = graph_of_run()
        self._forget_clock: Callable[[], object] = lambda: None
        seed, name = None, "real"
        if isinstance(clock, virtual_time.LabClock):
            self._forget_clock = clock.on_cut(self._cut)
            self._ledger.failures.clock = clock
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

    def _cut(self) -> tuple[str, ...]:
        """The run ends here: keep what is in flight as pending, and say why it is."""
        self._is_open = False
        explanation = explain(self._ledger)
        messages = list(self._ledger.in_flight.values())
        self._ledger.cut()
        for message in messages:
            message.stop_returning()
        return explanation

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
        """Report everything in flight to `observer`, as it is now."""
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
            It is no component, its id is not text or none that a record can hold, or its admission
            is none.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        if not self._is_open:
            raise BusNotOpen(type(self).__name__)
        _check_component(component)
        other = getattr(component, "bus", None)
        if isinstance(other, Bus) and other._is_open and component.id in other.components():
            raise AlreadyRegistered(component.id)
        admission = self._admission_of(component)
        mailbox = self._new_mailbox(component, admission)
        self._directory.register(mailbox)
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
        for message in [*mailbox.messages]:
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

    def _admission_of(self, component: Component) -> Admission | AdmissionByType:
        """How many messages this architecture lets the component take."""
        wanted: Admission | AdmissionByType = getattr(component, "admission", SERIAL)
        if self._imposes is None:
            return wanted
        if wanted != self._imposes and not self._has_warned:
            self._has_warned = True
            log.warning(
                "%s ignores admissions: %r asks for %s and gets %s",
                self.architecture,
                component.id,
                wanted.name,
                self._imposes.name,
            )
        return self._imposes

    def _new_mailbox(self, component: Component, admission: Admission | AdmissionByType) -> Mailbox:
        """What a new component has on this bus."""
        return Mailbox(component, admission, inbox_limit=inf, joined_at=self._now())

    # --- whose part it is -------------------------------------------------------------------------

    def serving(self) -> CallToken | None:
        """The identity of the call that is served here; None outside handlers.

        Another task, or a worker, sends as a part of this call inside `part_of(token)`.
        """
        message = self._sender()
        return None if message is None else CallToken(message)

    @contextmanager
    def part_of(self, token: CallToken | None) -> Iterator[None]:
        """What is sent inside the block belongs to a call: its chain goes on, and it is the cause.

        With None the identity is dropped: what is sent begins call chains of its own. Who *waits*
        for it does not change: that is the message whose handler awaits it.

        Raises
        ------
        InvalidSetting
            The token is none of this bus's.
        """
        if token is not None and not (
            isinstance(token, CallToken) and token.message.home is self._ledger
        ):
            raise InvalidSetting("token", token, "what `serving()` of this bus returned, or None")
        message = None if token is None else token.message
        before = adopted.set(Adopted(serving.get(), message))
        try:
            yield
        finally:
            adopted.reset(before)

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
            When the workload meant to emit [s since the bus opened]; by default now.

        Raises
        ------
        InvalidSetting
            `intended_at` is not a finite number; the type or the source is not text, or none that a
            record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """

    async def _begin_event(
        self, event_type: str, data: Any, source: str, intended_at: float | None
    ) -> tuple[Emit, Topic]:
        """A new event, in flight until its emitter goes on, and where it goes."""
        if not self._is_open:
            await self._refuse_when_closed()
        topic = self._directory.topic(source, event_type)
        if intended_at is not None:
            intended_at = check_instant("intended_at", intended_at)
        now = self._now()
        caller = self._sender()
        id = self._ledger.next_id()
        emit = Emit(
            id,
            waiter_of(serving.get()),
            id if caller is None or caller.ended else caller.chain,
            self._ledger,
            topic.route,
            now,
            NO_CAUSE if caller is None else caller.id,
            data,
            now if intended_at is None else intended_at,
        )
        self._ledger.open(emit)
        return emit, topic

    def _open_delivery(self, emit: Emit, to: Subscriber, sent_at: float) -> Delivery:
        """An event's delivery to one subscriber, in flight."""
        delivery = Delivery(
            self._ledger.next_id(), self._ledger, to.route, sent_at, emit, to.mailbox
        )
        emit.subscribers += 1
        self._ledger.open(delivery)
        return delivery

    def _open_awaited(self, emit: Emit, to: Subscriber) -> Delivery:
        """A delivery that its emitter waits for, which makes it a part of the same call chain."""
        delivery = self._open_delivery(emit, to, emit.sent_at)
        delivery.chain = emit.chain
        delivery.path = self._path(to.mailbox.gate, True)
        self._ledger.hold(emit, delivery)
        return delivery

    async def _handle_here(
        self, delivery: Delivery, to: Subscriber, *, path: Path | None = None
    ) -> tuple[Outcome, Any]:
        """Handle a delivery in this task, unless its subscriber has gone meanwhile.

        The outcome, and the exception of a handler that failed.
        """
        if delivery.gone:
            gates.leave(delivery)
            self._ledger.close(delivery, delivery.abandoned)
            return delivery.abandoned, None
        mailbox = delivery.mailbox
        return await serve(
            self._ledger,
            delivery,
            mailbox.component.on_event,
            mailbox.handles_plainly,
            delivery.emit.data,
            epoch=self._epoch,
            link=to.link,
            path=path,
        )

    async def next_event(
        self, event_type: str, where: Matches | None = None, timeout: float | None = None
    ) -> Any:
        """Wait, inside a handler, until this component has handled an event; its data.

        The wait is part of the wait-for graph: a component that takes one message at a time waits
        in vain for an event that lies in its own inbox, and that is a deadlock.

        Parameters
        ----------
        event_type
            What to wait for; the component has to subscribe to it.
        where
            Whether an event with these data is the one; by default any is.
        timeout
            Seconds until the handler gives up; None or infinite: never.

        Raises
        ------
        EventTimedOut
            No matching event was handled in time.
        OutsideHandler
            No component's handler on this bus makes the call.
        NotSubscribed
            The component does not receive events of this type.
        InvalidSetting
            The type is not text, `where` cannot be called, or the timeout is no number of at least
            zero.
        DeadlockDetected
            The wait would close a deadlock, and this bus refuses that.
        """
        check_text("event_type", event_type)
        if where is not None and not callable(where):
            raise InvalidSetting("where", where, "a function of an event's data, or None")
        seconds = inf if timeout is None else check_seconds("timeout", timeout)
        message = waiter_of(serving.get())
        if not isinstance(message, Request | Delivery) or message.home is not self._ledger:
            raise OutsideHandler("next_event")
        mailbox = message.mailbox
        component_id = mailbox.component.id
        if not self._directory.is_subscribed(component_id, event_type):
            raise NotSubscribed(component_id, event_type)
        listener = Listener(message, component_id, event_type, where)
        gate = lent_by(message)
        if gate is not None:
            self._ledger.step_aside(message, gate)
        try:
            await self._listen(message, listener, mailbox, seconds)
        finally:
            if gate is not None:
                await self._ledger.take_back(message, gate)
        if not listener.has_heard:
            raise EventTimedOut(component_id, event_type, seconds)
        return listener.heard()

    async def _listen(
        self, message: Request | Delivery, listener: Listener, mailbox: Mailbox, seconds: float
    ) -> None:
        """Wait until the listener has heard, or the time is over."""
        self._ledger.listen(message, listener, mailbox)
        how: BrokenBy = "cancelled"
        try:
            with trio.move_on_after(seconds) as scope:
                await listener.until_heard()
            if scope.cancelled_caught or message.has_expired:
                how = "timed_out"
        finally:
            self._ledger.stop_listening(message, listener, mailbox, how)

    async def drain(self) -> None:
        """Wait until every event emitted so far has been handled, or lost.

        Events that are emitted meanwhile, by handlers or by others, are not waited for; `settle`
        waits for these, too. If the run is cut before, it does not return.

        Raises
        ------
        DrainInsideHandler
            A handler calls it, and would wait for itself.
        """
        await self._wait_for_events(self._ledger.until_events_ended)

    async def settle(self) -> None:
        """Wait until no event is on its way, those that events lead to among them.

        It returns only in a pause of all feeds. If the run is cut before, it does not return.

        Raises
        ------
        DrainInsideHandler
            A handler calls it, and would wait for itself.
        """
        await self._wait_for_events(self._ledger.until_no_events)

    async def _wait_for_events(self, until_ended: Callable[[], Any]) -> None:
        if serving.get() is not None:
            raise DrainInsideHandler
        await trio.lowlevel.checkpoint()
        await until_ended()
        if self._ledger.is_cut:
            await trio.sleep_forever()  # the cut has cancelled it


def _check_component(component: object) -> None:
    methods = ("process_request", "on_event")
    is_one = not isinstance(component, type) and hasattr(component, "id")
    if not is_one or not all(callable(getattr(component, name, None)) for name in methods):
        expected = "an object with an id, process_request and on_event, such as a Component"
        raise InvalidSetting("component", component, expected)
    check_admission(getattr(component, "admission", SERIAL))


def _check_observer(observer: object) -> None:
    if isinstance(observer, type):
        raise InvalidSetting("observer", observer, "an observer, such as Recorder(), not its class")
