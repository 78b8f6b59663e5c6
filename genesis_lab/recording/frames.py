"""To frames and back: packed rows -> frame <-> Arrow table, and what frames say, as a digest."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from genesis_lab.recording.records import SCHEMA, Table
from genesis_lab.recording.rows import RowArray

Words = Mapping[str, Sequence[str | None]]
"""For each column of words: the word that each number stands for."""


Fields = dict[str, npt.NDArray[Any]]
"""The fields of packed rows, by name."""


def frame_of_rows(table: Table, rows: Sequence[RowArray], words: Words) -> pd.DataFrame:
    """The frame of packed rows, in order of id."""
    fields = in_order(unpack(rows))
    columns = {
        name: column.of_packed(fields[column.packed_in or name], words.get(name, ()))
        for name, column in table.columns.items()
    }
    return pd.DataFrame(columns, copy=False)


def unpack(rows: Sequence[RowArray], *, room: int = 0) -> Fields:
    """The fields of packed rows, each in one array of 64-bit numbers, which can index others.

    The arrays have room for so many rows more.
    """
    dtypes = {name: field[0] for name, field in (rows[0].dtype.fields or {}).items()}
    length = sum(map(len, rows))
    fields = {
        name: np.empty(length + room, np.float64 if dtype.kind == "f" else np.int64)
        for name, dtype in dtypes.items()
    }
    start = 0
    # Chunk by chunk, because all fields of a chunk are then copied while it is in the cache.
    for chunk in rows:
        end = start + len(chunk)
        for name, numbers in fields.items():
            numbers[start:end] = chunk[name]
        start = end
    return fields


def in_order(fields: Fields) -> Fields:
    """The fields of the same rows in order of id."""
    if _is_ascending(fields["id"]):
        return fields
    order = fields["id"].argsort(kind="stable")  # fast where little is out of order
    return {name: numbers[order] for name, numbers in fields.items()}


def _is_ascending(numbers: npt.NDArray[Any]) -> bool:
    """Whether they are in order, and no two of them the same."""
    return bool((numbers[1:] > numbers[:-1]).all())


def arrow_of_frame(table: Table, frame: pd.DataFrame) -> pa.Table:
    """The frame as an Arrow table."""
    columns = [column.to_arrow(frame[name]) for name, column in table.columns.items()]
    return pa.table(columns, schema=table.arrow_schema)


def arrow_of_values(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Plain rows, the columns of each by name, as an Arrow table."""
    columns = [
        column.of_values([row[name] for row in rows]) for name, column in table.columns.items()
    ]
    return pa.table(columns, schema=table.arrow_schema)


def frame_of_arrow(
    table: Table, parts: Iterable[pa.Table], *, schema: int = SCHEMA
) -> pd.DataFrame:
    """The frame of the rows of all parts, in order; of rows with the same key, the first.

    Parts of an earlier schema get the columns that it did not have.
    """
    filled = (_filled(table, part, schema) for part in parts)
    whole = pa.concat_tables([table.arrow_schema.empty_table(), *filled])
    columns = {name: column.from_arrow(whole[name]) for name, column in table.columns.items()}
    frame = pd.DataFrame(columns, copy=False)
    if len(table.key) == 1 and _is_ascending(frame[table.key[0]].to_numpy()):
        return frame
    return frame.drop_duplicates(table.key).sort_values(table.key, ignore_index=True)


def _filled(table: Table, part: pa.Table, schema: int) -> pa.Table:
    """The part with all columns, if it has those of its schema."""
    known = table.columns_in(schema)
    if len(known) == len(table.columns) or part.column_names != list(known):
        return part
    columns = [
        part[name] if name in known else column.unknown(part.num_rows)
        for name, column in table.columns.items()
    ]
    return pa.table(columns, names=list(table.columns))


def digest(frames: Mapping[Table, pd.DataFrame], *, schema: int = SCHEMA) -> str:
    """The SHA-256 of all that the frames say, in hexadecimal: the same on any machine.

    With an earlier schema, of all that it knew, as the genesis_lab of that time hashed it.
    """
    hashed = sha256()
    for table, frame in frames.items():
        for name, column in table.columns_in(schema).items():
            content = column.content(frame[name])
            hashed.update(f"{table.name}.{name}:{len(content)}:".encode())
            hashed.update(content)
    return hashed.hexdigest()
