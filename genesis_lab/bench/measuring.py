"""Costs measured side by side: the same rounds for all, CPU time, the median of each.

Rounds interleave (A B C, A B C, ...), so that whatever slows the machine for a while slows all.
CPU time, because the machine may be shared. The garbage collector stays on, as it is when a bus is
used, and is emptied before each measurement, so that nobody pays for another one's garbage.
"""

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from genesis_lab.bench.claims import Claim, Costs
from genesis_lab.extras import MissingExtra

Contender = Callable[[int], float]
"""Does something so many times, and returns what one of them cost: CPU seconds, or bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Contenders that are measured in the same rounds, and what is claimed of them."""

    contenders: Mapping[str, Contender]
    size: int
    """How many times each does its work in one round."""
    claims: tuple[Claim, ...]


def measure(
    family: Family, *, size: int, rounds: Iterable[int]
) -> tuple[Costs, list[MissingExtra]]:
    """The median cost of each contender, and the peers that could not take part."""
    contenders = dict(family.contenders)
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    missing = []
    for _ in rounds:
        for name, contender in list(contenders.items()):
            gc.collect()
            try:
                costs[name].append(contender(size))
            except MissingExtra as error:
                missing.append(error)
                del contenders[name], costs[name]
    return {name: median(values) for name, values in costs.items()}, missing
