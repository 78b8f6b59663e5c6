"""The other Pythons of this machine, each in an environment of its own with what we run on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13")


def running() -> str:
    """The running Python's version, as in `VERSIONS`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def find(version: str) -> Path | None:
    """The executable of a version on this machine that starts, if there is one."""
    return next((path for path in _candidates(version) if _starts(path)), None)


def environment(python: Path, folder: Path, *further: str) -> Path:
    """The interpreter of a virtual environment with this checkout in it, made if need be.

    What is to be installed further is named as pip takes it.

    Raises
    ------
    CannotMake
        It cannot be made: the machine is offline, or this Python lacks what it takes.
    """
    inside = folder / "bin" / "python"
    if not (folder / "complete").exists():
        _run(python, "-m", "venv", "--clear", folder)
        _run(inside, "-m", "pip", "install", "--quiet", "--editable", ROOT, *further)
        (folder / "complete").touch()
    return inside


class CannotMake(Exception):
    """A virtual environment could not be made; the message says why, in a line."""


def _candidates(version: str) -> Iterator[Path]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    for folder in os.get_exec_path():
        path = Path(folder) / f"python{version}"
        if path.is_file():
            yield path


def _starts(python: Path) -> bool:
    """Whether it runs: a version manager's stand-in may only say that there is none."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def _run(*command: str | Path) -> None:
    try:
        subprocess.run(list(command), check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise CannotMake(_reason(error.stderr or error.stdout)) from error


def _reason(output: str) -> str:
    """The line of pip's that says what is wrong, without the advice after it; else the last one."""
    lines = [line.strip() for line in output.splitlines()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it does not say why"])[-1]
