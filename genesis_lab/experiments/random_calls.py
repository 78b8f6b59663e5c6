"""Random call graphs: whoever is asked may ask anyone else, and clients come at random.

How likely is it that a deadlock forms within a second, and how soon does it? A chain may come back
to a component that it is still being served at, and two chains that are served at the same time may
cross: A asks B while B asks A.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.compared import HYBRID, OLD_BUS, OLD_BUS_SIDE_BY_SIDE
from genesis_lab.experiments.deadlocks import judge_by_admission
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.tables import interval_columns
from genesis_lab.experiments.trials import Condition, TrialResult, admission_named, grid
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.random_calls import RandomCalls

_HORIZON = 1.0
_WORK = Exponential(0.02)
_ASKS = 0.3
_LONGEST = 3
"""The shortest chain that can come back to where it began."""
_BY = ["architecture", "admission", "load", "components"]
_PAIR = (HYBRID, OLD_BUS_SIDE_BY_SIDE)
"""Buses whose components run side by side, the new and the old one."""


def conditions(quick: bool) -> list[Condition]:
    """Architecture x load x components x admission."""
    return grid(
        architecture=[OLD_BUS, OLD_BUS_SIDE_BY_SIDE, HYBRID],
        load=[0.05, 0.3] if quick else [0.05, 0.15, 0.3],
        components=[6] if quick else [3, 6, 12],
        admission=["serial", "call_chain", "re_entrant"],
        timeout=[0.5],
    )


def scenario(*, load: float, components: int, admission: str, timeout: float | None) -> RandomCalls:
    """Clients that go on arriving until the trial is cut."""
    return RandomCalls(
        components=components,
        load=load,
        until=_HORIZON,
        work=_WORK,
        asks=_ASKS,
        longest=_LONGEST,
        admission=admission_named(admission),
        timeout=timeout,
    )


def measure(result: TrialResult) -> Mapping[str, Any]:
    """Whether a deadlock formed, and when; and what became of the requests.

    Returns
    -------
    dict
        `deadlocked`, whether a deadlock formed; `time`, when the first one did [s], or else the
        horizon; `formed`, how many did; `answered`, the share of requests that got their answer.
        One that is open when the trial is cut has got none.
    """
    formed = result.trace.deadlocks["formed_at"]
    return {
        "deadlocked": not formed.empty,
        "time": float(formed.min()) if len(formed) else _HORIZON,
        "formed": len(formed),
        "answered": float((result.trace.requests["outcome"] == "answered").mean()),
    }


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per condition."""
    # Every trial without a deadlock is cut at the same instant, so that the mean of `time` is the
    # restricted mean survival time: the area below the survival curve.
    labels = {
        "deadlocked": "probability of a deadlock",
        "time": f"time without deadlock, of {_HORIZON:g} s [s]",
        "formed": "deadlocks per run",
        "answered": "share of requests answered",
    }
    probability = analysis.deadlock_probability(trials, by=_BY)
    of_deadlock = probability.assign(measure="deadlocked", mean=probability["probability"])
    others = analysis.mean_intervals(trials, ["time", "formed", "answered"], by=_BY)
    return interval_columns(pd.concat([of_deadlock, others]), labels, by=_BY)


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether the hybrid is free of deadlocks, under which admission, and what the bus adds."""
    hybrid = trials[trials["architecture"] == HYBRID]
    formed = analysis.deadlock_probability(hybrid, by="admission").set_index("admission")
    of = formed.to_dict("index")
    serial = trials[trials["admission"] == "serial"]
    effect = _more_than_old_bus(serial)
    old_bus = serial.loc[serial["architecture"] == OLD_BUS, "deadlocked"].mean()
    free = _per_seed(hybrid[hybrid["admission"] == "re_entrant"])
    same, either = _same_instant(serial)
    still = ", since chains that cross still do" if of["call_chain"]["deadlocked"] else ""
    decides = "; so it is the admission that decides, and not the bus" if 0 < same == either else ""
    yield Verdict(
        claim="prevention",
        judgement=judge_by_admission(formed["deadlocked"]),
        measured="share of runs that deadlock: hybrid less old bus, one message at a time",
        effect=effect["difference"],
        low=effect["low"],
        high=effect["high"],
        unit="",
        sentence=(
            f"With one message at a time, {of['serial']['probability']:.0%} of the runs on the "
            f"hybrid deadlock, and {old_bus:.0%} on the old bus; with call-chain admission it is "
            f"{of['call_chain']['probability']:.0%}{still}; with re-entrant components it is "
            f"{of['re_entrant']['deadlocked']} of {of['re_entrant']['trials']} runs, under "
            f"{free['deadlocked']} of {free['trials']} seeds (95 % interval: up to "
            f"{free['high']:.1%}). In {same} of {either} pairs with a deadlock the first one comes "
            f"at the very same instant as on an old bus whose components run side by side{decides}."
        ),
    )


def _more_than_old_bus(serial: pd.DataFrame) -> Mapping[Any, float]:
    """By how much more often the hybrid deadlocks; all trials of a seed are one observation."""
    both = serial[serial["architecture"].isin([HYBRID, OLD_BUS])]
    shares = both.groupby(["architecture", "seed"])["deadlocked"].mean().reset_index()
    [found] = analysis.paired_differences(
        shares, "deadlocked", between="architecture", baseline=OLD_BUS
    ).to_dict("records")
    return found


def _per_seed(trials: pd.DataFrame) -> Mapping[str, Any]:
    """Under how many seeds any run deadlocks; all trials of a seed are one observation."""
    seeds = trials.groupby("seed")["deadlocked"].any().reset_index()
    [found] = analysis.deadlock_probability(seeds, by=()).to_dict("records")
    return {str(name): value for name, value in found.items()}


def _same_instant(serial: pd.DataFrame) -> tuple[int, int]:
    """How often hybrid and component-wise old bus deadlock together, of how many that do at all."""
    by_bus = serial.pivot_table(
        index=["load", "components", "seed"],
        columns="architecture",
        values=["time", "deadlocked"],
        aggfunc="first",
    )[lambda pairs: pairs["deadlocked"][list(_PAIR)].any(axis="columns")]
    hybrid, old = (by_bus["time", bus] for bus in _PAIR)
    return int((hybrid == old).sum()), len(by_bus)


def drawings(trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    """The probability by load and by components, and the survival under one load."""
    load, components = _middle(trials["load"]), _middle(trials["components"])
    probability = analysis.deadlock_probability(trials, by=_BY)
    by_load = probability[probability["components"] == components]
    yield Drawing(
        name="probability-by-load",
        caption=f"How likely a deadlock is within {_HORIZON:g} s, among {components:g} components: "
        "more so with each bit of load, unless components are re-entrant. The hybrid with serial "
        "components coincides with the old bus whose components run side by side; the original "
        "old bus, which serves one chain at a time, deadlocks less.",
        axes=plots.plot_deadlock_probability(
            by_load, x="load", xlabel="utilisation of each component, if nothing blocked"
        ),
        data=by_load,
    )
    by_components = probability[probability["load"] == load]
    yield Drawing(
        name="probability-by-components",
        caption=f"How likely a deadlock is within {_HORIZON:g} s at a utilisation of {load:g}. In "
        "a larger system chains meet less often, but there are more of them.",
        axes=plots.plot_deadlock_probability(by_components, x="components", xlabel="components"),
        data=by_components,
    )
    highest = trials[
        (trials["load"] == trials["load"].max()) & (trials["components"] == components)
    ]
    survival = analysis.deadlock_survival(highest, by=["architecture", "admission"])
    yield Drawing(
        name="survival",
        caption=f"The share of runs without a deadlock so far (Kaplan-Meier), among {components:g} "
        f"components at a utilisation of {trials['load'].max():g}. Only re-entrant components "
        "last.",
        axes=plots.plot_deadlock_survival(survival),
        data=survival,
    )


def _middle(levels: "pd.Series[float]") -> float:
    """The one that as many are below as above, or the upper one of the two in the middle."""
    each: list[float] = sorted(levels.unique())
    return each[len(each) // 2]


EXPERIMENT = Experiment(
    name="random-calls",
    question=EXPERIMENTS["random-calls"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    replicates=24,
    quick_replicates=6,
    horizon=_HORIZON,
)
