"""From what a bus reports to traces, at any time."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from genesis_lab.errors import RecorderInUse, SpoolFailed, check_whole_number
from genesis_lab.messages import Deadlock, Membership, Outcome, Route
from genesis_lab.observers import BusDescription, OpenWork
from genesis_lab.recording.counts import Counts, by_outcome
from genesis_lab.recording.current import CurrentValues, Values, ended, standing
from genesis_lab.recording.flushing import BetweenSteps
from genesis_lab.recording.growing import GrowingFrame
from genesis_lab.recording.manifest import Manifest, manifest_of
from genesis_lab.recording.records import DELIVERIES, EVENTS, REQUESTS, Table
from genesis_lab.recording.rows import (
    DeliveryRows,
    EventRows,
    FailureNumbers,
    RequestRows,
    RowArray,
    Rows,
)
from genesis_lab.recording.snapshot import Snapshot, Views
from genesis_lab.recording.spool import Spool
from genesis_lab.recording.trace import Trace

log = logging.getLogger("genesis_lab.recording")

_OUTCOMES = [outcome.label for outcome in Outcome]


class Recorder:
    """An observer that keeps every request, event, delivery, deadlock and component of one bus.

    Parameters
    ----------
    spool
        A new or an empty folder to which records go while the run goes on: memory stays flat, and
        `Trace.recover` finds them there if the run is killed. None: everything is in memory.
    flush_every
        How many requests, or events, or deliveries are in memory when all of them go to the spool,
        at the end of the task step that recorded the last one. A run that is killed loses what it
        recorded after the last time.

    Raises
    ------
    InvalidSetting
        `flush_every` is not a whole number of at least one, there is something in the folder, or
        another recorder writes there.

    Notes
    -----
    A disk that is full does not disturb the run. The log says so once, `failure` has the error, and
    the records stay in memory until a later flush writes them. If the last one, when the bus
    closes, does not, `bus_closed` raises the error.
    """

    failure: SpoolFailed | None = None
    """Why the last flush failed; None if it did not."""

    def __init__(self, *, spool: Path | str | None = None, flush_every: int = 10_000) -> None:
        self._flush_every = check_whole_number("flush_every", flush_every, at_least=1)
        self._due_at = self._flush_every
        self._spool = None if spool is None else Spool(Path(spool))
        self._between_steps: BetweenSteps | None = None
        self._failures = FailureNumbers()
        self._requests = RequestRows(self._failures)
        self._events = EventRows(self._failures)
        self._deliveries = DeliveryRows(self._failures)
        self._rows: dict[Table, Rows] = {
            REQUESTS: self._requests,
            EVENTS: self._events,
            DELIVERIES: self._deliveries,
        }
        self._growing = {table: GrowingFrame(table) for table in self._rows}
        # The bus thus calls the rows' own methods, with nothing in between on the hot path. (A
        # subclass that wants to hear of messages has to replace these three, as they stand here.)
        self.request_ended = self._requests.append
        self.event_emitted = self._events.append
        self.delivery_ended = self._deliveries.append
        self._routes: list[tuple[str, str, str]] = []
        self._current = CurrentValues()
        self._manifest: Manifest | None = None
        self._bus: OpenWork | None = None
        self._trace: Trace | None = None
        self._traced: object = None

    # --- what a bus reports besides messages ------------------------------------------------------

    def bus_opened(self, bus: OpenWork, description: BusDescription) -> None:
        """Begin the record of a bus.

        Raises
        ------
        RecorderInUse
            It has the record of a bus already.
        """
        if self._manifest is not None:
            raise RecorderInUse
        self._manifest = manifest_of(description)
        self._bus = bus
        if self._spool is not None:
            self._spool.begin(self._manifest)
            # Only a recorder with a spool is referred to from elsewhere: the rows of others are
            # freed as soon as no one has them, and not when the garbage collector finds a cycle.
            self._between_steps = BetweenSteps(self._flush_if_due)

    def bus_closed(self) -> None:
        """End the record: nothing is open any longer.

        Raises
        ------
        SpoolFailed
            The last records could not be spooled: they are in memory only.
        """
        self._bus = None
        if self._between_steps is not None:
            self._between_steps.stop()
        try:
            self.flush()
        finally:
            if self._spool is not None:
                self._spool.release()

    def route_opened(self, route: Route) -> None:
        """Learn what a route number stands for."""
        assert route.number == len(self._routes), "a bus numbers its routes from 0 on"
        self._routes.append((route.source, route.target, route.type))

    def component_joined(self, membership: Membership) -> None:
        """Keep a component's stay, and look at it again for each trace."""
        self._current.add_stay(membership)

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        """Keep a deadlock, and look at it again for each trace."""
        self._current.add_deadlock(deadlock)

    # --- while it goes on -------------------------------------------------------------------------

    # These cost little, however long the record is, since they make no frame. As with `trace`, call
    # them in the thread that the bus is in while that is open.

    def counts(self) -> Counts:
        """How many messages have been recorded so far, those in a spool among them."""
        return Counts(
            requests=by_outcome(self._requests),
            deliveries=by_outcome(self._deliveries),
            events=self._events.total,
            deadlocks=self._current.formed,
        )

    def last_requests(self, number: int) -> RowArray:
        """The last so many requests to end, or all in memory if these are fewer, in that order.

        Packed: `outcome` is an `Outcome`, `route` an index of `routes`, times are as in a trace.
        """
        return self._requests.last(number)

    def routes(self) -> Sequence[tuple[str, str, str]]:
        """Who has sent what to whom so far: source, target (empty for an event) and type."""
        return tuple(self._routes)

    # --- traces -----------------------------------------------------------------------------------

    def trace(self) -> Trace:
        """What has been recorded so far; what is in flight on the bus now is `pending`.

        The same trace, with the frames that it has made, as long as nothing has happened. While the
        bus is open, call this in the thread that the bus is in.
        """
        views, still_open = self._views(), self._still_open()
        current = self._current.rows()
        state = self._count(), [view.tobytes() for view in chain(*still_open.values())], current
        if self._trace is None or state != self._traced:
            self._traced = state
            snapshot = replace(
                self._snapshot(views, current),
                still_open=still_open,
                growing=self._growing,
                spooled=None if self._spool is None else self._spool.written(),
            )
            self._trace = Trace(manifest=self._manifest or Manifest(), frame_of=snapshot.frame)
        return self._trace

    def flush(self) -> None:
        """Move what has ended to the spool, if there is one, and leave word there of what is open.

        Raises
        ------
        SpoolFailed
            The disk did not take it. All of it is still in memory, and a later flush may succeed.
        """
        if self._spool is None:
            return
        try:
            current = self._current.rows()
            self._spool.append(
                self._snapshot(self._views(), ended(current)).arrow,
                self._snapshot(self._still_open(), standing(current)).arrow,
            )
        except Exception as error:
            self._due_at = self._in_memory() + self._flush_every
            self.failure = SpoolFailed(str(self._spool.folder), str(error))
            raise self.failure from error
        self.failure = None
        self._due_at = self._flush_every
        self._current.forget_ended()
        for rows in self._rows.values():
            rows.clear()

    def _flush_if_due(self) -> None:
        if self._in_memory() < self._due_at:
            return
        failed_before = self.failure is not None
        try:
            self.flush()
        except SpoolFailed:
            if not failed_before:
                log.exception("a spool cannot be written")

    def _in_memory(self) -> int:
        """How many records of the kind that has most of them are in memory."""
        return max(self._requests.in_memory, self._events.in_memory, self._deliveries.in_memory)

    def _count(self) -> int:
        """How many messages have been recorded."""
        return sum(rows.total for rows in self._rows.values())

    def _views(self) -> Views:
        return {table: rows.views() for table, rows in self._rows.items()}

    def _still_open(self) -> Views:
        """What is in flight on the bus now, which reports it to a recorder of its own."""
        pending = Recorder()
        if self._bus is not None:
            self._bus.report_open(pending)
        return pending._views()

    def _snapshot(self, rows: Views, values: Values) -> Snapshot:
        sources, targets, types = zip(*self._routes, strict=True) if self._routes else ((), (), ())
        words = {
            "source": sources,
            "target": targets,
            "request_type": types,
            "event_type": types,
            "outcome": _OUTCOMES,
            "error": self._failures.kinds(),
            "error_message": self._failures.lines(),
        }
        return Snapshot(rows=rows, words=words, values=values)
