"""Scaling: throughput against the number of components.

Each component has a client of its own, who asks it, thinks for as long as an answer takes, and asks
again. Nobody needs anybody else's component, so by rights n of them answer n times as many requests
as one, and none of them later.

Time is virtual: what is measured is waiting. How much work the computer has with each message is
another question, and the benchmarks measure it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Judgement, Verdict
from genesis_lab.experiments.compared import HYBRID, OLD_BUS, OLD_BUS_SIDE_BY_SIDE
from genesis_lab.experiments.drawings import draw_measure, means
from genesis_lab.experiments.effects import Ratio, paired_ratio
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.tables import table_of_means
from genesis_lab.experiments.trials import Condition, TrialResult, grid
from genesis_lab.workloads.arrivals import Ask, ClosedLoop
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import System
from genesis_lab.workloads.services import Service

SERVICE = Exponential(0.01)
THINK = Exponential(0.01)

_WARM_UP = 0.1
"""The time after which requests count [s], once every client has asked for the first time."""
_NEARLY = 0.95
"""A share of the ideal that is as good as all of it."""
_BY = ["architecture", "components"]


def conditions(quick: bool) -> list[Condition]:
    """Architecture x components."""
    return grid(
        architecture=[OLD_BUS, OLD_BUS_SIDE_BY_SIDE, HYBRID],
        components=[1, 4, 16] if quick else [1, 2, 4, 8, 16, 32, 64],
        duration=[0.6] if quick else [1.1],
    )


def scenario(*, components: int, duration: float) -> System:
    """Components, each with a client of its own, who never gives up."""
    ids = [f"component {number}" for number in range(components)]
    return System(
        components=tuple(Service(id, SERVICE) for id in ids),
        clients=tuple(
            ClosedLoop(ask=Ask(id, timeout=None), clients=1, think=THINK, until=duration)
            for id in ids
        ),
    )


def measure(result: TrialResult) -> Mapping[str, Any]:
    """`throughput` [1/s] after the warm-up, until the last request was sent; `latency` [s].

    The latter is the mean of the requests that were to be sent in that time.
    """
    requests = result.trace.requests
    end = requests["intended_at"].max()
    [rates] = analysis.throughput(requests, start=_WARM_UP, end=end).to_dict("records")
    steady = requests[requests["intended_at"] >= _WARM_UP]
    return {
        "throughput": rates["throughput"],
        "latency": float(analysis.latencies(steady).mean()),
    }


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per architecture and number of components."""
    labels = {
        "throughput": "throughput [1/s]",
        "share": "share of the ideal throughput",
        "latency": "mean latency [s]",
    }
    return table_of_means(_with_share(trials), labels, by=_BY)


def _with_share(trials: pd.DataFrame) -> pd.DataFrame:
    """And `share`: of what clients ask for who never wait for another."""
    ideal = trials["components"] / (SERVICE.mean + THINK.mean)
    return trials.assign(share=trials["throughput"] / ideal)


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether the most components answer as much as they can, and more than on the old bus."""
    most = trials[trials["components"] == trials["components"].max()]
    more = paired_ratio(most, "throughput", of=HYBRID, to=OLD_BUS)
    shares = {
        row["architecture"]: Ratio(size=row["share"], low=row["low"], high=row["high"])
        for row in means(_with_share(most), "share", by=_BY).to_dict("records")
    }
    latency = most.groupby("architecture")["latency"].mean()
    yield Verdict(
        claim="limited scaling",
        judgement=_judge(shares[HYBRID], more),
        measured=f"throughput of {most['components'].max()} components, hybrid over synchronous",
        effect=more.size,
        low=more.low,
        high=more.high,
        unit="x",
        sentence=(
            f"{most['components'].max()} components that do not need each other answer "
            f"{shares[HYBRID].size:.0%} of what their clients can ask on the hybrid, "
            f"{shares[OLD_BUS_SIDE_BY_SIDE].size:.0%} on a bus that only lets independent "
            f"call chains run side by side, and {shares[OLD_BUS].size:.1%} on the old "
            f"bus, where a request takes {latency[OLD_BUS]:.2g} s instead of "
            f"{latency[HYBRID]:.2g} s. That is waiting, in virtual time, and not computing."
        ),
    )


def _judge(share: Ratio, more: Ratio) -> Judgement:
    """It holds if the hybrid has nearly all of the ideal throughput, and the old bus less."""
    return "holds" if share.at_least > _NEARLY and more.at_least > 1 / _NEARLY else "refuted"


def drawings(trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    """Throughput and latency against the number of components."""
    throughput = means(trials, "throughput", by=_BY)
    yield Drawing(
        name="throughput",
        caption="Requests answered per second of virtual time, by components that each have a "
        "client of their own: twice as many components answer twice as many, unless the bus has "
        "one call chain at a time in the whole system. It is waiting that limits it, as the "
        "computer's own time does not count here.",
        axes=plots.plot_scaling(throughput),
        data=throughput,
    )
    yield draw_measure(
        trials,
        "latency",
        against="components",
        xlabel="components",
        ylabel="mean latency [s]",
        xscale="log2",
        yscale="log",
        name="latency",
        caption="Mean latency against the number of components: on the old bus each client waits "
        "for all the others, on the others for none.",
    )


EXPERIMENT = Experiment(
    name="scaling",
    question=EXPERIMENTS["scaling"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    replicates=10,
    quick_replicates=3,
)
