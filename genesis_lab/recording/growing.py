"""Frames of a record that goes on: what has been converted once is not converted again.

The columns lie in arrays with room at their ends. A frame is a view of their beginning, and pandas
copies what the owner of a frame writes to. New rows go into the room behind it, where no frame
looks. Only if their ids belong in between are the arrays copied, since a frame that someone has
does not change.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesis_lab.recording.columns import Labels, categorical
from genesis_lab.recording.frames import Fields, Words, frame_of_rows, in_order, unpack
from genesis_lab.recording.records import Table
from genesis_lab.recording.rows import RowArray

FEW = 5_000
"""Up to about so many rows, making a frame costs more than converting them."""


class GrowingFrame:
    """The frame of the packed rows of one table, while there are more and more of them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._labels = {
            name: column for name, column in table.columns.items() if isinstance(column, Labels)
        }
        self._numbered = {column.packed_in or name for name, column in self._labels.items()}
        """The fields that stand for words."""
        self._length = 0
        self._room = 0
        """How many rows the arrays can take."""
        self._fields: Fields = {}
        """The fields of packed rows, in order of id."""
        self._occurring: dict[str, frozenset[int]] = {}
        """Which words there are in a field, by number."""
        self._categories: dict[str, list[str]] = {}
        self._codes: Fields = {}
        """For each column of words, which category each row has."""
        self._whole: pd.DataFrame | None = None
        """The arrays with all their room; frames are its beginning."""

    def frame(
        self, rows: Sequence[RowArray], still_open: Sequence[RowArray], words: Words
    ) -> pd.DataFrame:
        """The frame of all rows, in order of id.

        Parameters
        ----------
        rows
            Those of the last time, and more. (Few or fewer ones are converted anew.)
        still_open
            Further ones, which may be others the next time.
        words
            What the numbers in the rows stand for.
        """
        if sum(map(len, rows)) < max(self._length, FEW):
            return frame_of_rows(self._table, [*rows, *still_open], words)
        self._take([*_after(self._length, rows)], words)
        if not any(map(len, still_open)):
            return self._frame()
        for_now = copy(self)
        for_now._room = 0  # so that it gets arrays of its own
        for_now._take(still_open, words)
        return for_now._frame()

    def _frame(self) -> pd.DataFrame:
        if self._whole is None:
            columns = {
                name: categorical(self._codes[name], self._categories[name])
                if name in self._labels
                else self._fields[name]
                for name in self._table.columns
            }
            self._whole = pd.DataFrame(columns, copy=False)
        return self._whole.iloc[: self._length]

    def _take(self, rows: Sequence[RowArray], words: Words) -> None:
        """Sort rows in."""
        count, known = sum(map(len, rows)), self._length
        if self._fields and not count:
            return
        # Many a record is converted once only: its rows are unpacked to where they stay.
        unpacked = unpack(rows, room=0 if self._fields else _room_behind(count))
        fields = self._fields or unpacked
        room = self._room if self._fields else len(fields["id"])
        added = in_order({name: numbers[:count] for name, numbers in unpacked.items()})
        occurring = {
            field: self._occurring.get(field, frozenset()).union(_different(added[field]))
            for field in self._numbered
        }
        begin = int(fields["id"][:known].searchsorted(added["id"][:1]).sum()) if known else 0
        if begin < known:
            tail = {name: numbers[begin:known] for name, numbers in fields.items()}
            added = in_order({name: np.concatenate((tail[name], added[name])) for name in tail})
        length = begin + len(added["id"])
        codes, whole = {**self._codes}, self._whole
        if begin < known or length > room:
            room, whole = length + _room_behind(length), None
            fields, codes = (_moved(arrays, begin, room) for arrays in (fields, codes))
        for name, numbers in added.items():
            if numbers.base is not fields[name]:  # it is not there yet
                fields[name][begin:length] = numbers
        categories = {}
        for name, column in self._labels.items():
            field = column.packed_in or name
            of_number = words.get(name, ())
            categories[name] = column.categories(np.array([*occurring[field]], np.int64), of_number)
            lookup = column.codes(categories[name], of_number)
            start = begin
            if categories[name] != self._categories.get(name):
                codes[name], whole, start = np.empty(room, lookup.dtype), None, 0
            codes[name][start:length] = lookup[fields[field][start:length]]
        self._length, self._room, self._whole = length, room, whole
        self._fields, self._codes = fields, codes
        self._occurring, self._categories = occurring, categories


def _room_behind(length: int) -> int:
    """Room for so many rows more that the arrays seldom have to be copied."""
    return length // 4 + 64


def _after(length: int, rows: Sequence[RowArray]) -> Iterator[RowArray]:
    """The rows but for so many at the beginning."""
    for chunk in rows:
        yield chunk[length:]
        length = max(0, length - len(chunk))


def _different(numbers: npt.NDArray[Any]) -> list[int]:
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist()
    return found


def _moved(arrays: Fields, length: int, room: int) -> Fields:
    """Fields with so much room and the same beginnings."""
    moved = {name: np.empty(room, array.dtype) for name, array in arrays.items()}
    for name, array in arrays.items():
        moved[name][:length] = array[:length]
    return moved
