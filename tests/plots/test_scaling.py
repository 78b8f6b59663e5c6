import math

import pandas as pd

from genesis_lab.plots import plot_fan_out, plot_scaling
from tests.plots.curves import legend_of, points_of, ticks_of

COUNTS = [2**power for power in range(9)]


def test_cost_of_fan_out_is_drawn_against_doublings_of_subscribers() -> None:
    frame = pd.DataFrame(
        {
            "architecture": "hybrid-awaited",
            "subscribers": COUNTS,
            "latency": [0.01 * count for count in COUNTS],
        }
    )
    ax = plot_fan_out(frame)
    assert points_of(ax, "hybrid-awaited") == [(count, 0.01 * count) for count in COUNTS]
    assert ticks_of(ax, "x") == [str(count) for count in COUNTS]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("subscribers", "emitter waits [s]")


def test_emitter_that_never_waits_is_beside_one_that_does() -> None:
    frame = pd.DataFrame(
        {
            "architecture": ["hybrid", "hybrid", "synchronous", "synchronous"],
            "subscribers": [1, 256, 1, 256],
            "latency": [0.0, 0.0, 0.01, 2.56],
        }
    )
    ax = plot_fan_out(frame)
    assert points_of(ax, "hybrid") == [(1.0, 0.0), (256.0, 0.0)]
    bottom, top = ax.get_ylim()
    assert bottom < 0.0
    assert top > 2.56


def test_throughput_is_drawn_against_doublings_of_components() -> None:
    frame = pd.DataFrame(
        {
            "architecture": ["hybrid"] * 2 + ["synchronous"] * 2,
            "components": [1, 64] * 2,
            "throughput": [100.0, 6400.0, 100.0, math.nan],
        }
    )
    ax = plot_scaling(frame)
    assert points_of(ax, "hybrid") == [(1.0, 100.0), (64.0, 6400.0)]
    assert legend_of(ax) == ["synchronous (no answer: 1 of 2)", "hybrid"]
    assert ticks_of(ax, "x") == ["1", "2", "4", "8", "16", "32", "64"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("components", "throughput [1/s]")
