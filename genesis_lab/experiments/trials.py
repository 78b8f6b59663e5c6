"""One trial: a scenario on one architecture under one seed. It yields the run's end and its trace.

Architectures are compared in pairs: the seed alone fixes the arrivals, the service times and the
scripts, and each purpose has a stream of its own (`genesis_lab.streams`), so what one
architecture draws more of shifts nothing else. Trials of one seed differ by their condition only.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from genesis_lab.buses import ARCHITECTURES, Bus
from genesis_lab.components import CALL_CHAIN, INTERLEAVED, RE_ENTRANT, SERIAL, Admission, pool
from genesis_lab.errors import InvalidSetting
from genesis_lab.recording import Recorder, Trace
from genesis_lab.virtual_time import RunResult, run

Value = str | int | float | bool | None
"""What a parameter may be: it is part of a file's name, by a hash, and a column of the results."""

_POOL = "pool("


class Scenario(Protocol):
    """Components and their traffic: what a trial puts on a bus."""

    async def run_on(self, bus: Bus) -> None:
        """Register the components, and return when all traffic has come to its end."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One setting of the factors.

    Raises
    ------
    UnknownArchitecture
        There is no such architecture.
    """

    architecture: str
    """A name in `ARCHITECTURES`."""
    parameters: Mapping[str, Value]
    """The keyword arguments of the experiment's scenario."""

    def __post_init__(self) -> None:
        ARCHITECTURES.check(self.architecture)


def grid(architecture: Iterable[str], **factors: Iterable[Value]) -> list[Condition]:
    """Each architecture under each combination of the factors.

    An architecture that does not honour `admission` or `timeout` gets `"serial"` or None where that
    is a factor, and each of the remaining combinations once.

    Raises
    ------
    UnknownArchitecture
        There is no such architecture.
    """
    conditions: list[Condition] = []
    combinations = [
        dict(zip(factors, values, strict=True)) for values in product(*factors.values())
    ]
    for name, parameters in product(architecture, combinations):
        condition = _effective(Condition(name, parameters))
        if condition not in conditions:
            conditions.append(condition)
    return conditions


def _effective(condition: Condition) -> Condition:
    architecture = ARCHITECTURES[condition.architecture]
    ignored: dict[str, Value] = {}
    if not architecture.honours_admission:
        ignored["admission"] = "serial"
    if not architecture.honours_timeout:
        ignored["timeout"] = None
    effective = {name: ignored.get(name, value) for name, value in condition.parameters.items()}
    return Condition(condition.architecture, effective)


def admission_named(name: str) -> Admission:
    """The admission called `serial`, `call_chain`, `interleaved`, `re_entrant` or, say, `pool(2)`.

    Raises
    ------
    InvalidSetting
        There is none of that name.
    """
    known = (SERIAL, CALL_CHAIN, INTERLEAVED, RE_ENTRANT)
    named = {admission.name.lower(): admission for admission in known}
    if name in named:
        return named[name]
    workers = name.removeprefix(_POOL).removesuffix(")")
    if name == f"{_POOL}{workers})" and workers.isdecimal():
        return pool(int(workers))
    raise InvalidSetting("admission", name, f"{', '.join(named)} or pool(n)")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrialResult:
    """What a trial yields."""

    run: RunResult[None]
    """How and when it ended."""
    trace: Trace
    scenario: Scenario
    """As the run left it."""

    def __repr__(self) -> str:
        return f"{self.run!r}\n{self.trace!r}"

    def _repr_html_(self) -> str:
        return f"<p>{self.run._repr_html_()}</p>{self.trace._repr_html_()}"


def run_trial(
    scenario: Callable[..., Scenario],
    condition: Condition,
    *,
    seed: int,
    horizon: float = math.inf,
) -> TrialResult:
    """Run a scenario in virtual time, and record everything.

    The same arguments give the same trace, byte by byte, in any process and on any machine.

    Parameters
    ----------
    scenario
        Makes it, anew for each trial, from the condition's parameters.
    condition
        The architecture and the parameters.
    seed, horizon
        As of `genesis_lab.run`.
    """
    recorder = Recorder()
    workload = scenario(**condition.parameters)

    async def main() -> None:
        async with ARCHITECTURES[condition.architecture](observer=recorder) as bus:
            await workload.run_on(bus)

    result = run(main, seed=seed, horizon=horizon)
    return TrialResult(result, recorder.trace(), workload)
