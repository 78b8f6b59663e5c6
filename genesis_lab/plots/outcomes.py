"""How messages ended, condition by condition: a bar each, divided by outcome."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.errors import check_choice
from genesis_lab.plots.style import BLACK, add_legend, figure_of, new_axes, paper, width_of
from genesis_lab.plots.texts import room_of, say, text_width, wrapped

# A grey and a hatch each, and no colour: those belong to architectures and to states of a message.
_LOOKS = {
    "answered": ("1.0", ""),
    "handled": ("0.92", "...."),
    "timed_out": ("0.85", "/////"),
    "failed": ("0.5", ""),
    "deadlocked": ("0.0", ""),
    "rejected": ("0.78", ""),
    "dropped": ("0.65", "xxxxx"),
    "cancelled": ("0.85", "\\\\\\\\\\"),
    "target_gone": ("1.0", "+++++"),
    "unknown_target": ("1.0", "ooo"),
    "pending": ("1.0", "-----"),
}
"""Every outcome of a request or a delivery, in the order in which bars are stacked."""
_VALUE_SIZE = 6
"""Of the numbers in bars [pt]."""
_LABELS = 0.3
"""The part of a figure's width that a line of a condition may take."""
_ROW, _AROUND = 7.0, 16.0
"""Of a figure of its own: from one bar to the next, and the axis and all around [mm]."""


def plot_outcomes(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with a horizontal bar per condition, divided by how the messages ended.

    Conditions come from the top in the order of the frame, outcomes always in the same order and
    look. What has room for its number shows it.

    Parameters
    ----------
    frame
        Columns: `condition`, as it is to be written; `outcome`, a word of the frames of a `Trace`;
        and `share`, of all messages of the condition, or else `count`. Rows of the same condition
        and outcome add up.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        There is no such outcome.
    """
    if frame.empty:
        return say("no messages", ax)
    value = "share" if "share" in frame else "count"
    require_columns(frame, "frame", ["condition", "outcome", value])
    for outcome in frame["outcome"].unique():
        check_choice("outcome", outcome, tuple(_LOOKS))
    sums = frame.groupby(["outcome", "condition"], observed=True)[value].sum()
    conditions = [*dict.fromkeys(frame["condition"])]
    parts = {
        outcome: sums[outcome].reindex(conditions, fill_value=0).to_numpy()
        for outcome in _LOOKS
        if outcome in sums and sums[outcome].any()
    }
    is_alone = ax is None
    if ax is None:
        ax = new_axes(height=_AROUND + _ROW * len(conditions))
    with paper():
        _prepare(ax, conditions, value)
        begin = np.zeros(len(conditions))
        drawn = {}
        for outcome, lengths in parts.items():
            drawn[outcome] = _draw(ax, outcome, begin, lengths)
            begin = begin + lengths
        ax.set_xlim(0, 1 if value == "share" else None)
        labels = [outcome.replace("_", " ") for outcome in drawn]
        legend = add_legend(ax, [bars.patches[0] for bars in drawn.values()], labels)
        if is_alone:
            # However many outcomes there are, the bars keep their height.
            figure = figure_of(ax)
            added = legend.get_window_extent().height / figure.dpi
            figure.set_figheight(figure.get_figheight() + added)
        per_mm = ax.get_xlim()[1] / room_of(ax)[0]
        for bars in drawn.values():
            _write_values(ax, bars, "{:.0%}" if value == "share" else "{:,.0f}", per_mm)
    return ax


def _prepare(ax: Axes, conditions: Sequence[str], value: str) -> None:
    ax.set_ylim(len(conditions) - 0.5, -0.5)
    longest = _LABELS * width_of(ax)
    ax.set_yticks(range(len(conditions)), [wrapped(name, longest, 7) for name in conditions])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("share of messages" if value == "share" else "messages")


def _draw(ax: Axes, outcome: str, begin: np.ndarray, lengths: np.ndarray) -> BarContainer:
    face, hatch = _LOOKS[outcome]
    return ax.barh(
        range(len(lengths)),
        lengths,
        left=begin,
        height=0.7,
        color=face,
        edgecolor=BLACK,
        hatch=hatch,
        linewidth=0.5,
    )


def _write_values(ax: Axes, bars: BarContainer, form: str, per_mm: float) -> None:
    """Write the numbers that there is room for into one outcome's bars."""
    for bar in bars.patches:
        text = form.format(bar.get_width())
        if text_width(text, _VALUE_SIZE) + 2 < bar.get_width() / per_mm:
            x, y = bar.get_center()
            ax.text(
                x,
                y,
                text,
                size=_VALUE_SIZE,
                ha="center",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
