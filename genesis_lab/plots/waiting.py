"""The wait-for graph of one deadlock: who waits for whom, and who waits behind them.

The arrows follow from the records. A message waits for those that it caused. One that caused none
of those involved is queued: it waits for whoever is served where it wants to be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf, isnan, sqrt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from genesis_lab.errors import InvalidSetting
from genesis_lab.plots.style import BLACK, add_legend, new_axes, paper
from genesis_lab.plots.texts import POINT, cut, room_of, say, wrapped

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


class _Message(NamedTuple):
    """A message of the graph."""

    id: int
    type: str
    where: str
    """The component that serves it or that it waits for, or that emits it, in words."""
    target: str
    """The component whose place it takes; none for an event."""
    cause: int
    """The message that waits for it to end; -1: none."""
    event: int
    """Of a delivery; -1: it is none."""
    is_root: bool
    """Its call chain began with it."""
    sent_at: float
    """Infinite for a delivery that never got into the inbox."""


class _Wait(NamedTuple):
    """An arrow."""

    waiter: int
    holder: int
    is_nested: bool
    """It is for a message that the waiter caused; otherwise for its turn."""


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
    is solid to a message that the waiting one caused. It is dashed where a message waits for its
    turn: from a member to all that are served at its component, from a victim to the victim in the
    queue before it, which leads on to those that are served.

    All victims that there ever were count, those that gave up before others came as well. Records
    do not tell everything: on a synchronous bus, a delivery that waits both for its turn among
    those of its event and then for its component may have an arrow to the latter only.

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
    if not 0 <= number < len(deadlocks):
        raise InvalidSetting("number", number, f"0 to {len(deadlocks) - 1}")
    deadlock = deadlocks.to_dict("records")[number]
    members = deadlock["members"]
    messages = _involved(deadlock, requests, deliveries, events)
    waits = _waits(messages, members)
    victims = _nearest_victims(members, waits)
    nodes = _in_drawing_order(members, victims)
    if ax is None:
        ax = new_axes(height=_AROUND + _SLOT * max((len(nodes) + 1) // 2, 3))
    with paper():
        ax.set_axis_off()
        ax.set_title(wrapped(_title(deadlock), room_of(ax)[0], _TITLE_SIZE))
        spots = _place(ax, nodes, victims)
        shown = [wait for wait in waits if wait.waiter in spots and wait.holder in spots]
        size = 4 + 3.4 * max(len(str(id)) for id in nodes)
        _draw_waits(ax, shown, spots, victims, size)
        _draw_nodes(ax, messages, spots, victims, size)
        _add_legend(ax, shown, victims, len(messages) - len(nodes))
    return ax


# --- who waits for whom ---------------------------------------------------------------------------


def _involved(
    deadlock: Mapping[Any, Any],
    requests: pd.DataFrame,
    deliveries: pd.DataFrame,
    events: pd.DataFrame | None,
) -> dict[int, _Message]:
    """The members in their order, then the victims in theirs."""
    ids = [*deadlock["members"], *deadlock["victims"]]
    until = inf if isnan(deadlock["broken_at"]) else deadlock["broken_at"]
    found: dict[int, _Message] = {}
    for row in _rows(requests, ids):
        found[row.id] = _Message(
            row.id,
            row.request_type,
            f"at {row.target}",
            row.target,
            row.cause,
            -1,
            row.id == row.chain,
            row.sent_at,
        )
    for row in _rows(deliveries, ids):
        # An emitter waits for the handler, whose chain is then its own, or for room in the inbox.
        is_awaited = row.id != row.chain or not row.sent_at < until
        found[row.id] = _Message(
            row.id,
            row.event_type,
            f"at {row.target}",
            row.target,
            row.event if is_awaited else -1,
            row.event,
            row.id == row.chain,
            inf if isnan(row.sent_at) else row.sent_at,
        )
    for row in () if events is None else _rows(events, ids):
        found[row.id] = _Message(
            row.id,
            row.event_type,
            f"from {row.source}",
            "",
            row.cause,
            -1,
            row.id == row.chain,
            row.sent_at,
        )
    missing = [id for id in ids if id not in found]
    if missing:
        raise InvalidSetting("events", None, f"the trace's events: {missing[0]} is one")
    return {id: found[id] for id in ids}


def _rows(frame: pd.DataFrame, ids: Collection[int]) -> Iterable[Any]:
    return frame[frame["id"].isin(ids)].itertuples(index=False)


def _waits(messages: Mapping[int, _Message], members: Collection[int]) -> list[_Wait]:
    """All arrows, in order of the waiting messages."""
    # Members waited for members when the deadlock formed: later, one that gives up may free another
    # that goes on and waits for something else, while the rest still hold each other up.
    waiting_at_first = _Waiting([messages[id] for id in members])
    waiting = _Waiting(messages.values())
    waits = []
    last_in_queue: dict[tuple[int, ...], int] = {}
    for message in messages.values():
        is_member = message.id in members
        among = waiting_at_first if is_member else waiting
        nested = among.nested(message)
        waits += [_Wait(message.id, other, True) for other in nested]
        if not nested:
            holders = among.holders(message)
            ahead = (last_in_queue[holders],) if holders in last_in_queue else holders
            waits += [_Wait(message.id, other, False) for other in ahead]
            if not is_member:
                last_in_queue[holders] = message.id
    return waits


class _Waiting:
    """Messages that wait for each other, by what the others may wait for."""

    def __init__(self, messages: Iterable[_Message]) -> None:
        in_line = sorted(messages, key=lambda message: (message.sent_at, message.id))
        self._caused: dict[int, list[int]] = defaultdict(list)
        self._served_at: dict[str, list[int]] = defaultdict(list)
        self._first_in_inbox: dict[str, int] = {}
        self._first_of_event: dict[int, int] = {}
        self._served_roots: list[int] = []
        for message in in_line:
            self._caused[message.cause].append(message.id)
            if message.event >= 0:
                self._first_of_event.setdefault(message.event, message.id)
                if message.is_root:
                    self._first_in_inbox.setdefault(message.target, message.id)
        for message in in_line:
            if message.id in self._caused:
                self._served_at[message.target].append(message.id)
                if message.is_root:
                    self._served_roots.append(message.id)

    def nested(self, message: _Message) -> Sequence[int]:
        """Those that the message caused, and waits for."""
        return self._caused.get(message.id, ())

    def holders(self, message: _Message) -> tuple[int, ...]:
        """Whoever a queued message waits for: the first of these that there is.

        The first one in its inbox; all that are served at its component; the first delivery of its
        event, if they are handled in turn; the call chain that has the bus to itself.
        """
        is_in_inbox = message.event >= 0 and message.is_root
        head = self._first_in_inbox[message.target] if is_in_inbox else message.id
        if head != message.id:
            return (head,)
        if message.target and message.target in self._served_at:
            return tuple(self._served_at[message.target])
        first = self._first_of_event.get(message.event, message.id)
        return (first,) if first != message.id else tuple(self._served_roots)


def _nearest_victims(members: Iterable[int], waits: Iterable[_Wait]) -> dict[int, int]:
    """The victims to draw, nearest first, each with the one that it stands next to."""
    waiters: dict[int, list[int]] = defaultdict(list)
    for wait in waits:
        waiters[wait.holder].append(wait.waiter)
    reached = dict.fromkeys(members, -1)
    frontier = [*members]
    for holder in frontier:
        new = [waiter for waiter in waiters[holder] if waiter not in reached]
        reached |= dict.fromkeys(new, holder)
        frontier += new  # and so the loop comes to them
    victims = [id for id, holder in reached.items() if holder >= 0]
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


def _draw_waits(
    ax: Axes,
    waits: Collection[_Wait],
    spots: Mapping[int, _Spot],
    victims: Collection[int],
    size: float,
) -> None:
    around = [id for id in spots if id not in victims]
    neighbours = {*pairwise([*around, around[0]])}
    pairs = {(wait.waiter, wait.holder) for wait in waits}
    for wait in waits:
        is_tail = wait.waiter in victims
        if (wait.holder, wait.waiter) in pairs:
            bend = 0.25  # to the right: there and back are two arrows
        elif (wait.waiter, wait.holder) in neighbours or is_tail or wait.holder in victims:
            bend = 0.0
        else:
            bend = 0.2 * _side_of_middle(spots[wait.waiter], spots[wait.holder], ax.get_ylim()[0])
        ax.add_patch(
            FancyArrowPatch(
                spots[wait.waiter],
                spots[wait.holder],
                arrowstyle="-|>",
                connectionstyle=f"arc3,rad={bend}",
                mutation_scale=5 if is_tail else 8,
                shrinkA=size / 2,
                shrinkB=size / 2 + 0.5,
                linewidth=0.6 if is_tail else 1.1,
                linestyle=_linestyle(wait),
                color=_GREY if is_tail else BLACK,
                zorder=2,
            )
        )


def _side_of_middle(begin: _Spot, end: _Spot, rows: float) -> int:
    """On which side of an arrow the middle is, away from the nodes between its ends: 1: right."""
    right = (end.x - begin.x) * (rows / 2 - begin.y) + (end.y - begin.y) * begin.x
    return 1 if right > 0 else -1


def _linestyle(wait: _Wait) -> Literal["-"] | tuple[float, Sequence[float]]:
    return "-" if wait.is_nested else (0, (2.5, 1.5))


def _draw_nodes(
    ax: Axes,
    messages: Mapping[int, _Message],
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
        ax.text(*spot, str(id), size=_ID_SIZE, color=color, ha="center", va="center_baseline")
        side = 1 if spot.x >= 0 else -1
        beside = abs(spot.x) + size / 2 * POINT + 0.8
        room = ax.get_xlim()[1] - beside
        ax.text(
            side * beside,
            spot.y,
            "\n".join(cut(text, room, _LABEL_SIZE) for text in messages[id][1:3]),
            size=_LABEL_SIZE,
            color=_GREY if is_victim else BLACK,
            ha="left" if side > 0 else "right",
            va="center",
            linespacing=1.0,
        )


def _title(deadlock: Mapping[Any, Any]) -> str:
    formed = f"deadlock formed at {deadlock['formed_at']:.6g} s"
    if isnan(deadlock["broken_at"]):
        return f"{formed}, never broken"
    how = deadlock["broken_by"].replace("_", " ")
    return f"{formed}, broken at {deadlock['broken_at']:.6g} s ({how})"


def _add_legend(ax: Axes, waits: Iterable[_Wait], victims: Collection[int], left_out: int) -> None:
    entries: dict[str, Artist] = {"member": _node(BLACK)}
    if victims:
        more = f", and {left_out} more" if left_out else ""
        entries[f"victim{more}"] = _node("white")
    for wait in waits:
        label = "waits for what it caused" if wait.is_nested else "waits for its turn"
        entries[label] = Line2D([], [], color=BLACK, linestyle=_linestyle(wait))
    add_legend(ax, [*entries.values()], [*entries])


def _node(color: str) -> Line2D:
    edge = BLACK if color == BLACK else _GREY
    return Line2D(
        [], [], linestyle="", marker="o", markerfacecolor=color, markeredgecolor=edge, markersize=6
    )
