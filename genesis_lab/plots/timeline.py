"""The timeline: a lane per component, and in it each message: waiting, served or blocked."""

from collections.abc import Container, Hashable, Iterator, Mapping
from itertools import pairwise
from math import isnan
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.transforms import ScaledTranslation

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.errors import InvalidSetting
from genesis_lab.plots.segments import timeline_segments
from genesis_lab.plots.style import (
    BLACK,
    GREEN,
    ONE_COLUMN,
    PURPLE,
    TWO_COLUMNS,
    YELLOW,
    new_axes,
    paper,
    width_of,
)

_BARS = {"waiting": (YELLOW, "/////"), "serving": (GREEN, ""), "blocked": (PURPLE, "xxxxx")}
_INSTANTS = {"serving": ("|", "served at once"), "waiting": ("x", "never served")}
_HIGHEST = 4.0
"""How high a lane gets, however many rows it has; a lane of one row is 1."""
_FILLED = 0.8
"""The part of a row's height that its bar takes."""
_NAME_SIZE = 6
"""Of the names in bars [pt]."""
_LETTER = 0.23 * _NAME_SIZE
"""A letter's width, and a little [mm]."""
_MARGIN = 1
"""Of a name within its bar [letters]."""
_BESIDE = 35.0
"""About how much of a figure's width the lanes' labels take [mm]."""
_NAMED = 3
"""In lanes of more rows, the rows are too low for names."""
_DEADLOCK = ("formed_at", "members", "waits", "broken_at", "broken_by")


def plot_timeline(
    requests: pd.DataFrame,
    deliveries: pd.DataFrame,
    *,
    events: pd.DataFrame | None = None,
    deadlocks: pd.DataFrame | None = None,
    start: float,
    end: float,
    ax: Axes | None = None,
) -> Axes:
    """Axes with a lane per component and a bar per message, which says what the message did when.

    Messages that overlap are stacked within the lane. A deadlock is a line at the instant it
    formed, with arrows from each of its members to those that it waited for. An arrow to an event,
    which has no bar, leads on to what its emitter waits for.

    Parameters
    ----------
    requests, deliveries, events, deadlocks
        As in a `Trace`. Without events a handler that waits for its own event counts as serving.
    start, end
        What is shown [s since the bus opened]; what is pending goes on to the right edge.
    ax
        Where to draw; a new figure across two columns, unless told.

    Raises
    ------
    InvalidSetting
        The end is not after the start.
    """
    if not start < end:
        raise InvalidSetting("end", end, f"more than start={start!r}")
    if deadlocks is not None:
        require_columns(deadlocks, "deadlocks", _DEADLOCK)
    segments = timeline_segments(requests, deliveries, events=events, start=start, end=end)
    lanes = _lanes(segments)
    if ax is None:
        ax = new_axes(
            width=TWO_COLUMNS, height=25 + 7 * sum(lane.height for lane in lanes.values())
        )
    with paper():
        _prepare(ax, lanes, start, end)
        placed = segments.assign(y=[*_heights(segments, lanes)])
        _draw_bars(ax, placed, lanes)
        _name_bars(ax, placed, lanes)
        _draw_instants(ax, placed)
        if deadlocks is not None:
            shown = deadlocks[deadlocks["formed_at"].between(start, end)]
            _draw_deadlocks(ax, shown, dict(zip(placed["id"], placed["y"], strict=True)))
        _add_legend(ax)
    return ax


class _Lane(NamedTuple):
    """A component's stripe of the axes; lanes follow each other downwards from 0."""

    top: float
    height: float
    rows: int


def _lanes(segments: pd.DataFrame) -> dict[str, _Lane]:
    lanes: dict[str, _Lane] = {}
    top = 0.0
    for component, last_row in segments.groupby("component", sort=False)["row"].max().items():
        rows = int(last_row) + 1
        height = min(1 + 0.5 * (rows - 1), _HIGHEST)
        lanes[str(component)] = _Lane(top, height, rows)
        top += height
    return lanes


def _heights(segments: pd.DataFrame, lanes: Mapping[str, _Lane]) -> Iterator[float]:
    """The middle of each segment's row."""
    for component, row in segments[["component", "row"]].itertuples(index=False):
        lane = lanes[component]
        yield lane.top + lane.height * (row + 0.5) / lane.rows


def _prepare(ax: Axes, lanes: Mapping[str, _Lane], start: float, end: float) -> None:
    bottom = sum(lane.height for lane in lanes.values())
    ax.set_xlim(start, end)
    ax.set_ylim(max(bottom, 1.0), 0.0)
    ax.set_xlabel("time since the bus opened [s]")
    ax.set_yticks([lane.top + lane.height / 2 for lane in lanes.values()], list(lanes))
    ax.tick_params(axis="y", length=0)
    for upper, _ in pairwise(lanes.values()):
        ax.axhline(upper.top + upper.height, color=BLACK, linewidth=0.2, zorder=0)


def _draw_bars(ax: Axes, placed: pd.DataFrame, lanes: Mapping[str, _Lane]) -> None:
    for state, (color, hatch) in _BARS.items():
        bars = placed[(placed["state"] == state) & (placed["begin"] < placed["end"])]
        if bars.empty:
            continue
        rows = [lanes[component] for component in bars["component"]]
        ax.barh(
            bars["y"],
            bars["end"] - bars["begin"],
            left=bars["begin"],
            height=[_FILLED * lane.height / lane.rows for lane in rows],
            color=color,
            edgecolor=BLACK,
            hatch=hatch,
            label=state,
        )


def _name_bars(ax: Axes, placed: pd.DataFrame, lanes: Mapping[str, _Lane]) -> None:
    """Write at the end of each message's longest bar what it is about, where there is room.

    At the end, since a deadlock's arrows are at the beginning.
    """
    start, end = ax.get_xlim()
    per_letter = _LETTER * (end - start) / (width_of(ax) - _BESIDE)
    for _, message in placed.groupby("id"):
        lengths = message["end"] - message["begin"]
        bar = message.iloc[int(lengths.argmax())]
        has_room = lengths.max() > per_letter * (len(bar["type"]) + _MARGIN)
        if has_room and lanes[bar["component"]].rows <= _NAMED:
            ax.annotate(
                bar["type"],
                (bar["end"], bar["y"]),
                xytext=(-3, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                size=_NAME_SIZE,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )


def _draw_instants(ax: Axes, placed: pd.DataFrame) -> None:
    """Messages that took no time."""
    for state, (marker, label) in _INSTANTS.items():
        instants = placed[(placed["state"] == state) & (placed["begin"] == placed["end"])]
        if not instants.empty:
            ax.plot(
                instants["begin"],
                instants["y"],
                linestyle="",
                marker=marker,
                markersize=4,
                markeredgewidth=0.5,
                color=BLACK,
                label=label,
            )


def _draw_deadlocks(ax: Axes, deadlocks: pd.DataFrame, y_of: Mapping[int, float]) -> None:
    label = _label(deadlocks)
    for deadlock in deadlocks.to_dict("records"):
        at = deadlock["formed_at"]
        ax.axvline(at, color=BLACK, linestyle="--", linewidth=0.8, label=label)
        label = "_another"  # an underscore keeps it out of the legend
        for waiter, holder in _waits_between_bars(deadlock, y_of):
            ax.add_patch(
                FancyArrowPatch(
                    (at, y_of[waiter]),
                    (at, y_of[holder]),
                    arrowstyle="-|>",
                    connectionstyle="arc3,rad=0.3",
                    mutation_scale=6,
                    shrinkA=0,
                    shrinkB=0,
                    linewidth=0.8,
                    color=BLACK,
                    zorder=3,
                )
            )


def _waits_between_bars(
    deadlock: Mapping[Hashable, Any], drawn: Container[int]
) -> Iterator[tuple[int, int]]:
    """Which drawn members wait for which, also by way of others that have no bar: events."""
    members = [*dict.fromkeys(deadlock["members"])]
    holders = {
        member: [each.holder for each in deadlock["waits"] if each.waiter == member]
        for member in members
    }
    for member in members:
        if member in drawn:
            reached = dict.fromkeys(holders[member])
            frontier = [*reached]
            for holder in frontier:
                if holder in drawn:
                    yield member, holder
                else:
                    new = [each for each in holders.get(holder, ()) if each not in reached]
                    reached |= dict.fromkeys(new)
                    frontier += new  # and so the loop comes to them


def _label(deadlocks: pd.DataFrame) -> str:
    if len(deadlocks) != 1:
        return f"{len(deadlocks)} deadlocks"
    return f"deadlock, {_end(deadlocks.to_dict('records')[0])}"


def _end(deadlock: Mapping[Hashable, Any]) -> str:
    if isnan(deadlock["broken_at"]):
        return "never broken"
    lasted = deadlock["broken_at"] - deadlock["formed_at"]
    return f"broken after {lasted:.3g} s ({deadlock['broken_by']})"


def _add_legend(ax: Axes) -> None:
    """Below the axes and the label of its x axis, which have a fixed size in points."""
    entries = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    if not entries:
        return
    bars_first = sorted(entries, key=lambda label: isinstance(entries[label], Line2D))
    ax.legend(
        [entries[label] for label in bars_first],
        bars_first,
        loc="upper right",
        bbox_to_anchor=(1, 0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -24 / 72, ax.figure.dpi_scale_trans),
        ncols=len(entries) if width_of(ax) > ONE_COLUMN else 2,
        borderpad=0,
        columnspacing=1.2,
        handlelength=1.8,
    )
