"""The claims of a design and what became of them: a row each."""

from collections.abc import Hashable, Mapping
from itertools import accumulate
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.errors import check_choice
from genesis_lab.plots.style import (
    BLACK,
    ONE_COLUMN,
    TWO_COLUMNS,
    figure_of,
    new_axes,
    paper,
    width_of,
)
from genesis_lab.plots.texts import LINE, POINT, room_of, say, wrapped

_SYMBOLS = {"holds": "✓", "holds with a condition": "◐", "refuted": "✗"}
_SIZE = 6.5
"""Of the texts [pt]."""
_GAP = 2.0
"""Between the texts of two rows [mm]."""
_GUTTER = 3.5
"""Between columns [mm]; in pixels, letters come out a few per cent wider than they are measured."""
_EDGES = 2.2
"""What the figure keeps free above and below the axes [mm]."""
_NARROW = {"claim": 0.4, "verdict": 0.24, "measured": 0.36}
"""What the columns take of the width, on a figure in one column."""
_WIDE = {"claim": 0.26, "verdict": 0.13, "measured": 0.21, "why": 0.4}
_COLUMNS = ("claim", "experiment", "effect", "low", "high", "unit", "verdict", "sentence")


def plot_scoreboard(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with a row per claim: its verdict, as a symbol and in words, and the effect measured.

    Rows are in the order of the frame. On a figure that is wider than one column they have the
    experiment and the sentence, too.

    Parameters
    ----------
    frame
        One row per claim. Columns: `claim`; `experiment`, which tests it; `effect`, missing where
        nothing could be measured, with its 95 % interval from `low` to `high`, missing where there
        is none, all in `unit` ("x" for a ratio, none for a share); maybe `measured`: a few words on
        what the effect is; `verdict`: "holds", "holds with a condition" or "refuted"; and
        `sentence`, which says why.
    ax
        Where to draw; a new figure across two columns and as high as the texts, unless told. The
        rows fill the axes.

    Raises
    ------
    InvalidSetting
        A verdict is none of these.
    """
    if frame.empty:
        return say("no claim was tested", ax)
    require_columns(frame, "frame", _COLUMNS)
    for verdict in frame["verdict"]:
        check_choice("verdict", verdict, tuple(_SYMBOLS))
    is_alone = ax is None
    if ax is None:
        ax = new_axes(width=TWO_COLUMNS)
    with paper():
        ax.set_axis_off()
        width, _ = room_of(ax)
        shares = _WIDE if width_of(ax) > ONE_COLUMN else _NARROW
        columns = {name: share * width - _GUTTER for name, share in shares.items()}
        header = {name: name for name in columns}
        rows = [header, *(_cells(row, columns) for row in frame.to_dict("records"))]
        bottoms = [*accumulate(_height(row) for row in rows)]
        ax.set_xlim(0, width)
        ax.set_ylim(bottoms[-1], 0)
        if is_alone:
            figure_of(ax).set_figheight((bottoms[-1] + _EDGES) / 25.4)
        for row, top, bottom in zip(rows, [0.0, *bottoms], bottoms, strict=False):
            _draw_row(ax, row, columns, top)
            ax.axhline(bottom, color=BLACK, linewidth=0.25 if top else 0.8, clip_on=False)
    return ax


def _cells(row: Mapping[Hashable, Any], columns: Mapping[str, float]) -> dict[str, str]:
    """The row's texts, in lines that fit into the columns."""
    paragraphs = {
        "claim": [row["claim"]],
        "verdict": [f"{_SYMBOLS[row['verdict']]} {row['verdict']}"],
        "measured": [_effect(row), row.get("measured", "")],
        "why": [row["sentence"]],
    }
    if "why" in columns:
        paragraphs["claim"].append(f"({row['experiment']})")
    return {
        name: "\n".join(wrapped(text, width, _SIZE) for text in paragraphs[name] if text)
        for name, width in columns.items()
    }


def _effect(row: Mapping[Hashable, Any]) -> str:
    """The number with its unit and its interval, as far as there are any."""
    if pd.isna(row["effect"]):
        return ""
    text = f"{row['effect']:.3g}{_unit(row['unit'])}"
    if pd.isna(row["low"]) or pd.isna(row["high"]):
        return text
    return f"{text} [{row['low']:.3g}, {row['high']:.3g}]"


def _unit(unit: Any) -> str:
    """As it stands after a number; a share has none, which a CSV file gives back as missing."""
    if pd.isna(unit) or not unit:
        return ""
    return "\N{MULTIPLICATION SIGN}" if unit == "x" else f" {unit}"


def _height(row: Mapping[str, str]) -> float:
    """How high the row is [mm]."""
    lines = max(text.count("\n") + 1 for text in row.values())
    return lines * LINE * _SIZE * POINT + _GAP


def _draw_row(ax: Axes, row: Mapping[str, str], columns: Mapping[str, float], top: float) -> None:
    left = 0.0
    for name, width in columns.items():
        ax.text(left, top + _GAP / 2, row[name], size=_SIZE, ha="left", va="top", linespacing=1.1)
        left += width + _GUTTER
