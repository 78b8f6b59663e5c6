"""How long messages take: by percentile, as a distribution, and against the load."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.errors import InvalidSetting
from genesis_lab.plots.series import (
    Curve,
    curves_of,
    draw_curves,
    no_answer,
    scale_for,
    series_of,
)
from genesis_lab.plots.style import GREY, Look

_THEORY = Look(color=GREY, linestyle="-", marker="", hatch="")


def plot_percentile_curve(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with latency against percentile, on which each further nine is as wide as the last.

    So the tail is seen, in the manner of Gil Tene's HdrHistogram.

    Parameters
    ----------
    frame
        One row per series and quantile. Columns: `architecture`, maybe `admission`, `probability`
        (0 <= p < 1) and `latency` [s]; maybe `low` and `high`, the ends of its interval. A series
        that was never answered is named in the legend if it has a row, with a latency of NaN.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        A probability is not in [0, 1): the maximum (p = 1) would be infinitely far to the right.
    """
    require_columns(frame, "frame", ["architecture", "probability", "latency"])
    outside = frame.loc[~frame["probability"].between(0, 1, inclusive="left"), "probability"]
    if not outside.empty:
        raise InvalidSetting("probability", float(outside.iloc[0]), "0 <= p < 1")
    return draw_curves(
        curves_of(frame.assign(one_in=1 / (1 - frame["probability"])), x="one_in", y="latency"),
        xlabel="percentile",
        ylabel="latency [s]",
        xscale="nines",
        yscale=scale_for(frame["latency"]),
        ax=ax,
    )


def plot_ecdf(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with the share of messages that were answered within each latency.

    A message without an answer counts, but is never answered: the curve then ends below 1. Leaving
    it out would show those that hung as if they had never been sent.

    Parameters
    ----------
    frame
        One row per message. Columns: `architecture`, maybe `admission`, and `latency` [s], NaN
        where there was no answer.
    ax
        Where to draw; a new figure in one column, unless told.
    """
    require_columns(frame, "frame", ["architecture", "latency"])
    drawn = draw_curves(
        [
            _ecdf(label, look, rows["latency"].to_numpy(float))
            for label, look, rows in series_of(frame)
        ],
        xlabel="latency [s]",
        ylabel="share of messages answered",
        xscale=scale_for(frame["latency"]),
        steps=True,
        ax=ax,
    )
    drawn.set_ylim(-0.03, 1.03)
    return drawn


def plot_latency_by_utilisation(
    measured: pd.DataFrame,
    *,
    theory: pd.DataFrame | None = None,
    theory_label: str = "M/M/1",
    percentile: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Axes with latency against utilisation: measured, with intervals, beside queueing theory.

    Parameters
    ----------
    measured
        One row per series and utilisation. Columns: `architecture`, maybe `admission`,
        `utilisation`, `latency` [s], and maybe `low` and `high`, the ends of its interval.
    theory
        Columns: `utilisation`, `latency` [s].
    theory_label
        The queue that it is the theory of.
    percentile
        Which rows of both frames to draw, if they have a column `percentile`.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        There are several percentiles and none is chosen, or the one chosen is not there: a figure
        shows one percentile.
    """
    require_columns(measured, "measured", ["architecture", "utilisation", "latency"])
    if theory is not None:
        require_columns(theory, "theory", ["utilisation", "latency"])
    curves = curves_of(_of_percentile(measured, percentile), x="utilisation", y="latency")
    if theory is not None:
        line = _of_percentile(theory, percentile).sort_values("utilisation")
        x, y = line["utilisation"].to_numpy(float), line["latency"].to_numpy(float)
        curves.append(Curve(label=theory_label, look=_THEORY, x=x, y=y))
    return draw_curves(
        curves,
        xlabel="utilisation",
        ylabel="latency [s]" if percentile is None else f"p{percentile:g} latency [s]",
        yscale="log",
        ax=ax,
    )


def _ecdf(label: str, look: Look, latency: np.ndarray) -> Curve:
    """The curve from (least latency, 0) up to the share that was ever answered."""
    answered, counts = np.unique(latency[np.isfinite(latency)], return_counts=True)
    share = np.cumsum(counts) / max(len(latency), 1)
    return Curve(
        label=label + no_answer(latency),
        look=look,
        x=np.concatenate([answered[:1], answered]),
        y=np.concatenate([[0.0][: answered.size], share]),
    )


def _of_percentile(frame: pd.DataFrame, percentile: float | None) -> pd.DataFrame:
    """The rows of the percentile; all of them if there is nothing to choose."""
    if "percentile" not in frame:
        return frame
    there = sorted(frame["percentile"].unique())
    if percentile is None and len(there) == 1:
        return frame
    if percentile not in there:
        raise InvalidSetting(
            "percentile", percentile, f"one of {', '.join(map('{:g}'.format, there))}"
        )
    return frame[frame["percentile"] == percentile]
