"""A deadlock in plain sentences: who waits for whom since when, who waits behind, how it ended."""

from collections import defaultdict
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
_SHOWN = 5
"""How many victims are named; a busy component has many."""
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
            *(f"Behind them, at {_sentence(wait)}" for wait in self.victims[:_SHOWN]),
            *(f"Behind them, {more} as well." for more in self._further_victims()),
            self._end(),
        )

    def _further_victims(self) -> list[str]:
        further = len(self.victims) - _SHOWN
        return [f"{further:,} more"] if further > 0 else []

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
        rows += [["victim", *_cells(wait)] for wait in self.victims[:_SHOWN]]
        rows += [["victims", more, "", "", "", ""] for more in self._further_victims()]
        return display.table(f"Deadlock {self.deadlock}", rows, columns=_COLUMNS)


def report_deadlock(trace: "Trace", number: int) -> DeadlockReport:
    """The report on one row of `trace.deadlocks`."""
    deadlock = deadlock_at(trace.deadlocks, number)
    in_turn = trace.manifest.architecture == "synchronous"
    involved = messages_of(trace, [*deadlock.members, *deadlock.victims])
    by_id = {message.id: message for message in involved}
    whole = _Involved(involved, in_turn=in_turn)
    # A member may go on while the others still hold each other up, so members are taken as they
    # were when the deadlock formed.
    formed = [each for each in involved if whole.opened_at(each) <= deadlock.formed_at]
    at_first = _Involved(formed, in_turn=in_turn)
    return DeadlockReport(
        deadlock=deadlock,
        members=tuple(at_first.wait_of(by_id[id]) for id in deadlock.members),
        victims=tuple(whole.wait_of(by_id[id]) for id in deadlock.victims),
    )


class _Involved:
    """Messages of a deadlock, and which of them wait for which.

    Parameters
    ----------
    messages
        In order of sending.
    in_turn
        Whether the deliveries of an event are handled one after another, and not side by side.
    """

    def __init__(self, messages: Sequence[Message], *, in_turn: bool) -> None:
        self._in_turn = in_turn
        self._events = {message.id: message for message in messages if message.kind == "event"}
        self._sent_by: defaultdict[int, list[Message]] = defaultdict(list)
        for message in messages:
            self._sent_by[message.parent].append(message)
        self._handled_at: defaultdict[str, list[Message]] = defaultdict(list)
        for message in messages:
            if message.kind != "event" and message.id in self._sent_by:
                self._handled_at[message.target].append(message)

    def wait_of(self, message: Message) -> Wait:
        """What a message waits for.

        One that has sent some of the others is being handled, and waits for these: what waits for
        its turn has sent nothing yet.
        """
        sent = self._sent_by.get(message.id, [])
        return Wait(
            message=message,
            is_handled=bool(sent),
            behind=tuple(sent or self._before(message) or self._handled_at.get(message.place, [])),
            since=min(map(self.opened_at, sent or [message])),
        )

    def opened_at(self, message: Message) -> float:
        """When its sender began to wait for it; a delivery may get into its inbox much later."""
        event = self._events.get(message.parent)
        return message.at if event is None else min(message.at, event.at)

    def _before(self, message: Message) -> list[Message]:
        """The delivery whose turn it is, where one of the same event comes before this one."""
        if not (self._in_turn and message.kind == "delivery"):
            return []
        first = self._sent_by[message.parent][0]
        return [first] if first.id < message.id else []


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
