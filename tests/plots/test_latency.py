import math

import numpy as np
import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.plots import plot_ecdf, plot_latency_by_utilisation, plot_percentile_curve
from tests.plots.curves import every_architecture, legend_of, line_of, points_of, ticks_of

CURVE = pd.DataFrame(
    {
        "architecture": "hybrid",
        "probability": [0.0, 0.5, 0.9, 0.99, 0.999],
        "latency": [0.01, 0.02, 0.05, 0.2, 1.0],
    }
)
LOADS = pd.DataFrame(
    {
        "architecture": "hybrid",
        "utilisation": [0.5, 0.8],
        "latency": [2.0, 5.0],
        "low": [1.8, 4.0],
        "high": [2.2, 6.0],
    }
)
THEORY = pd.DataFrame({"utilisation": [0.8, 0.1], "latency": [5.0, 1.1]})
BY_PERCENTILE = pd.concat([LOADS.assign(percentile=50), LOADS.assign(percentile=99, latency=9.0)])


def test_each_further_nine_of_the_percentiles_is_as_wide_as_the_last() -> None:
    ax = plot_percentile_curve(CURVE)
    assert ax.get_xscale() == "log"
    assert np.asarray(line_of(ax, "hybrid").get_xdata()) == pytest.approx([1, 2, 10, 100, 1000])
    assert np.asarray(line_of(ax, "hybrid").get_ydata()).tolist() == CURVE["latency"].tolist()
    assert ticks_of(ax, "x") == ["0", "90", "99", "99.9"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("percentile", "latency [s]")


def test_latency_is_logarithmic_only_if_it_spans_much() -> None:
    assert plot_percentile_curve(CURVE).get_yscale() == "log"
    assert plot_percentile_curve(CURVE[:3]).get_yscale() == "linear"
    assert plot_percentile_curve(CURVE.assign(latency=0.0)).get_yscale() == "linear"


def test_curve_of_one_quantile_is_drawn() -> None:
    assert points_of(plot_percentile_curve(CURVE[1:2]), "hybrid") == [(2.0, 0.02)]


@pytest.mark.parametrize("probability", [1.0, -0.1, 99.0, math.nan])
def test_probability_that_has_no_place_is_refused(probability: float) -> None:
    with pytest.raises(gl.LabError, match=rf"^probability={probability}: expected 0 <= p < 1$"):
        plot_percentile_curve(CURVE[:1].assign(probability=probability))


def test_distribution_rises_at_each_latency_by_its_share() -> None:
    ax = plot_ecdf(pd.DataFrame({"architecture": "hybrid", "latency": [3.0, 1.0, 3.0, 2.0]}))
    assert points_of(ax, "hybrid") == [(1.0, 0.0), (1.0, 0.25), (2.0, 0.5), (3.0, 1.0)]
    assert line_of(ax, "hybrid").get_drawstyle() == "steps-post"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("latency [s]", "share of messages answered")


def test_distribution_of_what_is_not_all_answered_ends_below_one() -> None:
    ax = plot_ecdf(pd.DataFrame({"architecture": "hybrid", "latency": [1.0, math.nan, 2.0, 2.0]}))
    label = "hybrid (no answer: 1 of 4)"
    assert points_of(ax, label) == [(1.0, 0.0), (1.0, 0.25), (2.0, 0.75)]
    assert legend_of(ax) == [label]


def test_distribution_shows_the_share_that_took_no_time() -> None:
    ax = plot_ecdf(every_architecture(latency=[0.0, 0.0, 0.01, 10.0]))
    assert ax.get_xscale() == "symlog"
    assert points_of(ax, "hybrid") == [(0.0, 0.0), (0.0, 0.5), (0.01, 0.75), (10.0, 1.0)]
    assert ticks_of(ax, "x")[0] == "$\\mathdefault{0}$"


def test_distribution_of_a_series_that_was_never_answered_is_named_and_empty() -> None:
    frame = every_architecture(latency=[1.0]).query("architecture != 'synchronous'")
    silent = pd.DataFrame({"architecture": "synchronous", "latency": [math.nan] * 3})
    ax = plot_ecdf(pd.concat([frame, silent]))
    assert legend_of(ax)[0] == "synchronous (no answer)"
    assert points_of(ax, "synchronous (no answer)") == []


def test_latency_by_utilisation_is_measured_beside_theory() -> None:
    ax = plot_latency_by_utilisation(LOADS, theory=THEORY)
    assert legend_of(ax) == ["hybrid", "M/M/1"]
    assert points_of(ax, "hybrid") == [(0.5, 2.0), (0.8, 5.0)]
    assert points_of(ax, "M/M/1") == [(0.1, 1.1), (0.8, 5.0)]
    theory = line_of(ax, "M/M/1")
    assert theory.get_marker() == ""
    assert theory.get_linewidth() < line_of(ax, "hybrid").get_linewidth()
    assert len(ax.containers) == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("utilisation", "latency [s]")
    assert ax.get_yscale() == "log"


def test_theory_may_be_of_another_queue_or_none() -> None:
    ax = plot_latency_by_utilisation(LOADS, theory=THEORY, theory_label="M/D/1")
    assert legend_of(ax) == ["hybrid", "M/D/1"]
    assert legend_of(plot_latency_by_utilisation(LOADS)) == ["hybrid"]


def test_figure_shows_the_percentile_that_is_chosen() -> None:
    theory = pd.concat([THEORY.assign(percentile=50), THEORY.assign(percentile=99, latency=7.0)])
    ax = plot_latency_by_utilisation(BY_PERCENTILE, theory=theory, percentile=99)
    assert points_of(ax, "hybrid") == [(0.5, 9.0), (0.8, 9.0)]
    assert points_of(ax, "M/M/1") == [(0.1, 7.0), (0.8, 7.0)]
    assert ax.get_ylabel() == "p99 latency [s]"


def test_figure_of_several_percentiles_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^percentile=None: expected one of 50, 99$"):
        plot_latency_by_utilisation(BY_PERCENTILE)


def test_percentile_that_is_not_there_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^percentile=95: expected one of 50, 99$"):
        plot_latency_by_utilisation(BY_PERCENTILE, percentile=95)
