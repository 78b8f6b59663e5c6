"""What is read from measured costs: a number, the bar it has to reach, and what it is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Costs = Mapping[str, float]
"""By contender: what it costs to do its work once [CPU seconds, or bytes]."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """A bar that is reached from below."""

    value: float

    def is_reached_by(self, measured: float) -> bool:
        """Whether the number is low enough."""
        return measured <= self.value

    def __str__(self) -> str:
        return f"<= {self.value:g}"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A bar that is reached from above."""

    value: float

    def is_reached_by(self, measured: float) -> bool:
        """Whether the number is high enough."""
        return measured >= self.value

    def __str__(self) -> str:
        return f">= {self.value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line of the table."""

    work: str
    """What is done, and what it is compared with."""
    measured: Callable[[Costs], float]
    """The number; a `KeyError` where it needs a contender that could not take part."""
    unit: str = "x"
    bar: AtMost | AtLeast | None = None
    """None: shown for context."""
    steps: tuple[tuple[str, str], ...] = ()
    """Where the time goes: pairs of a share's name and a contender. Each contender does what the
    one before it does, and more; the difference is the share."""
    note: str = ""


def ratio(of: str, to: str) -> Callable[[Costs], float]:
    """How many times as much one contender costs as another."""
    return lambda costs: costs[of] / costs[to]


def total(*contenders: str, scale: float = 1.0) -> Callable[[Costs], float]:
    """What contenders cost together."""
    return lambda costs: scale * sum(costs[name] for name in contenders)


def shares(claim: Claim, costs: Costs) -> list[tuple[str, float]]:
    """Where the time goes: each step's name, and what it adds to the step before [s]."""
    before = [0.0, *(costs[contender] for _, contender in claim.steps)]
    return [
        (share, costs[contender] - cost)
        for (share, contender), cost in zip(claim.steps, before, strict=False)
    ]
