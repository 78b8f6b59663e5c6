"""From the records of messages to what a timeline draws: who was in which state, and when.

A record says for how long a handler was blocked, not when. That follows from what it waited for:
the requests and events that it caused.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import inf, isnan
from typing import Literal, NamedTuple

import pandas as pd

from genesis_lab.analysis.grouping import require_columns

State = Literal["waiting", "serving", "blocked"]
Span = tuple[float, float]

_TYPES = {"request_type": "type", "event_type": "type"}
_COLUMNS = (
    *("id", "target", "source", "outcome"),
    *("sent_at", "started_at", "served_at", "finished_at"),
)
"""What requests and deliveries both have to have."""
_WAIT = ["cause", "sent_at", "finished_at"]


class _Message(NamedTuple):
    """A request or a delivery; `left_at` is infinite while it is pending."""

    id: int
    target: str
    source: str
    type: str
    outcome: str
    sent_at: float
    started_at: float
    left_at: float
    """When it no longer occupied its component, maybe after its sender knew the outcome."""


class Segment(NamedTuple):
    """A message in one state; the fields are the columns of `timeline_segments`."""

    component: str
    """Where: the component that serves the message, or that it waits for."""
    row: int
    """Which line of the component's lane it is in: 0, and more where messages overlap."""
    state: State
    """`waiting` until its handler begins, then `serving`, or `blocked` by nested messages."""
    begin: float
    """Within the window [s since the bus opened]."""
    end: float
    """Within the window [s]; equal to `begin` if the whole message took no time."""
    id: int
    """Of the message."""
    type: str
    """Its request type or event type."""
    source: str
    """Who sent it."""
    outcome: str
    """How it ended."""


def timeline_segments(
    requests: pd.DataFrame,
    deliveries: pd.DataFrame,
    *,
    events: pd.DataFrame | None = None,
    start: float,
    end: float,
) -> pd.DataFrame:
    """What happened at each component within a window of time, state by state.

    Parameters
    ----------
    requests, deliveries
        As in a `Trace`.
    events
        As in a `Trace`; without them a handler that waits for its own event counts as `serving`.
    start, end
        The window [s since the bus opened]. What is pending goes on to its end.

    Returns
    -------
    pandas.DataFrame
        One row per segment, columns as in `Segment`; components in the order in which the first
        message was sent to them, then in order of sending. Messages without a `sent_at` never got
        to their component and are left out.
    """
    require_columns(requests, "requests", ["request_type", "cause", *_COLUMNS])
    require_columns(deliveries, "deliveries", ["event_type", *_COLUMNS])
    if events is not None:
        require_columns(events, "events", _WAIT)
    messages = _within(start, end, requests, deliveries)
    waits = _waits_by_cause({message.id for message in messages}, requests, events)
    lanes: dict[str, list[Segment]] = {}
    free_at: dict[str, list[float]] = defaultdict(list)
    for message in messages:
        row = _first_free_row(free_at[message.target], message)
        segments = _segments(message, row, waits[message.id], start, end)
        lanes.setdefault(message.target, []).extend(segments)
    rows = [segment for lane in lanes.values() for segment in lane]
    return pd.DataFrame(rows, columns=list(Segment._fields))


def _within(start: float, end: float, *frames: pd.DataFrame) -> list[_Message]:
    """The messages that were at their component in the window, in order of sending."""
    messages = []
    for frame in frames:
        left_at = frame["finished_at"].fillna(inf).clip(lower=frame["served_at"].fillna(-inf))
        known = frame.assign(left_at=left_at).rename(columns=_TYPES)
        is_later = (left_at > start) | (known["sent_at"] >= start)
        shown = known.loc[is_later & (known["sent_at"] <= end), list(_Message._fields)]
        messages += [_Message(*row) for row in shown.itertuples(index=False)]
    return sorted(messages, key=lambda message: (message.sent_at, message.id))


def _waits_by_cause(
    ids: set[int], requests: pd.DataFrame, events: pd.DataFrame | None
) -> defaultdict[int, list[Span]]:
    """When each of the messages had to wait for others, merged and in order."""
    frames = [requests] if events is None else [requests, events]
    nested = (
        pd.concat([frame.loc[frame["cause"].isin(ids), _WAIT] for frame in frames])
        .fillna({"finished_at": inf})
        .sort_values("sent_at")
    )
    waits: defaultdict[int, list[Span]] = defaultdict(list)
    for cause, begin, end in nested.itertuples(index=False):
        spans = waits[cause]
        if spans and begin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((begin, end))
    return waits


def _first_free_row(free_at: list[float], message: _Message) -> int:
    """The topmost row that is free when the message comes; it is taken until the message ends."""
    for row, at in enumerate(free_at):
        if at <= message.sent_at:
            free_at[row] = message.left_at
            return row
    free_at.append(message.left_at)
    return len(free_at) - 1


def _segments(
    message: _Message, row: int, waits: Sequence[Span], start: float, end: float
) -> list[Segment]:
    """The message's segments, cut at the window's edges."""
    takes_no_time = message.sent_at == message.left_at
    segments = []
    for state, since, until in _states(message, waits):
        cut_since, cut_until = max(since, start), min(until, end)
        if cut_since < cut_until or (takes_no_time and cut_since == cut_until):
            at = (message.target, row, state, cut_since, cut_until)
            segments.append(Segment(*at, message.id, message.type, message.source, message.outcome))
    return segments


def _states(message: _Message, waits: Sequence[Span]) -> Iterator[tuple[State, float, float]]:
    """The states that the message goes through, some of which may take no time."""
    sent_at, started_at, left_at = message[-3:]
    if isnan(started_at):
        yield "waiting", sent_at, left_at
        return
    if sent_at < started_at:
        yield "waiting", sent_at, started_at
    now = started_at
    for begin, end in waits:
        begins, ends = max(begin, now), min(end, left_at)
        if begins < ends:
            yield "serving", now, begins
            yield "blocked", begins, ends
            now = ends
    yield "serving", now, left_at
