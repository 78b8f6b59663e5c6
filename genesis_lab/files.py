"""Files that are written in one step. This module imports nothing of the lab."""

from pathlib import Path
from secrets import token_hex


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
