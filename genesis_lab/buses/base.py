"""What every bus shares: its public face, its nursery, who is on it, and the wait for events.

A bus reports facts to its observer and analyses nothing. There is one subclass per architecture: it
says which gates a message passes, how an event is delivered and, where that is not the caller's
task, who runs a service.
"""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from html import escape
from math import inf
from types import TracebackType
from typing import Any, ClassVar, Self

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab import virtual_time
from genesis_lab.buses.directory import Directory, Timeouts
from genesis_lab.buses.endings import is_cancellation, unwrapped
from genesis_lab.buses.events import Events
from genesis_lab.buses.explanations import explain
from genesis_lab.buses.inflight import Delivery, Request
from genesis_lab.buses.ledger import Ledger, graph_of_run
from genesis_lab.buses.links import Latency, Links
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.policies import Policy
from genesis_lab.buses.requests import Requests
from genesis_lab.buses.statistics import BusStatistics, statistics_of
from genesis_lab.buses.unprotected import variable_of_decimals
from genesis_lab.components import SERIAL, Admission, AdmissionByType, Component, check_admission
from genesis_lab.errors import (
    AlreadyRegistered,
    BusNotOpen,
    BusOpenedTwice,
    InvalidSetting,
)
from genesis_lab.messages import Route
from genesis_lab.observers import BusDescription, Observer

log = logging.getLogger("genesis_lab.bus")

_SHOWN = 8
"""How many components a bus names in its text."""


class Bus(Requests, Events):
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
        common = {name: _shown(value) for name, value in self._common.items() if value is not None}
        return {**self._settings(), **common}

    @abstractmethod
    def _settings(self) -> Mapping[str, Any]:
        """The settings that are this architecture's own."""

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
        # In virtual time a bus mostly opens at zero: its clock is then read without a call between.
        self._now = self._ledger.now = read if opened == 0 else lambda: read() - opened
        self._ledger.decimals = variable_of_decimals()
        self._ledger.waits = graph_of_run()
        self._ledger.waits.buses += 1
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
        self._ledger.cut()
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
        try:
            component.bus = self
        except AttributeError:  # it has slots, or is a frozen dataclass
            self._directory.unregister(component.id)
            raise InvalidSetting(
                "component", component, "an object whose `bus` can be set"
            ) from None
        if self._observer is not None:
            self._observer.component_joined(mailbox.membership)

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
        for message in mailbox.in_flight():
            assert isinstance(message, Request | Delivery), "what has a target"
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


def _shown(setting: object) -> Any:
    """A setting as a record can hold it, which is saved as JSON."""
    if isinstance(setting, int | float):
        return setting
    if type(setting) is dict:
        return {" -> ".join(pair): _shown(value) for pair, value in setting.items()}
    return repr(setting)


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
