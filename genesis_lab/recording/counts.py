"""How many messages a recorder has on record, counted without any frame."""

from collections.abc import Mapping
from dataclasses import dataclass

from genesis_lab.messages import Outcome
from genesis_lab.recording.rows import EndedRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many messages there have been, up to one moment."""

    requests: Mapping[Outcome, int]
    """Those that have ended, by outcome."""
    deliveries: Mapping[Outcome, int]
    """Those that have ended, by outcome."""
    events: int
    """Those whose emitters have gone on."""
    deadlocks: int
    """Those that have formed, whether they stand or have been broken."""


def in_words(counts: Mapping[str, int]) -> str:
    """How many there are, and of which outcome: `"3 (2 answered, 1 failed)"`."""
    parts = [f"{count:,} {outcome}" for outcome, count in counts.items() if count]
    return f"{sum(counts.values()):,}" + (f" ({', '.join(parts)})" if parts else "")


def by_outcome(rows: EndedRows) -> Mapping[Outcome, int]:
    """How many rows there have been of each outcome, in the order of the outcomes."""
    return {Outcome(number): int(count) for number, count in enumerate(rows.outcomes()) if count}
