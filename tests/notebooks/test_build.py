"""Notebooks are what their sources say, and what the build makes of these is always the same."""

import asyncio
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from notebooks import build
from tests.pythons import ROOT, VERSIONS, CannotMake, environment, find, running

pytestmark = pytest.mark.slow

NOTEBOOKS = ROOT / "notebooks"
SOURCES = sorted((NOTEBOOKS / "source").glob("*.md"))
EXECUTED = sorted(NOTEBOOKS.glob("*.ipynb"))

TRICKY = """\
# Whatever may differ from run to run

```{code-cell} ipython3
import sys
import time

import genesis_lab as gl
from genesis_lab.plots import new_axes
```

```{code-cell} ipython3
for number in range(4):
    print("some", number, end=" ", flush=True)
    time.sleep(0.1)
    print("and", number, file=sys.stderr, flush=True)
```

```{code-cell} ipython3
object(), {hash(text) % 1 for text in "abc"}
```

```{code-cell} ipython3
import warnings

warnings.warn("mind", UserWarning)
```

```{code-cell} ipython3
:tags: [raises-exception]

gl.run(lambda: 1 / 0)
```

```{code-cell} ipython3
ax = new_axes()
ax.plot([0, 1, 4, 9])
ax.figure
```
"""


def read(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def by_hand(source: str, tags: list[str]) -> NotebookNode:
    """A notebook with one cell."""
    made: NotebookNode = v4.new_notebook(cells=[v4.new_code_cell(source, metadata={"tags": tags})])
    return made


def plant(folder: Path, source: str, name: str = "01-planted") -> Path:
    """A source on its own, and where its notebook will be."""
    (folder / "source").mkdir(exist_ok=True)
    path = folder / "source" / f"{name}.md"
    path.write_text(source, "utf-8")
    return build.notebook_of(path)


def code(source: str) -> str:
    return f"```{{code-cell}} ipython3\n{source}\n```\n"


# --- what is in the repository --------------------------------------------------------------------


def test_every_source_has_its_notebook_and_every_notebook_its_source() -> None:
    assert SOURCES
    assert [build.notebook_of(source) for source in SOURCES] == EXECUTED
    assert [build.source_of(notebook) for notebook in EXECUTED] == SOURCES


def test_names_give_the_reading_order() -> None:
    numbers = [path.stem.split("-")[0] for path in EXECUTED]
    assert all(re.fullmatch(r"\d\d", number) for number in numbers)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_says_what_its_source_says(source: Path) -> None:
    assert stripped(read(build.notebook_of(source))) == build.read_source(source), "make notebooks"


def stripped(notebook: NotebookNode) -> NotebookNode:
    """Without what only executing adds."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(execution_count=None, outputs=[])
    return notebook


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_notebook_is_as_the_build_writes_it(path: Path) -> None:
    assert build.as_text(build.canonical(read(path))) == path.read_text("utf-8"), "make notebooks"


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_notebook_was_executed_from_its_first_cell_to_its_last(path: Path) -> None:
    counts = [cell.execution_count for cell in read(path).cells if cell.cell_type == "code"]
    assert counts == [*range(1, len(counts) + 1)]


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_build_has_no_objection(path: Path) -> None:
    assert [*build.objections(read(path))] == []


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_notebook_does_not_name_the_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    for place in (str(ROOT), str(Path.home()), "/tmp/", "site-packages"):
        assert place not in text


# --- what is planted ------------------------------------------------------------------------------


def test_edited_source_is_seen(tmp_path: Path) -> None:
    shutil.copytree(NOTEBOOKS / "source", tmp_path / "source")
    source = tmp_path / "source" / SOURCES[0].name
    text = source.read_text("utf-8")
    for edited in (text.replace("0.2", "0.25", 1), f"{text}\nOne sentence more.\n"):
        assert edited != text
        source.write_text(edited, "utf-8")
        assert stripped(read(EXECUTED[0])) != build.read_source(source)


@pytest.mark.parametrize(
    ("source", "tags", "objection"),
    [
        ("x = 1;", [], "cell 1 ends in `;`: its output would be hidden here and seen in the test"),
        (
            "plot() ; \n",
            [],
            "cell 1 ends in `;`: its output would be hidden here and seen in the test",
        ),
        ("# NBVAL_IGNORE_OUTPUT\nx", [], "cell 1 is exempt from the tests: NBVAL_IGNORE_OUTPUT"),
        ("x", ["nbval-skip"], "cell 1 is exempt from the tests: nbval-skip"),
        ("x = 1; y = 2", ["raises-exception"], None),
    ],
)
def test_build_objects(source: str, tags: list[str], objection: str | None) -> None:
    assert [*build.objections(by_hand(source, tags))] == ([objection] if objection else [])


def test_what_the_build_objects_to_it_does_not_execute(tmp_path: Path) -> None:
    notebook = plant(tmp_path, code("x = 1;"))
    assert asyncio.run(build.build(tmp_path)) == [
        "01-planted.md: cell 1 ends in `;`: its output would be hidden here and seen in the test"
    ]
    assert not notebook.exists()


def test_notebook_of_a_cell_that_raises_stays_as_it_was(tmp_path: Path) -> None:
    fine = plant(tmp_path, code("1 + 1"), name="01-fine")
    wrong = plant(
        tmp_path, code("raise ExceptionGroup('several', [ValueError()])"), name="02-wrong"
    )
    wrong.write_text("as it was", "utf-8")
    [complaint] = asyncio.run(build.build(tmp_path))
    assert complaint.startswith("02-wrong.md: ")
    assert "ExceptionGroup: several (1 sub-exception)" in complaint
    assert wrong.read_text("utf-8") == "as it was"
    assert read(fine).cells[0].outputs[0].data["text/plain"] == "2"


def test_cell_keeps_its_id_when_another_is_edited() -> None:
    before, after = (
        [
            cell.id
            for cell in build.canonical(
                v4.new_notebook(cells=[*map(v4.new_code_cell, cells)])
            ).cells
        ]
        for cells in (["a", "b", "a", "c"], ["a", "new", "b", "a", "C"])
    )
    assert len(set(before)) == 4
    assert [id for id in after if id in before] == before[:3]


def test_nothing_of_python_and_kernel_is_kept() -> None:
    made = v4.new_notebook(
        metadata={
            "kernelspec": {"name": "mine", "display_name": "Mine"},
            "language_info": {"name": "python", "version": "3.99.1"},
            "widgets": {},
        },
        cells=[v4.new_code_cell("x", metadata={"execution": {"iopub.status.busy": "2026"}})],
    )
    kept = build.canonical(made)
    assert kept.metadata.kernelspec.name == "python3"
    assert "version" not in kept.metadata.language_info
    assert "widgets" not in kept.metadata
    assert kept.cells[0].metadata == {}


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    notebook = plant(tmp_path, TRICKY)
    texts = set()
    for _ in "12":
        assert asyncio.run(build.build(tmp_path)) == []
        texts.add(notebook.read_bytes())
    assert len(texts) == 1
    cells = read(notebook).cells
    assert [output.name for output in cells[2].outputs] == ["stdout", "stderr"]
    assert cells[3].outputs[0].data["text/plain"] == "(<object at 0x...>, {0})"
    assert cells[4].outputs[0].text.startswith("UserWarning: mind\n")
    assert cells[5].outputs[0].traceback == ["ZeroDivisionError: division by zero"]
    assert "image/png" in cells[6].outputs[0].data


def test_another_python_gives_the_same_notebook(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    others = [version for version in VERSIONS if version != running() and find(version)]
    if not others:
        pytest.skip("no other Python that starts on this machine")
    python = find(others[-1])
    assert python is not None
    needed = ("ipykernel", "jupytext", "nbclient", "nbval")
    key = sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    folder = pytestconfig.cache.mkdir(f"python-{others[-1]}-notebooks-{key}")
    try:
        inside = environment(python, folder, *needed)
    except CannotMake as error:
        pytest.skip(f"no environment for {python}: {error}")
    shutil.copytree(NOTEBOOKS, tmp_path, dirs_exist_ok=True)
    copies = [tmp_path / path.name for path in EXECUTED]
    for copy in copies[1:]:
        build.source_of(copy).unlink()
    copies[0].unlink()
    subprocess.run([inside, tmp_path / "build.py"], check=True, capture_output=True)
    # It may have another matplotlib, too.
    assert without_images(copies[0]) == without_images(EXECUTED[0])


def without_images(path: Path) -> str:
    return re.sub(r'"image/png": ".*"', "", path.read_text("utf-8"))
