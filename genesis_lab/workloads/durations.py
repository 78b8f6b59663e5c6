"""How long something takes: values that know their mean and variability, and draw samples.

Service times, think times, gaps between arrivals, latencies of links and random waits are all of
this family.
`mean` and `scv` are what the closed forms of queueing theory ask for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from genesis_lab.errors import InvalidSetting

Seconds = npt.NDArray[np.float64]


class Duration(Protocol):
    """A distribution of durations, none of them negative."""

    @property
    def mean(self) -> float:
        """The mean [s]."""

    @property
    def scv(self) -> float:
        """The squared coefficient of variation: the variance over the squared mean."""

    def sample(self, stream: np.random.Generator, size: int) -> Seconds:
        """So many independent draws [s]."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.seconds < math.inf:
            raise InvalidSetting("seconds", self.seconds, "a finite number >= 0")

    @property
    def mean(self) -> float:
        """The mean [s]."""
        return self.seconds

    @property
    def scv(self) -> float:
        """The squared coefficient of variation."""
        return 0.0

    def sample(self, _stream: np.random.Generator, size: int) -> Seconds:
        """So many times the same [s]; nothing is drawn for it."""
        return np.full(size, self.seconds, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Between two bounds, all alike."""

    shortest: float
    longest: float

    def __post_init__(self) -> None:
        if not 0 <= self.shortest < math.inf:
            raise InvalidSetting("shortest", self.shortest, "a finite number >= 0")
        if not self.shortest <= self.longest < math.inf:
            raise InvalidSetting("longest", self.longest, f"a finite number >= {self.shortest!r}")

    @property
    def mean(self) -> float:
        """The mean [s]."""
        return self.shortest + (self.longest - self.shortest) / 2

    @property
    def scv(self) -> float:
        """The squared coefficient of variation; NaN where all durations are zero."""
        mean = self.mean
        return ((self.longest - self.shortest) / mean) ** 2 / 12 if mean else math.nan

    def sample(self, stream: np.random.Generator, size: int) -> Seconds:
        """So many independent draws [s]."""
        return stream.uniform(self.shortest, self.longest, size)


@dataclass(frozen=True, slots=True)
class Shifted:
    """A random duration on top of a constant one, such as queueing on top of propagation."""

    least: float
    """The constant part [s]."""
    further: Duration

    def __post_init__(self) -> None:
        if not 0 <= self.least < math.inf:
            raise InvalidSetting("least", self.least, "a finite number >= 0")

    @property
    def mean(self) -> float:
        """The mean [s]."""
        return self.least + self.further.mean

    @property
    def scv(self) -> float:
        """The squared coefficient of variation; NaN where all durations are zero."""
        mean, share = self.mean, self.further.mean
        if not share:
            return 0.0 if mean else math.nan
        return self.further.scv * (share / mean) ** 2

    def sample(self, stream: np.random.Generator, size: int) -> Seconds:
        """So many independent draws [s]."""
        return self.least + self.further.sample(stream, size)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Memoryless: however long it has taken, what remains is distributed as it was at first."""

    mean: float

    def __post_init__(self) -> None:
        _check_mean(self.mean)

    @property
    def scv(self) -> float:
        """The squared coefficient of variation."""
        return 1.0

    def sample(self, stream: np.random.Generator, size: int) -> Seconds:
        """So many independent draws [s]."""
        return stream.exponential(self.mean, size)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Skewed, with a long tail, as latencies of networks and people are."""

    mean: float
    scv: float

    def __post_init__(self) -> None:
        _check_mean(self.mean)
        if not 0 <= self.scv < math.inf:
            raise InvalidSetting("scv", self.scv, "a finite number >= 0")

    def sample(self, stream: np.random.Generator, size: int) -> Seconds:
        """So many independent draws [s]."""
        variance = math.log1p(self.scv)
        return stream.lognormal(math.log(self.mean) - variance / 2, math.sqrt(variance), size)


@dataclass(frozen=True, slots=True, init=False)
class Empirical:
    """What was observed, drawn again with replacement."""

    observed: tuple[float, ...]

    def __init__(self, observed: Sequence[float] | Seconds) -> None:
        values = np.asarray(observed, dtype=np.float64)
        if not (values.size and np.isfinite(values).all() and (values >= 0).all()):
            raise InvalidSetting("observed", observed, "finite numbers >= 0, at least one")
        object.__setattr__(self, "observed", tuple(values.tolist()))

    @property
    def mean(self) -> float:
        """The mean [s]."""
        return math.fsum(self.observed) / len(self.observed)

    @property
    def scv(self) -> float:
        """The squared coefficient of variation; NaN where all durations are zero."""
        mean = self.mean
        # Scaled first: the squares of very small durations are zero.
        return float(np.var(np.divide(self.observed, mean))) if mean else math.nan

    def sample(self, stream: np.random.Generator, size: int) -> Seconds:
        """So many independent draws [s]."""
        return stream.choice(self.observed, size)


def _check_mean(mean: float) -> None:
    if not 0 < mean < math.inf:
        raise InvalidSetting("mean", mean, "a finite number > 0")
