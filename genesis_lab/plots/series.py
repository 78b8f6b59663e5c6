"""A measure against x, curve by curve: what every figure of curves is drawn with.

A series is an architecture, or an architecture with components of one admission. Series that
coincide, as they often do in virtual time, stay visible: each is drawn thinner than the one below.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.scale import LogScale, SymmetricalLogScale
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    NullLocator,
    StrMethodFormatter,
    SymmetricalLogLocator,
)
from matplotlib.transforms import ScaledTranslation

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.plots.style import (
    ADMISSION_FILLS,
    Look,
    add_legend,
    architecture_looks,
    figure_of,
    filled,
    new_axes,
    paper,
    series_label,
)

Scale = Literal["linear", "log", "log2", "nines"]
"""How values are placed on an axis.

`log2` is for counts, and has plain numbers at its ticks. `nines` is for "all but one in so many",
and has percentiles at its ticks, so that each further nine is as wide as the last.
"""

_LINE_WIDTHS = (2.0, 0.8)
"""Of the first curve and of the last [pt]."""
_MARKER_SIZES = (6.5, 3.8)
"""Of the first curve and of the last [pt]."""
_ASIDE = 2.0
"""From one curve's interval to the next one's, at the same x [pt]."""
_MARKED = 12
"""A curve of more points has markers at about so many of them."""
_LINEAR = 0.01
"""The part of the positive values that may be in the linear stretch of an axis that has a zero."""
_DOUBLINGS = 12
"""Up to so many have a tick each; matplotlib's own choice depends on what is set while it draws."""
_WIDE = 30.0
"""A latency that spans more than this factor is shown on a logarithmic axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a figure and its entry in the legend."""

    label: str
    look: Look
    x: np.ndarray
    y: np.ndarray
    """Where it is not finite, there is no answer to show; the label says so."""
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    """The ends of the interval at each x."""


def plot_measure(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    xlabel: str,
    ylabel: str,
    xscale: Scale = "linear",
    yscale: Scale = "linear",
    ax: Axes | None = None,
) -> Axes:
    """Axes with a measure against x: a line with markers per series, and intervals if there are.

    Parameters
    ----------
    frame
        One row per series and x. Columns: `architecture`, maybe `admission`, those named by `x` and
        `y`, and maybe `low` and `high`, the ends of an interval, drawn as an error bar. Where y is
        NaN there is no answer: the point is left out, and the legend says so.
    x, y
        The columns to draw.
    xlabel, ylabel
        What they are, with the unit.
    xscale, yscale
        "linear", "log", "log2" or "nines". A logarithmic axis on which a value is zero begins with
        a short linear stretch from 0, so that the value has its place.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        An admission is not one of the lab's.
    """
    return draw_curves(
        curves_of(frame, x=x, y=y),
        xlabel=xlabel,
        ylabel=ylabel,
        xscale=xscale,
        yscale=yscale,
        ax=ax,
    )


def series_of(frame: pd.DataFrame) -> Iterator[tuple[str, Look, pd.DataFrame]]:
    """The label, the look and the rows of each series, in the order of `architecture_looks`."""
    require_columns(frame, "frame", ["architecture"])
    if "admission" not in frame:
        frame = frame.assign(admission="serial")
    groups: dict[Any, pd.DataFrame] = dict(
        iter(frame.groupby(["architecture", "admission"], observed=True, sort=False))
    )
    by_label = architecture_looks(architecture for architecture, _ in groups)
    looks = {series: filled(by_label[series[0]], series[1]) for series in groups}
    admissions = Counter(architecture for architecture, _ in groups)
    architectures, fills = list(by_label), list(ADMISSION_FILLS.values())
    for series in sorted(
        groups, key=lambda s: (architectures.index(s[0]), fills.index(looks[s].fill), s[1])
    ):
        label = series_label(*series, is_only=admissions[series[0]] == 1)
        yield label, looks[series], groups[series]


def curves_of(frame: pd.DataFrame, *, x: str, y: str) -> list[Curve]:
    """The curve of each series of a frame as `plot_measure` takes it."""
    require_columns(frame, "frame", ["architecture", x, y])
    curves = []
    for label, look, rows in series_of(frame):
        points = rows.sort_values(x)
        values = points[y].to_numpy(float)
        low, high = (
            points[end].to_numpy(float) if end in points else None for end in ("low", "high")
        )
        curves.append(
            Curve(
                label=label + no_answer(values),
                look=look,
                x=points[x].to_numpy(float),
                y=values,
                low=low,
                high=high,
            )
        )
    return curves


def no_answer(values: np.ndarray) -> str:
    """What the label of a series adds, if some of its values are no answer."""
    missing = int(np.count_nonzero(~np.isfinite(values)))
    if missing == len(values):
        return " (no answer)"
    return f" (no answer: {missing} of {len(values)})" if missing else ""


def scale_for(values: Sequence[float] | np.ndarray | pd.Series) -> Scale:
    """Logarithmic if the positive values span much; otherwise a linear axis shows them better."""
    positive = np.asarray(values, float)
    positive = positive[np.isfinite(positive) & (positive > 0)]
    return "log" if positive.size and positive.max() > _WIDE * positive.min() else "linear"


def draw_curves(
    curves: Sequence[Curve],
    *,
    xlabel: str,
    ylabel: str,
    xscale: Scale = "linear",
    yscale: Scale = "linear",
    steps: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Axes with these curves and a legend that names each of them.

    With `steps`, a curve keeps its value until its next point.
    """
    alone = ax is None
    if ax is None:
        ax = new_axes()
    with paper():
        lines = [
            _draw(ax, curve, rank, len(curves), steps=steps) for rank, curve in enumerate(curves)
        ]
        _scale(ax, "x", xscale, [curve.x for curve in curves])
        _scale(ax, "y", yscale, [v for c in curves for v in (c.y, c.low, c.high) if v is not None])
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        legend = add_legend(ax, lines, [curve.label for curve in curves])
    if alone:
        # However many series there are, the axes keep their height.
        figure = figure_of(ax)
        added = legend.get_window_extent().height / figure.dpi
        figure.set_figheight(figure.get_figheight() + added)
    return ax


def _draw(ax: Axes, curve: Curve, rank: int, count: int, *, steps: bool) -> Any:
    """The curve's line, once it is drawn; markers of long curves are staggered."""
    look = curve.look
    stride = -(-len(curve.x) // _MARKED)
    [line] = ax.plot(
        curve.x,
        curve.y,
        color=look.color,
        linestyle=look.linestyle,
        linewidth=np.interp(rank, (0, max(count - 1, 1)), _LINE_WIDTHS),
        drawstyle="steps-post" if steps else "default",
        marker=look.marker,
        markersize=np.interp(rank, (0, max(count - 1, 1)), _MARKER_SIZES),
        fillstyle=look.fill,
        markerfacecoloralt="white",
        markeredgewidth=0.8,
        markevery=(rank * stride // count, max(stride, 1)),
        label=curve.label,
        zorder=2 + rank / count,
    )
    if curve.low is not None and curve.high is not None:
        # Side by side, so that those of several curves at one x can be told apart.
        aside = _ASIDE * (rank - (count - 1) / 2)
        # Around its own middle: an interval need not contain the value that it stands beside.
        ax.errorbar(
            curve.x,
            (curve.low + curve.high) / 2,
            yerr=(curve.high - curve.low) / 2,
            fmt="none",
            ecolor=look.color,
            elinewidth=0.7,
            capsize=1.8,
            capthick=0.7,
            transform=ax.transData
            + ScaledTranslation(aside / 72, 0, figure_of(ax).dpi_scale_trans),
        )
        for ends in (curve.low, curve.high):  # matplotlib takes no account of what stands aside
            ax.update_datalim(np.column_stack([curve.x, ends]))
    return line


def _scale(ax: Axes, axis: Literal["x", "y"], scale: Scale, shown: Sequence[np.ndarray]) -> None:
    """Scale one axis so that each value on it has its place, zero too."""
    values = np.concatenate([*shown, [np.nan]])
    positive = values[np.isfinite(values) & (values > 0)]
    if scale == "linear" or not positive.size:
        return
    base = 2.0 if scale == "log2" else 10.0
    if not np.any(values <= 0):
        ax.set(**{f"{axis}scale": LogScale(None, base=base)})
    else:
        # Few values are less than where it begins to be logarithmic, or a single one would decide.
        few = np.quantile(positive, _LINEAR, method="lower")
        begin = base ** np.floor(np.log(few) / np.log(base))
        placed = SymmetricalLogScale(None, base=base, linthresh=begin, linscale=0.5)
        ax.set(**{f"{axis}scale": placed})
        ax.autoscale(axis=axis)  # the limits would remain those of the linear scale
        _mark_change_of_scale(ax, axis, begin / 2)
        if not np.any(values < 0):
            ax.set(**{f"{axis}lim": (-begin / 2, None)})
    lines = {"x": ax.xaxis, "y": ax.yaxis}[axis]
    if scale == "log2":
        locator = lines.get_major_locator()
        assert isinstance(locator, LogLocator | SymmetricalLogLocator), "both scales have theirs"
        locator.set_params(numticks=_DOUBLINGS)
        lines.set_major_formatter(StrMethodFormatter("{x:g}"))
    elif scale == "nines":
        lines.set_major_formatter(FuncFormatter(_percentile))
        lines.set_minor_locator(NullLocator())


def _percentile(one_in: float, _: int) -> str:
    """The percentile that all but one in so many are within."""
    return f"{100 * (1 - 1 / one_in):.10g}"


def _mark_change_of_scale(ax: Axes, axis: Literal["x", "y"], at: float) -> None:
    """A mark across the axis between 0 and where it begins to be logarithmic."""
    xy, transform, rotation = {
        "x": ((at, 0), ax.get_xaxis_transform(), 90),
        "y": ((0, at), ax.get_yaxis_transform(), 0),
    }[axis]
    ax.text(
        *xy,
        "\N{ALMOST EQUAL TO}",
        transform=transform,
        rotation=rotation,
        ha="center",
        va="center",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0},
    )
