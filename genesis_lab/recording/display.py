"""A trace at a glance, as text and as HTML.

HTML has neither colours nor scripts of its own, so that it looks right in light and in dark themes.
"""

from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

from genesis_lab.recording.counts import in_words
from genesis_lab.recording.messages import Frames, deadlocks_of

_SHOWN = 5
"""How many of the slowest requests, and of the deadlocks, are shown."""
_LEFT = 'style="text-align: left"'
"""JupyterLab sets cells to the right, as for numbers."""
_TIMES = ["intended_at", "sent_at", "finished_at"]
_FAILURE = ["finished_at", "id", "target", "type", "error", "error_message"]


def as_text(trace: Frames) -> str:
    """One fact per line, those with several lines indented."""
    lines = [_title(trace)]
    for name, values in _facts(trace).items():
        if len(values) == 1:
            lines.append(f"  {name}: {values[0]}")
        else:
            lines += [f"  {name}:", *(f"    {value}" for value in values)]
    return "\n".join(lines)


def as_html(trace: Frames) -> str:
    """A table of the facts."""
    facts = _facts(trace)
    return table(_title(trace), [[name, "\n".join(facts[name])] for name in facts])


def table(caption: str, rows: Iterable[Sequence[str]], *, columns: Sequence[str] = ()) -> str:
    """An HTML table, of any text; the first cell of a row is its heading."""
    head = f"<tr>{''.join(map(_heading, columns))}</tr>" if columns else ""
    body = "".join(f"<tr>{_heading(row[0])}{''.join(map(_cell, row[1:]))}</tr>" for row in rows)
    return f"<table><caption>{_text(caption)}</caption>{head}{body}</table>"


def _heading(text: str) -> str:
    return f"<th {_LEFT}>{_text(text)}</th>"


def _cell(text: str) -> str:
    return f"<td {_LEFT}>{_text(text)}</td>"


def _text(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _title(trace: Frames) -> str:
    manifest = trace.manifest
    if manifest.architecture is None:
        return "Trace of no bus"
    seed = "no seed" if manifest.seed is None else f"seed {manifest.seed}"
    return f"Trace of {manifest.architecture}, {seed}, {manifest.clock} clock"


def _facts(trace: Frames) -> dict[str, list[str]]:
    cut_short = trace.manifest.cut_short
    return {
        **({} if cut_short is None else {"cut short": [str(cut_short)]}),
        "span": [_span([trace.requests, trace.events, trace.deliveries])],
        "requests": [_counts(trace.requests)],
        "events": [f"{len(trace.events):,}"],
        "deliveries": [_counts(trace.deliveries)],
        "failed handlers": _failures(trace) or ["none"],
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
    return in_words({str(outcome): int(count) for outcome, count in counts.items()})


def _failures(trace: Frames) -> list[str]:
    """How many handlers raised an exception, and the first one to do so."""
    both = (
        trace.requests.rename(columns={"request_type": "type"}),
        trace.deliveries.rename(columns={"event_type": "type"}),
    )
    failed = [frame.loc[frame["outcome"] == "failed", _FAILURE] for frame in both]
    first = min(
        (
            tuple(row)
            for frame in failed
            for row in frame.nsmallest(1, "finished_at").itertuples(index=False)
        ),
        default=None,
    )
    if first is None:
        return []
    at, _, target, type, *texts = first
    error = ": ".join(text for text in texts if isinstance(text, str) and text)
    return [f"{sum(map(len, failed)):,}, first {target} on {type} at {at:.6g} s: {error}"]


def _slowest(requests: pd.DataFrame) -> list[str]:
    latency = (requests["finished_at"] - requests["intended_at"]).dropna().nlargest(_SHOWN)
    slowest = requests.loc[latency.index].assign(latency=latency)
    return [
        f"{row['latency']:.6g} s: #{row['id']} {row['source']} -> {row['target']}, "
        f"{row['request_type']}, {row['outcome']}"
        for row in slowest.to_dict("records")
    ]


def _deadlocks(deadlocks: pd.DataFrame) -> list[str]:
    shown = [*map(str, deadlocks_of(deadlocks.head(_SHOWN)))]
    more = len(deadlocks) - len(shown)
    return [*shown, f"and {more:,} more"] if more else shown
