"""A trace in a folder: one Parquet file per frame, and the manifest.

The manifest is written last and taken away first, so a folder without one is incomplete.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genesis_lab.errors import DamagedTrace, InvalidSetting, LabError
from genesis_lab.recording.frames import arrow_of_frame, digest, frame_of_arrow
from genesis_lab.recording.manifest import Manifest, read_manifest, write_manifest
from genesis_lab.recording.records import TABLES, Table

_MANIFEST = "manifest.json"


def save(folder: Path, manifest: Manifest, frames: Mapping[Table, pd.DataFrame]) -> None:
    """Write the files, in the place of those of an earlier trace if there are any.

    Raises
    ------
    InvalidSetting
        The folder holds something, and that is not a trace.
    """
    if folder.exists() and not _may_be_replaced(folder):
        raise InvalidSetting("folder", str(folder), "a new or an empty folder, or one with a trace")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MANIFEST).unlink(missing_ok=True)
    for table, frame in frames.items():
        pq.write_table(arrow_of_frame(table, frame), _file(folder, table), compression="zstd")
    write_manifest(folder / _MANIFEST, manifest)


def load(folder: Path) -> tuple[Manifest, dict[Table, pd.DataFrame]]:
    """Read the files back.

    Raises
    ------
    DamagedTrace
        A file is missing or unreadable, or does not say what was written.
    NewerSchema
        A later genesis_lab wrote them.
    """
    if not folder.is_dir():
        raise DamagedTrace(str(folder), "there is no such folder")
    if not (folder / _MANIFEST).is_file():
        raise DamagedTrace(str(folder), f"there is no {_MANIFEST}, which is written last")
    manifest = read_manifest(folder / _MANIFEST)
    frames = {table: _read(folder, table, manifest.schema) for table in TABLES}
    if digest(frames, schema=manifest.schema) != manifest.digest:
        raise DamagedTrace(str(folder), f"the frames differ from the digest in {_MANIFEST}")
    return manifest, frames


def _read(folder: Path, table: Table, schema: int) -> pd.DataFrame:
    if not table.columns_in(schema):
        return frame_of_arrow(table, [])
    path = _file(folder, table)
    if not path.is_file():
        raise DamagedTrace(str(path), "the file is missing")
    try:
        return frame_of_arrow(table, [pq.read_table(path)], schema=schema)
    except (pa.ArrowException, OSError) as error:
        raise DamagedTrace(str(path), str(error)) from error


def _may_be_replaced(folder: Path) -> bool:
    """Whether this is a folder without anything, with a trace, or with what is left of one."""
    if not folder.is_dir():
        return False
    ours = {folder / _MANIFEST, *(_file(folder, table) for table in TABLES)}
    if ours.issuperset(folder.iterdir()):
        return True
    try:
        read_manifest(folder / _MANIFEST)
    except (LabError, OSError):
        return False
    return True


def _file(folder: Path, table: Table) -> Path:
    return folder / f"{table.name}.parquet"
