"""Figures that several experiments draw: a measure against a factor; who did what, and when."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.experiments.experiment import Drawing
from genesis_lab.recording import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from genesis_lab.plots.series import Scale


def means(
    trials: pd.DataFrame, measure: str, *, by: Sequence[str], called: str | None = None
) -> pd.DataFrame:
    """The mean of a measure over replicates, as figures take it: its interval is `low` to `high`.

    The column has the measure's name, unless it is to be called otherwise.
    """
    found = analysis.mean_intervals(trials, measure, by=by)
    return found.rename(columns={"mean": called or measure})


def draw_measure(
    trials: pd.DataFrame,
    measure: str,
    *,
    against: str,
    xlabel: str,
    ylabel: str,
    name: str,
    caption: str,
    series: Sequence[str] = ("architecture",),
    xscale: "Scale" = "linear",
    yscale: "Scale" = "linear",
) -> Drawing:
    """The mean of a measure against a factor, with a curve per bus.

    Parameters
    ----------
    trials
        A row each.
    measure, against
        Columns of trials: what is drawn, and the factor.
    xlabel, ylabel, xscale, yscale
        As of `plots.plot_measure`.
    name, caption
        Those of the drawing.
    series
        The columns that tell curves apart.
    """
    shown = means(trials, measure, by=[*series, against])
    axes = plots.plot_measure(
        shown,
        x=against,
        y=measure,
        xlabel=xlabel,
        ylabel=ylabel,
        xscale=xscale,
        yscale=yscale,
    )
    return Drawing(name=name, caption=caption, axes=axes, data=shown)


def draw_timeline(
    trace: Trace,
    *,
    start: float,
    end: float,
    name: str,
    caption: str,
    ax: "Axes | None" = None,
) -> Drawing:
    """What each component of a trial did in a window of time.

    Parameters
    ----------
    trace
        That of the trial.
    start, end, ax
        As of `plots.plot_timeline`.
    name, caption
        Those of the drawing.
    """
    requests, deliveries, events = trace.requests, trace.deliveries, trace.events
    axes = plots.plot_timeline(
        requests, deliveries, events=events, deadlocks=trace.deadlocks, start=start, end=end, ax=ax
    )
    segments = plots.timeline_segments(requests, deliveries, events=events, start=start, end=end)
    return Drawing(name=name, caption=caption, axes=axes, data=segments, trace=trace)
