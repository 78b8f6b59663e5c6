"""What a notebook's reader sees: errors are errors, figures are images."""

import asyncio
import subprocess
import sys
from base64 import b64decode
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

GROUP = """\
async def child():
    raise ValueError("no")

async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)

gl.run(main)
"""
IN_CONTEXT = """\
try:
    gl.run(main)
except Exception:
    raise KeyError("later")
"""
CELLS = {
    "group": GROUP,
    "in context": IN_CONTEXT,
    "interrupt": "raise KeyboardInterrupt",
    "interrupt in a run": "async def child(): raise KeyboardInterrupt\ngl.run(main)",
    "plain": "1 / 0",
    "mistyped": "x =",
    "figure": "from genesis_lab.plots import new_axes\nnew_axes(width=127, height=50.8).figure",
}


def executed(cells: Sequence[str]) -> list[list[Any]]:
    """The outputs of each cell, in one kernel; an error does not stop it."""
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)])
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True)
    asyncio.run(client.async_execute())
    return [cell.outputs for cell in notebook.cells]


def displays(first_cell: str) -> dict[str, Any]:
    """What each of the cells displays, which is one thing, after a first one."""
    _, *outputs = executed([first_cell, *CELLS.values()])
    return {name: output for name, [output] in zip(CELLS, outputs, strict=True)}


@pytest.fixture(scope="module")
def outputs() -> dict[str, Any]:
    return displays("import genesis_lab as gl, trio")


@pytest.fixture(scope="module")
def without_the_lab() -> dict[str, Any]:
    """The same cells in a shell that is as IPython made it."""
    return displays("import trio")


def test_group_is_an_error_on_the_wire(outputs: dict[str, Any]) -> None:
    error = outputs["group"]
    assert (error.output_type, error.ename) == ("error", "ExceptionGroup")
    assert error.evalue == "Exceptions from Trio nursery (1 sub-exception)"


def test_traceback_of_a_group_shows_what_it_holds_and_in_which_cell(
    outputs: dict[str, Any],
) -> None:
    lines = outputs["group"].traceback
    assert lines[:3] == [
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "Cell In[2]", line 8, in <module>',
        "  |     gl.run(main)",
    ]
    assert lines[-5:] == [
        "    | Traceback (most recent call last):",
        '    |   File "Cell In[2]", line 2, in child',
        '    |     raise ValueError("no")',
        "    | ValueError: no",
        "    +------------------------------------",
    ]


def test_error_with_a_group_in_its_context_is_an_error_on_the_wire(
    outputs: dict[str, Any],
) -> None:
    error = outputs["in context"]
    assert (error.output_type, error.ename, error.evalue) == ("error", "KeyError", "'later'")
    text = "\n".join(error.traceback)
    assert "    | ValueError: no\n" in text
    assert text.endswith("    raise KeyError(\"later\")\nKeyError: 'later'")


def test_last_traceback_is_shown_again() -> None:
    _, before, [error], [again] = executed(["import genesis_lab as gl, trio", "%tb", GROUP, "%tb"])
    assert [output.text for output in before] == ["No traceback available to show.\n"]
    assert again == error


@pytest.mark.parametrize("name", ["interrupt", "interrupt in a run"])
def test_interrupt_arrives_as_such(outputs: dict[str, Any], name: str) -> None:
    assert (outputs[name].output_type, outputs[name].ename) == ("error", "KeyboardInterrupt")


@pytest.mark.parametrize("name", ["interrupt", "plain", "mistyped"])
def test_error_without_a_group_is_shown_as_ipython_does(
    outputs: dict[str, Any], without_the_lab: dict[str, Any], name: str
) -> None:
    assert outputs[name] == without_the_lab[name]


def test_figure_without_pyplot_is_an_image_of_its_size(outputs: dict[str, Any]) -> None:
    figure = outputs["figure"]
    assert figure.metadata["image/png"] == {"width": 650, "height": 260}
    image = Image.open(BytesIO(b64decode(figure.data["image/png"])))
    assert image.size == (1300, 520)
    assert "Software" not in image.info


def test_ipython_is_not_asked_for_where_nobody_uses_it() -> None:
    code = (
        "import sys, genesis_lab\n"
        "assert not {'IPython', 'genesis_lab.ipython'} & set(sys.modules)\n"
        "import IPython, importlib\n"
        "importlib.reload(genesis_lab)\n"
        "assert 'genesis_lab.ipython' not in sys.modules, 'IPython is loaded, but no shell runs'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_in_ipython_loads_no_heavy_library() -> None:
    code = (
        "import sys, genesis_lab\n"
        "assert 'genesis_lab.ipython' in sys.modules\n"
        "assert not {'matplotlib', 'numpy', 'pandas', 'trio'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "IPython", "--quick", "--no-banner", "-c", code]
    subprocess.run(command, check=True)
