import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from genesis_lab.plots import (
    TWO_COLUMNS,
    new_axes,
    plot_deadlock_probability,
    plot_deadlock_survival,
)
from tests.plots.curves import legend_of, points_of
from tests.plots.looks import check_page, check_repeats, texts

PROBABILITY = pd.DataFrame(
    [
        ("synchronous", "serial", 1.0, 0.5, 0.3, 0.7),
        ("synchronous", "serial", 2.0, 1.0, 0.84, 1.0),
        ("hybrid", "re_entrant", 2.0, 0.0, 0.0, 0.16),
        ("hybrid", "re_entrant", 1.0, 0.0, 0.0, 0.16),
    ],
    columns=["architecture", "admission", "load", "probability", "low", "high"],
)
SURVIVAL = pd.DataFrame(
    [
        ("synchronous", 0.0, 1.0, 1.0, 1.0),
        ("synchronous", 4.0, 0.5, 0.3, 0.7),
        ("synchronous", 6.0, 0.0, 0.0, 0.16),
        ("hybrid", 0.0, 1.0, 1.0, 1.0),
        ("hybrid", 8.0, 0.75, 0.6, 0.9),
        ("hybrid", 10.0, 0.75, 0.6, 0.9),
    ],
    columns=["architecture", "time", "survival", "low", "high"],
)


def probability(frame: pd.DataFrame = PROBABILITY, ax: Axes | None = None) -> Axes:
    return plot_deadlock_probability(frame, x="load", xlabel="offered load [calls/s]", ax=ax)


def test_probability_is_a_curve_per_series() -> None:
    ax = probability()
    assert legend_of(ax) == ["synchronous", "hybrid, re_entrant"]
    assert points_of(ax, "synchronous") == [(1.0, 0.5), (2.0, 1.0)]
    assert points_of(ax, "hybrid, re_entrant") == [(1.0, 0.0), (2.0, 0.0)]


def test_probability_has_its_intervals() -> None:
    bars = [collection.get_segments() for collection in probability().collections]  # type: ignore[attr-defined]
    ends = [sorted(segment[:, 1].tolist()) for series in bars for segment in series]
    assert ends == [
        pytest.approx(interval) for interval in ([0.3, 0.7], [0.84, 1.0], [0.0, 0.16], [0.0, 0.16])
    ]


def test_both_go_from_zero_to_one_with_room_for_markers_at_the_edges() -> None:
    for ax in (probability(), plot_deadlock_survival(SURVIVAL)):
        assert ax.get_ylim() == (-0.03, 1.03)


def test_axes_say_what_they_are() -> None:
    ax = probability()
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "offered load [calls/s]",
        "probability of a deadlock",
    )
    ax = plot_deadlock_survival(SURVIVAL)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "time since the bus opened [s]",
        "share of runs without a deadlock",
    )


def test_survival_keeps_its_value_until_the_next_deadlock() -> None:
    ax = plot_deadlock_survival(SURVIVAL)
    assert points_of(ax, "synchronous") == [(0.0, 1.0), (4.0, 0.5), (6.0, 0.0)]
    assert {line.get_drawstyle() for line in ax.lines} == {"steps-post"}


def test_survival_has_a_band_per_series() -> None:
    ax = plot_deadlock_survival(SURVIVAL)
    bands = [band for band in ax.collections if isinstance(band, PolyCollection)]
    heights = [np.unique(np.asarray(band.get_paths()[0].vertices)[:, 1]) for band in bands]
    assert [height.tolist() for height in heights] == [
        [0.0, 0.16, 0.3, 0.7, 1.0],
        [0.6, 0.9, 1.0],
    ]


def test_curve_that_was_cut_above_zero_has_a_mark_at_its_end() -> None:
    assert points_of(plot_deadlock_survival(SURVIVAL), "cut without a deadlock") == [(10.0, 0.75)]
    down = SURVIVAL[SURVIVAL["architecture"] == "synchronous"]
    assert legend_of(plot_deadlock_survival(down)) == ["synchronous"]


def test_empty_frames_are_said_to_be_so() -> None:
    assert texts(probability(PROBABILITY.iloc[:0])) == ["no runs"]
    assert texts(plot_deadlock_survival(SURVIVAL.iloc[:0])) == ["no runs"]


def test_architecture_that_is_not_registered_is_drawn_as_well() -> None:
    assert legend_of(plot_deadlock_survival(SURVIVAL.assign(architecture="bus"))) == [
        "bus",
        "cut without a deadlock",
    ]
    drawn = probability(PROBABILITY.assign(architecture="bus"))
    assert legend_of(drawn) == ["bus, serial", "bus, re_entrant"]


@pytest.mark.parametrize("wide", [False, True])
def test_they_fit_the_page(wide: bool) -> None:
    check_page(probability(ax=new_axes(width=TWO_COLUMNS) if wide else None))
    check_page(plot_deadlock_survival(SURVIVAL, ax=new_axes(width=TWO_COLUMNS) if wide else None))


def test_drawn_twice_they_are_the_same_images() -> None:
    check_repeats(probability)
    check_repeats(lambda: plot_deadlock_survival(SURVIVAL))
