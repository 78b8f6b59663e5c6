"""Finished trials on disk: one small Parquet file each, named by all that its content depends on.

Together the files are a hive-partitioned dataset, so any engine can query them as one table:

    SELECT * FROM read_parquet('results/trials/**/*.parquet', union_by_name = true)

A trial's name is a hash of its experiment, condition and seed, of the code that is loaded
(`fingerprint`), and of what the code reads. So what has been computed is never computed again, and
what a change may have touched is never taken for new.
"""

import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genesis_lab.errors import LabError
from genesis_lab.experiments.trials import Condition
from genesis_lab.files import replace_file

_NAME_LENGTH = 32  # hexadecimal digits: 128 bits
_STORABLE = "a number below 2^63, a text, a truth value, None, or a list of one kind of them"


class DamagedResult(LabError):
    """A result file is not as a sweep writes it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: not a readable result ({self.reason}); delete it, and run again"


def content_hashes(files: Iterable[Path]) -> list[str]:
    """What is in files that trials read, as hashes."""
    return [sha256(path.read_bytes()).hexdigest() for path in files]


def _hash(content: object) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_NAME_LENGTH]


class NotStorable(LabError, TypeError):
    """A measured value that no file of results can hold."""

    def __init__(self, column: str, value: str) -> None:
        super().__init__(column, value)
        self.column = column
        self.value = value

    def __str__(self) -> str:
        return f"column {self.column} holds {self.value}: expected {_STORABLE}"


class Store:
    """A folder of finished trials.

    Parameters
    ----------
    folder
        It is made when the first trial is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(
        self,
        experiment: str,
        condition: Condition,
        *,
        seed: int,
        horizon: float,
        depends_on: Sequence[str],
    ) -> Path:
        """Where the trial's file is, or will be.

        Parameters
        ----------
        experiment, condition, seed, horizon
            Of the trial.
        depends_on
            Hashes of the code it runs and of what that reads.
        """
        settings = [condition.architecture, dict(condition.parameters), seed, horizon]
        name = _hash([experiment, *settings, *depends_on])
        place = f"experiment={experiment}/architecture={condition.architecture}"
        return self.folder / place / f"{name}.parquet"

    def write(self, path: Path, row: pa.Table) -> None:
        """Store a finished trial, in one step: the file is there as a whole, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = BytesIO()
        # The partitions are in the path, and nowhere else.
        pq.write_table(row.drop_columns(["experiment", "architecture"]), content)
        replace_file(path, content.getvalue())

    def read(self, path: Path) -> pa.Table:
        """The trial, as it was before it was stored.

        Raises
        ------
        DamagedResult
            The file is not readable, or not a trial.
        """
        try:
            row = pq.read_table(path, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise DamagedResult(str(path), _first_line(error)) from error
        if row.num_rows != 1 or "digest" not in row.column_names:
            raise DamagedResult(str(path), "it does not hold one trial")
        for position, part in enumerate(path.parts[-3:-1]):
            name, _, value = part.partition("=")
            row = row.add_column(position, name, pa.array([value]))
        return row


def check_storable(values: Mapping[str, Any]) -> None:
    """Check that a trial's values can be a row.

    Raises
    ------
    NotStorable
        One of them cannot; the error names its column.
    """
    for column, value in values.items():
        if not (isinstance(column, str) and _is_storable(value)):
            raise NotStorable(reprlib.repr(column), reprlib.repr(value))


def _is_storable(value: object) -> bool:
    try:
        kind = pa.array([value]).type
    except Exception:  # noqa: BLE001 - pyarrow's own errors, and those of foreign values
        return False
    # Parquet has no structure without fields.
    return not (pa.types.is_struct(kind) and kind.num_fields == 0)


def row_of(values: Mapping[str, Any]) -> pa.Table:
    """A trial's values as a table of one row."""
    return pa.Table.from_pylist([dict(values)])


def frame_of(rows: Iterable[pa.Table]) -> pd.DataFrame:
    """Trials of one experiment as a frame, in the order given; what a row lacks is missing."""
    frame: pd.DataFrame = pa.concat_tables(rows, promote_options="permissive").to_pandas()
    return frame


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
