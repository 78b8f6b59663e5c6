import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.transforms import BboxBase

import genesis_lab as gl
from genesis_lab.plots import (
    ARCHITECTURE_LOOKS,
    ONE_COLUMN,
    TWO_COLUMNS,
    architecture_looks,
    new_axes,
    save_figure,
    series_label,
    series_look,
)
from genesis_lab.plots.style import figure_of, width_of
from tests.plots.curves import (
    FIGURES,
    draw_measure,
    every_architecture,
    legend_of,
    line_of,
    points_of,
    ticks_of,
)

ADMISSIONS = ("serial", "call_chain", "re_entrant", "pool(2)")


def test_plots_are_there_without_matplotlib_until_one_is_used() -> None:
    code = (
        "import sys\n"
        "from genesis_lab import plots\n"
        "assert 'plot_timeline' in dir(plots)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.new_axes\n"
        "assert 'matplotlib' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_serial_series_looks_and_is_called_as_its_architecture() -> None:
    assert series_look("hybrid") == series_look("hybrid", "serial") == ARCHITECTURE_LOOKS["hybrid"]
    assert series_label("hybrid") == series_label("hybrid", "serial") == "hybrid"


def test_admission_is_told_by_the_marker_and_in_words() -> None:
    looks = [series_look("hybrid", admission) for admission in ADMISSIONS]
    assert [look.fill for look in looks] == ["full", "none", "left", "bottom"]
    assert {(look.color, look.linestyle, look.marker) for look in looks} == {
        (looks[0].color, looks[0].linestyle, looks[0].marker)
    }
    assert series_label("hybrid", "pool(2)") == "hybrid, pool(2)"


def test_admission_that_there_is_not_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^admission='SERIAL': expected 'serial' or 'call_ch"):
        series_look("hybrid", "SERIAL")


POINTS = pd.DataFrame({"architecture": "hybrid", "x": [1.0, 2.0, 4.0], "y": [1.0, 10.0, 100.0]})


def test_measure_is_a_line_per_series_with_the_look_of_it() -> None:
    ax = draw_measure(every_architecture(x=[1.0, 2.0], y=[3.0, 4.0]))
    assert legend_of(ax) == list(gl.ARCHITECTURES)
    for name, look in ARCHITECTURE_LOOKS.items():
        line = line_of(ax, name)
        assert np.asarray(line.get_xydata()).tolist() == [[1.0, 3.0], [2.0, 4.0]]
        assert (line.get_color(), line.get_marker()) == (look.color, look.marker)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x [1]", "y [s]")


def test_series_are_drawn_in_order_and_unknown_ones_last_as_they_come() -> None:
    gl.add_architecture("mine", gl.HybridCoordinator)
    names = ["z", "mine", "a", "hybrid", "synchronous"]
    ax = draw_measure(pd.concat([POINTS.assign(architecture=name) for name in names]))
    assert legend_of(ax) == ["synchronous", "hybrid", "mine", "z", "a"]
    for name, look in architecture_looks(names).items():
        line = line_of(ax, name)
        assert (line.get_color(), line.get_marker()) == (look.color, look.marker)


def test_points_are_joined_in_the_order_of_x() -> None:
    ax = draw_measure(POINTS.iloc[::-1])
    assert np.asarray(line_of(ax, "hybrid").get_xdata()).tolist() == [1.0, 2.0, 4.0]


def test_admissions_of_an_architecture_are_series_of_their_own() -> None:
    frame = pd.concat([POINTS.assign(admission=admission) for admission in ADMISSIONS[::-1]])
    ax = draw_measure(frame)
    labels = [f"hybrid, {admission}" for admission in ADMISSIONS]
    assert legend_of(ax) == labels
    assert [line_of(ax, label).get_fillstyle() for label in labels] == [
        "full",
        "none",
        "left",
        "bottom",
    ]


def test_categories_that_no_row_has_are_no_series() -> None:
    frame = POINTS.assign(architecture=pd.Categorical(["hybrid"] * 3, list(gl.ARCHITECTURES)))
    assert legend_of(draw_measure(frame)) == ["hybrid"]


def test_series_that_coincide_are_drawn_thinner_and_on_top() -> None:
    lines = draw_measure(every_architecture(x=[1.0], y=[1.0])).lines
    for below, above in pairwise(lines):
        assert below.get_zorder() < above.get_zorder()
        assert below.get_linewidth() > above.get_linewidth()
        assert below.get_markersize() > above.get_markersize()


def intervals(frame: pd.DataFrame) -> list[list[list[float]]]:
    """The ends of each error bar."""
    ax = draw_measure(frame)
    [errors] = [drawn for drawn in ax.containers if isinstance(drawn, ErrorbarContainer)]
    [bars] = errors.lines[2]
    assert isinstance(bars, LineCollection)
    return [np.asarray(bar).tolist() for bar in bars.get_segments()]


def test_interval_is_a_bar_from_low_to_high() -> None:
    frame = POINTS.assign(low=[0.5, 9.0, 80.0], high=[1.5, 11.0, 100.0])
    assert intervals(frame) == [
        [[1.0, 0.5], [1.0, 1.5]],
        [[2.0, 9.0], [2.0, 11.0]],
        [[4.0, 80.0], [4.0, 100.0]],
    ]


def test_intervals_at_the_same_x_stand_side_by_side_in_the_order_of_their_curves() -> None:
    ax = draw_measure(every_architecture(x=[1.0], y=[1.0], low=[0.5], high=[2.0]))
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]  # a subfigure is none of ours
    drawn = [each.lines[2][0] for each in ax.containers if isinstance(each, ErrorbarContainer)]
    places = [bars.get_transform().transform((1.0, 1.0))[0] / ax.figure.dpi * 72 for bars in drawn]
    assert np.diff(places) == pytest.approx([2.0] * (len(gl.ARCHITECTURES) - 1))
    [at, _] = ax.transData.transform((1.0, 1.0)) / ax.figure.dpi * 72
    assert np.mean(places) == pytest.approx(at)


def test_intervals_are_within_the_axes() -> None:
    for scale in ("linear", "log"):
        ax = draw_measure(POINTS.assign(y=1.0, low=0.01, high=[70.0, math.nan, 7.0]), yscale=scale)
        low, high = ax.get_ylim()
        assert low < 0.01
        assert high > 70.0


def test_interval_need_not_contain_its_value() -> None:
    [bar] = intervals(POINTS[:1].assign(low=[1.5], high=[2.5]))
    assert bar == [[1.0, 1.5], [1.0, 2.5]]


def test_point_whose_interval_is_unknown_has_none() -> None:
    drawn = intervals(POINTS.assign(low=[np.nan, 9.0, 80.0], high=[np.nan, 11.0, 100.0]))
    assert [bar for bar in drawn if bar] == [[[2.0, 9.0], [2.0, 11.0]], [[4.0, 80.0], [4.0, 100.0]]]


def test_frame_without_intervals_has_no_bars() -> None:
    assert draw_measure(POINTS).containers == []


def test_series_without_answers_stays_in_the_legend() -> None:
    silent = POINTS.assign(architecture="synchronous", y=np.nan)
    ax = draw_measure(pd.concat([POINTS, silent]), yscale="log")
    assert legend_of(ax) == ["synchronous (no answer)", "hybrid"]


def test_legend_counts_the_points_without_an_answer() -> None:
    ax = draw_measure(POINTS.assign(y=[1.0, np.nan, np.inf]))
    assert legend_of(ax) == ["hybrid (no answer: 2 of 3)"]


def test_figure_of_nothing_but_silence_is_drawn() -> None:
    ax = draw_measure(POINTS.assign(y=np.nan), xscale="log2", yscale="log")
    figure_of(ax).draw_without_rendering()
    assert legend_of(ax) == ["hybrid (no answer)"]


def test_positive_values_have_a_logarithmic_axis_to_themselves() -> None:
    ax = draw_measure(POINTS, xscale="log2", yscale="log")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.texts[:] == []
    assert ticks_of(ax, "x") == ["1", "2", "4"]


def test_zero_has_its_place_and_tick_on_a_logarithmic_axis() -> None:
    ax = draw_measure(POINTS.assign(y=[0.0, 0.02, 1.0]), yscale="log")
    assert points_of(ax, "hybrid") == [(1.0, 0.0), (2.0, 0.02), (4.0, 1.0)]
    assert ax.get_yscale() == "symlog"
    low, high = ax.get_ylim()
    assert low == -0.005
    assert high > 1.0
    assert ticks_of(ax, "y")[0] == "$\\mathdefault{0}$"


def test_change_of_scale_between_zero_and_the_rest_is_marked() -> None:
    ax = draw_measure(POINTS.assign(x=[0.0, 1.0, 8.0], y=[0.0, 0.02, 1.0]), yscale="log")
    [mark] = ax.texts
    assert (mark.get_text(), mark.get_position()) == ("≈", (0, 0.005))
    both = draw_measure(
        POINTS.assign(x=[0.0, 1.0, 8.0], y=[0.0, 0.02, 1.0]), xscale="log2", yscale="log"
    )
    assert [mark.get_position() for mark in both.texts] == [(0.5, 0), (0, 0.005)]
    assert ticks_of(both, "x") == ["0", "1", "2", "4", "8"]


def test_values_that_are_all_zero_need_no_logarithm() -> None:
    ax = draw_measure(POINTS.assign(y=0.0), yscale="log")
    assert ax.get_yscale() == "linear"
    low, high = ax.get_ylim()
    assert low < 0.0 < high


def test_a_single_tiny_value_does_not_stretch_an_axis_with_a_zero() -> None:
    y = np.concatenate([[0.0, 1e-12], np.linspace(0.1, 1.0, 200)])
    frame = pd.DataFrame({"architecture": "hybrid", "x": np.arange(len(y)), "y": y})
    assert draw_measure(frame, yscale="log").get_ylim()[0] == -0.05


def test_long_curves_have_about_a_dozen_markers_staggered_between_series() -> None:
    ax = draw_measure(every_architecture(x=np.arange(120.0), y=np.arange(120.0)))
    assert [line.get_markevery() for line in ax.lines] == [
        (rank * 10 // len(gl.ARCHITECTURES), 10) for rank in range(len(gl.ARCHITECTURES))
    ]


def test_short_curves_have_a_marker_at_each_point() -> None:
    assert line_of(draw_measure(POINTS), "hybrid").get_markevery() == (0, 1)


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_nothing_overlaps_and_nothing_is_cut_off(figure: str, width: float) -> None:
    ax = FIGURES[figure](ax=new_axes(width=width, height=80.0))
    page = figure_of(ax)
    page.draw_without_rendering()
    legend = ax.get_legend()
    assert legend is not None
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = [
            tick.label1.get_window_extent()
            for tick in axis.get_major_ticks()
            if low <= tick.get_loc() <= high
        ]
        assert not any(one.overlaps(other) for one, other in pairwise(ticks))
        name = axis.label.get_window_extent()
        assert not any(name.overlaps(tick) for tick in ticks)
        assert cut_off(name, page.bbox) == []
    assert legend.get_window_extent().y1 < ax.xaxis.label.get_window_extent().y0
    assert cut_off(legend.get_window_extent(), page.bbox) == []


def cut_off(box: BboxBase, page: BboxBase) -> list[str]:
    """The edges of the page that the box is beyond."""
    beyond = {
        "left": box.x0 < page.x0,
        "right": box.x1 > page.x1,
        "bottom": box.y0 < page.y0,
        "top": box.y1 > page.y1,
    }
    return [edge for edge, is_beyond in beyond.items() if is_beyond]


def test_figure_is_drawn_where_it_is_told_or_in_one_column() -> None:
    ax = new_axes(width=TWO_COLUMNS, height=70.0)
    assert draw_measure(POINTS, ax=ax) is ax
    assert figure_of(ax).get_figheight() == pytest.approx(70.0 / 25.4)
    assert width_of(draw_measure(POINTS)) == pytest.approx(ONE_COLUMN)


def test_axes_keep_their_height_however_many_series_there_are() -> None:
    heights = []
    for frame in (POINTS, every_architecture(x=[1.0], y=[1.0])):
        ax = draw_measure(frame)
        figure_of(ax).draw_without_rendering()
        heights.append(ax.get_window_extent().height)
    assert heights[0] == pytest.approx(heights[1], rel=0.01)


@pytest.mark.parametrize("figure", FIGURES)
def test_same_frame_gives_the_same_bytes_whoever_draws(figure: str, tmp_path: Path) -> None:
    def saved(name: str) -> list[bytes]:
        fig = figure_of(FIGURES[figure]())
        written = save_figure(fig, tmp_path / name, data=POINTS, provenance={})
        return [path.read_bytes() for path in written]

    once = saved("once")
    with mpl.rc_context({"font.size": 20.0, "axes.grid": True, "lines.linewidth": 5.0}):
        settings = {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}
        assert saved("again") == once
        # Not the backend: reading it would choose one.
        assert {name: mpl.rcParams[name] for name in settings} == settings
