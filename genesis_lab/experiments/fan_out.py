"""Fan-out: what an event costs its emitter, by the number of subscribers.

A publisher emits an event now and then, so rarely that the one before has been handled by all. Each
subscriber takes a random time for it. How long does the publisher wait until it can go on, how long
is an event on its way to a subscriber, and when does the last one have it?

By theory n subscribers, one after another, take n times as long as one; side by side, the slowest
of them takes 1 + 1/2 + ... + 1/n times as long, as their times are exponential.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Judgement, Verdict
from genesis_lab.experiments.compared import HYBRID, HYBRID_AWAITED, OLD_BUS
from genesis_lab.experiments.drawings import draw_measure, means
from genesis_lab.experiments.effects import paired_ratio
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.tables import table_of_means
from genesis_lab.experiments.trials import Condition, TrialResult, grid
from genesis_lab.workloads.arrivals import Publisher, Recorded
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import System
from genesis_lab.workloads.services import Service

HANDLING = Exponential(0.001)

_GAP = 1.0
"""Between two events [s]: several times what the most subscribers take one after another."""
_MORE = 1.05
"""A ratio of times that is more than chance and rounding."""
_BY = ["architecture", "subscribers"]


def conditions(quick: bool) -> list[Condition]:
    """Architecture x subscribers."""
    return grid(
        architecture=[OLD_BUS, HYBRID, HYBRID_AWAITED],
        subscribers=[1, 16, 64] if quick else [1, 4, 16, 64, 256],
        events=[5] if quick else [12],
    )


def scenario(*, subscribers: int, events: int) -> System:
    """Subscribers of one event type, and whoever publishes it."""
    ids = [f"subscriber {number}" for number in range(subscribers)]
    return System(
        components=tuple(Service(id, HANDLING) for id in ids),
        subscriptions=tuple((id, "news") for id in ids),
        clients=(Publisher("news", "publisher", Recorded([_GAP * n for n in range(events)])),),
    )


def measure(result: TrialResult) -> Mapping[str, Any]:
    """What events cost, on average.

    Returns
    -------
    dict
        `emit`, until the publisher goes on; `delivery`, until a subscriber has handled it;
        `last`, until all of them have; `waiting`, until a subscriber begins [s].
    """
    events, deliveries = result.trace.events, result.trace.deliveries
    handled = deliveries.groupby("event").agg({"intended_at": "first", "finished_at": "max"})
    return {
        "emit": float(analysis.latencies(events).mean()),
        "delivery": float(analysis.latencies(deliveries).mean()),
        "last": float(analysis.latencies(handled).mean()),
        "waiting": float((deliveries["started_at"] - deliveries["intended_at"]).mean()),
    }


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per architecture and number of subscribers."""
    labels = {
        "emit": "emitter waits [s]",
        "waiting": "subscriber begins after [s]",
        "delivery": "subscriber is done after [s]",
        "last": "all are done after [s]",
    }
    return table_of_means(trials, labels, by=_BY)


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether subscribers work side by side, and whether anybody waits for them nevertheless."""
    most = trials[trials["subscribers"] == trials["subscribers"].max()]
    sooner = paired_ratio(most, "last", of=OLD_BUS, to=HYBRID)
    waits = most.groupby("architecture")[["emit", "last", "waiting"]].mean()
    old, hybrid, awaited = (waits.loc[name] for name in (OLD_BUS, HYBRID, HYBRID_AWAITED))
    yield Verdict(
        claim="performance",
        judgement=_judge(sooner.at_least, hybrid, awaited),
        measured=f"until {most['subscribers'].max()} subscribers are done, synchronous over hybrid",
        effect=sooner.size,
        low=sooner.low,
        high=sooner.high,
        unit="x",
        sentence=(
            f"An event to {most['subscribers'].max()} subscribers, who each take "
            f"{HANDLING.mean:g} s, has been handled by all of them after {old['last']:.2g} s on "
            f"the old bus and {hybrid['last']:.2g} s on the hybrid. Its emitter waits "
            f"{old['emit']:.2g} s on the old bus and {hybrid['emit']:.2g} s on the hybrid, but "
            f"{awaited['emit']:.2g} s where delivery is awaited, as long as the slowest subscriber "
            "takes."
        ),
    )


def _judge(sooner: float, hybrid: "pd.Series[float]", awaited: "pd.Series[float]") -> Judgement:
    """Needless are the waits of a subscriber for others, and of the emitter for subscribers.

    If only awaited delivery has them, the claim holds on the condition that it is not awaited.
    """
    if sooner <= _MORE or hybrid[["emit", "waiting"]].any():
        return "refuted"
    return "holds with a condition" if awaited[["emit", "waiting"]].any() else "holds"


def drawings(trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    """What emitter and subscribers wait for, against the number of subscribers."""
    emit = means(trials, "emit", by=_BY, called="latency")
    yield Drawing(
        name="emitter",
        caption="How long an event holds its emitter: for all subscribers one after another on the "
        "old bus, for the slowest of them where delivery is awaited, and not at all where it is "
        "fire and forget.",
        axes=plots.plot_fan_out(emit),
        data=emit,
    )
    yield draw_measure(
        trials,
        "last",
        against="subscribers",
        xlabel="subscribers",
        ylabel="all are done after [s]",
        xscale="log2",
        yscale="log",
        name="last",
        caption="When the last subscriber has handled an event: the time grows with their number "
        "on the old bus, and with its logarithm where they work side by side, awaited or not.",
    )


EXPERIMENT = Experiment(
    name="fan-out",
    question=EXPERIMENTS["fan-out"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    replicates=15,
    quick_replicates=3,
)
