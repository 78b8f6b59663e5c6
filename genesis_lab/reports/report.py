"""What a comparison came to, as a value; and at a glance, as text and as HTML."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from genesis_lab.experiments.tables import with_interval
from genesis_lab.recording.display import table
from genesis_lab.reports.folder import SweepRecord
from genesis_lab.reports.sections import Section

_COLUMNS = ["claim", "verdict", "measured", "why"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """What a comparison came to."""

    record: SweepRecord
    sections: Sequence[Section]
    scoreboard: pd.DataFrame
    """A row per claim: `claim`, `experiment`, `measured`, `effect`, `low`, `high`, `unit`,
    `verdict`, `sentence`."""
    unfinished: Mapping[str, tuple[int, int]]
    """Experiments left out: how many of how many trials are missing."""

    def __repr__(self) -> str:
        return "\n  ".join([_title(self), *verdict_lines(self)])

    def _repr_html_(self) -> str:
        return _as_html(self)


def verdict_lines(report: Report) -> list[str]:
    """The verdict on each claim, and which experiments are left out, in a line each."""
    claims = report.scoreboard.to_dict("records")
    width = max((len(claim["verdict"]) for claim in claims), default=0)
    return [
        *(f"{claim['verdict']:<{width}}  {claim['claim']}" for claim in claims),
        *_left_out(report),
    ]


def _as_html(report: Report) -> str:
    """The scoreboard as a table."""
    rows = [
        [
            claim["claim"],
            claim["verdict"],
            f"{claim['measured']}: {measured(claim)}",
            f"{claim['sentence']} ({claim['experiment']})",
        ]
        for claim in report.scoreboard.to_dict("records")
    ]
    rows += [[line, "", "", ""] for line in _left_out(report)]
    return table(_title(report), rows, columns=_COLUMNS)


def measured(claim: Mapping[Hashable, Any]) -> str:
    """The effect of a row of the scoreboard, with its interval and its unit."""
    effect = with_interval(claim["effect"], claim["low"], claim["high"])
    return f"{effect} {claim['unit']}".rstrip()


def _title(report: Report) -> str:
    trials = sum(map(len, report.record.trials.values()))
    names = ", ".join(report.record.trials)
    return f"Comparison of {names}: {trials:,} trials, from seed {report.record.seed}"


def _left_out(report: Report) -> list[str]:
    return [
        f"{name} is left out: {missing} of its {total} trials are missing"
        for name, (missing, total) in report.unfinished.items()
    ]
