"""Random call graphs: who asks whom is drawn anew for each request of a client.

A request carries its whole call chain, which is drawn before it is sent. So who asks whom, and how
long each of them works, is the same on every architecture, whatever is served first and whatever
gets no answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import trio

from genesis_lab.buses import Bus
from genesis_lab.components import SERIAL, Admission, BusFace, Component
from genesis_lab.errors import InvalidSetting
from genesis_lab.streams import random_stream
from genesis_lab.virtual_time import sleep
from genesis_lab.workloads.arrivals import Poisson, wait_until
from genesis_lab.workloads.durations import Duration
from genesis_lab.workloads.scripted import DONE

_CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Hop:
    """One call of a chain."""

    target: str
    """Who is asked."""
    work: float
    """How long it works before it asks the next one [s]."""


Chain = tuple[Hop, ...]
"""What a client's request leads to: the first one asks the second one, and so on."""


class Relay(Component):
    """A component that works on a request, asks the next one of its chain, and replies `DONE`.

    It replies whatever came of its own question.

    Parameters
    ----------
    id
        The name under which others reach it.
    admission
        How many messages it takes at once.
    timeout
        Of what it asks the next one [s]; None: no limit.
    """

    def __init__(
        self, id: str, *, admission: Admission = SERIAL, timeout: float | None = 5.0
    ) -> None:
        super().__init__(id)
        self.admission = admission
        self.timeout = timeout

    async def process_request(self, request_type: str, data: Chain, source: str) -> str:
        """Work as long as the chain says, and ask the next one, if there is one."""
        hop, *others = data
        await sleep(hop.work)
        if others:
            await send(self.bus, tuple(others), source=self.id, timeout=self.timeout)
        return DONE

    def __repr__(self) -> str:
        return f"Relay({self.id!r}, admission={self.admission!r}, timeout={self.timeout!r})"


async def send(
    bus: BusFace,
    chain: Chain,
    *,
    source: str = _CLIENT,
    timeout: float | None = 5.0,
    intended_at: float | None = None,
) -> Any | None:
    """Ask the first one of a chain; its reply, or None whatever went wrong."""
    return await bus.request(
        chain[0].target, "ask", chain, source, timeout, intended_at=intended_at
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomCalls:
    """Components that ask each other at random, and clients that begin chains of such calls.

    Clients arrive as a Poisson process and ask any of the components. Whoever is asked works and
    then, with some probability, asks any other one, which may be one that the chain has been at.
    """

    components: int
    load: float
    """The utilisation of each component, if nothing ever blocked."""
    until: float
    """When the last client may arrive [s]."""
    work: Duration
    """Before a component replies or asks."""
    asks: float
    """The probability that a component asks another one."""
    longest: int
    """How many calls a chain has at most."""
    admission: Admission = SERIAL
    timeout: float | None = 5.0
    """Of all requests [s]; None: no limit."""

    def __post_init__(self) -> None:
        if self.components < 2:  # noqa: PLR2004  # a component, and another one
            raise InvalidSetting("components", self.components, "a whole number >= 2")
        if not 0 <= self.asks <= 1:
            raise InvalidSetting("asks", self.asks, "a number from 0 to 1")
        if self.longest < 1:
            raise InvalidSetting("longest", self.longest, "a whole number >= 1")

    @property
    def rate(self) -> float:
        """How many clients arrive per second."""
        calls = sum(self.asks**further for further in range(self.longest))
        return self.load * self.components / (calls * self.work.mean)

    def plan(self) -> Iterator[tuple[float, Chain]]:
        """When each client arrives [s since the traffic began], and the chain that it begins."""
        arrivals = Poisson(rate=self.rate, until=self.until)
        chains = random_stream("call chains")
        for at in arrivals.times(random_stream("arrivals", _CLIENT)):
            yield at, self._draw(chains)

    def _draw(self, stream: np.random.Generator) -> Chain:
        """Each chain takes as many draws as any other, so one more call shifts nothing."""
        asks = stream.random(self.longest - 1) < self.asks
        steps = stream.integers(self.components - 1, size=self.longest).tolist()
        first = int(stream.integers(self.components))
        works = self.work.sample(stream, self.longest).tolist()
        length = self.longest if asks.all() else int(asks.argmin()) + 1
        place, hops = first, []
        for step, work in zip(steps[:length], works, strict=False):
            hops.append(Hop(f"c{place}", work))
            place = (place + 1 + step) % self.components
        return tuple(hops)

    async def run_on(self, bus: Bus) -> None:
        """Register the components, let the clients arrive, and wait for the last reply."""
        for number in range(self.components):
            bus.register(Relay(f"c{number}", admission=self.admission, timeout=self.timeout))
        began = bus.now()

        async def ask(chain: Chain, intended_at: float) -> None:
            await send(bus, chain, timeout=self.timeout, intended_at=intended_at)

        async with trio.open_nursery() as nursery:
            for at, chain in self.plan():
                await wait_until(bus, began + at)
                nursery.start_soon(ask, chain, began + at)
