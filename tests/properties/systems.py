"""Random scripted systems: small, but with everything that can wait in them.

hypothesis draws the size and a seed, and shrinks them. The rest follows from the seed: drawing
every step one by one takes far longer than running the system, and leaves most of them empty.

A script of level k calls and emits only what has level k + 1, and the last level neither, so that
every system ends or stalls. Components call each other, and themselves, freely otherwise.
"""

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from genesis_lab.components import CALL_CHAIN, RE_ENTRANT, SERIAL, pool
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
    Wait,
    WaitRandom,
)

LEVELS = 3
ADMISSIONS = (SERIAL, SERIAL, SERIAL, CALL_CHAIN, RE_ENTRANT, pool(2), pool(2))

# Sums of a few of these rarely meet, so that most instants have one cause.
WAITS = (Wait(0.0), Wait(0.101), Wait(0.207), Wait(0.411), WaitRandom(Exponential(0.2)))
NEVER: tuple[float | None, ...] = (None,)
MOSTLY: tuple[float | None, ...] = (0.173, 0.359, 0.727, 1.459, None)


@dataclass(frozen=True)
class Choices:
    """What may happen in a system besides calls, events and waits."""

    give_up: tuple[float | None, ...] = NEVER
    """The timeouts of its requests [s]."""
    stop_listening: tuple[float | None, ...] = NEVER
    """The timeouts of its waits for events [s]."""
    fail: bool = False


def systems(may: Choices, *, largest: int = 6) -> st.SearchStrategy[System]:
    return st.builds(
        lambda seed, components, clients, length: Author(
            Random(seed), components, length, may
        ).system(clients),
        seed=st.integers(0, 2**32),
        components=st.integers(2, largest),
        clients=st.integers(1, 4),
        length=st.integers(1, 4),
    )


class Author:
    """Writes the scripts of one system."""

    def __init__(self, random: Random, components: int, length: int, may: Choices) -> None:
        self.random = random
        self.names = [chr(ord("a") + index) for index in range(components)]
        self.length = length
        self.may = may

    def system(self, clients: int) -> System:
        pairs = [(name, f"e{level}") for name in self.names for level in range(LEVELS)]
        return System(
            components=tuple(self.component(name) for name in self.names),
            subscriptions=tuple(self.random.sample(pairs, self.random.randint(0, 5))),
            clients=tuple(
                Client(self.script(0), self.random.choice((0.0, 0.0, 0.053)))
                for _ in range(clients)
            ),
        )

    def component(self, name: str) -> ScriptedComponent | PlainComponent:
        admission = self.random.choice(ADMISSIONS)
        if self.random.random() < 0.1:
            return PlainComponent(name, admission=admission)
        return ScriptedComponent(
            name,
            on_request={f"r{level}": self.script(level + 1) for level in range(LEVELS)},
            on_event={f"e{level}": self.script(level + 1) for level in range(LEVELS)},
            admission=admission,
        )

    def script(self, level: int) -> Script:
        return tuple(self.step(level) for _ in range(self.random.randint(1, self.length)))

    def step(self, level: int) -> Step:
        if self.random.random() < 0.15:
            return Concurrent((self.single(level),), (self.single(level),))
        return self.single(level)

    def single(self, level: int) -> Step:
        kind = self.random.random()
        if self.may.fail and kind < 0.04:
            return Fail()
        if level == LEVELS or kind < 0.35:
            return self.random.choice(WAITS)
        if kind < 0.5:
            return Emit(f"e{level}")
        raising = self.may.fail and self.random.random() < 0.3
        return Call(
            self.random.choice(self.names),
            f"r{level}",
            self.random.choice(self.may.give_up),
            raising,
        )
