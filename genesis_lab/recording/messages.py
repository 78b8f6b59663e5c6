"""The messages of a trace one by one, all three kinds alike, for what draws or tells them.

Analyses take the frames: they are many times faster.
"""

from collections.abc import Collection, Mapping
from math import inf, isnan, nan
from typing import Literal, NamedTuple, Protocol

import pandas as pd

from genesis_lab.errors import InvalidSetting
from genesis_lab.messages import ELSEWHERE, Deadlock
from genesis_lab.recording.manifest import Manifest

Kind = Literal["request", "delivery", "event"]

_NAMES = {"request_type": "type", "event_type": "type", "cause": "parent", "event": "parent"}


class Frames(Protocol):
    """The side of a `Trace` that its viewers see: none of them has to know the class."""

    @property
    def manifest(self) -> Manifest:
        """Which run it is of."""

    @property
    def requests(self) -> pd.DataFrame:
        """One row per request."""

    @property
    def events(self) -> pd.DataFrame:
        """One row per event."""

    @property
    def deliveries(self) -> pd.DataFrame:
        """One row per event and subscriber."""

    @property
    def deadlocks(self) -> pd.DataFrame:
        """One row per deadlock."""


class Message(NamedTuple):
    """A request, a delivery or an event; the fields are those of its record, under one name."""

    kind: Kind
    id: int
    parent: int
    """Id of the message that it comes from: a delivery's event, else the cause; -1: of none."""
    chain: int
    attempt: int
    """Which sending of a request it was; 1 for the others."""
    source: str
    target: str
    """Who was to take it; empty for an event, whose deliveries have one each."""
    type: str
    outcome: str
    """As in the record; an event is `emitted`, or `pending` while its emitter waits."""
    error: str | None
    error_message: str | None
    timeout: float
    """Infinite for the others than requests."""
    at: float
    """When it was sent; of a delivery that never got into an inbox, when its event was [s]."""
    intended_at: float
    sent_at: float
    arrived_at: float
    started_at: float
    served_at: float
    finished_at: float
    blocked: float

    @property
    def place(self) -> str:
        """The component that serves it, or that it waits for; an event's emitter."""
        return self.source if self.kind == "event" else self.target

    @property
    def left_at(self) -> float:
        """When it no longer occupied its component, maybe after its sender knew the outcome."""
        return max(self.finished_at, self.served_at)

    @property
    def name(self) -> str:
        """What sentences call it."""
        return f"{self.kind} {self.id}"


def messages_of(
    requests: pd.DataFrame,
    deliveries: pd.DataFrame,
    events: pd.DataFrame,
    ids: Collection[int] | None = None,
) -> list[Message]:
    """All messages, or those with these ids, in order of sending and then of id.

    Parameters
    ----------
    requests, deliveries, events
        As in a `Trace`.
    ids
        Which messages; all, unless told.
    """
    if ids is not None:
        requests, deliveries = (each[each["id"].isin(ids)] for each in (requests, deliveries))
    emitted_at = events.set_index("id")["sent_at"]
    if ids is not None:
        events = events[events["id"].isin(ids)]
    messages = [
        *_messages("request", requests.assign(at=requests["sent_at"])),
        *_messages(
            "delivery",
            deliveries.assign(
                attempt=1,
                timeout=inf,
                at=deliveries["sent_at"].fillna(deliveries["event"].map(emitted_at)),
            ),
        ),
        *_messages(
            "event",
            events.assign(
                attempt=1,
                target="",
                outcome=events["finished_at"].notna().map({True: "emitted", False: "pending"}),
                error=None,
                error_message=None,
                timeout=inf,
                at=events["sent_at"],
                arrived_at=nan,
                started_at=nan,
                served_at=nan,
                blocked=0.0,
            ),
        ),
    ]
    return sorted(messages, key=lambda message: (message.at, message.id))


def _messages(kind: Kind, frame: pd.DataFrame) -> list[Message]:
    texts = frame[["error", "error_message"]].astype(object)
    rows = frame.rename(columns=_NAMES).assign(kind=kind, **texts.where(texts.notna(), None))
    return [Message(*row) for row in rows[list(Message._fields)].itertuples(index=False)]


def name_of(id: int, messages: Mapping[int, Message]) -> str:
    """What sentences call the message with this id, whether or not it is known."""
    if id == ELSEWHERE:
        return "a message on another bus"
    return messages[id].name if id in messages else f"message {id}"


def deadlocks_of(frame: pd.DataFrame) -> list[Deadlock]:
    """The rows of `trace.deadlocks`, as the values that they were made from."""
    return [
        Deadlock(
            formed_at=row["formed_at"],
            members=row["members"],
            components=row["components"],
            victims=[*row["victims"]],
            waits=[*row["waits"]],
            broken_at=row["broken_at"],
            broken_by=None if isnan(row["broken_at"]) else row["broken_by"],
        )
        for row in frame.to_dict("records")
    ]


def deadlock_at(frame: pd.DataFrame, number: int) -> Deadlock:
    """One row of `trace.deadlocks`."""
    if not 0 <= number < len(frame):
        count = len(frame)
        expected = f"the row of one of {count} deadlocks" if count else "a trace with a deadlock"
        raise InvalidSetting("number", number, expected)
    return deadlocks_of(frame.iloc[[number]])[0]
