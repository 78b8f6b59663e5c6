"""What a sweep adds to its trials, and what a second process gives.

Wall-clock time, since what is measured is how well two processors are kept busy. The processes are
there before the clock starts, as they are for most of a sweep.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import pandas as pd

import genesis_lab as gl
from genesis_lab.bench.claims import AtLeast, AtMost, Claim, Costs, ratio
from genesis_lab.bench.measuring import Family
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.sweeps import InThisProcess, Trial, processes, sweep
from genesis_lab.experiments.trials import Condition, TrialResult
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Poisson
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.services import Service

REQUESTS = 2_000
"""Of a trial, which then takes a good 100 ms."""


class Queue:
    """An M/M/1 queue at load 0.8."""

    def __init__(self, requests: int) -> None:
        self._requests = requests

    async def run_on(self, bus: gl.Bus) -> None:
        """Let every customer be served."""
        bus.register(Service("server", Exponential(0.8)))
        arrivals = Poisson(rate=1.0, count=self._requests)
        await OpenLoop(Ask("server", timeout=1e6), arrivals).run_on(bus)


def _measured(result: TrialResult) -> Mapping[str, Any]:
    requests = result.trace.requests
    return {"latency": float((requests["finished_at"] - requests["intended_at"]).mean())}


def _conditions(_quick: bool) -> Sequence[Condition]:
    return [Condition("hybrid", {"requests": REQUESTS})]


def _no_verdicts(_trials: pd.DataFrame) -> Iterator[Verdict]:
    yield from ()


def _no_drawings(_trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    yield from ()


_EXPERIMENT = Experiment(
    name="bench",
    question="What does a sweep add to its trials?",
    conditions=_conditions,
    scenario=Queue,
    measure=_measured,
    summary=pd.DataFrame.copy,
    verdicts=_no_verdicts,
    drawings=_no_drawings,
)


def _trials(seeds: range) -> list[Trial]:
    (condition,) = _conditions(False)
    return [Trial(_EXPERIMENT, condition, seed) for seed in seeds]


def trial(size: int) -> float:
    """A trial by itself."""
    trials = _trials(range(size))
    began = perf_counter()
    for each in trials:
        each.run()
    return (perf_counter() - began) / size


def swept(executor: Callable[[], AbstractContextManager[Executor]], size: int) -> float:
    """A trial of a sweep that stores what it has finished."""
    with executor() as pool, TemporaryDirectory() as store:
        sweep(_trials(range(size, size + 4)), executor=pool)  # every process has loaded the lab
        began = perf_counter()
        sweep(_trials(range(size)), executor=pool, store=store)
        return (perf_counter() - began) / size


def _overhead(costs: Costs) -> float:
    return (costs["swept here"] - costs["trial"]) * 1e3


FAMILY = Family(
    contenders={
        "trial": trial,
        "swept here": partial(swept, lambda: nullcontext(InThisProcess())),
        "one worker": partial(swept, partial(processes, 1)),
        "two workers": partial(swept, partial(processes, 2)),
    },
    size=12,
    claims=(
        Claim(
            work="a sweep's throughput, two workers / one, trials of over 100 ms",
            measured=ratio("one worker", "two workers"),
            bar=AtLeast(1.8),
            note="wall-clock time; needs two idle processors",
        ),
        Claim(
            work="a sweep's overhead per trial, stored",
            measured=_overhead,
            unit="ms",
            bar=AtMost(10),
        ),
        Claim(
            work="the same with a worker's pickling and waiting",
            measured=lambda costs: (costs["one worker"] - costs["trial"]) * 1e3,
            unit="ms",
            bar=AtMost(10),
        ),
    ),
)
