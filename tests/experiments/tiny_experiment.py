"""A small experiment whose trials leave a mark, fail, or take real time, as the test wants."""

import math
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import genesis_lab as gl
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.sweeps import Trial
from genesis_lab.experiments.trials import Condition, TrialResult
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import Call, Client, ScriptedComponent, System, WaitRandom

ARCHITECTURES = ("synchronous", "hybrid")


class Eager(gl.HybridCoordinator):
    """An architecture that workers can import and have not registered."""


def scenario(*, mean: float, log: str | None = None, takes: float = 0.0, dies: int = 0) -> System:
    """One request of a random duration; each trial is a line of the log.

    The first so many of the log end their process.
    """
    if log is not None:
        with Path(log).open("a") as file:
            file.write("trial\n")
        if len(Path(log).read_text().splitlines()) <= dies:
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(takes)
    if mean == math.inf:
        message = "nobody has that long"
        raise ValueError(message)
    server = ScriptedComponent("server", on_request={"ask": (WaitRandom(Exponential(mean)),)})
    return System(components=(server,), clients=(Client((Call("server", "ask", None),)),))


def measure(result: TrialResult) -> Mapping[str, Any]:
    requests = result.trace.requests
    return {"latency": float(requests["finished_at"].iloc[0]), "each": [1.0, 2.0]}


def measure_as(value: object, _result: TrialResult) -> Mapping[str, Any]:
    return {"odd": value}


def conditions(_quick: bool) -> Sequence[Condition]:
    return [Condition(name, {"mean": 0.1}) for name in ARCHITECTURES]


def nothing(_trials: pd.DataFrame) -> Iterator[Verdict]:
    yield from ()


def no_drawings(_trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    yield from ()


TINY = Experiment(
    name="tiny",
    question="Is it small?",
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=pd.DataFrame.copy,
    verdicts=nothing,
    drawings=no_drawings,
    replicates=3,
    quick_replicates=2,
)


def trials(count: int, experiment: Experiment = TINY, **parameters: Any) -> list[Trial]:
    condition = Condition("hybrid", {"mean": 0.1, **parameters})
    return [Trial(experiment, condition, seed) for seed in range(count)]
