"""Isolation: components that fail at a share of their messages, and whether others are hurt.

Three components fail: one raises an exception, one a group of them, and one asks another component
before it does. The `others` serve clients of their own, and receive the same events. Two more
depend on a failing one, which they ask: the strict one by `call`, so that its failure is theirs,
and the lenient one by `request`, and goes on without the reply. A failure takes as long as an
answer, so what differs from the trial without failures is what the failures did.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.buses import Bus
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Judgement, Verdict
from genesis_lab.experiments.compared import COMPARED, HYBRID
from genesis_lab.experiments.drawings import draw_measure
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.roles import roles_of
from genesis_lab.experiments.tables import table_of_means
from genesis_lab.experiments.trials import Condition, TrialResult, grid
from genesis_lab.recording import Trace
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Poisson, Publisher
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.failing import FailingService, error_group
from genesis_lab.workloads.scripted import Call, ScriptedComponent, System, WaitRandom
from genesis_lab.workloads.services import Service

_WORK = Exponential(0.001)
_RATE = 15.0
"""Events per second, and requests per second to each component."""
_OTHERS = 4
_SHOWN = 0.3
"""The failure rate of the trial that is shown."""
_TOLERATED = 0.01
"""A share that falls by more, or a latency that rises by more than that share of it, is hurt."""
_OF_OTHERS = {
    "others_answered": "others: answered",
    "others_handled": "others: handled",
    "request_p99": "others: requests, p99 [s]",
    "delivery_p99": "others: events, p99 [s]",
}
_OF_DEPENDENTS = {
    "strict_answered": "strict dependent: answered",
    "lenient_answered": "lenient dependent: answered",
}
_LABELS = {
    **_OF_OTHERS,
    "failing_answered": "failing: answered",
    "failing_handled": "failing: handled",
    **_OF_DEPENDENTS,
    "wasted": "share of work that was for nothing",
    "lost": "records lost",
}


def conditions(quick: bool) -> list[Condition]:
    """Architecture x failure rate."""
    return grid(
        COMPARED,
        failure_rate=[0.0, 0.5] if quick else [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
        messages=[10 if quick else 20],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Components that fail, that depend on these, and others; and how much is sent to them."""

    failure_rate: float
    """Of the messages of each failing component."""
    messages: int
    """Requests to each of the components, and events."""

    def system(self) -> System:
        """The components and their traffic."""
        others = [Service(f"other {number}", _WORK) for number in range(_OTHERS)]
        rate = self.failure_rate
        failing = [
            FailingService("failing", _WORK, failure_rate=rate),
            FailingService("failing in a group", _WORK, failure_rate=rate, error=error_group),
            FailingService("failing late", _WORK, failure_rate=rate, asks=others[0].id),
        ]
        dependents = [
            _dependent("strict", Call("failing", "work", raising=True)),
            _dependent("lenient", Call("failing", "work")),
        ]
        arrivals = Poisson(rate=_RATE, count=self.messages)
        components = (*others, *failing, *dependents)
        return System(
            components=components,
            subscriptions=tuple((component.id, "tick") for component in [*others, *failing]),
            clients=(
                *(OpenLoop(Ask(component.id), arrivals) for component in components),
                Publisher("tick", "publisher", arrivals),
            ),
        )

    @property
    def sent(self) -> int:
        """How many requests and deliveries there are, by what the components are made to do."""
        failing, dependents, failing_late = 3, 2, 1
        subscribers = _OTHERS + failing
        from_clients = subscribers + dependents
        from_components = dependents + 2 * failing_late  # at each request, and at each event
        return self.messages * (from_clients + from_components + subscribers)

    async def run_on(self, bus: Bus) -> None:
        """Put the system on the bus, and wait for its last message."""
        await self.system().run_on(bus)


def _dependent(id: str, ask: Call) -> ScriptedComponent:
    return ScriptedComponent(id, on_request={"work": (WaitRandom(_WORK), ask)})


def scenario(*, failure_rate: float, messages: int) -> Neighbours:
    """The failing ones and their neighbours."""
    return Neighbours(failure_rate=failure_rate, messages=messages)


def measure(result: TrialResult) -> Mapping[str, Any]:
    """How messages ended, by what their target is, and what they took.

    Returns
    -------
    dict
        `others_answered`, `others_handled`, `failing_answered`, `failing_handled`,
        `strict_answered`, `lenient_answered`: shares of the requests that were answered and of the
        deliveries that were handled; `request_p99`, `delivery_p99`, of latency at the others [s];
        `wasted`, the share of the components' time that went into requests that came to nothing;
        `sent`, how many requests and deliveries the workload makes, and `lost`, how many of these
        do not have exactly one row with an outcome.
    """
    assert isinstance(result.scenario, Neighbours), "the workload knows what it sends"
    requests, deliveries = result.trace.requests, result.trace.deliveries
    asked, told = roles_of(requests), roles_of(deliveries)
    answered = (requests["outcome"] == "answered").groupby(asked).mean()
    handled = (deliveries["outcome"] == "handled").groupby(told).mean()
    work = analysis.wasted_work(requests)
    return {
        "others_answered": float(answered["other"]),
        "others_handled": float(handled["other"]),
        "failing_answered": float(answered["failing"]),
        "failing_handled": float(handled["failing"]),
        "strict_answered": float(answered["strict"]),
        "lenient_answered": float(answered["lenient"]),
        "request_p99": analysis.latencies(requests)[asked == "other"].quantile(0.99),
        "delivery_p99": analysis.latencies(deliveries)[told == "other"].quantile(0.99),
        "wasted": float(work["wasted"].sum() / (work["useful"] + work["wasted"]).sum()),
        "sent": result.scenario.sent,
        "lost": abs(result.scenario.sent - ended_once(result.trace)),
    }


def ended_once(trace: Trace) -> int:
    """How many requests and deliveries have exactly one row, and an outcome in it."""
    rows = pd.concat([trace.requests[["id", "outcome"]], trace.deliveries[["id", "outcome"]]])
    once = ~rows["id"].duplicated(keep=False)
    return int((once & (rows["outcome"] != "pending")).sum())


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per condition."""
    by = ["architecture", "failure_rate"]
    return table_of_means(trials, _LABELS, by=by).rename(columns={"failure_rate": "failure rate"})


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether the others are as they were, who is not, and whether all is on record."""
    harm = pd.concat([_harm(trials, measure) for measure in [*_OF_OTHERS, *_OF_DEPENDENTS]])
    harm["is_harm"] = harm[["harm", "high"]].max(axis="columns") > _TOLERATED
    of_others = harm[harm["measure"].isin(_OF_OTHERS)]
    is_hurt = of_others.groupby("architecture")["is_harm"].any()
    lost = trials.groupby("architecture")["lost"].sum()
    at_worst = harm[harm["failure_rate"] == harm["failure_rate"].max()]
    hybrid = at_worst[at_worst["architecture"] == HYBRID].set_index("measure")
    answered, strict = hybrid.loc["others_answered"], hybrid.loc["strict_answered"]
    wasted = trials.loc[trials["failure_rate"] == trials["failure_rate"].max(), "wasted"].mean()
    as_before = [name for name, hurt in is_hurt.items() if not hurt]
    yield Verdict(
        claim="resilience",
        judgement=_judge(
            is_hurt=bool(is_hurt[HYBRID] or lost[HYBRID]),
            costs_dependents=bool(hybrid.loc[list(_OF_DEPENDENTS), "is_harm"].any()),
        ),
        measured="share of the others' requests that failures elsewhere cost their answer, hybrid",
        effect=answered["harm"],
        low=answered["low"],
        high=answered["high"],
        unit="",
        sentence=(
            f"With up to {trials['failure_rate'].max():.0%} of a component's messages failing, "
            f"the others' answers, events and latencies are as they were on {len(as_before)} of "
            f"{len(is_hurt)} architectures ({', '.join(map(str, as_before)) or 'none'}), and "
            f"{lost.sum()} of {trials['sent'].sum():,} messages are lost from the record. But "
            f"whoever passes on the failure of what it asks fails at {strict['harm']:.0%} of its "
            f"own requests, and at {hybrid.loc['lenient_answered', 'harm']:.0%} if it does without "
            f"the reply; and {wasted:.0%} of all work on requests comes to nothing."
        ),
    )


def _harm(trials: pd.DataFrame, measure: str) -> pd.DataFrame:
    """By what share of itself a latency rises, or by how much a share falls, through failures."""
    is_latency = measure.endswith("p99")
    found = analysis.paired_differences(
        trials,
        measure,
        between="failure_rate",
        baseline=0.0,
        by="architecture",
        relative=is_latency,
    )
    change, low, high = (
        (found["ratio"] - 1, found["low"] - 1, found["high"] - 1)
        if is_latency
        else (0 - found["difference"], 0 - found["high"], 0 - found["low"])
    )
    return found[["architecture", "failure_rate"]].assign(
        measure=measure, harm=change, low=low, high=high
    )


def _judge(*, is_hurt: bool, costs_dependents: bool) -> Judgement:
    """It holds on the condition that nobody depends on what fails, if that costs dependents."""
    if is_hurt:
        return "refuted"
    return "holds with a condition" if costs_dependents else "holds"


def drawings(trials: pd.DataFrame, traces: Traces) -> Iterator[Drawing]:
    """What becomes of messages by their target, and what failures change with their rate."""
    trace = traces["hybrid"]
    outcomes = _outcomes(trace)
    yield Drawing(
        name="outcomes",
        caption=f"How the requests to each kind of component ended, with "
        f"{_SHOWN:.0%} of the failing ones' messages failing: all others are answered, and a "
        "dependent that passes the failure on fails as often as what it asks.",
        axes=plots.plot_outcomes(outcomes),
        data=outcomes,
        trace=trace,
    )
    yield draw_measure(
        trials,
        "strict_answered",
        against="failure_rate",
        xlabel="failure rate of the failing components",
        name="dependents",
        ylabel="dependent's requests answered",
        caption="The share of its own requests that a dependent answers, if it passes on the "
        "failures of what it asks: on no architecture does the bus make up for them.",
    )
    yield draw_measure(
        trials,
        "request_p99",
        against="failure_rate",
        xlabel="failure rate of the failing components",
        name="latency",
        ylabel="p99 latency of requests to others [s]",
        caption="What clients of the others wait for: the same at each failure rate. The old bus "
        "makes them wait longer, and not because of failures.",
    )


def _outcomes(trace: Trace) -> pd.DataFrame:
    """How many requests to components of each kind ended in which way."""
    requests = trace.requests.assign(condition=roles_of(trace.requests))
    table = analysis.outcome_table(requests, by="condition")
    return table[table["count"] > 0].reset_index(drop=True)


EXPERIMENT = Experiment(
    name="isolation",
    question=EXPERIMENTS["isolation"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    showcases={"hybrid": Condition(HYBRID, {"failure_rate": _SHOWN, "messages": 20})},
    replicates=12,
    quick_replicates=4,
)
