"""What is in flight on a bus, who waits there, and the one record of how each message ended."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from functools import partial
from itertools import count
from math import nan
from typing import Any, NamedTuple

import trio

from genesis_lab.buses.failures import FailureLog
from genesis_lab.buses.gates import Gate
from genesis_lab.buses.inflight import Delivery, Emit, InFlight, returning
from genesis_lab.buses.listening import Listener
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.errors import DeadlockDetected, QueueFull, as_cycle
from genesis_lab.messages import BrokenBy, Deadlock, Failure, Outcome
from genesis_lab.observers import Observer
from genesis_lab.virtual_time import suspend, wake
from genesis_lab.waits import Node, WaitForGraph

log = logging.getLogger("genesis_lab.bus")

PENDING = Outcome.PENDING  # an enum's member costs a look-up each time it is named

_graph: trio.lowlevel.RunVar[WaitForGraph] = trio.lowlevel.RunVar("wait-for graph")


def graph_of_run() -> WaitForGraph:
    """The wait-for graph that all buses of this run share."""
    try:
        return _graph.get()
    except LookupError:
        _graph.set(graph := WaitForGraph())
        return graph


class Early(NamedTuple):
    """What of a message's end was known before its record is written."""

    outcome: Outcome
    """`PENDING` while its sender waits."""
    served_at: float
    finished_at: float


_NOTHING_YET = Early(PENDING, nan, nan)


class Ledger:
    """Every message from `open` to `close`; whatever happens to it, it is reported exactly once.

    Parameters
    ----------
    observer
        Who is told; None if no one is.
    now
        The bus's clock [s].
    refuses_deadlocks
        Whether a wait that would close a deadlock raises `DeadlockDetected` instead.
    """

    waits: WaitForGraph
    """The graph of the run that the bus was opened in."""
    decimals: ContextVar[Any] | None
    """A variable whose value each event handler has a copy of."""

    def __init__(
        self, observer: Observer | None, now: Callable[[], float], *, refuses_deadlocks: bool
    ) -> None:
        self.observer = observer
        self.now = now
        self.next_id = count().__next__
        self.failures = FailureLog()
        self.in_flight: dict[int, InFlight] = {}
        self.open_deliveries = 0
        self.is_cut = False
        self._refuses_deadlocks = refuses_deadlocks
        self._changes = trio.lowlevel.ParkingLot()
        self._watchers = 0
        self._refused: dict[InFlight, Outcome] = {}
        self._early: dict[InFlight, Early] = {}

    # --- from opening to closing ------------------------------------------------------------------

    @property
    def is_alone_and_idle(self) -> bool:
        """Whether no message is in flight on any bus of the run, as far as this one can tell."""
        return not self.in_flight and self.waits.buses == 1

    def open(self, message: InFlight) -> None:
        """Take a message up: it is in flight, and the message whose service sent it waits for it.

        After a cut only the waiting counts: clean-up may still send, but nothing is kept of it.
        """
        if message.parent is not None:
            message.parent.nest(message)
        if self.is_cut:
            return
        self.in_flight[message.id] = message

    def open_delivery(self, delivery: Delivery) -> None:
        """Take a delivery up, and tell the handlers of its target that wait for such an event."""
        if self.is_cut:
            return
        self.in_flight[delivery.id] = delivery
        self.open_deliveries += 1
        if delivery.mailbox.listeners:
            for listener in delivery.mailbox.listeners:
                _tell(listener, delivery)

    def hold(self, sender: InFlight, message: InFlight) -> None:
        """From now on the sender waits for an open message, until it is let go or closed."""
        message.parent = sender
        sender.nest(message)

    def let_go(self, message: InFlight) -> None:
        """From now on no message waits for this one."""
        if message.parent is not None:
            message.parent.unnest(message)
            message.parent = None

    def close(  # noqa: PLR0912  # all that may hang on a message's end; most of it mostly does not
        self, message: InFlight, outcome: Outcome, error: Failure | None = None
    ) -> None:
        """End a message: its sender knows the outcome, its service is over, its record is written.

        An outcome that the sender knew before stays.
        """
        message.ended = True
        now = self.now()
        how: BrokenBy | None = None
        if self.waits.standing:
            how = self._how_it_ended(message)
        if message.parent is not None:
            message.parent.unnest(message)
            # A message keeps those that led to it no longer than it needs them: an endless chain
            # of events would otherwise stay in memory as a whole.
            message.parent = None
        message.outer = None
        if self.is_cut:
            return
        if how is not None:
            self.waits.freed(message, how)
        del self.in_flight[message.id]
        mailbox = message.mailbox
        if mailbox is not None:
            if mailbox.elsewhere:
                mailbox.elsewhere.pop(message, None)
            if message.is_delivery:
                self.open_deliveries -= 1
                if mailbox.listeners:
                    for listener in mailbox.listeners:
                        if listener.settle(message, was_handled=outcome is Outcome.HANDLED):
                            self.waits.look_at(listener.message)
        if self.observer is not None:
            started_at = message.started_at
            served_at = now if started_at == started_at else nan  # noqa: PLR0124
            if self._early and message in self._early:
                self._report_early(self.observer, message, outcome, error, served_at, now)
            else:
                message.report(self.observer, outcome, error, served_at, now)
        if self._refused:
            self._refused.pop(message, None)
        if self._watchers:
            self._changes.unpark_all()

    def _report_early(
        self,
        observer: Observer,
        message: InFlight,
        outcome: Outcome,
        error: Failure | None,
        served_at: float,
        finished_at: float,
    ) -> None:
        """Report a message of whose end something was known before."""
        early = self._early.pop(message)
        if early.outcome is not PENDING:
            outcome, error, finished_at = early.outcome, None, early.finished_at
        if early.served_at == early.served_at:  # not NaN
            served_at = early.served_at
        message.report(observer, outcome, error, served_at, finished_at)

    def served(self, message: InFlight) -> None:
        """A message's service is over, and its reply is on its way."""
        early = self._early.get(message, _NOTHING_YET)
        self._early[message] = early._replace(served_at=self.now())

    def give_up(self, message: InFlight, outcome: Outcome) -> None:
        """The sender no longer waits for a message, whose service goes on."""
        early = self._early.get(message, _NOTHING_YET)
        self._early[message] = early._replace(outcome=outcome, finished_at=self.now())
        parent = message.parent
        self.let_go(message)
        if self.waits.standing and parent is not None and not self.is_cut:
            self.waits.freed(parent, "timed_out" if outcome is Outcome.TIMED_OUT else "cancelled")

    def refuse(self, message: InFlight, outcome: Outcome) -> None:
        """A wait of the message is refused, which gives it an outcome of its own."""
        self._refused[message] = outcome

    def refusal(self, message: InFlight) -> Outcome | None:
        """The outcome of a message whose wait was refused; None for any other."""
        return self._refused.get(message)

    def cut(self) -> None:
        """The run ends: what is in flight is pending, and nothing later is recorded."""
        self.is_cut = True
        if self.observer is not None:
            self.report_open(self.observer)
        for message in self.in_flight.values():
            if message in returning:
                returning[message].cancel()
        self.in_flight.clear()
        self.open_deliveries = 0
        self._changes.unpark_all()

    def report_open(self, observer: Observer) -> None:
        """Report what is in flight as it is now, in order of sending."""
        for message in self.in_flight.values():
            early = self._early.get(message, _NOTHING_YET)
            message.report(observer, early.outcome, None, early.served_at, early.finished_at)

    # --- waiting for what ends --------------------------------------------------------------------

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that can only become so when a message ends."""
        self._watchers += 1
        try:
            while not is_so():
                await self._changes.park()
        finally:
            self._watchers -= 1

    async def until_no_events(self) -> None:
        """Wait until no delivery is in flight."""
        await self.until(lambda: not self.open_deliveries)

    async def until_events_ended(self) -> None:
        """Wait until the events that are in flight now have come to their end.

        Their deliveries among them, also those that are opened meanwhile, because an emitter is
        held up on its way from one subscriber to the next.
        """
        watermark = max(self.in_flight, default=-1) + 1
        left: deque[InFlight] = deque()

        def are_over() -> bool:
            while left and left[0].ended:
                left.popleft()
            if not left and not self.is_cut:
                left.extend(self._of_events_before(watermark))
            return not left or self.is_cut

        await self.until(are_over)

    def _of_events_before(self, watermark: int) -> Iterator[InFlight]:
        for message in self.in_flight.values():
            event = message.emit if isinstance(message, Delivery) else message
            if isinstance(event, Emit) and event.id < watermark:
                yield message

    # --- waits at gates ---------------------------------------------------------------------------

    def begin_wait(self, message: InFlight, gate: Gate) -> None:
        """Enter a wait, already in the gate's queue, into the graph.

        Raises
        ------
        DeadlockDetected
            The wait would close a deadlock, and this bus refuses that.
        """
        message.waiting_for = gate
        message.waiting_since = self.now()
        knot = self.waits.begin(message, gate)
        if message.mailbox is not None and message.mailbox.listeners:
            # An event that was on its way queues behind others: this may be what closes a deadlock.
            for listener in message.mailbox.listeners:
                waiter = listener.message
                if listener.expects(message) and not self.waits.is_known(waiter, listener):
                    knot = self.waits.look_at(waiter) or knot
        if knot is not None and self._refuses_deadlocks and not self.is_cut:
            gate.withdraw(message)
            self.refuse(message, Outcome.DROPPED if message.is_delivery else Outcome.DEADLOCKED)
            raise DeadlockDetected(knot.reports[self].components)

    def queue_at(self, message: InFlight, gate: Gate) -> None:
        """Queue at a gate that did not let the message in.

        Raises
        ------
        QueueFull
            The gate's queue has no room.
        DeadlockDetected
            The wait would close a deadlock, and this bus refuses that.
        """
        if gate.is_full:
            self.refuse(message, Outcome.DROPPED if message.is_delivery else Outcome.REJECTED)
            raise QueueFull(gate.where, message.route.type)
        gate.join(message)
        mailbox = message.mailbox
        if mailbox is not None and gate.where != mailbox.component.id:
            mailbox.elsewhere[message] = None  # so that it ends when its target leaves the bus
        self.begin_wait(message, gate)

    def wait_at(self, message: InFlight, gate: Gate) -> Awaitable[None]:
        """Queue at a gate, and wait in this task until it lets the message in."""
        self.queue_at(message, gate)
        return self.park(message, gate)

    def park(self, message: InFlight, gate: Gate) -> Awaitable[None]:
        """Wait in this task, already in the gate's queue, until `message.go_on()` is called.

        Returns the inner coroutine: each one more costs whenever the task is resumed.
        """
        message.go_on = partial(wake, trio.lowlevel.current_task())

        def withdraw(_raise_cancel: object) -> trio.lowlevel.Abort:
            gate.withdraw(message)
            return trio.lowlevel.Abort.SUCCEEDED

        return suspend(withdraw)

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        """Learn of a deadlock that has a member on this bus."""
        if self.is_cut:
            return
        if self.observer is not None:
            self.observer.deadlock_formed(deadlock)
        log.warning(
            "deadlock: %s", as_cycle(deadlock.components), extra={"members": deadlock.members}
        )

    # --- waits for events -------------------------------------------------------------------------

    def listen(self, message: InFlight, listener: Listener, mailbox: Mailbox) -> None:
        """Let a handler wait for an event; what of it lies undelivered now is what it waits for.

        Raises
        ------
        DeadlockDetected
            The wait would close a deadlock, and this bus refuses that.
        """
        for other in mailbox.in_flight():
            if other is not message:  # the next event is another one than that which it handles
                _tell(listener, other)
        mailbox.listeners.append(listener)
        message.listen(listener, self.now())
        knot = self.waits.begin(message, listener)
        if knot is not None and self._refuses_deadlocks and not self.is_cut:
            self.stop_listening(message, listener, mailbox, "refused")
            raise DeadlockDetected(knot.reports[self].components)

    def stop_listening(
        self, message: InFlight, listener: Listener, mailbox: Mailbox, how: BrokenBy
    ) -> None:
        """A handler's wait for an event is over; `how` counts if this breaks a deadlock."""
        mailbox.listeners.remove(listener)
        message.stop_listening(listener, self.now())
        if self.waits.standing and not self.is_cut:
            self.waits.freed(message, how)

    def _how_it_ended(self, message: InFlight) -> BrokenBy:
        """What freed the messages that waited for this one, if that was a deadlock."""
        if message in self._refused:
            return "refused"
        nested: InFlight | None = message
        while nested is not None and not nested.has_expired:
            nested = nested.parent
        return "cancelled" if nested is None else "timed_out"


def _tell(listener: Listener, message: Node) -> None:
    if isinstance(message, Delivery) and listener.wants(message.route.type, message.emit.data):
        listener.expect(message, message.emit.data)
