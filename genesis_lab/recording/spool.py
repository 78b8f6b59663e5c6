"""Records on disk while the run goes on, so that whatever ends it leaves a trace.

A spool is a folder: `spool.json` says which run it is of; `requests.arrows` and its sisters grow by
one complete Arrow IPC stream (schema, batch, end) per flush; `open.arrows` has one stream per table
with what was open at the last flush, and is replaced as a whole. A run that is killed while it
appends leaves an incomplete stream at the end, which is not read, and `open.arrows.new`, which is
written first: what has ended refers to what is open.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from genesis_lab.errors import DamagedTrace, InvalidSetting
from genesis_lab.recording.frames import frame_of_arrow
from genesis_lab.recording.manifest import Manifest, read_manifest, write_manifest
from genesis_lab.recording.records import TABLES, Table

_MANIFEST = "spool.json"
_OPEN = "open.arrows"
_NEXT_OPEN = "open.arrows.new"


class Spool:
    """The folder, while a recorder writes to it.

    Parameters
    ----------
    folder
        A new folder, or an empty one.

    Raises
    ------
    InvalidSetting
        There is something in the folder already, perhaps another run's spool.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not (folder.is_dir() and _is_empty(folder)):
            raise InvalidSetting("spool", str(folder), "a new or an empty folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._sizes = dict.fromkeys(TABLES, 0)

    def begin(self, manifest: Manifest) -> None:
        """Say which run this is."""
        write_manifest(self._folder / _MANIFEST, manifest)

    def append(
        self, ended: Callable[[Table], pa.Table], still_open: Callable[[Table], pa.Table]
    ) -> None:
        """Add what has ended since the last time, and replace what was open then."""
        next_open = self._folder / _NEXT_OPEN
        next_open.write_bytes(_streams(map(still_open, TABLES)))
        for table in TABLES:
            rows = ended(table)
            if rows.num_rows:
                stream = _streams([rows])
                with _file(self._folder, table).open("ab") as file:
                    file.truncate(self._sizes[table])  # a disk that was full may have cut a stream
                    file.write(stream)
                self._sizes[table] += len(stream)
        next_open.replace(self._folder / _OPEN)

    def written(self) -> "Spooled":
        """What is in the folder now; it can still be read when more has been added."""
        return Spooled(self._folder, dict(self._sizes))


@dataclass(frozen=True, slots=True)
class Spooled:
    """What was in a spool at one moment."""

    folder: Path
    sizes: Mapping[Table, int]
    """How much of each file [bytes]."""

    def parts(self, table: Table) -> Iterator[pa.Table]:
        """The rows of a table, flush by flush."""
        if self.sizes[table]:
            with _file(self.folder, table).open("rb") as file:
                yield from _read_streams(file.read(self.sizes[table]))


def read_spool(folder: Path) -> tuple[Manifest, dict[Table, pd.DataFrame]]:
    """What a run, however it ended, has left in its spool.

    Raises
    ------
    DamagedTrace
        The folder is not a spool, or its files are none of ours.
    NewerSchema
        A later genesis_lab wrote it.
    """
    if not (folder / _MANIFEST).is_file():
        raise DamagedTrace(str(folder), f"there is no {_MANIFEST}: no run was spooled here")
    manifest = read_manifest(folder / _MANIFEST)
    # Of a run that was killed within a flush, `open.arrows` has messages that have ended, too. The
    # first row of a message counts, so those of the other files come first, and what is older last.
    parts = {table: list(_complete_streams(_file(folder, table))) for table in TABLES}
    for name in (_NEXT_OPEN, _OPEN):
        for table, still_open in zip(TABLES, _complete_streams(folder / name), strict=False):
            parts[table].append(still_open)
    try:
        return manifest, {
            table: frame_of_arrow(table, parts[table], schema=manifest.schema) for table in TABLES
        }
    except pa.ArrowException as error:
        raise DamagedTrace(str(folder), str(error)) from error


def _complete_streams(path: Path) -> Iterator[pa.Table]:
    """The streams in a file up to the first one that breaks off."""
    if path.is_file():
        with suppress(pa.ArrowInvalid, OSError):
            yield from _read_streams(path.read_bytes())


def _read_streams(content: bytes) -> Iterator[pa.Table]:
    reader = pa.BufferReader(content)
    while reader.tell() < len(content):
        yield pa.ipc.open_stream(reader).read_all()


def _streams(tables: Iterable[pa.Table]) -> pa.Buffer:
    """The tables, each as a stream of its own, one after another."""
    sink = pa.BufferOutputStream()
    for table in tables:
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return sink.getvalue()


def _file(folder: Path, table: Table) -> Path:
    return folder / f"{table.name}.arrows"


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None
