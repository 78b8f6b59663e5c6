"""How likely a deadlock is, and how soon there is one."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.plots.series import Curve, curves_of, draw_curves, plot_measure
from genesis_lab.plots.style import BLACK, Look, add_legend, paper
from genesis_lab.plots.texts import say

_CENSORED = Look(color=BLACK, linestyle="", marker="|", hatch="")
"""Of the runs that were cut before a deadlock."""
_FROM_ZERO_TO_ONE = (-0.03, 1.03)
"""With room for the markers of curves that run along an edge."""


def plot_deadlock_probability(
    frame: pd.DataFrame, *, x: str, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Axes with the probability of a deadlock against what it depends on, a curve per series.

    Parameters
    ----------
    frame
        One row per series and x. Columns: `architecture`, maybe `admission`, the one named by `x`,
        `probability`, and `low` and `high`, the ends of its 95 % interval (Wilson's).
    x
        The column to draw it against.
    xlabel
        What that is, with the unit.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        An admission is not one of the lab's.
    """
    if frame.empty:
        return say("no runs", ax)
    ax = plot_measure(
        frame, x=x, y="probability", xlabel=xlabel, ylabel="probability of a deadlock", ax=ax
    )
    ax.set_ylim(*_FROM_ZERO_TO_ONE)
    return ax


def plot_deadlock_survival(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with the share of runs that have had no deadlock yet, as steps, a curve per series.

    The band around a curve is its interval. A bar at the end of a curve says that some runs were
    cut there, still without a deadlock.

    Parameters
    ----------
    frame
        One row per series and instant at which the share changes, the last one when the runs were
        cut. Columns: `architecture`, maybe `admission`, `time` [s since the bus opened],
        `survival`, `low` and `high`.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        An admission is not one of the lab's.
    """
    if frame.empty:
        return say("no runs", ax)
    require_columns(frame, "frame", ["architecture", "time", "survival", "low", "high"])
    curves = curves_of(frame, x="time", y="survival")
    ax = draw_curves(
        [*(replace(curve, low=None, high=None) for curve in curves), *_censored(curves)],
        xlabel="time since the bus opened [s]",
        ylabel="share of runs without a deadlock",
        steps=True,
        ax=ax,
    )
    handles, labels = ax.get_legend_handles_labels()
    if len(handles) > len(curves):
        handles[-1].set(markersize=9, markeredgewidth=1.2)  # as it is, markers hide it
    with paper():
        for curve in curves:
            _draw_band(ax, curve)
        ax.set_ylim(*_FROM_ZERO_TO_ONE)
        add_legend(ax, handles, labels)
    return ax


def _censored(curves: Iterable[Curve]) -> list[Curve]:
    """A mark at the end of each curve that has not come down to zero."""
    ends = [(curve.x[-1], curve.y[-1]) for curve in curves if curve.y[-1] > 0]
    if not ends:
        return []
    x, y = np.array(ends).T
    return [Curve(label="cut without a deadlock", look=_CENSORED, x=x, y=y)]


def _draw_band(ax: Axes, curve: Curve) -> None:
    assert curve.low is not None, "the frame has intervals"
    assert curve.high is not None, "with both ends"
    ax.fill_between(
        curve.x, curve.low, curve.high, step="post", color=curve.look.color, alpha=0.15, linewidth=0
    )
