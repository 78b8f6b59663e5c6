"""Traffic: when requests and events are meant to be sent, and who sends them.

Whoever sends says when it *meant* to (`intended_at`), however late it is. A sender that counted
from when it got round to sending would leave out the very wait that the bus has caused.

`Poisson` and `Recorded` say when; `OpenLoop`, `Requester`, `ClosedLoop` and `Publisher` send, each
from its `run_on(bus)`, which returns when everything has been sent and answered.

Two of them with one source, target and type draw from streams of their own. Each `run_on` takes
its streams when it is called, not when its task first runs: so a nursery's order of `start_soon`
says whose stream is whose; the schedule does not.
"""

import math
from collections.abc import Awaitable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, islice, takewhile
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import trio

from genesis_lab.components import DEFAULT_TIMEOUT, BusFace
from genesis_lab.errors import InvalidSetting
from genesis_lab.streams import one_by_one, random_stream
from genesis_lab.virtual_time import sleep
from genesis_lab.workloads.durations import Duration, Exponential


class Arrivals(Protocol):
    """Instants at which something is meant to be sent."""

    def times(self, stream: np.random.Generator) -> Iterator[float]:
        """The instants, none earlier than the one before [s since the traffic began]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """Arrivals that know nothing of one another: the gaps are exponential.

    They end after `count` of them or at the time `until`, whichever comes first.
    """

    rate: float
    """Arrivals per second."""
    count: int | None = None
    until: float | None = None
    """Seconds since the traffic began."""

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise InvalidSetting("rate", self.rate, "a finite number > 0")
        _check_end(self.count, self.until)

    def times(self, stream: np.random.Generator) -> Iterator[float]:
        """The instants [s since the traffic began]."""
        until = math.inf if self.until is None else self.until
        gaps = one_by_one(Exponential(1 / self.rate).sample, stream)
        return islice(takewhile(lambda at: at <= until, accumulate(gaps)), self.count)


@dataclass(frozen=True, slots=True, init=False)
class Recorded:
    """Arrivals at given instants, such as those of a recording."""

    instants: tuple[float, ...]

    def __init__(self, instants: Sequence[float] | npt.NDArray[np.float64]) -> None:
        values = np.asarray(instants, dtype=np.float64)
        if not (np.isfinite(values).all() and (np.diff(values, prepend=0.0) >= 0).all()):
            expected = "finite numbers >= 0, none smaller than the one before"
            raise InvalidSetting("instants", instants, expected)
        object.__setattr__(self, "instants", tuple(values.tolist()))

    def times(self, _stream: np.random.Generator) -> Iterator[float]:
        """The instants [s since the traffic began]; nothing is drawn for them."""
        return iter(self.instants)


@dataclass(frozen=True, slots=True)
class Ask:
    """The request that some traffic consists of."""

    target: str
    request_type: str = "work"
    source: str = "client"
    timeout: float | None = DEFAULT_TIMEOUT
    """Seconds; None: no limit; by default what the bus's `timeouts` say, or 5 s."""

    def __repr__(self) -> str:
        # A default that is shown as a number would be one when it is pasted.
        timeout = "" if self.timeout is DEFAULT_TIMEOUT else f", timeout={self.timeout!r}"
        return f"Ask({self.target!r}, {self.request_type!r}, source={self.source!r}{timeout})"

    def send(self, bus: BusFace, intended_at: float) -> Coroutine[Any, Any, Any | None]:
        """The reply, or None if there is none for any reason.

        Returns the bus's own coroutine: one more costs whenever the sender is resumed.
        """
        return bus.request(
            self.target,
            self.request_type,
            None,
            self.source,
            self.timeout,
            intended_at=intended_at,
        )


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Senders that do not wait for one another: each request is sent when it was meant to be."""

    ask: Ask
    arrivals: Arrivals

    def run_on(self, bus: BusFace) -> Coroutine[Any, Any, None]:
        """Send every request when its time has come, however many are still open."""
        return self._send(bus, _due(bus, self.ask, self.arrivals))

    async def _send(self, bus: BusFace, due: Iterator[float]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_Senders(bus, self.ask, due, nursery).take_turns)


class _Senders:
    """As many tasks as there are requests open at once, and one that waits for the next instant.

    A task for each request would be simpler, and cost as much as the request itself.
    """

    def __init__(self, bus: BusFace, ask: Ask, due: Iterator[float], nursery: trio.Nursery) -> None:
        self._bus = bus
        self._ask = ask
        self._due = due
        self._nursery = nursery
        self._waiting = 0

    async def take_turns(self) -> None:
        """Send at the next instant that nobody has taken, again and again."""
        for at in self._due:
            self._waiting += 1
            await wait_until(self._bus, at)
            self._waiting -= 1
            if not self._waiting:
                self._nursery.start_soon(self.take_turns)
            await self._ask.send(self._bus, at)


@dataclass(frozen=True, slots=True)
class Requester:
    """One sender of requests, in order: waiting for a reply makes it late for the next ones.

    Each alone in a run under one seed, it means to send when an `OpenLoop` of these requests does.
    """

    ask: Ask
    arrivals: Arrivals

    def run_on(self, bus: BusFace) -> Coroutine[Any, Any, None]:
        """Send every request, as soon as it is meant to be and the ones before have ended."""
        return self._send(bus, _due(bus, self.ask, self.arrivals))

    async def _send(self, bus: BusFace, due: Iterator[float]) -> None:
        for at in due:
            await wait_until(bus, at)
            await self.ask.send(bus, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """Clients that each think, ask, wait for the reply, and think again.

    They end after `count` requests of all clients together or at the time `until`, after which none
    is sent, whichever comes first.
    """

    ask: Ask
    clients: int
    think: Duration
    count: int | None = None
    until: float | None = None
    """Seconds since the traffic began."""

    def __post_init__(self) -> None:
        if not isinstance(self.clients, int) or self.clients < 1:
            raise InvalidSetting("clients", self.clients, "a whole number >= 1")
        _check_end(self.count, self.until)

    def run_on(self, bus: BusFace) -> Coroutine[Any, Any, None]:
        """Let the clients go on until the end."""
        ends_at = math.inf if self.until is None else bus.now() + self.until
        purpose = ("think", self.ask.source, self.ask.target)
        streams = [random_stream(*purpose, number) for number in range(self.clients)]
        return self._send(bus, streams, ends_at)

    async def _send(
        self, bus: BusFace, streams: Sequence[np.random.Generator], ends_at: float
    ) -> None:
        turns = islice(count(), self.count)
        async with trio.open_nursery() as nursery:
            for stream in streams:
                thoughts = one_by_one(self.think.sample, stream)
                nursery.start_soon(self._go_on, bus, thoughts, turns, ends_at)

    async def _go_on(
        self, bus: BusFace, thoughts: Iterator[float], turns: Iterator[int], ends_at: float
    ) -> None:
        for thought in thoughts:
            intended_at = bus.now() + thought
            if intended_at > ends_at or next(turns, None) is None:
                return
            await wait_until(bus, intended_at)
            await self.ask.send(bus, intended_at)


@dataclass(frozen=True, slots=True)
class Publisher:
    """One sender of events, in order: a bus that holds it makes it late for the next ones."""

    event_type: str
    source: str
    arrivals: Arrivals

    def run_on(self, bus: BusFace) -> Coroutine[Any, Any, None]:
        """Emit every event, as soon as it is meant to be and the ones before are out."""
        return self._send(bus, _instants(bus, self.arrivals, self.source, self.event_type))

    async def _send(self, bus: BusFace, due: Iterator[float]) -> None:
        for at in due:
            await wait_until(bus, at)
            await bus.emit_event(self.event_type, None, self.source, intended_at=at)


def _due(bus: BusFace, ask: Ask, arrivals: Arrivals) -> Iterator[float]:
    """When the requests of traffic that begins now are meant to be sent."""
    return _instants(bus, arrivals, ask.source, ask.target, ask.request_type)


def _instants(bus: BusFace, arrivals: Arrivals, *purpose: str) -> Iterator[float]:
    """When the messages of traffic that begins now are meant to be sent."""
    began = bus.now()
    return (began + at for at in arrivals.times(random_stream("arrivals", *purpose)))


def wait_until(bus: BusFace, at: float) -> Awaitable[None]:
    """Sleep until an instant of the bus's clock; when it has passed, only let others run."""
    return sleep(max(0.0, at - bus.now()))


def _check_end(count: int | None, until: float | None) -> None:
    """Traffic has to end some time."""
    if count is None and until is None:
        raise InvalidSetting("count", count, "a count, until=, or both")
    if count is not None and (not isinstance(count, int) or count < 1):
        raise InvalidSetting("count", count, "a whole number >= 1")
    if until is not None and not 0 < until < math.inf:
        raise InvalidSetting("until", until, "a finite number > 0")
