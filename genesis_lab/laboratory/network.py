"""Components and the messages between them at one moment, placed on a plane [px], to be drawn.

All stand on one ring, so that a line between two of them seldom crosses a third; whoever sends
without being on the bus comes last. So each keeps its place as long as the same ones take part.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import copysign, hypot, inf, isnan, sqrt
from typing import Literal

from genesis_lab.buses import ComponentStatistics, MessageStatistics
from genesis_lab.laboratory.snapshot import LabSnapshot
from genesis_lab.messages import Deadlock

Pace = Literal["idle", "prompt", "slow", "stuck"]
"""How long the oldest message on its way has waited; `idle`: there is none now."""
Pair = tuple[str, str]
"""Who sends, and to whom."""
Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]

PACES: dict[Pace, float] = {"prompt": 0.1, "slow": 1.0, "stuck": inf}
"""Each with the age that a message of it stays below [s]."""
WIDTH = 760.0
MOST = 40
"""How many components are drawn at most."""

_MOST_SENDERS = 4
"""How many are drawn that are not on the bus."""
_BOX = (164.0, 58.0)
_BOW = 286.0
"""From the middle to the right, and to the left."""
_STEP = 112.0
"""From one box of a bow to the next."""
_LOWEST = 300.0
"""The height of a picture of few components."""
_TIP = 0.94
"""How near to the ends of a bow its last boxes stand."""
_NAME = 21
"""The longest name that a box has room for [letters]."""
_TO_BOX, _TO_TIP = 2.0, 16.0
"""How far a line begins from a box, and how far it ends from one, for the tip of the arrow."""
_SHORT, _FAR = 1.2 * _STEP, 1.5 * _STEP
"""Lines below that have no room for a label; those above, within a bow, have a box in their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A component, or whoever else sends."""

    id: str
    name: str
    """The id, cut if it is too long."""
    x: float
    y: float
    """Its middle."""
    state: Sequence[str]
    """What it is doing, in a line or two."""
    is_component: bool
    is_busy: bool
    is_deadlocked: bool
    inbox: float
    """Which part of its inbox is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What one sends to another."""

    source: str
    target: str
    pace: Pace
    is_served: bool
    """Whether any of its messages has been admitted."""
    in_deadlock: bool
    label: str
    """How many, and how old the oldest one is; empty unless that is worth a look."""
    path: str
    """As SVG has it."""
    middle: Point
    """Where the label stands."""
    anchor: Anchor
    """Which part of the label stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All of it."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    """Those of deadlocks last, so that they are drawn over the others."""
    height: float
    left_out: int
    """Components for which there is no room."""


def network_of(lab: LabSnapshot) -> Network:
    """The network of a laboratory now."""
    components = {each.id: each for each in lab.bus.components[:MOST]}
    senders = _senders(lab)
    ring = [*components, *dict.fromkeys(senders.values())]
    height = max(_STEP * ((len(ring) + 1) // 2), _LOWEST)
    places = _places(ring, height)
    cycles = {pair for deadlock in lab.bus.deadlocks for pair in cycle_of(deadlock)}
    in_cycles = {id for pair in cycles for id in pair}
    return Network(
        nodes=[_node(id, places[id], components.get(id), id in in_cycles) for id in ring],
        edges=sorted(_edges(lab, places, senders, cycles), key=lambda edge: edge.in_deadlock),
        height=height,
        left_out=len(lab.bus.components) - len(components),
    )


def cycle_of(deadlock: Deadlock) -> set[Pair]:
    """Who waits for whom: a component for itself only if it is alone."""
    path = [*deadlock.components, deadlock.components[0]]
    pairs = set(pairwise(path))
    return {(one, other) for one, other in pairs if one != other} or pairs


# --- who is where ---------------------------------------------------------------------------------


def _senders(lab: LabSnapshot) -> Mapping[str, str]:
    """What whoever sends without being on the bus is drawn as: itself, or one of the others."""
    registered = {each.id for each in lab.bus.components}
    found = [*dict.fromkeys(source for source, *_ in lab.routes if source not in registered)]
    alone = found if len(found) <= _MOST_SENDERS else found[: _MOST_SENDERS - 1]
    others = f"{len(found) - len(alone)} others"
    return {id: id if id in alone else others for id in found}


def _places(ring: Sequence[str], height: float) -> Mapping[str, Point]:
    """Where each stands: down the right bow, and up the left one."""
    on_the_right = (len(ring) + 1) // 2
    right, left = ring[:on_the_right], ring[on_the_right:]
    return {
        **dict(zip(right, _bow(len(right), height, _BOW), strict=True)),
        **dict(zip(reversed(left), _bow(len(left), height, -_BOW), strict=True)),
    }


def _bow(number: int, height: float, width: float) -> Iterator[Point]:
    for rank in range(number):
        up_or_down = (2 * rank + 1) / number - 1
        yield (
            WIDTH / 2 + width * sqrt(1 - (_TIP * up_or_down) ** 2),
            height * (up_or_down + 1) / 2,
        )


# --- what they are doing --------------------------------------------------------------------------


def _node(
    id: str, place: Point, component: ComponentStatistics | None, is_deadlocked: bool
) -> Node:
    """A component, or else somebody who is not on the bus."""
    x, y = place
    return Node(
        id=id,
        name=id if len(id) <= _NAME else f"{id[: _NAME - 1]}…",
        x=x,
        y=y,
        state=[*_state(component)] if component else ["not on the bus"],
        is_component=component is not None,
        is_busy=component is not None and component.serving > 0,
        is_deadlocked=is_deadlocked,
        inbox=component.inbox / component.inbox_capacity if component else 0.0,
    )


def _state(component: ComponentStatistics) -> Iterator[str]:
    messages = {"serving": component.serving, "waiting": component.waiting}
    events = {"in the inbox": component.inbox, "blocked": component.blocked_emitters}
    yield _numbers(messages) or "idle"
    if component.inbox or component.blocked_emitters:
        yield _numbers(events)


def _numbers(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in numbers.items() if number)


# --- what is between them -------------------------------------------------------------------------


@dataclass(slots=True)
class _Traffic:
    """The messages of one to another that are on their way."""

    number: int = 0
    oldest: float = 0.0
    """Its age [s]."""
    is_served: bool = False

    def add(self, message: MessageStatistics, now: float) -> None:
        self.number += 1
        self.is_served |= not isnan(message.started_at)
        if not isnan(message.sent_at):
            self.oldest = max(self.oldest, now - message.sent_at)

    def pace(self) -> Pace:
        if not self.number:
            return "idle"
        return next(pace for pace, below in PACES.items() if self.oldest < below)


def _edges(
    lab: LabSnapshot,
    places: Mapping[str, Point],
    senders: Mapping[str, str],
    cycles: set[Pair],
) -> Iterator[Edge]:
    """An edge for each pair that has ever had something to say to one another."""
    traffic: dict[Pair, _Traffic] = {
        (senders.get(source, source), target): _Traffic() for source, target, _ in lab.routes
    }
    for message in lab.bus.in_flight:
        pair = senders.get(message.source, message.source), message.target
        traffic.setdefault(pair, _Traffic()).add(message, lab.bus.at)
    for pair in cycles:
        traffic.setdefault(pair, _Traffic())
    for (source, target), found in traffic.items():
        if source in places and target in places:
            path, middle, anchor = _line(places[source], places[target])
            in_deadlock = (source, target) in cycles
            yield Edge(
                source=source,
                target=target,
                pace=found.pace(),
                is_served=found.is_served,
                in_deadlock=in_deadlock,
                label=_label(found) if in_deadlock or found.oldest >= PACES["prompt"] else "",
                path=path,
                middle=middle,
                anchor=anchor,
            )


def _label(traffic: _Traffic) -> str:
    number = f"{traffic.number:,}, up to " if traffic.number > 1 else ""
    return f"{number}{traffic.oldest:.1f} s" if traffic.number else ""


# --- lines ----------------------------------------------------------------------------------------


def _line(start: Point, end: Point) -> tuple[str, Point, Anchor]:
    """A line from one box to another, and the place of its label."""
    if start == end:
        return _loop(start)
    (x, y), (to_x, to_y) = start, end
    across, down = to_x - x, to_y - y
    length = hypot(across, down)
    bend = _bend(start, end, length)
    over = (x + to_x) / 2 - bend * down / length, (y + to_y) / 2 + bend * across / length
    begin, finish = _border(start, over, _TO_BOX), _border(end, over, _TO_TIP)
    middle_x, middle_y = (
        (one + 2 * control + other) / 4
        for one, control, other in zip(begin, over, finish, strict=True)
    )
    path = "M{:.0f} {:.0f}Q{:.0f} {:.0f} {:.0f} {:.0f}".format(*begin, *over, *finish)
    if length > _SHORT:
        return path, (middle_x, middle_y), "middle"
    return path, (middle_x - copysign(16, down), middle_y), "end" if down > 0 else "start"


def _bend(start: Point, end: Point, length: float) -> float:
    """How far a line is bent to the right of its way, so that there is room for one back as well.

    Within a bow it goes around the boxes in its way, on the inner side.
    """
    side = start[0] - WIDTH / 2
    if side * (end[0] - WIDTH / 2) > 0 and length > _FAR:
        goes_down = end[1] > start[1]
        return copysign(0.8 * _BOX[0] + 40 * goes_down, side if goes_down else -side)
    return min(max(0.12 * length, 24.0), 42.0)


def _loop(place: Point) -> tuple[str, Point, Anchor]:
    """From the top of a box back to it."""
    x, top = place[0], place[1] - _BOX[1] / 2
    points = (x - 24, top, x - 56, top - 44, x + 56, top - 44, x + 28, top - _TO_TIP + 3)
    return (
        "M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}".format(*points),
        (
            x,
            top - 33,
        ),
        "middle",
    )


def _border(middle: Point, towards: Point, gap: float) -> Point:
    """Where a line from the middle of a box to a point is so far from the box."""
    across, down = towards[0] - middle[0], towards[1] - middle[1]
    length = hypot(across, down)
    within = min(
        _BOX[0] / 2 / abs(across) if across else inf,
        _BOX[1] / 2 / abs(down) if down else inf,
    )
    within += gap / length
    return middle[0] + across * within, middle[1] + down * within
