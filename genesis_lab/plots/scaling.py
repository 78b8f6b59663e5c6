"""What it costs to grow: more subscribers, more components."""

import pandas as pd
from matplotlib.axes import Axes

from genesis_lab.plots.series import plot_measure


def plot_fan_out(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with what an event costs its emitter, against how many subscribe to it.

    Parameters
    ----------
    frame
        One row per series and number. Columns: `architecture`, maybe `admission`, `subscribers`,
        `latency` (from when the emitter means to send until it goes on) [s], and maybe `low` and
        `high`, the ends of its interval.
    ax
        Where to draw; a new figure in one column, unless told.
    """
    return plot_measure(
        frame,
        x="subscribers",
        y="latency",
        xlabel="subscribers",
        ylabel="emitter waits [s]",
        xscale="log2",
        yscale="log",
        ax=ax,
    )


def plot_scaling(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with the throughput of a system against how many components it has.

    Parameters
    ----------
    frame
        One row per series and number. Columns: `architecture`, maybe `admission`, `components`,
        `throughput` [1/s], and maybe `low` and `high`, the ends of its interval.
    ax
        Where to draw; a new figure in one column, unless told.
    """
    return plot_measure(
        frame,
        x="components",
        y="throughput",
        xlabel="components",
        ylabel="throughput [1/s]",
        xscale="log2",
        yscale="log",
        ax=ax,
    )
