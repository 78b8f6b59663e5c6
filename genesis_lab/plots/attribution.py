"""What cured a deadlock and what only masked it: a cell per combination of settings."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.errors import InvalidSetting, check_choice
from genesis_lab.plots.style import BLACK, ONE_COLUMN, new_axes, paper, width_of
from genesis_lab.plots.texts import room_of, say, wrapped


class _Look(NamedTuple):
    symbol: str
    face: str
    text: str


_LOOKS = {
    "cured": _Look("✓", "white", BLACK),
    "masked": _Look("◐", "0.8", BLACK),
    "neither": _Look("✗", "0.3", "white"),
}
_SIZE = 6
"""Of the texts in cells [pt]."""
_ROW, _AROUND = 9.0, 16.0
"""Of a figure of its own: a row's height, and what stands around the cells [mm]."""
_ABOVE, _ASIDE = 0.7, 0.3
"""What a panel's name takes above it, and the gap beside it [cells]."""

_Cell = tuple[str, str, float]
"""Delivery, admission, and timeout [s], infinite if there is none."""


def plot_attribution(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Axes with a cell per combination of delivery, admission and timeout, which says what it did.

    There is a panel per delivery, with a row per admission and a column per timeout. The panels are
    side by side on a figure that is wider than one column, and otherwise below each other. A
    combination that is not in the frame has no cell.

    Parameters
    ----------
    frame
        One row per combination. Columns: `delivery`; `admission`; `timeout` [s], missing or
        infinite where there is no limit; `verdict`: "cured" (nothing deadlocked, and all was
        answered), "masked" (the timeout broke the deadlock, and an answer was lost) or "neither";
        and, if it is to be shown, `latency` [s], which was paid for it.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        A verdict is none of these, or a combination occurs twice.
    """
    if frame.empty:
        return say("no combination was tried", ax)
    require_columns(frame, "frame", ["delivery", "admission", "timeout", "verdict"])
    cells = _cells(frame)
    deliveries, admissions, timeouts = ([*dict.fromkeys(part)] for part in zip(*cells, strict=True))
    timeouts.sort()
    rows, columns = len(admissions), len(timeouts)
    if ax is None:
        ax = new_axes(height=_AROUND + _ROW * len(deliveries) * (rows + _ABOVE))
    is_wide = width_of(ax) > ONE_COLUMN
    step = (columns + _ASIDE, 0.0) if is_wide else (0.0, rows + _ABOVE)
    corners = {name: (n * step[0], n * step[1]) for n, name in enumerate(deliveries)}
    with paper():
        right, bottom = (length * (len(corners) - 1) for length in step)
        ax.set_xlim(0, right + columns)
        ax.set_ylim(bottom + rows, -_ABOVE)
        _label(ax, corners, admissions, timeouts)
        room = room_of(ax)[0] / (right + columns)
        for (delivery, admission, timeout), row in cells.items():
            left, top = corners[delivery]
            at = (left + timeouts.index(timeout), top + admissions.index(admission))
            _draw_cell(ax, at, row, room)
    return ax


def _cells(frame: pd.DataFrame) -> dict[_Cell, Mapping[Any, Any]]:
    cells: dict[_Cell, Mapping[Any, Any]] = {}
    for row in frame.to_dict("records"):
        check_choice("verdict", row["verdict"], tuple(_LOOKS))
        timeout = inf if pd.isna(row["timeout"]) else row["timeout"]
        cell = (row["delivery"], row["admission"], timeout)
        if cell in cells:
            raise InvalidSetting("combination", cell, "one row each")
        cells[cell] = row
    return cells


def _label(
    ax: Axes,
    corners: Mapping[str, tuple[float, float]],
    admissions: Sequence[str],
    timeouts: Sequence[float],
) -> None:
    """Name rows, columns and panels."""
    lefts = sorted({left for left, _ in corners.values()})
    tops = sorted({top for _, top in corners.values()})
    ax.set_xticks(
        [left + n + 0.5 for left in lefts for n in range(len(timeouts))],
        [f"{timeout:g}" if isfinite(timeout) else "none" for timeout in timeouts] * len(lefts),
    )
    ax.set_yticks(
        [top + n + 0.5 for top in tops for n in range(len(admissions))],
        [*admissions] * len(tops),
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("timeout [s]")
    ax.set_ylabel("admission")
    for name, (left, top) in corners.items():
        ax.text(left, top - 0.15, f"delivery: {name}", ha="left", va="bottom")


def _draw_cell(ax: Axes, at: tuple[float, float], row: Mapping[Any, Any], room: float) -> None:
    """Draw the combination with its upper left corner there; `room` is the cells' width [mm]."""
    look = _LOOKS[row["verdict"]]
    cell = Rectangle(at, 1, 1, facecolor=look.face, edgecolor=BLACK, linewidth=0.6, clip_on=False)
    ax.add_patch(cell)
    text = wrapped(f"{look.symbol} {row['verdict']}", room - 1, _SIZE)
    if isfinite(row.get("latency", inf)):
        text += f"\n{row['latency']:.3g} s"
    x, y = at
    ax.text(x + 0.5, y + 0.5, text, size=_SIZE, color=look.text, ha="center", va="center")
