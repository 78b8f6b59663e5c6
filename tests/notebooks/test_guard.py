"""Each fault that a notebook may have is planted in one, and seen by the settings of the project.

One kernel serves all cells of a notebook, so faults that do not stop it share one. They are run
twice: with the guard, and without, which shows what it is there for.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest
from nbformat import NotebookNode, v4, write

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUARD = ROOT / "notebooks" / "conftest.py"

SILENT = "import io, sys\nsys.stderr = io.StringIO()"
"""So that the comparison does not see by chance what IPython prints of an error."""
GROUP = "raise ExceptionGroup('several', [ValueError()])"
IN_CONTEXT = f"try:\n    {GROUP}\nexcept Exception:\n    raise KeyError"
WARNING = "import warnings\nwarnings.warn('mind', UserWarning)"
SVG = "display({'image/svg+xml': '<svg>b</svg>'}, raw=True)"
PNG = "display({'image/png': 'bbbb'}, raw=True)"
ENDLESS = "import time\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass"


def cell(source: str, *outputs: NotebookNode, **further: Any) -> NotebookNode:
    """A code cell with what it is said to have displayed."""
    made: NotebookNode = v4.new_code_cell(
        source, **{"outputs": [*outputs], "execution_count": 1, **further}
    )
    return made


def tagged(source: str, *outputs: NotebookNode) -> NotebookNode:
    return cell(source, *outputs, metadata={"tags": ["raises-exception"]})


def result(text: str) -> NotebookNode:
    made: NotebookNode = v4.new_output(
        "execute_result", data={"text/plain": text}, execution_count=1
    )
    return made


def display(**data: str) -> NotebookNode:
    kinds = {"svg": "image/svg+xml", "png": "image/png"}
    made: NotebookNode = v4.new_output(
        "display_data", data={kinds[kind]: value for kind, value in data.items()}
    )
    return made


def warned(place: str, text: str) -> NotebookNode:
    story = f"{place}: UserWarning: {text}\n  warnings.warn('mind', UserWarning)\n"
    made: NotebookNode = v4.new_output("stream", name="stderr", text=story)
    return made


def error(name: str, value: str) -> NotebookNode:
    made: NotebookNode = v4.new_output("error", ename=name, evalue=value, traceback=[])
    return made


class Planted(NamedTuple):
    """A cell, and whether it is to pass."""

    cell: NotebookNode
    guarded: bool
    alone: bool
    """By nbval under our settings, without the guard."""


PLANTED = {
    "right number": Planted(cell("1 + 1", result("2")), guarded=True, alone=True),
    "other number": Planted(cell("1 + 1", result("3")), guarded=False, alone=False),
    "other digits": Planted(cell("1 / 3", result("0.3333333333333334")), False, False),
    "output gone": Planted(cell("1 + 1"), False, False),
    "never executed": Planted(cell("1 + 1", execution_count=None), False, True),
    "other address": Planted(cell("object()", result("<object at 0x7f00000000aa>")), True, True),
    "warning from elsewhere": Planted(cell(WARNING, warned("/a/b.py:3", "mind")), True, True),
    "other warning": Planted(cell(WARNING, warned("/a/b.py:3", "never mind")), False, False),
    "other SVG": Planted(cell(SVG, display(svg="<svg>a</svg>")), True, False),
    "other PNG": Planted(cell(PNG, display(png="aaaa")), True, True),
    "error": Planted(cell("1 / 0"), False, False),
    "error on purpose": Planted(
        tagged("1 / 0", error("ZeroDivisionError", "division by zero")), True, True
    ),
    "other error on purpose": Planted(
        tagged("1 / 0", error("ZeroDivisionError", "divided by zero")), False, False
    ),
    "silence": Planted(cell(SILENT), True, True),
    "group": Planted(cell(GROUP), False, True),
    "group in the context": Planted(cell(IN_CONTEXT), False, True),
    "group on purpose": Planted(tagged(GROUP), True, True),
}


def passed(
    folder: Path, cells: list[NotebookNode], *options: str, guard: bool = True
) -> list[bool]:
    """Whether each cell of a notebook passes, in a pytest of its own."""
    write(v4.new_notebook(cells=cells), folder / "planted.ipynb")
    if guard:
        shutil.copy(GUARD, folder)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
    report = folder / "report.xml"
    subprocess.run(
        [*command, f"--junit-xml={report}", *options, folder],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    found = ET.parse(report).iter("testcase")
    return [not {"failure", "error", "skipped"} & {child.tag for child in case} for case in found]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    return verdicts(tmp_path_factory.mktemp("guarded"), guard=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    return verdicts(tmp_path_factory.mktemp("alone"), guard=False)


def verdicts(folder: Path, *, guard: bool) -> dict[str, bool]:
    found = passed(folder, [planted.cell for planted in PLANTED.values()], guard=guard)
    return dict(zip(PLANTED, found, strict=True))


@pytest.mark.parametrize("name", PLANTED)
def test_guarded_run_sees_a_fault_and_nothing_else(guarded: dict[str, bool], name: str) -> None:
    assert guarded[name] is PLANTED[name].guarded


@pytest.mark.parametrize("name", PLANTED)
def test_nbval_alone_sees_less(alone: dict[str, bool], name: str) -> None:
    assert alone[name] is PLANTED[name].alone


@pytest.mark.parametrize("make", [cell, tagged])
def test_cell_that_takes_too_long_fails_however_it_ends(tmp_path: Path, make: Any) -> None:
    assert passed(tmp_path, [make(ENDLESS)], "--nbval-cell-timeout=1") == [False]


def test_cell_has_a_minute(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("nbval_cell_timeout") == 60


def test_comparison_is_strict(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("nbval")
    assert not pytestconfig.getoption("nbval_lax")


def test_cells_of_a_notebook_stay_together_on_several_workers(tmp_path: Path) -> None:
    counting = [cell("n = 0"), *(cell(f"n += 1\nassert n == {number}") for number in range(1, 8))]
    assert passed(tmp_path, counting, "-n", "2") == [True] * 8
