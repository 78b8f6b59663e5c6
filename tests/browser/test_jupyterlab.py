"""JupyterLab as `make lab` starts it, driven in a real browser: what a newcomer does first."""

import os
import re
import shutil
from collections.abc import Callable, Iterator

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import BrowserContext, expect

from tests.browser.pages import OpenNotebook
from tests.browser.server import Server, jupyterlab
from tests.laboratory.parts import wait_until

pytestmark = pytest.mark.slow

Open = Callable[..., OpenNotebook]
"""Open a notebook that is there, by its name; or one of these cells, made under that name."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyterlab(tmp_path_factory.mktemp("jupyterlab")) as server:
        yield server


@pytest.fixture
def open_notebook(server: Server, browser: BrowserContext) -> Iterator[Open]:
    with browser.new_page() as page:

        def open_notebook(name: str, *cells: str) -> OpenNotebook:
            if cells:
                made = v4.new_notebook(cells=[*map(v4.new_code_cell, cells)])
                made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
                nbformat.write(made, server.notebooks / name)
            return OpenNotebook(page, server.address(name))

        yield open_notebook


# --- the notebooks --------------------------------------------------------------------------------


def test_make_lab_opens_the_first_notebook_and_all_its_cells_run(
    server: Server, browser: BrowserContext
) -> None:
    with browser.new_page() as page:
        notebook = OpenNotebook(page, server.opens.as_uri())
        assert re.search(r"/lab/tree/01-first-steps\.ipynb$", page.url)
        expect(page.get_by_role("heading", name="First steps")).to_be_visible()
        notebook.run_all()
        assert notebook.faults() == []
        assert page.locator(".jp-RenderedImage img").count() == 2


def test_a_notebook_opens_that_was_written_long_after_its_source(
    server: Server, open_notebook: Open
) -> None:
    name = "01-first-steps.ipynb"
    shutil.copyfile(server.notebooks / name, server.notebooks / "00-later.ipynb")
    source = server.notebooks / "source"
    shutil.copyfile(source / "01-first-steps.md", source / "00-later.md")
    os.utime(source / "00-later.md", times=(0, 0))
    notebook = open_notebook("00-later.ipynb")
    assert notebook.faults() == []


def test_the_live_notebook_runs_and_its_dashboard_and_its_sliders_follow(
    open_notebook: Open,
) -> None:
    notebook = open_notebook("09-live-laboratory.ipynb")
    notebook.run_all()
    assert notebook.faults() == []

    dashboard = notebook.page.get_by_role("region", name="dashboard of a live laboratory")
    number = re.compile(r"Requests: (\d+)")
    expect(dashboard).to_contain_text(number)
    [before] = number.findall(dashboard.text_content() or "")
    notebook.begin(notebook.cell_with("for _ in range(10)"))  # orders, each of which is checked
    expect(dashboard).to_contain_text(f"Requests: {int(before) + 20}")

    line = notebook.page.locator(".genesis-explorer-line")
    timeline = notebook.page.locator("img.genesis-explorer-timeline")
    said, drawn = line.text_content() or "", timeline.get_attribute("src") or ""
    assert said.startswith("hybrid under seed 7")
    load = notebook.page.locator(".genesis-explorer-load").get_by_role("slider")
    load.press("ArrowRight")
    expect(line).not_to_have_text(said)
    expect(timeline).not_to_have_attribute("src", drawn)
    load.press("ArrowLeft")
    expect(line).to_have_text(said)
    assert notebook.faults() == []


# --- the stop button ------------------------------------------------------------------------------

SERVICE = """
import genesis_lab as gl

class Service(gl.Component):
    async def process_request(self, request_type, data, source):
        await gl.sleep(data)
        if request_type == "ask yourself":
            await self.bus.request(self.id, "sleep", 0.0, self.id, timeout=None)
        return f"{data:g} s were enough"

lab = gl.live("hybrid")
lab.register(Service("service"))
lab.dashboard()
"""
LONG_REQUEST = """
print("it waits")
lab.request("service", "sleep", 600.0, timeout=None)
"""
LONG_RUN = """
async def main():
    print("it waits")
    await gl.sleep(600)

gl.run(main, clock="real")
"""
DEADLOCK = "lab.request('service', 'ask yourself', 0.0, timeout=None)"
AFTERWARDS = "lab.request('service', 'sleep', 0.0), gl.run(lambda: gl.sleep(600)).at"


@pytest.fixture
def stoppable(open_notebook: Open) -> OpenNotebook:
    """A notebook whose first cell has run, and whose others wait for ever but the last."""
    cells = (SERVICE, LONG_REQUEST, LONG_RUN, DEADLOCK, AFTERWARDS)
    notebook = open_notebook("stopped.ipynb", *cells)
    notebook.run(notebook.cells[0])
    return notebook


def test_the_stop_button_ends_a_cell_that_waits_and_the_kernel_goes_on(
    stoppable: OpenNotebook,
) -> None:
    _, request, run, _, afterwards = stoppable.cells
    for cell in (request, run):
        stoppable.begin(cell)
        expect(cell.output.first).to_have_text("it waits\n")
        stoppable.stop()
        stoppable.wait(cell)
        assert cell.fault() == f"cell {cell.number}: KeyboardInterrupt:"
    stoppable.run(afterwards)
    expect(afterwards.output).to_have_text("('0 s were enough', 600.0)")


def test_the_dashboard_names_a_deadlock_for_as_long_as_it_lasts(stoppable: OpenNotebook) -> None:
    _, _, _, deadlock, afterwards = stoppable.cells
    alarm = stoppable.page.locator(".genesis-dashboard .alarm")
    expect(alarm).to_have_count(0)
    stoppable.begin(deadlock)
    expect(alarm).to_contain_text("service -> service")
    stoppable.stop()
    stoppable.wait(deadlock)
    expect(alarm).to_have_count(0)
    stoppable.run(afterwards)


# --- faults that are planted ----------------------------------------------------------------------

IN_THE_CONSOLE = """
from IPython.display import HTML, Javascript

display(Javascript("console.error('ours')"))
display(Javascript("setTimeout(() => { throw new Error('thrown') })"))
display(HTML("<img src='http://elsewhere.test/picture.png'>"))
"""


def test_a_fault_in_the_browser_is_seen(open_notebook: Open) -> None:
    notebook = open_notebook("console.ipynb", IN_THE_CONSOLE)
    notebook.run_all()
    # Not all of them come before the cell is done.
    wait_until(lambda: len({*notebook.faults()}) == 3)
    assert {*notebook.faults()} == {
        "console: ours",
        "uncaught: thrown",
        "console: Failed to load resource: net::ERR_NAME_NOT_RESOLVED",
    }


def test_an_error_in_a_cell_is_seen_and_what_did_not_run_after_it(open_notebook: Open) -> None:
    notebook = open_notebook("error.ipynb", "1 + 1", "1 / 0", "2 + 2")
    notebook.run_all()
    assert notebook.faults() == [
        "cell 2: ZeroDivisionError: division by zero",
        "cell 3 has not run: [ ]:",
    ]
