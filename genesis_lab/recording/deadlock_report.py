"""A deadlock in plain sentences: who waits for whom since when, who waits behind, how it ended.

Who waits for whom is what the bus reported; nothing is worked out here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from math import isnan
from typing import NamedTuple

from genesis_lab.messages import ELSEWHERE, Deadlock, Wait, WaitKind
from genesis_lab.recording import display
from genesis_lab.recording.messages import Frames, Message, deadlock_at, messages_of, name_of

_REASONS = {
    "timed_out": "a wait timed out",
    "cancelled": "a message was cancelled",
    "refused": "the wait that closed it was refused",
}
_AWAITED: dict[WaitKind, str] = {
    "reply": "the reply of {holder} at {where}",
    "emit": "the delivery of {holder}",
    "handling": "the handling of {holder} at {where}",
    "event": "the event of {holder} at {where}",
}
"""What is waited for, where that is a message itself."""
_HELD: dict[WaitKind, str] = {
    "admission": "admission to {where}, which {holders} {hold}",
    "inbox": "its turn in the inbox of {where}, behind {holders}",
    "turn": "its turn among the deliveries of its event, behind {holders}",
    "system": "the bus, which {holders} {hold}",
}
"""What is waited for, where that is something that messages have."""
_UNKNOWN = "The trace does not hold who waits for whom."
_SHOWN = 5
"""How many victims are named; a busy component has many."""
_COLUMNS = ["", "message", "at", "waits for", "since", "outcome"]


class Waiting(NamedTuple):
    """A member or a victim, and what it waits for."""

    id: int
    """Its own, or -1: one or more messages on another bus."""
    message: Message | None
    """Its record, unless that is on another bus or was lost."""
    place: str
    """The component that serves it or that it waits for; empty if that is not known."""
    waits: tuple[Wait, ...]
    """All that it waited for: a member when the deadlock formed, a victim when it joined."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeadlockReport:
    """What a trace says of one deadlock: shown in sentences, and in a notebook as a table."""

    deadlock: Deadlock | None
    """None: there was none."""
    members: tuple[Waiting, ...] = ()
    """In waiting order, as in the record."""
    victims: tuple[Waiting, ...] = ()
    """In the order in which they joined."""
    messages: Mapping[int, Message] = field(default_factory=dict)
    """The records of members and victims, by id."""
    pending: int = 0
    """How many messages of the whole trace were open at its end."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Who waits for whom, who waits behind them, and how it ended."""
        deadlock = self.deadlock
        if deadlock is None:
            return (_pending(self.pending),) if self.pending else ()
        return (
            *([] if deadlock.waits else [_UNKNOWN]),
            *(f"At {self._sentence(each)}" for each in self.members),
            *(f"Behind them, at {self._sentence(each)}" for each in self.victims[:_SHOWN]),
            *(f"Behind them, {more} as well." for more in self._further_victims()),
            self._end(deadlock),
        )

    def _sentence(self, waiting: Waiting) -> str:
        subject = f"{waiting.place or 'an unknown place'}, {self._subject(waiting)}"
        if not waiting.waits:
            return f"{subject} waits."
        awaited = " and for ".join(self._awaited(waiting.waits))
        return f"{subject} has waited since {_since(waiting.waits)} for {awaited}."

    def _subject(self, waiting: Waiting) -> str:
        name = name_of(waiting.id, self.messages)
        message = waiting.message
        return name if message is None else f"{name} ({message.type} from {message.source})"

    def _awaited(self, waits: Iterable[Wait]) -> Iterator[str]:
        """What is waited for, each message or thing in one phrase."""
        for (kind, where), group in groupby(waits, key=lambda wait: (wait.kind, wait.where)):
            holders = [self._holder(wait) for wait in group]
            if kind in _AWAITED:
                yield from (_AWAITED[kind].format(holder=each, where=where) for each in holders)
            else:
                hold = "holds" if len(holders) == 1 else "hold"
                yield _HELD[kind].format(holders=" and ".join(holders), hold=hold, where=where)

    def _holder(self, wait: Wait) -> str:
        """The holder's name, with its place if the wait's own does not say it."""
        name = name_of(wait.holder, self.messages)
        holder = self.messages.get(wait.holder)
        is_said = wait.kind in _AWAITED or holder is None or holder.place == wait.where
        return name if is_said or holder is None else f"{name} at {holder.place}"

    def _further_victims(self) -> list[str]:
        further = len(self.victims) - _SHOWN
        return [f"{further:,} more"] if further > 0 else []

    def _end(self, deadlock: Deadlock) -> str:
        if deadlock.broken_by is None:
            return "It holds to the end of the record."
        lasted = deadlock.broken_at - deadlock.formed_at
        known = [each.message for each in self.members if each.message is not None]
        outcomes = ", ".join(f"{message.name} {message.outcome}" for message in known)
        return (
            f"It was broken at {deadlock.broken_at:.6g} s, after {lasted:.6g} s, because "
            f"{_REASONS[deadlock.broken_by]}{outcomes and f'; in the end: {outcomes}'}."
        )

    def _title(self) -> str:
        return "No deadlock formed." if self.deadlock is None else f"Deadlock {self.deadlock}"

    def __repr__(self) -> str:
        return "\n  ".join([self._title(), *self.sentences])

    def _repr_html_(self) -> str:
        if self.deadlock is None:
            rows = [["pending", _pending(self.pending)]] if self.pending else []
            return display.table(self._title(), rows)
        known = [] if self.deadlock.waits else [[_UNKNOWN, "", "", "", "", ""]]
        members = [["member", *self._cells(each)] for each in self.members]
        victims = [["victim", *self._cells(each)] for each in self.victims[:_SHOWN]]
        further = [["victims", more, "", "", "", ""] for more in self._further_victims()]
        return display.table(
            self._title(), [*known, *members, *victims, *further], columns=_COLUMNS
        )

    def _cells(self, waiting: Waiting) -> list[str]:
        message = waiting.message
        name = name_of(waiting.id, self.messages)
        return [
            name if message is None else f"{name}: {message.type} from {message.source}",
            waiting.place,
            "\n".join(self._awaited(waiting.waits)),
            _since(waiting.waits) if waiting.waits else "",
            "" if message is None else _outcome(message),
        ]


def report_deadlock(trace: Frames, number: int | None = None) -> DeadlockReport:
    """The report on one row of `trace.deadlocks`; on none, the first one if there is any."""
    frame = trace.deadlocks
    if number is None and frame.empty:
        return DeadlockReport(deadlock=None, pending=_count_pending(trace))
    deadlock = deadlock_at(frame, number or 0)
    ids = {*deadlock.members, *deadlock.victims} - {ELSEWHERE}
    messages = {
        message.id: message
        for message in messages_of(trace.requests, trace.deliveries, trace.events, ids)
    }
    places = _places(deadlock)
    waits: defaultdict[int, list[Wait]] = defaultdict(list)
    for wait in deadlock.waits:
        waits[wait.waiter].append(wait)

    def waiting(ids: Collection[int]) -> tuple[Waiting, ...]:
        return tuple(
            Waiting(
                id=id,
                message=messages.get(id),
                place=messages[id].place if id in messages else places.get(id, ""),
                waits=tuple(waits[id]),
            )
            for id in dict.fromkeys(ids)  # those on another bus have one id together
        )

    return DeadlockReport(
        deadlock=deadlock,
        members=waiting(deadlock.members),
        victims=waiting(deadlock.victims),
        messages=messages,
        pending=_count_pending(trace),
    )


def _places(deadlock: Deadlock) -> dict[int, str]:
    """Where the members are, by id."""
    places: dict[int, dict[str, None]] = {}
    for id, component in zip(deadlock.members, deadlock.components, strict=True):
        places.setdefault(id, {})[component] = None
    return {id: " and ".join(components) for id, components in places.items()}


def _count_pending(trace: Frames) -> int:
    ended = (trace.requests["outcome"], trace.deliveries["outcome"])
    pending = sum(int((outcomes == "pending").sum()) for outcomes in ended)
    return pending + int(trace.events["finished_at"].isna().sum())


def _pending(count: int) -> str:
    return "1 message is pending." if count == 1 else f"{count:,} messages are pending."


def _since(waits: Iterable[Wait]) -> str:
    return f"{min(wait.since for wait in waits):.6g} s"


def _outcome(message: Message) -> str:
    ended = "" if isnan(message.finished_at) else f" at {message.finished_at:.6g} s"
    return f"{message.outcome}{ended}"
