"""Links between components: how long a message is on its way, in order per link.

A latency belongs to a direction: from one component (or client) to another one. Requests, replies
and deliveries take it; that a request is refused, or lost, is known at once. Two messages on one
link arrive in the order in which they left, so one that drew a shorter time waits for the one
before it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import Any, Protocol

import trio

from genesis_lab.errors import InvalidSetting
from genesis_lab.virtual_time import sleep


class Duration(Protocol):
    """A distribution of durations, such as those of `genesis_lab.workloads.durations`."""

    @property
    def mean(self) -> float:
        """The mean [s]."""

    def sample(self, stream: Any, size: int) -> Any:
        """So many independent draws [s]."""


Latency = float | Duration | Mapping[tuple[str, str], "float | Duration"]
"""One duration [s] for all links, or one per (source, target); a pair that is missing has none."""


class Links:
    """The links of one bus, made when they are first used.

    Parameters
    ----------
    latency
        How long messages are on their way; None: no time at all.
    now
        The bus's clock [s].

    Raises
    ------
    InvalidSetting
        A latency is neither a finite number of at least zero nor a distribution of durations, or a
        key is no pair of a source and a target.
    """

    def __init__(self, latency: Latency | None, now: Callable[[], float]) -> None:
        self._now = now
        self._links: dict[tuple[str, str], Link | None] = {}
        self._of_pair: dict[tuple[str, str], float | Duration] | None = None
        self._of_all: float | Duration = 0.0
        if isinstance(latency, Mapping):
            self._of_pair = {_pair(key): _duration(value) for key, value in latency.items()}
        elif latency is not None:
            self._of_all = _duration(latency)

    def between(self, source: str, target: str) -> "Link | None":
        """The link in this direction; None where messages arrive at once."""
        key = (source, target)
        if key not in self._links:
            self._links[key] = self._new(*key)
        return self._links[key]

    def _new(self, source: str, target: str) -> "Link | None":
        latency = self._of_all
        if self._of_pair is not None:
            latency = self._of_pair.get((source, target), 0.0)
        if isinstance(latency, float):
            return Link(lambda: latency, self._now) if latency > 0 else None
        # Only here, because numpy takes longer to load than all of the buses.
        from genesis_lab.streams import Draws  # noqa: PLC0415

        return Link(Draws(latency.sample, "latency", source, target), self._now)


class Link:
    """One direction between two components: what leaves first arrives first.

    Parameters
    ----------
    draw
        The next message's time on its way [s].
    now
        The bus's clock [s].
    """

    def __init__(self, draw: Callable[[], float], now: Callable[[], float]) -> None:
        self._draw = draw
        self._now = now
        self._last_at = -inf
        self._under_way: deque[Transit] = deque()
        self._arrivals = trio.lowlevel.ParkingLot()

    def depart(self) -> "Transit":
        """Put a message on its way: its place in the order, and its time, are fixed now."""
        self._last_at = max(self._last_at, self._now() + self._draw())
        transit = Transit(self, self._last_at)
        self._under_way.append(transit)
        return transit

    async def travel(self) -> None:
        """Take the link's time."""
        await self.depart().arrive()

    async def arrive(self, transit: "Transit") -> None:
        """Wait until a message has come to the end of the link, after all before it."""
        try:
            await sleep(max(transit.at - self._now(), 0.0))
            # Those that arrive at one instant are woken in any order.
            while self._under_way[0] is not transit:
                await self._arrivals.park()
        finally:
            self._under_way.remove(transit)
            self._arrivals.unpark_all()


class Transit:
    """One message on its way over a link."""

    __slots__ = ("_link", "at")

    def __init__(self, link: Link, at: float) -> None:
        self._link = link
        self.at = at
        """When it arrives [s since the bus opened]."""

    async def arrive(self) -> None:
        """Wait until it has arrived; called once, or the link stays blocked."""
        await self._link.arrive(self)


def _pair(key: object) -> tuple[str, str]:
    match key:
        case (str(source), str(target)):
            return source, target
        case _:
            raise InvalidSetting("latency", key, "keys (source, target), both text")


def _duration(value: Any) -> float | Duration:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isfinite(value) and value >= 0:
            return float(value)
    elif callable(getattr(value, "sample", None)) and hasattr(value, "mean"):
        distribution: Duration = value
        return distribution
    expected = "finite seconds >= 0, a distribution of durations, or one per (source, target)"
    raise InvalidSetting("latency", value, expected)
