"""Reads what the genesis_lab of schema 1 spooled.

Such a spool has a file per table, `requests.arrows` and its sisters, with one complete Arrow IPC
stream per flush, and `open.arrows` with a stream per table. It has no checksums: what was changed
may be read as something else.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from genesis_lab.recording.records import TABLES, Table


def read_parts(folder: Path) -> Mapping[Table, list[pa.Table]]:
    """The rows of each table, part by part, newer ones of what was open before older ones."""
    parts = {table: list(_complete_streams(folder / f"{table.name}.arrows")) for table in TABLES}
    for name in ("open.arrows.new", "open.arrows"):
        for table, still_open in zip(TABLES, _complete_streams(folder / name), strict=False):
            parts[table].append(still_open)
    return parts


def _complete_streams(path: Path) -> Iterator[pa.Table]:
    """The streams in a file up to the first one that breaks off."""
    if path.is_file():
        content = path.read_bytes()
        reader = pa.BufferReader(content)
        with suppress(pa.ArrowInvalid, OSError):
            while reader.tell() < len(content):
                rows = pa.ipc.open_stream(reader).read_all()
                rows.validate(full=True)
                yield rows
