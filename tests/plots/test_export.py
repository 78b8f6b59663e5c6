import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

import genesis_lab as gl
from genesis_lab.plots import plot_timeline, provenance_of, save_figure
from genesis_lab.plots.style import figure_of
from tests.plots.scenes import RING, trace_of

FRAME = pd.DataFrame({"component": ["a", "b"], "begin": [0.5, 1.0]})
ORIGIN = {"seed": 7, "digest": "abc"}


def ring() -> Figure:
    trace = trace_of(RING)
    ax = plot_timeline(
        trace.requests, trace.deliveries, deadlocks=trace.deadlocks, start=0.0, end=2.0
    )
    return figure_of(ax)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of a figure, by suffix."""
    stem = tmp_path_factory.mktemp("figures") / "ring"
    return {path.suffix: path for path in save_figure(ring(), stem, data=FRAME, provenance=ORIGIN)}


def test_figure_is_saved_as_vectors_and_pixels_with_its_numbers(saved: dict[str, Path]) -> None:
    assert [*saved] == [".svg", ".pdf", ".png", ".csv", ".json"]
    assert saved[".csv"].read_text() == "component,begin\na,0.5\nb,1.0\n"
    assert json.loads(saved[".json"].read_text()) == ORIGIN


def test_every_image_says_where_it_comes_from(saved: dict[str, Path]) -> None:
    with Image.open(saved[".png"]) as png:
        assert json.loads(png.info["Description"]) == ORIGIN
    assert '"digest": "abc"' in saved[".svg"].read_text()
    assert b'"digest": "abc"' in saved[".pdf"].read_bytes()


def test_same_figure_gives_the_same_bytes(saved: dict[str, Path], tmp_path: Path) -> None:
    again = save_figure(ring(), tmp_path / "again", data=FRAME, provenance=ORIGIN)
    assert {path.suffix: path.read_bytes() for path in again} == {
        suffix: path.read_bytes() for suffix, path in saved.items()
    }


def test_no_file_says_when_it_was_written(saved: dict[str, Path]) -> None:
    assert b"CreationDate" not in saved[".pdf"].read_bytes()
    assert "<dc:date>" not in saved[".svg"].read_text()


def test_fonts_are_in_the_files(saved: dict[str, Path]) -> None:
    pdf = saved[".pdf"].read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert "<text" not in saved[".svg"].read_text()


def test_stem_may_have_dots_and_its_folder_need_not_exist(tmp_path: Path) -> None:
    written = save_figure(ring(), tmp_path / "new" / "load-0.95", data=FRAME, provenance=ORIGIN)
    assert sorted(path.name for path in written) == [
        "load-0.95.csv",
        "load-0.95.json",
        "load-0.95.pdf",
        "load-0.95.png",
        "load-0.95.svg",
    ]
    assert {path.parent for path in written} == {tmp_path / "new"}
    assert set(written) == set((tmp_path / "new").iterdir())


def test_provenance_names_the_run_and_what_else_the_figure_depends_on() -> None:
    trace = trace_of(RING, seed=7)
    origin: dict[str, Any] = provenance_of(trace, end=2.0)
    assert (origin["architecture"], origin["seed"]) == ("hybrid", 7)
    assert origin["digest"] == trace.digest()
    assert origin["configuration"]["on_deadlock"] == "wait"
    assert origin["versions"]["genesis_lab"] == gl.__version__
    assert origin["drawn_with"]["genesis_lab"] == gl.__version__
    assert origin["parameters"] == {"end": 2.0}
