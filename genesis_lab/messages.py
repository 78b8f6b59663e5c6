"""The values that travel and the values that are recorded: outcomes, routes, deadlocks.

This module imports neither pandas nor matplotlib.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from html import escape
from math import isnan, nan
from typing import Literal

from genesis_lab.errors import as_cycle


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
    """Not sent: a circuit was open."""
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

BrokenBy = Literal["timed_out", "cancelled", "refused"]


@dataclass(slots=True, kw_only=True, eq=False)
class Deadlock:
    """One deadlock, from the instant it formed; it stays current until it is broken.

    Mutable on purpose: victims join and the end comes while the lab watches.
    """

    formed_at: float
    """When its last wait began [s]."""
    members: tuple[int, ...]
    """Ids of the messages that wait for each other, in waiting order from the oldest one."""
    components: tuple[str, ...]
    """Where each member is: the component that serves it or that it waits for."""
    victims: list[int] = field(default_factory=list)
    """Ids of the messages that came to wait for a member, in the order they joined."""
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
