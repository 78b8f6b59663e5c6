"""Random systems with everything that a component may do: a play on one bus, or on two."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from hypothesis import strategies as st

from genesis_lab.buses.links import Latency
from genesis_lab.components import (
    CALL_CHAIN,
    INTERLEAVED,
    RE_ENTRANT,
    SERIAL,
    Admission,
    AdmissionByType,
    pool,
)
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Concurrent,
    Emit,
    Fail,
    PlainComponent,
    Script,
    ScriptedComponent,
    Step,
    System,
    Work,
)
from tests.properties.stage import Abroad, Detached, Host, Listen, On, Play
from tests.properties.systems import LEVELS, WAITS, Choices

ADMISSIONS: tuple[Admission | AdmissionByType, ...] = (
    *(SERIAL, SERIAL, CALL_CHAIN, INTERLEAVED, INTERLEAVED, RE_ENTRANT, pool(2)),
    *(SERIAL.bounded(1), pool(2).bounded(0), INTERLEAVED.bounded(1)),
    AdmissionByType({"r1": RE_ENTRANT}),
    AdmissionByType({"r1": pool(2), "r2": SERIAL}, default=INTERLEAVED),
)
WORK = (Work(0.103), Work(0.209))
LATENCIES: tuple[Latency | None, ...] = (None, None, 0.013, Exponential(0.05))


@dataclass(frozen=True)
class Wide:
    """A play, and the latencies of the buses that it is performed on."""

    play: Play
    latencies: tuple[Latency | None, ...]

    def buses(self, make_bus: Callable[..., Any]) -> list[Callable[..., Any]]:
        """What makes each of its buses."""
        return [
            make_bus if latency is None else partial(make_bus, latency=latency)
            for latency in self.latencies
        ]


def wide_systems(may: Choices, *, buses: int = 1) -> st.SearchStrategy[Wide]:
    return st.builds(
        lambda seed, components, clients, length: WideAuthor(
            Random(seed), components, length, may, buses
        ).wide(clients),
        seed=st.integers(0, 2**32),
        components=st.integers(2, 5),
        clients=st.integers(1, 4),
        length=st.integers(1, 4),
    )


class WideAuthor:
    """Writes the scripts of one play; a script of level k sends only what has level k + 1."""

    def __init__(
        self, random: Random, components: int, length: int, may: Choices, buses: int
    ) -> None:
        self.random = random
        self.homes = {
            chr(ord("a") + index): index % buses for index in range(max(components, buses))
        }
        """The bus of each component, by name."""
        self.length = length
        self.may = may
        self.buses = buses
        heard = [(name, f"e{level}") for name in self.homes for level in range(LEVELS)]
        self.subscriptions = random.sample(heard, random.randint(0, 6))

    def wide(self, clients: int) -> Wide:
        systems = tuple(self.system(bus, clients) for bus in range(self.buses))
        latencies = tuple(self.latency() for _ in systems)
        return Wide(Play(systems), latencies)

    def latency(self) -> Latency | None:
        if self.random.random() < 0.2:
            return {("a", "b"): 0.031, ("b", "a"): Exponential(0.1), ("client", "a"): 0.017}
        return self.random.choice(LATENCIES)

    def system(self, bus: int, clients: int) -> System:
        names = [name for name, home in self.homes.items() if home == bus]
        return System(
            components=tuple(self.component(name) for name in names),
            subscriptions=tuple(pair for pair in self.subscriptions if pair[0] in names),
            clients=tuple(
                Client(self.script(0, bus), self.random.choice((0.0, 0.0, 0.053)))
                for _ in range(clients)
            ),
        )

    def component(self, name: str) -> ScriptedComponent | PlainComponent:
        admission = self.random.choice(ADMISSIONS)
        if self.random.random() < 0.1:
            return PlainComponent(name, admission=admission)
        home = self.homes[name]
        hears = [event for subscriber, event in self.subscriptions if subscriber == name]
        return ScriptedComponent(
            name,
            on_request={f"r{n}": self.script(n + 1, home, hears) for n in range(LEVELS)},
            on_event={f"e{n}": self.script(n + 1, home, hears) for n in range(LEVELS)},
            admission=admission,
        )

    def script(self, level: int, bus: int, hears: list[str] | None = None) -> Script:
        """A script, in a handler if it is known what that may hear."""
        length = self.random.randint(1, self.length)
        return tuple(self.step(level, bus, hears) for _ in range(length))

    def step(self, level: int, bus: int, hears: list[str] | None) -> Step:
        kind = self.random.random()
        if kind < 0.12:
            return Concurrent((self.single(level, bus, hears),), (self.single(level, bus, hears),))
        if kind < 0.18:
            return Host((self.single(level, bus, hears), self.single(level, bus, hears)))
        if kind < 0.25:
            return Abroad((self.single(level, bus), self.single(level, bus)))
        if kind < 0.31:
            return Detached((self.single(level, bus), self.single(level, bus)))
        return self.single(level, bus, hears)

    def single(self, level: int, bus: int, hears: list[str] | None = None) -> Step:
        kind = self.random.random()
        if self.may.fail and kind < 0.04:
            return Fail()
        if hears and kind < 0.12:
            return Listen(self.random.choice(hears), self.random.choice(self.may.stop_listening))
        if level >= LEVELS or kind < 0.35:
            return self.random.choice((*WAITS, *WORK))
        if kind < 0.52:
            return self.elsewhere(Emit(f"e{level}"), bus, self.random.randrange(self.buses))
        target = self.random.choice([*self.homes])
        raising = self.may.fail and self.random.random() < 0.3
        call = Call(target, f"r{level}", self.random.choice(self.may.give_up), raising)
        return self.elsewhere(call, bus, self.homes[target])

    def elsewhere(self, step: Step, here: int, bus: int) -> Step:
        return step if bus == here else On(bus, step)
