"""The values that travel and the values that are recorded: routes, outcomes, waits, deadlocks.

This module imports neither pandas nor matplotlib.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from html import escape
from math import isnan, nan
from typing import Literal, NamedTuple

from genesis_lab.errors import as_cycle


class Route:
    """Who sends what to whom: interned by the bus, one number per (source, target, type).

    Plain and mutable because it is the bus's look-up on the hot path as well: a bus subclasses it.
    """

    __slots__ = ("number", "source", "target", "type")

    def __init__(self, number: int, source: str, target: str, type: str) -> None:
        self.number = number
        self.source = source
        self.target = target
        self.type = type


class Outcome(IntEnum):
    """How a request or a delivery ended.

    Integers, because a record packs the outcome as one byte; `label` is the word in the frames.
    """

    ANSWERED = 0
    """The handler returned, and its value is the reply."""
    TIMED_OUT = 1
    """No answer within the timeout."""
    FAILED = 2
    """The handler raised an exception."""
    UNKNOWN_TARGET = 3
    """No such component."""
    TARGET_GONE = 4
    """The target was unregistered, or the bus closed, while the request was open."""
    DEADLOCKED = 5
    """Refused, because waiting would have closed a deadlock."""
    REJECTED = 6
    """Not let in: a circuit was open, the target's queue was full, or an order forbade it."""
    CANCELLED = 7
    """The caller was cancelled; for a delivery: its subscriber or the bus went away."""
    PENDING = 8
    """Still open when the run was cut."""
    HANDLED = 9
    """A delivery's handler returned."""
    DROPPED = 10
    """A delivery that the inbox had no room for, or whose wait would have closed a deadlock."""

    @property
    def label(self) -> str:
        """The outcome's word in the frames."""
        return self.name.lower()


REQUEST_OUTCOMES = tuple(
    outcome for outcome in Outcome if outcome not in {Outcome.HANDLED, Outcome.DROPPED}
)
DELIVERY_OUTCOMES = (
    Outcome.HANDLED,
    Outcome.FAILED,
    Outcome.DROPPED,
    Outcome.CANCELLED,
    Outcome.PENDING,
)


class Failure(NamedTuple):
    """What ended a message besides its outcome: an exception, as a record keeps it."""

    kind: str
    """The exception's class."""
    line: str
    """The first line of its text, cut to a bounded length; empty where there is none."""


BrokenBy = Literal["timed_out", "cancelled", "refused"]

WaitKind = Literal["reply", "emit", "handling", "admission", "inbox", "turn", "system", "event"]
"""What a message waits for.

- `reply`: the reply to a request that its handler sent;
- `emit`: an event that its handler emits, and whose emitter is held;
- `handling`: a delivery that its emitter waits for;
- `admission`: a place at a component;
- `inbox`: its turn, or room, in a subscriber's inbox;
- `turn`: its turn among the deliveries of one event;
- `system`: the bus, which one call chain has to itself;
- `event`: an event that its handler asked for, and that lies undelivered.
"""

ELSEWHERE = -1
"""Stands for the id of a message on another bus of the same run."""


class Wait(NamedTuple):
    """One edge of the wait-for graph: one message waits for another one."""

    waiter: int
    """Id of the message that waits, or `ELSEWHERE`."""
    holder: int
    """Id of the message that it waits for, or `ELSEWHERE`."""
    kind: WaitKind
    """What it waits for."""
    where: str
    """The component at which it waits; empty for the bus as a whole."""
    since: float
    """When the wait began [s since the waiter's bus opened]."""


@dataclass(slots=True, kw_only=True, eq=False)
class Deadlock:
    """One deadlock, from the instant it formed; it stays current until it is broken.

    Mutable on purpose: victims join and the end comes while the lab watches.
    """

    formed_at: float
    """When its last wait began [s]."""
    members: tuple[int, ...]
    """Ids of the messages that wait for each other, in waiting order from the oldest one.

    `ELSEWHERE` for one on another bus.
    """
    components: tuple[str, ...]
    """Where each member is: the component that serves it or that it waits for."""
    victims: list[int] = field(default_factory=list)
    """Ids of the messages that came to wait for a member, in the order they joined."""
    waits: list[Wait] = field(default_factory=list)
    """Who waits for whom: the members when it formed, then each victim when it joined.

    Of a victim's waits, those for a member or another victim.
    """
    broken_at: float = nan
    """When a member stopped waiting [s]; NaN while it holds."""
    broken_by: BrokenBy | None = None
    """What ended a member's wait; None while it holds."""

    def __str__(self) -> str:
        end = "holds"
        if not isnan(self.broken_at):
            end = f"broken at {self.broken_at:.6g} s ({self.broken_by})"
        return f"{as_cycle(self.components)}: formed at {self.formed_at:.6g} s, {end}"

    def __repr__(self) -> str:
        return f"<Deadlock {self}>"

    def _repr_html_(self) -> str:
        return f"<strong>Deadlock</strong> {escape(str(self))}"


@dataclass(slots=True, kw_only=True, eq=False)
class Membership:
    """One component on a bus, from when it joined; it stays current until the component leaves.

    Mutable on purpose, as a deadlock is: the end comes while the lab watches.
    """

    id: str
    """The component's id; a later component may have the same one."""
    admission: str
    """The name of the admission that the bus grants it."""
    capacity: float
    """How many messages, or call chains, that lets in at once."""
    joined_at: float
    """When it was registered [s since the bus opened]."""
    left_at: float = nan
    """When it was unregistered [s since the bus opened]; NaN while it is there."""
