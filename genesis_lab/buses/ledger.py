"""What is in flight on a bus, who waits there, and the one record of how each message ended."""

import logging
from collections.abc import Callable
from functools import partial
from itertools import count

import trio

from genesis_lab.buses.inflight import InFlight, Queue
from genesis_lab.errors import DeadlockDetected, as_cycle
from genesis_lab.messages import BrokenBy, Failure, Outcome
from genesis_lab.observers import Observer
from genesis_lab.waits import WaitForGraph

log = logging.getLogger("genesis_lab.bus")


class Ledger:
    """Every message from `open` to `close`; whatever happens to it, it is reported exactly once.

    Parameters
    ----------
    observer
        Who is told; None for nobody.
    now
        The bus's clock [s].
    refuses_deadlocks
        Whether a wait that would close a deadlock raises `DeadlockDetected` instead.
    """

    def __init__(
        self, observer: Observer | None, now: Callable[[], float], *, refuses_deadlocks: bool
    ) -> None:
        self.observer = observer
        self.now = now
        self.next_id = count().__next__
        self.waits = WaitForGraph()
        self.in_flight: dict[int, InFlight] = {}
        self.open_deliveries = 0
        self.is_cut = False
        self._refuses_deadlocks = refuses_deadlocks
        self._changes = trio.lowlevel.ParkingLot()
        self._watchers = 0

    def open(self, message: InFlight) -> None:
        """Take a message up: it is in flight, and whoever sent it while being served waits.

        After a cut only the waiting counts: clean-up may still send, but nothing is kept of it.
        """
        if message.parent is not None:
            message.parent.nest(message, message.sent_at)
        if self.is_cut:
            return
        self.in_flight[message.id] = message
        if message.is_delivery:
            self.open_deliveries += 1

    def hold(self, sender: InFlight, message: InFlight) -> None:
        """From now on the sender waits for an open message, until it is let go or closed."""
        message.parent = sender
        sender.nest(message, self.now())

    def let_go(self, message: InFlight) -> None:
        """From now on nobody waits for the message."""
        if message.parent is not None:
            message.parent.unnest(message, self.now())
            message.parent = None

    def close(self, message: InFlight, outcome: Outcome, error: Failure | None = None) -> None:
        """End a message: nobody waits for it any longer, and its record is written."""
        message.ended = True
        now = self.now()
        if message.parent is not None:
            message.parent.unnest(message, now)
        if self.is_cut:
            return
        if self.waits.standing:
            self.waits.end(message, now, _how_it_ended(message))
        del self.in_flight[message.id]
        if message.is_delivery:
            self.open_deliveries -= 1
        if self.observer is not None:
            message.report(self.observer, outcome, error, now)
        if self._watchers:
            self._changes.unpark_all()

    def cut(self) -> None:
        """The run ends: what is in flight is pending, and nothing later is recorded."""
        self.is_cut = True
        if self.observer is not None:
            self.report_open(self.observer)
        self.in_flight.clear()
        self.open_deliveries = 0
        self._changes.unpark_all()

    def report_open(self, observer: Observer) -> None:
        """Report what is in flight as pending, in order of sending."""
        now = self.now()
        for message in self.in_flight.values():
            message.report(observer, Outcome.PENDING, None, now)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that can only become so when a message ends."""
        self._watchers += 1
        try:
            while not is_so():
                await self._changes.park()
        finally:
            self._watchers -= 1

    def begin_wait(self, message: InFlight, resource: Queue) -> None:
        """Enter a wait into the graph; report the deadlock that it closes, or refuse to.

        Raises
        ------
        DeadlockDetected
            The wait would close a deadlock, and this bus refuses that.
        """
        deadlock = self.waits.begin(message, resource, self.now())
        if deadlock is None or self.is_cut:
            return
        if self.observer is not None:
            self.observer.deadlock_formed(deadlock)
        log.warning(
            "deadlock: %s", as_cycle(deadlock.components), extra={"members": deadlock.members}
        )
        if self._refuses_deadlocks:
            resource.withdraw(message)
            message.was_refused = True
            raise DeadlockDetected(deadlock.components)

    async def wait_in_line(self, message: InFlight, resource: Queue) -> None:
        """Wait in this task, already in the resource's queue, until `message.go_on()` is called."""
        self.begin_wait(message, resource)
        message.go_on = partial(trio.lowlevel.reschedule, trio.lowlevel.current_task())

        def withdraw(_raise_cancel: object) -> trio.lowlevel.Abort:
            resource.withdraw(message)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(withdraw)


def _how_it_ended(message: InFlight) -> BrokenBy:
    """What freed whoever waited for this message, if that was a deadlock."""
    if message.was_refused:
        return "refused"
    nested: InFlight | None = message
    while nested is not None and not nested.has_expired:
        nested = nested.parent
    return "cancelled" if nested is None else "timed_out"
