"""What a live bus has reported, counted from the recorder's packed rows, without any frame."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from genesis_lab.messages import Deadlock, Outcome
from genesis_lab.recording import Recorder
from genesis_lab.recording.records import DELIVERIES, EVENTS, REQUESTS
from genesis_lab.recording.rows import RowArray

_RECENT = 1000
"""How many of the last requests are looked at for latencies."""


class Latency(NamedTuple):
    """How long one answered request took."""

    finished_at: float
    """When its sender had the reply [s since the bus opened]."""
    seconds: float
    """From when it was meant to be sent until then [s]."""


class Tally(Recorder):
    """A recorder that can also be asked for counts, which it takes from its rows when asked."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlocks = 0
        """How many have formed so far, those broken since among them."""

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        """Keep and count a deadlock."""
        super().deadlock_formed(deadlock)
        self.deadlocks += 1

    def requests(self) -> Mapping[Outcome, int]:
        """How many requests have ended, by outcome."""
        return _by_outcome(self._views()[REQUESTS])

    def deliveries(self) -> Mapping[Outcome, int]:
        """How many deliveries have ended, by outcome."""
        return _by_outcome(self._views()[DELIVERIES])

    def events(self) -> int:
        """How many events have been emitted."""
        return sum(map(len, self._views()[EVENTS]))

    def latencies(self) -> tuple[Latency, ...]:
        """Of those of the last requests that were answered, in the order in which they ended."""
        rows = _last(self._views()[REQUESTS], _RECENT)
        answered = rows[rows["outcome"] == Outcome.ANSWERED]
        seconds = answered["finished_at"] - answered["intended_at"]
        return tuple(map(Latency, answered["finished_at"].tolist(), seconds.tolist()))


def _last(views: Sequence[RowArray], number: int) -> RowArray:
    """The last rows of several chunks, of which only those that they are in are looked at."""
    found: list[RowArray] = []
    for view in reversed(views):
        found.insert(0, view[-number:])
        number -= len(found[0])
        if number == 0:
            break
    return np.concatenate(found)


def _by_outcome(views: Iterable[RowArray]) -> Mapping[Outcome, int]:
    counts = np.sum(
        [np.bincount(rows["outcome"], minlength=len(Outcome)) for rows in views], axis=0
    )
    return {outcome: int(counts[outcome]) for outcome in Outcome if counts[outcome]}
