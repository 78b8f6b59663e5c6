"""A trace at a glance, as text and as HTML."""

from collections.abc import Hashable, Mapping, Sequence
from html import escape
from math import isnan
from typing import TYPE_CHECKING, Any

import pandas as pd

from genesis_lab.errors import as_cycle

if TYPE_CHECKING:
    from genesis_lab.recording.trace import Trace

_SHOWN = 5
"""How many of the slowest requests, and of the deadlocks, are shown."""
_TIMES = ["intended_at", "sent_at", "finished_at"]


def as_text(trace: "Trace") -> str:
    """One fact per line, those with several lines indented."""
    lines = [_title(trace)]
    for name, values in _facts(trace).items():
        if len(values) == 1:
            lines.append(f"  {name}: {values[0]}")
        else:
            lines += [f"  {name}:", *(f"    {value}" for value in values)]
    return "\n".join(lines)


def as_html(trace: "Trace") -> str:
    """A table of the facts, in whatever colours the page has."""
    rows = (
        f"<tr><th>{name}</th><td>{'<br>'.join(map(escape, values))}</td></tr>"
        for name, values in _facts(trace).items()
    )
    return f"<table><caption>{escape(_title(trace))}</caption>{''.join(rows)}</table>"


def _title(trace: "Trace") -> str:
    manifest = trace.manifest
    if manifest.architecture is None:
        return "Trace of no bus"
    seed = "no seed" if manifest.seed is None else f"seed {manifest.seed}"
    return f"Trace of {manifest.architecture}, {seed}, {manifest.clock} clock"


def _facts(trace: "Trace") -> dict[str, list[str]]:
    return {
        "span": [_span([trace.requests, trace.events, trace.deliveries])],
        "requests": [_counts(trace.requests)],
        "events": [f"{len(trace.events):,}"],
        "deliveries": [_counts(trace.deliveries)],
        "slowest requests": _slowest(trace.requests) or ["none"],
        "deadlocks": _deadlocks(trace.deadlocks) or ["none"],
    }


def _span(frames: Sequence[pd.DataFrame]) -> str:
    times = pd.concat([frame[_TIMES] for frame in frames])
    if times.empty:
        return "nothing happened"
    return f"{times.min().min():.6g} s to {times.max().max():.6g} s"


def _counts(frame: pd.DataFrame) -> str:
    counts = frame["outcome"].value_counts(sort=False)
    parts = [f"{count:,} {outcome}" for outcome, count in counts.items() if count]
    return f"{len(frame):,}" + (f" ({', '.join(parts)})" if parts else "")


def _slowest(requests: pd.DataFrame) -> list[str]:
    latency = (requests["finished_at"] - requests["intended_at"]).dropna().nlargest(_SHOWN)
    slowest = requests.loc[latency.index].assign(latency=latency)
    return [
        f"{row['latency']:.6g} s: #{row['id']} {row['source']} -> {row['target']}, "
        f"{row['request_type']}, {row['outcome']}"
        for row in slowest.to_dict("records")
    ]


def _deadlocks(deadlocks: pd.DataFrame) -> list[str]:
    shown = [
        f"{as_cycle(row['components'])}: formed at {row['formed_at']:.6g} s, {_end(row)}"
        for row in deadlocks.head(_SHOWN).to_dict("records")
    ]
    more = len(deadlocks) - len(shown)
    return [*shown, f"and {more:,} more"] if more else shown


def _end(deadlock: Mapping[Hashable, Any]) -> str:
    if isnan(deadlock["broken_at"]):
        return "holds"
    return f"broken at {deadlock['broken_at']:.6g} s ({deadlock['broken_by']})"
