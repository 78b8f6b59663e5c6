"""Tables: measures with their intervals as columns, as text, and as Markdown that lines up.

A summary has a column per measure, and of one with an interval two more: `"... low"` and
`"... high"`. So it is a table of numbers for whoever reads the CSV; in print, the three are one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isinf, isnan

import pandas as pd

from genesis_lab import analysis

_LOW, _HIGH = " low", " high"


def table_of_means(
    trials: pd.DataFrame, labels: Mapping[str, str], *, by: Sequence[str]
) -> pd.DataFrame:
    """A row per condition, with the mean of each measure over replicates, and its interval.

    Parameters
    ----------
    trials
        A row each.
    labels, by
        As of `interval_columns`.
    """
    return interval_columns(analysis.mean_intervals(trials, list(labels), by=by), labels, by=by)


def interval_columns(
    intervals: pd.DataFrame, labels: Mapping[str, str], *, by: Sequence[str]
) -> pd.DataFrame:
    """A row per condition, and a column per measure and bound.

    Parameters
    ----------
    intervals
        Columns `measure`, `mean`, `low`, `high` and those of the conditions, as from
        `analysis.mean_intervals`.
    labels
        What each measure is called in the table, with its unit; in this order.
    by
        The columns of the conditions; they come first, in the order of their first rows.
    """
    wide = intervals[list(by)].drop_duplicates()
    for measure, label in labels.items():
        columns = {"mean": label, "low": label + _LOW, "high": label + _HIGH}
        rows = intervals[intervals["measure"] == measure].rename(columns=columns)
        wide = wide.merge(rows[[*by, *columns.values()]], on=list(by), how="left")
    return wide


def as_texts(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary as a reader wants it: a measure and its interval in one column of text."""
    bounds = {
        f"{name}{suffix}"
        for name in summary
        for suffix in (_LOW, _HIGH)
        if f"{name}{_LOW}" in summary
    }
    texts = {name: _column(summary, str(name)) for name in summary if name not in bounds}
    return pd.DataFrame(texts, dtype=object)


def _column(summary: pd.DataFrame, name: str) -> list[str]:
    values = summary[name].tolist()
    if name + _LOW not in summary:
        return [as_text(value) for value in values]
    bounds = zip(summary[name + _LOW].tolist(), summary[name + _HIGH].tolist(), strict=True)
    return [with_interval(*each) for each in zip(values, *zip(*bounds, strict=True), strict=True)]


def with_interval(value: float, low: float, high: float) -> str:
    """The number, and its interval where it has one that is not empty: three digits of each."""
    if isnan(low) or isnan(high) or low == value == high:
        return as_text(value)
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def as_text(value: object) -> str:
    """A value of a table, in as few characters as say it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return _number(value)
        case _:
            return "-" if value is None else str(value)


def _number(value: float) -> str:
    if isnan(value):
        return "-"
    return "for ever" if isinf(value) else f"{value:.4g}"


def as_markdown(table: pd.DataFrame, *, width: int = 100) -> str:
    """The table in pipes; if its columns do not fit into the width, as several of them.

    Parameters
    ----------
    table
        Texts; the index is the first column.
    width
        Of the lines [characters]. A single column that does not fit gets longer ones.
    """
    return "\n\n".join(map(_block, _blocks(table, width)))


def _blocks(table: pd.DataFrame, width: int) -> Iterator[pd.DataFrame]:
    """As many columns at a time as fit beside the index."""
    left = _width(table.index) + len("|  |")
    begin, used = 0, left
    for number, column in enumerate(table):
        wide = _width([str(column), *table[column]]) + len("  |")
        if used + wide > width and number > begin:
            yield table.iloc[:, begin:number]
            begin, used = number, left
        used += wide
    yield table.iloc[:, begin:]


def _block(table: pd.DataFrame) -> str:
    """One table: texts to the left, values to the right."""
    columns = [
        [str(table.index.name or ""), *table.index],
        *([str(name), *table[name]] for name in table),
    ]
    widths = [_width(column) for column in columns]
    lines = [
        f"| {first:<{widths[0]}} | "
        + " | ".join(f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True))
        + " |"
        for first, *values in zip(*columns, strict=True)
    ]
    rule = [f"|{'-' * (widths[0] + 2)}|", *(f"{'-' * (width + 1)}:|" for width in widths[1:])]
    return "\n".join([lines[0], "".join(rule), *lines[1:]])


def _width(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)
