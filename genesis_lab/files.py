"""Files that are written in one step, and files that one at a time holds.

This module imports nothing of the lab.
"""

import os
import sys
from pathlib import Path
from secrets import token_hex
from weakref import finalize

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def replace_file(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader sees the old content or the new one.

    Two processes may write the same file: each has a temporary one of its own beside it, and the
    last to finish wins. (`tempfile` would give them permissions that only their owner has.)
    """
    beside = path.with_name(f".{path.name}.{token_hex(8)}.new")
    try:
        with beside.open("xb") as file:
            file.write(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


class Lock:
    """A file that one `Lock` at a time holds, among all processes and within each.

    The system lets go of it when its process ends, however that happens. The file stays: if it were
    deleted, one process could lock the old file and another one a new file of the same name.

    Raises
    ------
    BlockingIOError
        Another one holds it.
    """

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self.release = finalize(self, os.close, file)
        """Let go of the file; this happens by itself when the lock is no longer referred to."""
        try:
            _lock(file)
        except BaseException:
            self.release()
            raise


if sys.platform == "win32":

    def _lock(file: int) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:  # what Windows says where others would block
            raise BlockingIOError(*error.args) from error

else:

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
