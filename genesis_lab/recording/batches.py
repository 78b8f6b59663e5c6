"""Batches of rows in a file that only grows, each with a checksum of its own.

A batch is a header and an Arrow IPC stream. The header has a mark, the batch's number in the file,
its table, the length and the checksum of the stream, and a checksum of itself. So a batch is read
as it was written or not at all; after a damaged one the next mark shows where to go on; and the
numbers show which are missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import pyarrow as pa

from genesis_lab.recording.records import TABLES, Table

_MARK = b"\x89genesis"  # its first byte is part of no text
_HEADER = Struct("<8sIIQI")
_CHECKSUM = Struct("<I")
_OVERHEAD = _HEADER.size + _CHECKSUM.size


class Batch(NamedTuple):
    """Rows of one table, as they were written together."""

    number: int
    """How many batches are before it in the file."""
    table: Table
    rows: pa.Table


@dataclass(slots=True)
class Batches:
    """What can be read of a file, and how much cannot."""

    content: bytes
    unreadable: int = 0
    """How many bytes so far belong to no whole batch."""
    known: int = 0
    """How many batches there must have been, as far as the readable headers say."""

    def __iter__(self) -> Iterator[Batch]:
        """Read batch by batch.

        Raises
        ------
        pyarrow.ArrowException
            A stream has its checksum, but is none.
        """
        view, start = memoryview(self.content), 0
        while start < len(view):
            end = self._whole(view, start)
            if end is None:
                end = self._next_mark(start)
                self.unreadable += end - start
            else:
                _, number, table, _, _ = _HEADER.unpack_from(view, start)
                yield Batch(number, TABLES[table], _read(view[start + _OVERHEAD : end]))
            start = end

    def _whole(self, view: memoryview, start: int) -> int | None:
        """Where the batch that begins here ends; None if there is none, or not all of it."""
        if len(view) - start < _OVERHEAD:
            return None
        header = view[start : start + _HEADER.size]
        mark, number, table, length, checksum = _HEADER.unpack(header)
        end: int = start + _OVERHEAD + length
        if mark != _MARK or (crc32(header),) != _CHECKSUM.unpack_from(view, start + _HEADER.size):
            return None
        self.known = max(self.known, number + 1)
        stream = view[start + _OVERHEAD : end]
        if len(stream) < length or crc32(stream) != checksum or table >= len(TABLES):
            return None
        return end

    def _next_mark(self, start: int) -> int:
        found = self.content.find(_MARK, start + 1)
        return len(self.content) if found < 0 else found


def as_batch(number: int, table: Table, rows: pa.Table) -> bytes:
    """Rows as a batch, which is to be the one with this number in its file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    content = sink.getvalue()
    header = _HEADER.pack(_MARK, number, TABLES.index(table), content.size, crc32(content))
    return b"".join((header, _CHECKSUM.pack(crc32(header)), content))


def _read(stream: memoryview) -> pa.Table:
    rows = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
    rows.validate(full=True)
    return rows
