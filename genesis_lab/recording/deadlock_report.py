"""A deadlock in plain sentences: who waits for whom since when, who waits behind, how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from genesis_lab.messages import Deadlock
from genesis_lab.recording import display
from genesis_lab.recording.messages import Message, deadlock_at, messages_of

if TYPE_CHECKING:
    from genesis_lab.recording.trace import Trace

_REASONS = {
    "timed_out": "a wait timed out",
    "cancelled": "a message was cancelled",
    "refused": "the wait that closed it was refused",
}
_COLUMNS = ["", "message", "at", "waits for", "since", "outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One message of a deadlock, and what it waits for."""

    message: Message
    is_handled: bool
    """Its handler, or emitter, waits for what it sent; else the message waits for its turn."""
    behind: tuple[Message, ...]
    """The messages of the deadlock that it waits for."""
    since: float
    """[s since the bus opened]"""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeadlockReport:
    """What a trace says of one deadlock: shown in sentences, and in a notebook as a table."""

    deadlock: Deadlock
    members: tuple[Wait, ...]
    """In waiting order, as in the record."""
    victims: tuple[Wait, ...]
    """In the order in which they joined."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Who waits for whom, who waits behind them, and how it ended."""
        return (
            *(f"At {_sentence(wait)}" for wait in self.members),
            *(f"Behind them, at {_sentence(wait)}" for wait in self.victims),
            self._end(),
        )

    def _end(self) -> str:
        deadlock = self.deadlock
        if deadlock.broken_by is None:
            return "It holds to the end of the record."
        lasted = deadlock.broken_at - deadlock.formed_at
        outcomes = ", ".join(f"{wait.message.name} {wait.message.outcome}" for wait in self.members)
        return (
            f"It was broken at {deadlock.broken_at:.6g} s, after {lasted:.6g} s, because "
            f"{_REASONS[deadlock.broken_by]}; in the end: {outcomes}."
        )

    def __repr__(self) -> str:
        return "\n  ".join([f"Deadlock {self.deadlock}", *self.sentences])

    def _repr_html_(self) -> str:
        rows = [["member", *_cells(wait)] for wait in self.members]
        rows += [["victim", *_cells(wait)] for wait in self.victims]
        return display.table(f"Deadlock {self.deadlock}", rows, columns=_COLUMNS)


def report_deadlock(trace: "Trace", number: int) -> DeadlockReport:
    """The report on one row of `trace.deadlocks`."""
    deadlock = deadlock_at(trace.deadlocks, number)
    involved = messages_of(trace, [*deadlock.members, *deadlock.victims])
    # A member may go on while the others still hold each other up, so members are taken as they
    # were when the deadlock formed.
    at_once = [each for each in involved if _opened_at(each, involved) <= deadlock.formed_at]
    # Elsewhere the deliveries of an event are handled side by side.
    in_turn = trace.manifest.architecture == "synchronous"
    by_id = {message.id: message for message in involved}
    return DeadlockReport(
        deadlock=deadlock,
        members=tuple(_wait(by_id[id], at_once, in_turn=in_turn) for id in deadlock.members),
        victims=tuple(_wait(by_id[id], involved, in_turn=in_turn) for id in deadlock.victims),
    )


def _wait(message: Message, involved: Sequence[Message], *, in_turn: bool) -> Wait:
    """What a message waits for, which is all in the deadlock.

    One that has sent some of the others is being handled, and waits for these: what waits for its
    turn has sent nothing yet.
    """
    sent = [other for other in involved if other.parent == message.id]
    if sent:
        since = min(_opened_at(other, involved) for other in sent)
        return Wait(message=message, is_handled=True, behind=tuple(sent), since=since)
    behind = _before(message, involved) if in_turn else []
    return Wait(
        message=message,
        is_handled=False,
        behind=tuple(behind or _handled_at(message.place, involved)),
        since=_opened_at(message, involved),
    )


def _handled_at(component: str, involved: Sequence[Message]) -> list[Message]:
    """What the component is busy with."""
    handled = {other.parent for other in involved}
    return [
        other
        for other in involved
        if other.id in handled and other.kind != "event" and other.target == component
    ]


def _before(message: Message, involved: Sequence[Message]) -> list[Message]:
    """The delivery whose turn it is before this one, if both are of one event."""
    return [
        other
        for other in involved
        if other.kind == message.kind == "delivery"
        and other.parent == message.parent
        and other.id < message.id
    ][:1]


def _opened_at(message: Message, involved: Sequence[Message]) -> float:
    """When its sender began to wait for it; a delivery may have got into its inbox much later."""
    events = [
        other.at for other in involved if other.kind == "event" and other.id == message.parent
    ]
    return min([message.at, *events])


def _sentence(wait: Wait) -> str:
    message = wait.message
    behind = " and ".join(
        other.name if other.place == message.place else f"{other.name} at {other.place}"
        for other in wait.behind
    )
    word = "for" if wait.is_handled else "behind"
    return (
        f"{message.place}, {message.name} ({message.type} from {message.source}) has waited "
        f"since {wait.since:.6g} s{behind and f' {word} {behind}'}."
    )


def _cells(wait: Wait) -> list[str]:
    message = wait.message
    ended = "" if isnan(message.finished_at) else f" at {message.finished_at:.6g} s"
    return [
        f"{message.name}: {message.type} from {message.source}",
        message.place,
        ", ".join(f"{other.name} at {other.place}" for other in wait.behind),
        f"{wait.since:.6g} s",
        f"{message.outcome}{ended}",
    ]
