"""The wait-for graph of one deadlock: who waits for whom, and who waits behind them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.errors import InvalidSetting
from genesis_lab.messages import ELSEWHERE, Deadlock, WaitKind
from genesis_lab.plots.style import BLACK, add_legend, new_axes, paper
from genesis_lab.plots.texts import POINT, cut, room_of, say, wrapped
from genesis_lab.recording import Recorder
from genesis_lab.recording.messages import Message, deadlock_at, messages_of
from genesis_lab.recording.records import DEADLOCKS, DELIVERIES, EVENTS, REQUESTS

if TYPE_CHECKING:
    from matplotlib.artist import Artist

_GREY = "#6E6E6E"
_SHOWN = 8
"""How many victims are drawn, at most."""
_ID_SIZE, _LABEL_SIZE, _TITLE_SIZE = 5.5, 6, 8
"""Of the texts [pt]."""
_SLOT, _AROUND = 7.5, 25.0
"""Of a figure of its own: from one node down to the next, and title and legend together [mm]."""
_ASIDE = 4.0
"""How far outside of the circle victims are [mm]."""


class _Arrow(NamedTuple):
    """From a message to one that it waits for."""

    waiter: int
    holder: int
    look: "_Look"


class _Look(NamedTuple):
    """How an arrow is drawn, and what the legend says of it."""

    line: Literal["-"] | tuple[float, Sequence[float]]
    label: str


_NESTED = _Look("-", "waits for what it caused")
_QUEUED = _Look((0, (2.5, 1.5)), "waits for its turn")
_LISTENING = _Look((0, (0.8, 1.2)), "waits for an event")
_LOOKS: dict[WaitKind, _Look] = {
    "reply": _NESTED,
    "emit": _NESTED,
    "handling": _NESTED,
    "admission": _QUEUED,
    "inbox": _QUEUED,
    "turn": _QUEUED,
    "system": _QUEUED,
    "event": _LISTENING,
}


class _Spot(NamedTuple):
    """Where a node is."""

    x: float
    """From the middle [mm]."""
    y: float
    """From the top [nodes]."""


def plot_wait_for_graph(
    deadlocks: pd.DataFrame,
    requests: pd.DataFrame,
    deliveries: pd.DataFrame,
    *,
    events: pd.DataFrame | None = None,
    number: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Axes with the messages of one deadlock, and an arrow from each to whom it waits for.

    The members are dark and on a circle, clockwise in their order; the victims are pale, each next
    to one that it waits for, the nearest ones only if there are many. A node shows a message's id,
    and beside it the type and the component that serves the message or that it waits for. An arrow
    is solid to a message that the waiting one caused, dashed where it waits for its turn, to all
    that have what it waits for, and dotted where it waits for an event. All messages on another bus
    are one node without an id.

    The arrows are the waits as recorded: those of the members when the deadlock formed, and those
    of each victim when it joined. All victims that there ever were count, those that gave up before
    others came as well. A trace of schema 1 does not hold who waits for whom; the axes say so.

    Parameters
    ----------
    deadlocks, requests, deliveries, events
        As in a `Trace`. Events are needed only if an emitter is among those who wait. If there is
        no deadlock, the axes say so.
    number
        Which deadlock: its row, from 0.
    ax
        Where to draw; a new figure in one column, unless told.

    Raises
    ------
    InvalidSetting
        There is no deadlock of that number, or the events are missing and one is needed.
    """
    if deadlocks.empty:
        return say("no deadlock", ax)
    for name, frame, table in [
        ("deadlocks", deadlocks, DEADLOCKS),
        ("requests", requests, REQUESTS),
        ("deliveries", deliveries, DELIVERIES),
        ("events", events, EVENTS),
    ]:
        if frame is not None:
            require_columns(frame, name, table.columns)
    deadlock = deadlock_at(deadlocks, number)
    if not deadlock.waits:
        return say("the trace does not hold who waits for whom", ax)
    messages = _involved(deadlock, requests, deliveries, events)
    members = [*dict.fromkeys(deadlock.members)]  # those on another bus have one id together
    arrows = _arrows(deadlock)
    victims = _nearest_victims(members, arrows)
    nodes = _in_drawing_order(members, victims)
    if ax is None:
        ax = new_axes(height=_AROUND + _SLOT * max((len(nodes) + 1) // 2, 3))
    with paper():
        ax.set_axis_off()
        ax.set_title(wrapped(_title(deadlock), room_of(ax)[0], _TITLE_SIZE))
        spots = _place(ax, nodes, victims)
        shown = [each for each in arrows if each.waiter in spots and each.holder in spots]
        size = 4 + 3.4 * max(len(_number(id)) for id in nodes)
        _draw_arrows(ax, shown, spots, victims, size)
        _draw_nodes(ax, messages, spots, victims, size)
        _add_legend(ax, shown, victims, len({*members, *deadlock.victims}) - len(nodes))
    return ax


# --- who waits for whom ---------------------------------------------------------------------------


def _involved(
    deadlock: Deadlock,
    requests: pd.DataFrame,
    deliveries: pd.DataFrame,
    events: pd.DataFrame | None,
) -> dict[int, Message]:
    """Members and victims on this bus, by id."""
    ids = [id for id in (*deadlock.members, *deadlock.victims) if id != ELSEWHERE]
    known = Recorder().trace().events if events is None else events
    found = {message.id: message for message in messages_of(requests, deliveries, known, ids)}
    missing = [id for id in ids if id not in found]
    if missing:
        given = None if events is None else f"{len(events)} rows"
        raise InvalidSetting("events", given, f"the trace's events: {missing[0]} is one")
    return found


def _arrows(deadlock: Deadlock) -> list[_Arrow]:
    """All arrows, one per pair, in order of the waiting messages."""
    arrows = (_Arrow(wait.waiter, wait.holder, _LOOKS[wait.kind]) for wait in deadlock.waits)
    return [*{(arrow.waiter, arrow.holder): arrow for arrow in arrows}.values()]


def _nearest_victims(members: Collection[int], arrows: Iterable[_Arrow]) -> dict[int, int]:
    """The victims to draw, nearest first, each with the one that it stands next to."""
    waiters: dict[int, list[int]] = defaultdict(list)
    for arrow in arrows:
        waiters[arrow.holder].append(arrow.waiter)
    reached = {member: member for member in members}
    frontier = [*members]
    for holder in frontier:
        new = [waiter for waiter in waiters[holder] if waiter not in reached]
        reached |= dict.fromkeys(new, holder)
        frontier += new  # and so the loop comes to them
    victims = [id for id in reached if id not in members]
    return {id: reached[id] for id in victims[:_SHOWN]}


# --- the drawing ----------------------------------------------------------------------------------


def _in_drawing_order(members: Iterable[int], victims: Mapping[int, int]) -> list[int]:
    """Each member, and after it those who wait behind it."""
    nodes: list[int] = []
    for id in members:
        behind = [victim for victim, holder in victims.items() if holder == id]
        nodes += [id, *_in_drawing_order(behind, victims)]
    return nodes


def _place(ax: Axes, nodes: Sequence[int], victims: Collection[int]) -> dict[int, _Spot]:
    """Give each node its spot: clockwise, down on the right and up on the left.

    Each side is divided evenly from top to bottom, and not the circle, so that labels have room.
    """
    width, _ = room_of(ax)
    rows = (len(nodes) + 1) // 2
    ax.set_xlim(-width / 2, width / 2)
    ax.set_ylim(rows, 0)
    radius = min(width / 8, 18.0)
    spots = {}
    for side, column in ((1, nodes[:rows]), (-1, nodes[: rows - 1 : -1])):
        for number, id in enumerate(column):
            height = (number + 0.5) / len(column)
            x = radius * sqrt(1 - (1 - 2 * height) ** 2) + _ASIDE * (id in victims)
            spots[id] = _Spot(side * x, rows * height)
    return {id: spots[id] for id in nodes}


def _draw_arrows(
    ax: Axes,
    arrows: Collection[_Arrow],
    spots: Mapping[int, _Spot],
    victims: Collection[int],
    size: float,
) -> None:
    around = [id for id in spots if id not in victims]
    neighbours = {*pairwise([*around, around[0]])}
    pairs = {(arrow.waiter, arrow.holder) for arrow in arrows}
    for arrow in arrows:
        is_tail = arrow.waiter in victims
        if (arrow.holder, arrow.waiter) in pairs:
            bend = 0.25  # to the right: there and back are two arrows
        elif (arrow.waiter, arrow.holder) in neighbours or is_tail or arrow.holder in victims:
            bend = 0.0
        else:
            bend = 0.2 * _side_of_middle(spots[arrow.waiter], spots[arrow.holder], ax.get_ylim()[0])
        ax.add_patch(
            FancyArrowPatch(
                spots[arrow.waiter],
                spots[arrow.holder],
                arrowstyle="-|>",
                connectionstyle=f"arc3,rad={bend}",
                mutation_scale=5 if is_tail else 8,
                shrinkA=size / 2,
                shrinkB=size / 2 + 0.5,
                linewidth=0.6 if is_tail else 1.1,
                linestyle=arrow.look.line,
                color=_GREY if is_tail else BLACK,
                zorder=2,
            )
        )


def _side_of_middle(begin: _Spot, end: _Spot, rows: float) -> int:
    """On which side of an arrow the middle is, away from the nodes between its ends: 1: right."""
    right = (end.x - begin.x) * (rows / 2 - begin.y) + (end.y - begin.y) * begin.x
    return 1 if right > 0 else -1


def _draw_nodes(
    ax: Axes,
    messages: Mapping[int, Message],
    spots: Mapping[int, _Spot],
    victims: Collection[int],
    size: float,
) -> None:
    for id, spot in spots.items():
        is_victim = id in victims
        ax.plot(
            *spot,
            marker="o",
            markersize=size,
            markerfacecolor="white" if is_victim else BLACK,
            markeredgecolor=_GREY if is_victim else BLACK,
            markeredgewidth=0.6,
            zorder=3,
        )
        color = _GREY if is_victim else "white"
        ax.text(*spot, _number(id), size=_ID_SIZE, color=color, ha="center", va="center_baseline")
        side = 1 if spot.x >= 0 else -1
        beside = abs(spot.x) + size / 2 * POINT + 0.8
        room = ax.get_xlim()[1] - beside
        ax.text(
            side * beside,
            spot.y,
            "\n".join(cut(text, room, _LABEL_SIZE) for text in _label(messages.get(id))),
            size=_LABEL_SIZE,
            color=_GREY if is_victim else BLACK,
            ha="left" if side > 0 else "right",
            va="center",
            linespacing=1.0,
        )


def _number(id: int) -> str:
    return "" if id == ELSEWHERE else str(id)


def _label(message: Message | None) -> tuple[str, str]:
    if message is None:
        return "elsewhere", "on another bus"
    where = "from" if message.kind == "event" else "at"
    return message.type, f"{where} {message.place}"


def _title(deadlock: Deadlock) -> str:
    formed = f"deadlock formed at {deadlock.formed_at:.6g} s"
    if deadlock.broken_by is None:
        return f"{formed}, never broken"
    how = deadlock.broken_by.replace("_", " ")
    return f"{formed}, broken at {deadlock.broken_at:.6g} s ({how})"


def _add_legend(
    ax: Axes, arrows: Iterable[_Arrow], victims: Collection[int], left_out: int
) -> None:
    entries: dict[str, Artist] = {"member": _node(BLACK)}
    if victims:
        more = f", and {left_out} more" if left_out else ""
        entries[f"victim{more}"] = _node("white")
    for arrow in arrows:
        line = Line2D([], [], color=BLACK, linestyle=arrow.look.line)
        entries[arrow.look.label] = line
    add_legend(ax, [*entries.values()], [*entries])


def _node(color: str) -> Line2D:
    edge = BLACK if color == BLACK else _GREY
    return Line2D(
        [], [], linestyle="", marker="o", markerfacecolor=color, markeredgecolor=edge, markersize=6
    )
