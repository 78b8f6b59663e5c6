"""Measured claims as lines of text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from genesis_lab.bench.claims import Claim, Costs, shares

_HEADER = ("work", "measured", "bar", "reached")


@dataclass(frozen=True, slots=True)
class Reading:
    """A claim with the costs that it was measured by."""

    claim: Claim
    costs: Costs

    @property
    def measured(self) -> float | None:
        """The number; None where a peer is missing."""
        try:
            return self.claim.measured(self.costs)
        except KeyError:
            return None

    @property
    def is_reached(self) -> bool | None:
        """Whether the number reaches the bar; None where there is no number, or no bar."""
        measured = self.measured
        if measured is None or self.claim.bar is None:
            return None
        return self.claim.bar.is_reached_by(measured)

    def cells(self) -> tuple[str, str, str, str]:
        """Its line of the table."""
        claim, measured = self.claim, self.measured
        return (
            claim.work,
            "not measured" if measured is None else f"{measured:.3g} {claim.unit}",
            "" if claim.bar is None else f"{claim.bar} {claim.unit}",
            {True: "yes", False: "NO", None: ""}[self.is_reached],
        )


def table(readings: Sequence[Reading]) -> str:
    """One line per claim: work, measured, bar, whether it is reached."""
    lines = [_HEADER, *(reading.cells() for reading in readings)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2], "-" * widths[3]))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def notes(readings: Sequence[Reading]) -> str:
    """What has to be known to read a line."""
    return _lines(f"{each.claim.work}: {each.claim.note}" for each in readings if each.claim.note)


def breakdowns(readings: Sequence[Reading]) -> str:
    """Where the time goes, in microseconds, for each bar that is not reached."""
    return _lines(
        f"Where the time goes: {_made_of(each)}"
        for each in readings
        if each.is_reached is False and each.claim.steps
    )


def _made_of(reading: Reading) -> str:
    parts = [f"{share} {cost * 1e6:.2f}" for share, cost in shares(reading.claim, reading.costs)]
    whole = reading.claim.steps[-1][1]
    return f"{whole}, {reading.costs[whole] * 1e6:.2f} us = " + " + ".join(parts)


def _lines(texts: Iterable[str]) -> str:
    """Each text once, on lines short enough to be read."""
    return "\n".join(fill(text, 100, subsequent_indent="    ") for text in dict.fromkeys(texts))


def facts_line(facts: Mapping[str, str]) -> str:
    """The machine and the versions."""
    return fill("; ".join(f"{name} {value}" for name, value in facts.items()), 100)
