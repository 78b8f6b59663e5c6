"""Records on disk while the run goes on, so that whatever ends it leaves a trace.

A spool is a folder: `spool.json` says which run it is of; `ended.batches` grows by some batches per
flush, at most one for each table; `open.batches` has one batch for each table with what was open at
the last flush, and is replaced as a whole. A run that is killed while it appends leaves an
incomplete batch at the end, which is not read, and `open.batches.new`, which is written first: what
has ended refers to what is open. The writer holds `spool.lock`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa

from genesis_lab.errors import DamagedTrace, InvalidSetting
from genesis_lab.files import Lock
from genesis_lab.recording import spool_of_schema_1
from genesis_lab.recording.batches import Batches, as_batch
from genesis_lab.recording.frames import frame_of_arrow
from genesis_lab.recording.manifest import CutShort, Manifest, read_manifest, write_manifest
from genesis_lab.recording.records import DELIVERIES, EVENTS, TABLES, Table

_MANIFEST = "spool.json"
_LOCK = "spool.lock"
_ENDED = "ended.batches"
_OPEN = "open.batches"
_NEXT_OPEN = "open.batches.new"


class Spool:
    """The folder, while a recorder writes to it.

    Parameters
    ----------
    folder
        A new folder, or an empty one. No one else can write a spool there until `release`.

    Raises
    ------
    InvalidSetting
        There is something in the folder already, perhaps another run's spool, or another recorder
        is about to write there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._check_empty()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = Lock(folder / _LOCK)
        except BlockingIOError:
            raise InvalidSetting(
                "spool", str(folder), "a folder that no other recorder writes to"
            ) from None
        self._check_empty()  # once more: it may have been written before the lock was free
        self.release = lock.release
        self._lock = lock
        self._size = 0
        self._batches = 0

    def _check_empty(self) -> None:
        if self.folder.exists() and not (self.folder.is_dir() and _is_empty(self.folder)):
            raise InvalidSetting("spool", str(self.folder), "a new or an empty folder")

    def begin(self, manifest: Manifest) -> None:
        """Say which run this is."""
        write_manifest(self.folder / _MANIFEST, manifest)

    def append(
        self, ended: Callable[[Table], pa.Table], still_open: Callable[[Table], pa.Table]
    ) -> None:
        """Add what has ended since the last time, and replace what was open then.

        If this raises, it can be called again: what was written in part is then written over.
        """
        parts = [(table, rows) for table in TABLES if (rows := ended(table)).num_rows]
        numbered = enumerate(parts, self._batches)
        content = b"".join(as_batch(number, table, rows) for number, (table, rows) in numbered)
        batches = self._batches + len(parts)
        next_open = self.folder / _NEXT_OPEN
        next_open.write_bytes(
            b"".join(as_batch(batches, table, still_open(table)) for table in TABLES)
        )
        with (self.folder / _ENDED).open("ab") as file:
            file.truncate(self._size)
            file.write(content)
        self._size += len(content)
        self._batches = batches
        next_open.replace(self.folder / _OPEN)

    def written(self) -> "Spooled":
        """What is in the folder now; it can still be read when more has been added."""
        return Spooled(self.folder, self._size)


@dataclass(frozen=True, slots=True)
class Spooled:
    """What was in a spool at one moment."""

    folder: Path
    size: int
    """How much of the file of what has ended [bytes]."""

    def parts(self, table: Table) -> Iterator[pa.Table]:
        """The rows of a table, flush by flush.

        Raises
        ------
        DamagedTrace
            They are no longer as they were written.
        """
        if not self.size:
            return
        path = self.folder / _ENDED
        with path.open("rb") as file:
            batches = Batches(file.read(self.size))
        for batch in batches:
            if batch.table is table:
                yield batch.rows
        if batches.unreadable or len(batches.content) < self.size:
            raise DamagedTrace(str(path), "it is no longer as it was written")


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
    try:
        if manifest.schema == 1:
            parts, cut_short = spool_of_schema_1.read_parts(folder), None
        else:
            parts, cut_short = _read_parts(folder)
        frames = {
            table: frame_of_arrow(table, parts[table], schema=manifest.schema) for table in TABLES
        }
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedTrace(str(folder), str(error)) from error
    orphans = ~frames[DELIVERIES]["event"].isin(frames[EVENTS]["id"])
    if orphans.any():
        frames[DELIVERIES] = frames[DELIVERIES][~orphans].reset_index(drop=True)
        cut_short = replace(cut_short or CutShort(), deliveries=int(orphans.sum()))
    return replace(manifest, cut_short=cut_short), frames


def _read_parts(folder: Path) -> tuple[Mapping[Table, list[pa.Table]], CutShort | None]:
    """The rows of each table, part by part, and how much is missing.

    Of a run that was killed within a flush, `open.batches` has messages that have ended, too. The
    first row of a message counts, so what has ended comes first, and what is older last.
    """
    ended, next_open, last_open = (
        Batches(path.read_bytes() if path.is_file() else b"")
        for path in (folder / _ENDED, folder / _NEXT_OPEN, folder / _OPEN)
    )
    found = list(ended), list(next_open), list(last_open)
    parts: dict[Table, list[pa.Table]] = {table: [] for table in TABLES}
    for batch in chain(*found):
        parts[batch.table].append(batch.rows)
    # What was open counts what had ended; its next version may count what never got there.
    missing = max([ended.known, *(batch.number for batch in found[2])]) - len(found[0])
    if any(each.content for each in (ended, next_open, last_open)):
        up_to_date = [each for each in found[1:] if each and each[0].number >= ended.known]
        missing += len(TABLES) - max(map(len, up_to_date), default=0)
    unreadable = ended.unreadable + last_open.unreadable
    if not (missing or unreadable):
        return parts, None
    return parts, CutShort(bytes=unreadable, batches=max(missing, 1))


def _is_empty(folder: Path) -> bool:
    return all(path.name == _LOCK for path in folder.iterdir())
