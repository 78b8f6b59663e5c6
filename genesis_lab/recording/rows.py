"""Packed rows: where records go on the hot path, a few hundred nanoseconds and 101 bytes each.

Rows fill chunks that never move or shrink, so that a view of what is there stays true while the
recorder goes on writing behind it.

`append` takes a record as a whole or not at all, at any depth of the stack and however little
memory is left. What may fail comes first: the next chunk, the number of a failure, the packing,
which checks the values. An exception then leaves all as it was, and the same record can be offered
again.
"""

from itertools import groupby
from struct import Struct, calcsize
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from genesis_lab.messages import Failure, Outcome
from genesis_lab.recording.records import DELIVERIES, EVENTS, REQUESTS, Table

RowArray = npt.NDArray[np.void]
ByOutcome = npt.NDArray[np.int64]
"""A number for each outcome."""

MOST_FAILURES: Final = 4096
"""How many different failures keep their texts, as `RequestRecord.error_message` says."""
_FIRST_CHUNK = 64
"""Rows of the first chunk: small, because many a trial has few messages."""
_LARGEST_CHUNK = 4096
"""Rows: a chunk then fits into a processor's second cache while its columns are copied out."""


class Layout:
    """Where each field lies in a packed row of a table."""

    def __init__(self, table: Table) -> None:
        codes = {column.packed_in or name: column.code for name, column in table.columns.items()}
        # The largest first: each field is then aligned without gaps, which `struct` and numpy
        # agree on, and native packing, which needs alignment, is the fast one.
        fields = sorted(codes.items(), key=lambda field: calcsize(field[1]), reverse=True)
        self.dtype = np.dtype(fields)
        runs = groupby(code for _, code in fields)  # "3q5d" packs faster than "qqqddddd"
        self.struct = Struct("@" + "".join(f"{len(list(run))}{code}" for code, run in runs))


class FailureNumbers(dict[tuple[str, str | None], int]):
    """Numbers for failures, from 1 on: 0 is none.

    After `MOST_FAILURES`, new ones count by their kind alone, so that texts which differ each time,
    as those with an id in them, do not fill the memory.
    """

    def __missing__(self, failure: tuple[str, str | None]) -> int:
        kind, line = failure
        if len(self) >= MOST_FAILURES and line is not None:
            return self[kind, None]
        self[failure] = number = len(self) + 1
        return number

    def kinds(self) -> list[str | None]:
        """The class names by number."""
        return [None, *(kind for kind, _ in self)]

    def lines(self) -> list[str | None]:
        """The first lines by number."""
        return [None, *(line for _, line in self)]


class Rows:
    """The packed rows of one table; a subclass has the `append` of its record.

    Parameters
    ----------
    failures
        Numbers for what the records have failed with.
    """

    __slots__ = ("_chunk", "_cleared", "_end", "_failures", "_full", "_in_full", "_used")
    layout: ClassVar[Layout]

    def __init__(self, failures: FailureNumbers) -> None:
        self._failures = failures
        self._cleared = 0
        self._begin()

    def _begin(self) -> None:
        end = _FIRST_CHUNK * self.layout.dtype.itemsize
        self._chunk = bytearray(end)
        self._end = end
        self._full: list[bytearray] = []
        self._in_full = 0
        self._used = 0

    def clear(self) -> None:
        """Forget all rows, but not how many they were; views of them stay as they are."""
        total = self.total
        self._begin()
        self._cleared = total

    @property
    def total(self) -> int:
        """How many rows there have been, those that were cleared among them."""
        return self._cleared + self.in_memory

    @property
    def in_memory(self) -> int:
        """How many rows there are."""
        return self._in_full + self._used // self.layout.dtype.itemsize

    def views(self) -> list[RowArray]:
        """The rows so far, chunk by chunk, none of them copied."""
        return [*map(self._rows_of, self._full), self._newest()]

    def last(self, number: int) -> RowArray:
        """So many of the last rows, or all if there are fewer; older chunks are not looked at."""
        found = [self._newest()[-number:]]
        for chunk in reversed(self._full):
            if (missing := number - sum(map(len, found))) == 0:
                break
            found.insert(0, self._rows_of(chunk)[-missing:])
        return np.concatenate(found)

    def _rows_of(self, chunk: bytearray) -> RowArray:
        return np.frombuffer(chunk, self.layout.dtype)

    def _newest(self) -> RowArray:
        """The rows of the chunk that is not full yet."""
        return self._rows_of(self._chunk)[: self._used // self.layout.dtype.itemsize]

    def _next_chunk(self) -> None:
        """The chunk is full: go on in a new one."""
        size = self.layout.dtype.itemsize
        in_full = self._in_full + self._end // size
        end = min(2 * self._end, _LARGEST_CHUNK * size)
        chunk = bytearray(end)
        # A new list, so that from here on there are assignments only: neither a lack of memory nor
        # Ctrl-C comes between them.
        full = [*self._full, self._chunk]
        self._full = full
        self._in_full = in_full
        self._chunk = chunk
        self._end = end
        self._used = 0


class EndedRows(Rows):
    """Rows of what ends with an outcome."""

    __slots__ = ("_counted", "_outcomes")

    def __init__(self, failures: FailureNumbers) -> None:
        super().__init__(failures)
        self._counted = 0
        self._outcomes: ByOutcome = np.zeros(len(Outcome), np.int64)

    def clear(self) -> None:
        """Forget all rows, but not how many they were of each outcome."""
        outcomes = self.outcomes()
        super().clear()
        self._outcomes = outcomes
        self._counted = 0

    def outcomes(self) -> ByOutcome:
        """How many rows there have been of each outcome, those that were cleared among them.

        Each full chunk is counted once: however long the run, asking again soon costs little.
        """
        for chunk in self._full[self._counted :]:
            self._outcomes = self._outcomes + _by_outcome(self._rows_of(chunk))
        self._counted = len(self._full)
        return self._outcomes + _by_outcome(self._newest())


def _by_outcome(rows: RowArray) -> ByOutcome:
    return np.bincount(rows["outcome"], minlength=len(Outcome))


# The three below are called once per record. Hence no call in between, no tuple of the arguments,
# and what does not change in a global: each of these costs a tenth of the whole.
# The values stand in the order of the layout: ids, times, small numbers.

_pack_request = (_REQUEST := Layout(REQUESTS)).struct.pack_into
_REQUEST_SIZE = _REQUEST.struct.size
_pack_delivery = (_DELIVERY := Layout(DELIVERIES)).struct.pack_into
_DELIVERY_SIZE = _DELIVERY.struct.size
_pack_event = (_EVENT := Layout(EVENTS)).struct.pack_into
_EVENT_SIZE = _EVENT.struct.size


class RequestRows(EndedRows):
    """The rows of requests."""

    __slots__ = ()
    layout = _REQUEST

    def append(
        self,
        id: int,
        cause: int,
        chain: int,
        route: int,
        attempt: int,
        outcome: Outcome,
        error: Failure | None,
        timeout: float,
        intended_at: float,
        sent_at: float,
        arrived_at: float,
        started_at: float,
        served_at: float,
        finished_at: float,
        blocked: float,
    ) -> None:
        """Take one record, as `Observer.request_ended` reports it."""
        if self._used == self._end:
            self._next_chunk()
        _pack_request(
            self._chunk,
            self._used,
            id,
            cause,
            chain,
            timeout,
            intended_at,
            sent_at,
            arrived_at,
            started_at,
            served_at,
            finished_at,
            blocked,
            attempt,
            route,
            0 if error is None else self._failures[error],
            outcome,
        )
        self._used += _REQUEST_SIZE


class DeliveryRows(EndedRows):
    """The rows of deliveries."""

    __slots__ = ()
    layout = _DELIVERY

    def append(
        self,
        id: int,
        event: int,
        chain: int,
        route: int,
        outcome: Outcome,
        error: Failure | None,
        intended_at: float,
        sent_at: float,
        arrived_at: float,
        started_at: float,
        served_at: float,
        finished_at: float,
        blocked: float,
    ) -> None:
        """Take one record, as `Observer.delivery_ended` reports it."""
        if self._used == self._end:
            self._next_chunk()
        _pack_delivery(
            self._chunk,
            self._used,
            id,
            event,
            chain,
            intended_at,
            sent_at,
            arrived_at,
            started_at,
            served_at,
            finished_at,
            blocked,
            route,
            0 if error is None else self._failures[error],
            outcome,
        )
        self._used += _DELIVERY_SIZE


class EventRows(Rows):
    """The rows of events."""

    __slots__ = ()
    layout = _EVENT

    def append(
        self,
        id: int,
        cause: int,
        chain: int,
        route: int,
        subscribers: int,
        intended_at: float,
        sent_at: float,
        finished_at: float,
    ) -> None:
        """Take one record, as `Observer.event_emitted` reports it."""
        if self._used == self._end:
            self._next_chunk()
        _pack_event(
            self._chunk,
            self._used,
            id,
            cause,
            chain,
            intended_at,
            sent_at,
            finished_at,
            route,
            subscribers,
        )
        self._used += _EVENT_SIZE
