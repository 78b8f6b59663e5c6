"""Small frames that figures of curves are drawn from, and how to look at what was drawn."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

import genesis_lab as gl
from genesis_lab.plots import (
    plot_ecdf,
    plot_fan_out,
    plot_latency_by_utilisation,
    plot_measure,
    plot_percentile_curve,
    plot_scaling,
)


def every_architecture(**columns: Any) -> pd.DataFrame:
    """The same rows for each architecture of the lab."""
    rows = pd.DataFrame(columns)
    return pd.concat([rows.assign(architecture=name) for name in gl.ARCHITECTURES])


FIGURES: dict[str, Callable[..., Axes]] = {
    "measure": lambda **settings: draw_measure(
        every_architecture(
            x=[1.0, 2.0], y=[1.0, math.nan], low=[0.5, math.nan], high=[2.0, math.nan]
        ),
        **settings,
    ),
    "percentile_curve": lambda **settings: plot_percentile_curve(
        every_architecture(probability=[0.0, 0.9, 0.99], latency=[0.0, 1.0, 50.0]), **settings
    ),
    "ecdf": lambda **settings: plot_ecdf(
        every_architecture(latency=[0.0, 1.0, 50.0, math.nan]), **settings
    ),
    "latency_by_utilisation": lambda **settings: plot_latency_by_utilisation(
        every_architecture(utilisation=[0.5, 0.9], latency=[2.0, 10.0]),
        theory=pd.DataFrame({"utilisation": [0.5, 0.9], "latency": [2.0, 10.0]}),
        **settings,
    ),
    "fan_out": lambda **settings: plot_fan_out(
        every_architecture(subscribers=[1, 16, 256], latency=[0.0, 0.1, 2.0]), **settings
    ),
    "scaling": lambda **settings: plot_scaling(
        every_architecture(components=[1, 8, 64], throughput=[10.0, 80.0, 640.0]), **settings
    ),
}
"""Each kind of figure, by what comes after `plot_`; settings as the function takes them."""


def draw_measure(frame: pd.DataFrame, **settings: Any) -> Axes:
    """What `plot_measure` makes of the columns x and y."""
    return plot_measure(frame, x="x", y="y", xlabel="x [1]", ylabel="y [s]", **settings)


def line_of(ax: Axes, label: str) -> Line2D:
    """The only line of that label."""
    [line] = [line for line in ax.lines if line.get_label() == label]
    return line


def points_of(ax: Axes, label: str) -> list[tuple[float, float]]:
    """What the line of that label goes through."""
    return [(float(x), float(y)) for x, y in np.asarray(line_of(ax, label).get_xydata())]


def legend_of(ax: Axes) -> list[str]:
    """The entries of the legend, in order."""
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def ticks_of(ax: Axes, axis: str) -> list[str]:
    """The labels that are seen at an axis, once it is drawn."""
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]  # a subfigure is none of ours
    lines = ax.xaxis if axis == "x" else ax.yaxis
    low, high = sorted(lines.get_view_interval())
    labels = zip(lines.get_majorticklocs(), lines.get_ticklabels(), strict=True)
    return [label.get_text() for at, label in labels if low <= at <= high]
