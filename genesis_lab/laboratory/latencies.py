"""How long the last requests took, from the recorder's packed rows."""

from typing import NamedTuple

from genesis_lab.messages import Outcome
from genesis_lab.recording import Recorder

_RECENT = 1000
"""How many of the last requests are looked at."""


class Latency(NamedTuple):
    """How long one answered request took."""

    finished_at: float
    """When its sender had the reply [s since the bus opened]."""
    seconds: float
    """From when it was meant to be sent until then [s]."""


def last_latencies(recorder: Recorder) -> tuple[Latency, ...]:
    """Of those of the last requests that were answered, in the order in which they ended."""
    rows = recorder.last_requests(_RECENT)
    answered = rows[rows["outcome"] == Outcome.ANSWERED]
    seconds = answered["finished_at"] - answered["intended_at"]
    return tuple(map(Latency, answered["finished_at"].tolist(), seconds.tolist()))
