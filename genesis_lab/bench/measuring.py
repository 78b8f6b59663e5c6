"""Costs measured side by side: the same rounds for all, CPU time, the median of each.

Rounds interleave (A B C, A B C, ...), so that whatever slows the machine for a while slows all.
CPU time, because the machine may be shared. The garbage collector stays on, as it is when a bus is
used, and is emptied before each measurement, so that nobody pays for another one's garbage.
"""

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from types import ModuleType

from genesis_lab.bench.claims import Claim, Costs
from genesis_lab.errors import LabError

Contender = Callable[[int], float]
"""Does something so many times, and returns what one of them cost: CPU seconds, or bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Contenders that are measured in the same rounds, and what is claimed of them."""

    contenders: Mapping[str, Contender]
    size: int
    """How many times each does its work in one round."""
    claims: tuple[Claim, ...]


class PeerMissing(LabError):
    """A library to compare with is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} is not installed: pip install 'genesis-lab[bench]'"


def peer(name: str) -> ModuleType:
    """The library of that name.

    Raises
    ------
    PeerMissing
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise PeerMissing(name) from error


def measure(family: Family, *, size: int, rounds: Iterable[int]) -> tuple[Costs, list[PeerMissing]]:
    """The median cost of each contender, and the peers that could not take part."""
    contenders = dict(family.contenders)
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    missing = []
    for _ in rounds:
        for name, contender in list(contenders.items()):
            gc.collect()
            try:
                costs[name].append(contender(size))
            except PeerMissing as error:
                missing.append(error)
                del contenders[name], costs[name]
    return {name: median(values) for name, values in costs.items()}, missing
