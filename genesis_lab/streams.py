"""Random draws: one independent stream per purpose, all of them from the run's seed.

A component that draws more, or less, does not shift what another one draws. So two trials under one
seed stay comparable where they do the same, whatever else differs between them.

Two users of one purpose in one run, such as two sources of the same requests, draw independently:
each stream of a purpose is given once in a run. Users that take theirs before they run, in an order
that the program fixes, draw the same values under every schedule.

This module imports neither pandas nor matplotlib.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import trio

from genesis_lab.errors import InvalidSetting, LabError
from genesis_lab.virtual_time import LabClock

Sample = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]
"""Draws so many values at once from a stream."""

_taken: trio.lowlevel.RunVar[Counter[str] | None] = trio.lowlevel.RunVar("streams taken", None)
"""How often each purpose has been taken in the current run."""

_BLOCK = 1024
"""Values drawn at once: numpy takes about as long for one as for a hundred."""


class OutsideRun(LabError):
    """A random stream was asked for where no run's seed is known."""

    def __init__(self, purpose: tuple[str | int, ...]) -> None:
        super().__init__(purpose)
        self.purpose = purpose

    def __str__(self) -> str:
        return f"no run, so no seed for the stream {self.purpose!r}: draw inside gl.run"


def random_stream(*purpose: str | int, seed: int | None = None) -> np.random.Generator:
    """A generator of its own for this purpose.

    Within a run, each call with the same purpose gives a further stream of it, independent of those
    before. The n-th stream of a purpose under one seed is the same in any process.

    Parameters
    ----------
    *purpose
        What the draws are for, such as `"service", "exchange_manager"`. `1` and `"1"` differ.
    seed
        By default that of the current run. A given seed gives the purpose's first stream, each
        time, inside a run or outside.

    Raises
    ------
    OutsideRun
        There is no current run, and no seed either.
    InvalidSetting
        The seed is negative.
    """
    text = json.dumps(purpose)
    taken = 0
    if seed is None:
        seed = _seed_of_run(purpose)
        taken = _take(text)
    if seed < 0:
        raise InvalidSetting("seed", seed, "a whole number >= 0")
    # Python's own hash differs from one process to the next.
    digest = sha256(text.encode()).digest()
    key = np.frombuffer(digest, dtype="<u4").tolist()
    if taken:
        key.append(taken)  # a child of the first stream's sequence, as its `spawn` would make it
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _take(purpose: str) -> int:
    """Count one more user of a purpose in this run: how many there were before."""
    taken = _taken.get()
    if taken is None:
        taken = Counter()
        _taken.set(taken)
    taken[purpose] += 1
    return taken[purpose] - 1


def _seed_of_run(purpose: tuple[str | int, ...]) -> int:
    if trio.lowlevel.in_trio_run():
        clock = trio.lowlevel.current_clock()
        if isinstance(clock, LabClock):
            return clock.seed
    raise OutsideRun(purpose)


def one_by_one(sample: Sample, stream: np.random.Generator) -> Iterator[float]:
    """Endless single values of a stream, drawn many at once."""
    while True:
        yield from sample(stream, _BLOCK).tolist()


class Draws:
    """Values drawn one at a time, in a stream of the run in which they are drawn.

    It may be made outside of any run, and in a next run it begins anew: so components are values
    that can be put on one bus after another. Within one run it keeps its stream.

    Parameters
    ----------
    sample
        How to draw many at once.
    *purpose
        As in `random_stream`. Two `Draws` of one purpose draw independently of each other; the one
        that begins first has the first stream.
    """

    def __init__(self, sample: Sample, *purpose: str | int) -> None:
        self._sample = sample
        self._purpose = purpose
        self._clock: trio.abc.Clock | None = None
        self._values: Iterator[float] = iter(())

    def __call__(self) -> float:
        """The next value."""
        if trio.lowlevel.current_clock() is not self._clock:
            self.begin()
        return next(self._values)

    def begin(self) -> None:
        """Take a stream of this run now; by default the first draw does."""
        clock = trio.lowlevel.current_clock()
        if clock is not self._clock:
            self._values = one_by_one(self._sample, random_stream(*self._purpose))
            self._clock = clock
