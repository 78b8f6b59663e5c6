"""Slow components: a few that take several times as long as before, and whoever pays for it.

Each component serves clients of its own, and all of them receive the events of one publisher. The
`others` are the components that are not slow; none of them asks a slow one. A dependent does. The
clients never give up, as that would hide a queue.

In a flood there are two components, and so many events that the inbox of the slow one runs full.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from genesis_lab import analysis
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Judgement, Verdict
from genesis_lab.experiments.compared import HYBRID, HYBRID_AWAITED, OLD_BUS, OLD_BUS_SIDE_BY_SIDE
from genesis_lab.experiments.drawings import draw_measure
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.roles import roles_of
from genesis_lab.experiments.tables import table_of_means
from genesis_lab.experiments.trials import Condition, TrialResult, grid
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Poisson, Publisher
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import Call, ScriptedComponent, System, WaitRandom
from genesis_lab.workloads.services import Service

_ARCHITECTURES = [OLD_BUS, OLD_BUS_SIDE_BY_SIDE, HYBRID, HYBRID_AWAITED]
_WORK = 0.001
"""How long a message takes at a component that is not slow, on average [s]."""
_RATE = 15.0
"""Requests per second, to each component; a slow one can just do them at 20 times the work."""
_DEPENDENT_RATE = 5.0
_FLOOD = 600.0
_UNCHANGED = 1.01
"""Up to this ratio a latency is what it was."""
_AT_OTHERS = {
    "request_p50": "requests to others, p50 [s]",
    "request_p99": "requests to others, p99 [s]",
    "delivery_p50": "events at others, p50 [s]",
    "delivery_p99": "events at others, p99 [s]",
}
_LABELS = {
    **_AT_OTHERS,
    "lag": "publisher's lag [s]",
    "held": "publisher held per event [s]",
    "dropped": "events dropped",
    "dropped_at_others": "events dropped at others",
    "at_slow": "requests to slow ones [s]",
    "at_dependent": "requests to the dependent [s]",
}
_SYSTEM = ["components", "slow", "event_rate"]


def conditions(quick: bool) -> list[Condition]:
    """Architecture x slowness, also with fewer slow ones; and a flood, where there are inboxes."""
    ends = [1.0, 20.0]
    if quick:
        return _grid(slow=2, slowness=ends, seconds=0.5)
    return [
        *_grid(slow=2, slowness=[1.0, 2.0, 5.0, 10.0, 20.0], seconds=1.5),
        *_grid(slow=1, slowness=ends, seconds=1.5),
        *_grid([HYBRID], components=2, slow=1, slowness=ends, event_rate=_FLOOD, seconds=2.0),
    ]


def _grid(
    architecture: Iterable[str] = _ARCHITECTURES,
    *,
    components: int = 8,
    slow: int,
    slowness: Iterable[float],
    event_rate: float = _RATE,
    seconds: float,
) -> list[Condition]:
    return grid(
        architecture,
        components=[components],
        slow=[slow],
        slowness=slowness,
        event_rate=[event_rate],
        seconds=[seconds],
    )


def scenario(
    *, components: int, slow: int, slowness: float, event_rate: float, seconds: float
) -> System:
    """Services with clients of their own, a publisher, and one that depends on a slow service."""
    services = [
        *(Service(f"other {number}", Exponential(_WORK)) for number in range(components - slow)),
        *(Service(f"slow {number}", Exponential(_WORK * slowness)) for number in range(slow)),
    ]
    asks_slow_one = (WaitRandom(Exponential(_WORK)), Call("slow 0", "work", None))
    dependent = ScriptedComponent("dependent", on_request={"work": asks_slow_one})
    rates = {**{service.id: _RATE for service in services}, dependent.id: _DEPENDENT_RATE}
    return System(
        components=(*services, dependent),
        subscriptions=tuple((service.id, "tick") for service in services),
        clients=(
            *(
                OpenLoop(Ask(id, timeout=None), Poisson(rate=rate, until=seconds))
                for id, rate in rates.items()
            ),
            Publisher("tick", "publisher", Poisson(rate=event_rate, until=seconds)),
        ),
    )


def measure(result: TrialResult) -> Mapping[str, Any]:
    """What clients, subscribers and the publisher wait for.

    Returns
    -------
    dict
        `request_p50`, `request_p99`, `delivery_p50`, `delivery_p99`: latency of what comes to the
        others, counted from the intended sending [s]; `lag`, by how much the publisher is late, on
        average [s]; `held`, for how long an event holds it, on average [s]; `dropped`, deliveries
        that a full inbox lost, and `dropped_at_others`, those of them that were for the others;
        `at_slow` and `at_dependent`, the mean latency of what
        clients ask these [s].
    """
    trace = result.trace
    requests = trace.requests[trace.requests["source"] == "client"]
    asked, told = roles_of(requests), roles_of(trace.deliveries)
    latencies = analysis.latencies(requests)
    of_others = latencies[asked == "other"]
    heard = analysis.latencies(trace.deliveries)[told == "other"]
    dropped = told[trace.deliveries["outcome"] == "dropped"]
    return {
        "request_p50": of_others.quantile(0.5),
        "request_p99": of_others.quantile(0.99),
        "delivery_p50": heard.quantile(0.5),
        "delivery_p99": heard.quantile(0.99),
        "lag": (trace.events["sent_at"] - trace.events["intended_at"]).mean(),
        "held": (trace.events["finished_at"] - trace.events["sent_at"]).mean(),
        "dropped": len(dropped),
        "dropped_at_others": int((dropped == "other").sum()),
        "at_slow": latencies[asked == "slow"].mean(),
        "at_dependent": latencies[asked == "dependent"].mean(),
    }


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per condition."""
    by = ["architecture", *_SYSTEM, "slowness"]
    return table_of_means(trials, _LABELS, by=by).rename(
        columns={"slow": "slow ones", "event_rate": "events [1/s]"}
    )


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether latency at the others rises on the hybrid, and who pays there after all."""
    rises = pd.concat([_rises(trials, measure) for measure in [*_AT_OTHERS, "at_dependent"]])
    at_others = rises[rises["measure"].isin(list(_AT_OTHERS))]
    by_bus = {str(name): rows for name, rows in at_others.groupby("architecture")}
    of = {name: _largest(rows) for name, rows in by_bus.items()}
    at_dependent = rises[(rises["measure"] == "at_dependent") & (rises["architecture"] == HYBRID)]
    most = trials[trials["components"] == trials["components"].max()]
    slowest = most[most["slowness"] == most["slowness"].max()]
    held = slowest[slowest["slow"] == slowest["slow"].max()].groupby("architecture")["held"].mean()
    on_hybrid = trials[trials["architecture"] == HYBRID]
    dropped = int(on_hybrid["dropped_at_others"].sum())
    of_system = at_dependent["components"] == most["components"].max()
    yield Verdict(
        claim="slow components",
        judgement=_judge(by_bus[HYBRID], dropped, by_bus[HYBRID_AWAITED], at_dependent),
        measured="largest rise of a latency at the others, hybrid",
        effect=of[HYBRID]["ratio"],
        low=of[HYBRID]["low"],
        high=of[HYBRID]["high"],
        unit="x",
        sentence=(
            f"With some components {most['slowness'].max():g} times slower, latencies at the "
            f"others are at most {of[HYBRID]['ratio']:.3g} times what they were on the hybrid, "
            f"where {dropped} of their events are lost, "
            f"up to {of[OLD_BUS]['ratio']:.3g} times on the old bus, and up to "
            f"{of[OLD_BUS_SIDE_BY_SIDE]['ratio']:.3g} times where its components run side by "
            f"side. But with awaited delivery it is {of[HYBRID_AWAITED]['ratio']:.3g} times, as "
            f"an event holds its publisher for {held[HYBRID_AWAITED]:.2g} s; and whoever asks a "
            f"slow component takes {_largest(at_dependent[of_system])['ratio']:.3g} times as long, "
            f"on the hybrid too."
        ),
    )


def _rises(trials: pd.DataFrame, measure: str) -> pd.DataFrame:
    """How many times as large a latency is as under the same seed with no component slower."""
    return analysis.paired_differences(
        trials,
        measure,
        between="slowness",
        baseline=1.0,
        by=["architecture", *_SYSTEM],
        relative=True,
    ).assign(measure=measure)


def _largest(rises: pd.DataFrame) -> dict[str, float]:
    """The largest ratio, with its interval."""
    largest = rises.iloc[int(rises["ratio"].argmax())]
    return {name: float(largest[name]) for name in ("ratio", "low", "high")}


def _judge(
    hybrid: pd.DataFrame, dropped: int, awaited: pd.DataFrame, dependent: pd.DataFrame
) -> Judgement:
    """It holds on conditions if delivery has to be fire and forget, or nobody may depend on it."""
    if _has_risen(hybrid) or dropped:
        return "refuted"
    return "holds with a condition" if _has_risen(awaited) or _has_risen(dependent) else "holds"


def _has_risen(rises: pd.DataFrame) -> bool:
    """Whether any interval reaches too high; a single pair has no interval, but a ratio."""
    return bool(np.nanmax(rises[["ratio", "high"]].to_numpy()) > _UNCHANGED)


def drawings(trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    """What the others and the publisher wait for, against how slow the slow ones are."""
    most = trials[trials["components"] == trials["components"].max()]
    shown = most[most["slow"] == most["slow"].max()]
    slow = f"{shown['slow'].max()} of {shown['components'].max()} components"
    draw = partial(
        draw_measure,
        shown,
        against="slowness",
        xlabel="how many times slower the slow ones are",
        xscale="log2",
        yscale="log",
    )
    yield draw(
        "request_p99",
        name="requests",
        ylabel="p99 latency of requests to others [s]",
        caption=f"What clients of the others wait for when {slow} are slower: the old bus has them "
        "wait for the slow ones, too; on the rest their latency is what it was.",
    )
    yield draw(
        "delivery_p99",
        name="events",
        ylabel="p99 latency of events at others [s]",
        caption=f"When an event has reached the others, if {slow} are slower: later wherever the "
        "publisher waits for its subscribers, be it side by side (awaited) or one after another. "
        "Only fire and forget keeps it as it was.",
    )
    yield draw(
        "held",
        name="publisher",
        ylabel="publisher held per event [s]",
        caption=f"For how long an event holds its publisher, if {slow} are slower: for as long as "
        "its subscribers take together on the old bus, for as long as the slowest of them takes "
        "where delivery is awaited, and not at all where it is fire and forget.",
    )


EXPERIMENT = Experiment(
    name="slow-component",
    question=EXPERIMENTS["slow-component"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    replicates=15,
    quick_replicates=4,
)
