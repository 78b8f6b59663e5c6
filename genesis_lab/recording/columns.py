"""The kinds of columns: what each is in a packed row, in a frame, in Arrow and in a digest.

Frames are canonical: which categories a column has, and in which order, follows from its values
alone. Equal records therefore give equal frames, whatever order names were first seen in.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from genesis_lab.messages import Wait

IntArray = npt.NDArray[np.integer[Any]]

_CANONICAL_NAN = np.float64("nan")


class Column(ABC):
    """One kind of column."""

    arrow: pa.DataType
    code = ""
    """Its type in a packed row, as `struct` writes it; empty where rows are not packed."""
    packed_in: str | None = None
    """The field of a packed row that it comes from; None: one of its own name."""

    def of_packed(self, numbers: IntArray, words: Sequence[str | None]) -> Any:
        """The column of packed rows, for a frame: numbers and, for words, what they stand for."""
        raise NotImplementedError

    def of_values(self, values: Sequence[Any]) -> pa.Array:
        """The column of plain values, for a file."""
        return pa.array(values, self.arrow)

    def unknown(self, length: int) -> pa.Array:
        """So many values, for a file that is older than the column."""
        return pa.nulls(length, self.arrow)

    @abstractmethod
    def to_arrow(self, values: "pd.Series[Any]") -> pa.Array:
        """The column of a frame, for a file."""

    @abstractmethod
    def from_arrow(self, values: pa.ChunkedArray) -> Any:
        """The column of a file, for a frame."""

    @abstractmethod
    def content(self, values: "pd.Series[Any]") -> bytes:
        """What the column says: the same bytes for the same values, on any machine."""


class Numbers(Column):
    """Numbers; a missing float is NaN, and no integer is ever missing."""

    def __init__(self, dtype: str, code: str) -> None:
        self.dtype = np.dtype(dtype)
        self.code = code
        self.arrow = pa.from_numpy_dtype(self.dtype)

    def of_packed(self, numbers: Any, words: Sequence[str | None]) -> Any:
        """The numbers themselves."""
        return numbers

    def unknown(self, length: int) -> pa.Array:
        """NaN; only columns of floats can be younger than a file."""
        return pa.array(np.full(length, np.nan), self.arrow)

    def to_arrow(self, values: "pd.Series[Any]") -> pa.Array:
        """The numbers, with NaN as such."""
        return pa.array(values.to_numpy())

    def from_arrow(self, values: pa.ChunkedArray) -> Any:
        """The numbers, in memory of their own: Arrow's cannot be written to."""
        return np.array(values.to_numpy(), dtype=self.dtype)

    def content(self, values: "pd.Series[Any]") -> bytes:
        """The exact bits, little-endian; there are several NaNs, and here all of them are one."""
        numbers = values.to_numpy()
        if self.dtype.kind == "f":
            numbers = np.where(np.isnan(numbers), _CANONICAL_NAN, numbers)
        return numbers.astype(self.dtype.newbyteorder("<"), copy=False).tobytes()


def categorical(codes: IntArray, categories: list[str]) -> pd.Categorical:
    """A column of words from the numbers of their categories, which are not copied."""
    return pd.Categorical.from_codes(
        codes, categories=pd.Index(categories, dtype="str"), validate=False
    )


class Labels(Column):
    """Words of a closed set, all of them categories, in the set's order."""

    arrow = pa.dictionary(pa.int32(), pa.string())

    def __init__(self, words: Sequence[str], code: str = "") -> None:
        self.words = list(words)
        self.code = code

    def of_packed(self, numbers: IntArray, words: Sequence[str | None]) -> pd.Categorical:
        """The words that the numbers stand for; None is a missing value."""
        categories = self.categories(numbers, words)
        return categorical(self.codes(categories, words)[numbers], categories)

    def codes(self, categories: Sequence[str], words: Sequence[str | None]) -> IntArray:
        """For each word the number of its category; -1 for a missing value."""
        position: dict[str | None, int] = {word: code for code, word in enumerate(categories)}
        return np.array(
            [position.get(word, -1) for word in words],
            dtype=np.min_scalar_type(-len(categories) - 2),  # what pandas has: it need not copy
        )

    def to_arrow(self, values: "pd.Series[Any]") -> pa.Array:
        """The words, numbered; a missing one is null."""
        codes = values.cat.codes.to_numpy(np.int32)
        words = pa.array(list(values.cat.categories), pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)

    def from_arrow(self, values: pa.ChunkedArray) -> Any:
        """The words, with the frame's categories."""
        encoded = values.unify_dictionaries().combine_chunks()
        numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False) + 1
        return self.of_packed(numbers, [None, *encoded.dictionary.to_pylist()])

    def categories(self, numbers: IntArray, words: Sequence[str | None]) -> list[str]:
        """The categories of a column with these values."""
        return self.words

    def content(self, values: "pd.Series[Any]") -> bytes:
        """The categories and their numbers: for a canonical column, as good as the words."""
        codes = values.cat.codes.to_numpy("<i4")
        return codes.tobytes() + _text(values.cat.categories)


class Names(Labels):
    """Words of an open set; the categories are those that occur, sorted."""

    def __init__(self, code: str = "", packed_in: str | None = None) -> None:
        super().__init__((), code)
        self.packed_in = packed_in

    def categories(self, numbers: IntArray, words: Sequence[str | None]) -> list[str]:
        """The words that occur."""
        counts = np.bincount(numbers, minlength=len(words))
        occurring = zip(words, counts, strict=True)
        return sorted({word for word, count in occurring if count and word is not None})


class Tuples(Column):
    """Tuples of integers or of words, of any length."""

    def __init__(self, item: pa.DataType) -> None:
        self.arrow = pa.list_(item)

    def to_arrow(self, values: "pd.Series[Any]") -> pa.Array:
        """The tuples, as lists."""
        return self.of_values(list(values))

    def from_arrow(self, values: pa.ChunkedArray) -> Any:
        """The lists, as tuples."""
        return pd.Series([tuple(items) for items in values.to_pylist()], dtype=object)

    def content(self, values: "pd.Series[Any]") -> bytes:
        """The lengths and the items, as text."""
        lengths = np.array([len(items) for items in values], "<i8")
        return lengths.tobytes() + _text(str(item) for items in values for item in items)


class Waits(Tuples):
    """Tuples of `Wait`, of any length; in Arrow, lists of structs of the same fields."""

    def __init__(self) -> None:
        super().__init__(
            pa.struct(
                [
                    ("waiter", pa.int64()),
                    ("holder", pa.int64()),
                    ("kind", pa.string()),
                    ("where", pa.string()),
                    ("since", pa.float64()),
                ]
            )
        )

    def of_values(self, values: Sequence[tuple[Wait, ...]]) -> pa.Array:
        """The tuples, as lists of structs."""
        return pa.array([[wait._asdict() for wait in waits] for waits in values], self.arrow)

    def unknown(self, length: int) -> pa.Array:
        """Empty lists."""
        return self.of_values([()] * length)

    def from_arrow(self, values: pa.ChunkedArray) -> Any:
        """The lists, as tuples of `Wait`."""
        return pd.Series(
            [tuple(Wait(**fields) for fields in waits) for waits in values.to_pylist()],
            dtype=object,
        )

    def content(self, values: "pd.Series[Any]") -> bytes:
        """The lengths, the numbers, and the words as text."""
        lengths = np.array([len(waits) for waits in values], "<i8")
        all_waits = [wait for waits in values for wait in waits]
        ids = np.array([(wait.waiter, wait.holder) for wait in all_waits], "<i8")
        since = np.array([wait.since for wait in all_waits], "<f8")
        words = _text(word for wait in all_waits for word in (wait.kind, wait.where))
        return lengths.tobytes() + ids.tobytes() + since.tobytes() + words


def _text(words: Iterable[str]) -> bytes:
    """The words with their lengths, so that no two lists of words look alike."""
    encoded = [word.encode() for word in words]
    lengths = np.array([len(word) for word in encoded], "<i8")
    return lengths.tobytes() + b"".join(encoded)
