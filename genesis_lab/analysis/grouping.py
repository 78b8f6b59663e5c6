"""A frame group by group: the same rules for every analysis that takes `by`.

Groups come in the order of their keys; only those that occur; a missing key is a key like any other
(a condition without a timeout is still a condition).
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesis_lab.errors import InvalidSetting, LabError

Columns = str | Sequence[str]
"""Names of columns; a single one may stand for itself."""


class MissingColumns(LabError, ValueError):
    """A frame lacks columns that an analysis or a plot needs."""

    def __init__(self, frame: str, missing: tuple[str, ...], found: tuple[str, ...]) -> None:
        super().__init__(frame, missing, found)
        self.frame = frame
        self.missing = missing
        self.found = found

    def __str__(self) -> str:
        lacks = ", ".join(map(repr, self.missing))
        columns = "the columns" if len(self.missing) > 1 else "the column"
        return f"{self.frame} lacks {columns} {lacks}; it has {', '.join(self.found) or 'none'}"


def require_columns(frame: pd.DataFrame, name: str, columns: Iterable[str]) -> None:
    """Raise `MissingColumns`, in the name of an argument, if a frame lacks some of the columns."""
    missing = tuple(column for column in columns if column not in frame.columns)
    if missing:
        raise MissingColumns(name, missing, tuple(map(str, frame.columns)))


def listed(columns: Columns) -> list[str]:
    """The names as a list."""
    return [columns] if isinstance(columns, str) else list(columns)


def check_columns(name: str, columns: Iterable[str], frame: pd.DataFrame) -> None:
    """Raise `InvalidSetting`, in the name of an argument, unless the frame has the columns."""
    for column in columns:
        if column not in frame.columns:
            expected = f"a column of the frame: {', '.join(map(str, frame.columns))}"
            raise InvalidSetting(name, column, expected)


def numbered(frame: pd.DataFrame, by: Columns) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """The groups' keys, one row per group, and the number of each row's group."""
    by = listed(by)
    check_columns("by", by, frame)
    if not by:
        return pd.DataFrame(index=range(1)), np.zeros(len(frame), dtype=np.int64)
    grouped = frame.groupby(by, observed=True, dropna=False)
    keys = grouped.size().index.to_frame(index=False)
    return keys, np.asarray(grouped.ngroup(), dtype=np.int64)


def per_group(
    frame: pd.DataFrame, by: Columns, compute: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """What is computed of each group, below one another, with the group's keys in front."""
    keys, numbers = numbered(frame, by)
    order = numbers.argsort(kind="stable")
    ends = np.bincount(numbers, minlength=len(keys)).cumsum()
    rows = np.split(order, ends[:-1]) if len(keys) else []
    parts = [compute(frame.iloc[of_group]) for of_group in rows]
    lengths = [len(part) for part in parts]
    # With no group there are no rows, but there still are columns.
    results = pd.concat(parts, ignore_index=True) if parts else compute(frame).iloc[:0]
    repeated = keys.iloc[np.repeat(np.arange(len(keys)), lengths)].reset_index(drop=True)
    return pd.concat([repeated, results], axis="columns")
