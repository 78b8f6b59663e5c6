"""The other Pythons of this machine, each in an environment of its own with what we run on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13")


def others() -> Iterator[tuple[str, Path]]:
    """Version and executable of each supported Python but the running one, that starts."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in VERSIONS:
        found = next((path for path in _candidates(version) if _starts(path)), None)
        if version != running and found is not None:
            yield version, found


def environment(python: Path, folder: Path) -> Path:
    """The interpreter of a virtual environment with this checkout in it, made if need be."""
    inside = folder / "bin" / "python"
    if not (folder / "complete").exists():
        _run(python, "-m", "venv", "--clear", folder)
        _run(inside, "-m", "pip", "install", "--quiet", "--editable", ROOT)
        (folder / "complete").touch()
    return inside


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
    subprocess.run(list(command), check=True, capture_output=True)
