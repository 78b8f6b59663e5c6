"""A deadlock in plain sentences: who waits for whom since when, who waits behind, how it ended."""

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from genesis_lab.messages import Deadlock
from genesis_lab.recording import display
from genesis_lab.recording.messages import deadlock_at, messages_of
from genesis_lab.recording.waiting import Wait, waits_of

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
    ids = [*deadlock.members, *deadlock.victims]
    messages = messages_of(trace.requests, trace.deliveries, trace.events, ids)
    # The only bus that hands out the deliveries of an event one after another.
    waits = waits_of(messages, deadlock, in_turn=trace.manifest.architecture == "synchronous")
    return DeadlockReport(
        deadlock=deadlock,
        members=tuple(waits[id] for id in deadlock.members),
        victims=tuple(waits[id] for id in deadlock.victims),
    )


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
