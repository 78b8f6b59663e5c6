"""From a path to lines of bytes, unpacked where needed: each bounded, and so is all of them.

A line without an end, or a file that unpacks to thousands of times its size, must not fill the
memory: the first is cut and counted as bad, the second is refused.
"""

import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from genesis_lab.errors import LabError

LONGEST_LINE = 2**20
"""A line that has so many bytes is bad; the longest message of an exchange has a tenth of it."""
_MOST_TIMES = 200
_ALWAYS_ALLOWED = 2**26
"""How far a packed file may unpack: so many times its size, and 64 MiB. Captures unpack to ten
times their size."""
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


class UnreadableTicks(LabError):
    """A file of ticks that cannot be read at all."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"cannot read ticks from {self.path}: {self.reason}"


class Unpacked:
    """The plain bytes of a file.

    Parameters
    ----------
    path
        The file.
    raw
        It, opened; its position tells how far we are.
    unpacked
        The stream of what is in it.
    limit
        How many bytes may be in it; None: as many as there are.
    """

    def __init__(self, path: Path, raw: IO[bytes], unpacked: Any, limit: int | None) -> None:
        self.raw = raw
        self._bytes = io.BufferedReader(_Bounded(path, unpacked, limit), 2**16)

    def beginning(self, size: int) -> bytes:
        """The first bytes, if that many can be had at once."""
        return self._bytes.read1(size)

    def lines(self) -> Iterator[bytes]:
        """The lines; of one that is too long, its beginning.

        Raises
        ------
        EOFError
            A gzip breaks off, as when its writer was killed.
        """
        while line := self._bytes.readline(LONGEST_LINE):
            yield line
            while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                line = self._bytes.readline(LONGEST_LINE)


class _Bounded(io.RawIOBase):
    """A stream that is refused where it goes beyond a limit, or is damaged."""

    def __init__(self, path: Path, stream: Any, limit: int | None) -> None:
        self._path = path
        self._stream = stream
        self._limit = limit
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with damage_named(self._path):
            # read1: where a stream breaks off, `read` would lose what came before.
            chunk: bytes = self._stream.read1(len(buffer))
        buffer[: len(chunk)] = chunk
        self._count += len(chunk)
        if self._limit is not None and self._count > self._limit:
            raise UnreadableTicks(
                self._path,
                f"it unpacks to more than {self._limit:,} bytes, {_MOST_TIMES} times "
                "its size and 64 MiB",
            )
        return len(chunk)


def damaged(path: Path, error: Exception) -> UnreadableTicks:
    """What to raise for a file that a library cannot make sense of."""
    return UnreadableTicks(path, f"{error} ({type(error).__name__})")


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Name the file where a library meets something that it does not understand."""
    try:
        yield
    except EOFError:  # where a stream breaks off, what came before is good
        raise
    except Exception as error:  # many: the libraries do not foresee each kind of damage
        raise damaged(path, error) from error


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether these are the file's first bytes."""
    with path.open("rb") as raw:
        return raw.read(len(magic)) == magic


@contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """Open a file that is plain, gzip or a zip of one file.

    Raises
    ------
    UnreadableTicks
        It is damaged, now or when it is read.
    """
    limit = _ALWAYS_ALLOWED + _MOST_TIMES * path.stat().st_size
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        if starts_with(path, _GZIP):
            yield Unpacked(path, raw, stack.enter_context(gzip.GzipFile(fileobj=raw)), limit)
        elif starts_with(path, _ZIP):
            yield Unpacked(path, raw, stack.enter_context(_only_member(path, raw)), limit)
        else:
            yield Unpacked(path, raw, raw, None)


@contextmanager
def _only_member(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        with damage_named(path):
            archive = stack.enter_context(zipfile.ZipFile(raw))
            members = archive.infolist()
        if len(members) != 1:
            raise UnreadableTicks(path, f"a zip of {len(members)} files, expected one")
        if members[0].flag_bits & 1:
            raise UnreadableTicks(path, "it is encrypted")
        with damage_named(path):
            member = stack.enter_context(archive.open(members[0]))
        yield member
