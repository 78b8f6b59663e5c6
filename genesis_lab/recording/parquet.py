"""A trace in a folder: one Parquet file per frame, and the manifest, with checksums of them all.

A trace that is saved over another one is first written as a whole into a folder within, which is
then renamed to `.saved`: from then on each file counts that is there. They are moved to their
places one by one, the manifest last. So whenever it is interrupted, one of the two is there.
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genesis_lab.errors import DamagedTrace, InvalidSetting, LabError
from genesis_lab.recording.frames import arrow_of_frame, digest, frame_of_arrow
from genesis_lab.recording.manifest import Manifest, read_manifest, write_manifest
from genesis_lab.recording.records import TABLES, Table

_MANIFEST: Final = "manifest.json"
_SAVED: Final = ".saved"
_WRITING: Final = ".saving-"
"""How the names of folders begin that are written to; each save has one of its own."""


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
    _move_into_place(folder)  # after a save that was interrupted when it had written all
    writing = folder / f"{_WRITING}{token_hex(8)}"
    try:
        writing.mkdir()
        _write(writing, manifest, frames)
        writing.rename(folder / _SAVED)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    _move_into_place(folder)


def _write(folder: Path, manifest: Manifest, frames: Mapping[Table, pd.DataFrame]) -> None:
    checksums = {}
    for table, frame in frames.items():
        sink = pa.BufferOutputStream()
        pq.write_table(arrow_of_frame(table, frame), sink, compression="zstd")
        content = sink.getvalue()
        (folder / _name(table)).write_bytes(content)
        checksums[_name(table)] = sha256(content).hexdigest()
    write_manifest(folder / _MANIFEST, replace(manifest, files=checksums))


def _move_into_place(folder: Path) -> None:
    saved = folder / _SAVED
    for name in _NAMES:
        with suppress(FileNotFoundError):
            (saved / name).replace(folder / name)
    with suppress(OSError):  # it is not there
        saved.rmdir()


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
    if not _path(folder, _MANIFEST).is_file():
        raise DamagedTrace(str(folder), f"there is no {_MANIFEST}, which is written last")
    manifest = read_manifest(_path(folder, _MANIFEST))
    paths = {
        table: _path(folder, _name(table)) for table in TABLES if table.columns_in(manifest.schema)
    }
    # All checksums first: nothing is made of a part of a trace.
    contents = {table: _content(path, manifest) for table, path in paths.items()}
    frames = {
        table: _frame(paths[table], table, contents[table], manifest.schema)
        if table in contents
        else frame_of_arrow(table, [])
        for table in TABLES
    }
    if digest(frames, schema=manifest.schema) != manifest.digest:
        raise DamagedTrace(str(folder), f"the frames differ from the digest in {_MANIFEST}")
    return manifest, frames


def _content(path: Path, manifest: Manifest) -> bytes:
    if not path.is_file():
        raise DamagedTrace(str(path), "the file is missing")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedTrace(str(path), str(error)) from error
    # Schema 1 had no checksums of files.
    if manifest.schema > 1 and sha256(content).hexdigest() != manifest.files.get(path.name):
        raise DamagedTrace(str(path), f"it differs from its checksum in {_MANIFEST}")
    return content


def _frame(path: Path, table: Table, content: bytes, schema: int) -> pd.DataFrame:
    try:
        rows = pq.read_table(pa.BufferReader(content))
        rows.validate(full=True)
        return frame_of_arrow(table, [rows], schema=schema)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedTrace(str(path), str(error)) from error


def _may_be_replaced(folder: Path) -> bool:
    """Whether this is a folder without anything, with a trace, or with what is left of one."""
    if not folder.is_dir():
        return False
    if all(_is_ours(path.name) for path in folder.iterdir()):
        return True
    try:
        read_manifest(_path(folder, _MANIFEST))
    except LabError:
        return False
    return True


def _is_ours(name: str) -> bool:
    return name in _NAMES or name == _SAVED or name.startswith(_WRITING)


def _path(folder: Path, name: str) -> Path:
    """Where a file is: an interrupted save may not have moved it into its place."""
    saved = folder / _SAVED / name
    return saved if saved.is_file() else folder / name


def _name(table: Table) -> str:
    return f"{table.name}.parquet"


_NAMES: Final = (*map(_name, TABLES), _MANIFEST)
"""The files, in the order in which they are moved into their places."""
