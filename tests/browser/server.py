"""A JupyterLab for tests: on the loopback, with a token, and with nothing of the user's."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import matplotlib as mpl

from tests.laboratory.parts import wait_until
from tests.pythons import ROOT

_GRACE = 10.0
"""How long JupyterLab has for its end [s]; kernels that it leaves behind end by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A JupyterLab that runs."""

    notebooks: Path
    """Its copy of the notebooks."""
    opens: Path
    """The page with which it would start a browser, and which leads on to where that begins."""
    url: str
    token: str

    def address(self, notebook: str) -> str:
        """Where a notebook is, in a workspace of its own: it alone is open there."""
        path = quote(notebook)
        return f"{self.url}lab/workspaces/{Path(notebook).stem}/tree/{path}?token={self.token}"


def make_lab() -> list[str]:
    """What `make lab` gives to JupyterLab."""
    found = re.search(r"/jupyter lab (.+)", (ROOT / "Makefile").read_text("utf-8"))
    assert found, "the Makefile does not start JupyterLab"
    return found[1].split()


@contextmanager
def jupyterlab(folder: Path) -> Iterator[Server]:
    """The JupyterLab of `make lab`, in a copy of what a fresh clone has for it.

    Parameters
    ----------
    folder
        An empty one, for the copy and for all that Jupyter keeps.
    """
    clone, kept = folder / "clone", folder / "jupyter"
    for part in ("notebooks", "data"):
        # Without the times of the files, which a clone does not have either.
        shutil.copytree(ROOT / part, clone / part, copy_function=shutil.copyfile)
    _ask_nobody(kept / "config")
    (kept / "log").touch()
    places = {
        "HOME": kept,
        "JUPYTER_CONFIG_DIR": kept / "config",
        "JUPYTER_DATA_DIR": kept / "data",
        "JUPYTER_RUNTIME_DIR": kept / "runtime",
        "IPYTHONDIR": kept / "ipython",
        "MPLCONFIGDIR": Path(mpl.get_cachedir()),  # looking for fonts takes seconds
    }
    settings = ("--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0")
    with (
        (kept / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *make_lab(), *settings],
            cwd=clone,
            env={**os.environ, **{name: str(place) for name, place in places.items()}},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            yield _started(process, clone / "notebooks", kept)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to shut down its kernels and end; kill it if it never does, which has been seen."""
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def _ask_nobody(config: Path) -> None:
    """Answer the question whether JupyterLab may look for news: tests do without the net."""
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')


def _started(process: "subprocess.Popen[bytes]", notebooks: Path, kept: Path) -> Server:
    opens = kept / "runtime" / f"jpserver-file-to-run-{process.pid}-open.html"

    def is_over() -> bool:
        return process.poll() is not None or (
            opens.exists() and "</html>" in opens.read_text("utf-8")
        )

    wait_until(is_over)
    assert process.poll() is None, (kept / "log").read_text("utf-8")
    facts = json.loads((kept / "runtime" / f"jpserver-{process.pid}.json").read_text("utf-8"))
    return Server(notebooks=notebooks, opens=opens, url=facts["url"], token=facts["token"])
