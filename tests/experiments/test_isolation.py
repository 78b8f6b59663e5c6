from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.compared import COMPARED
from genesis_lab.experiments.isolation import ended_once
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial
from genesis_lab.recording.records import Table

ISOLATION = load_experiment("isolation")
OF_OTHERS = ["others_answered", "others_handled", "request_p99", "delivery_p99"]
MESSAGES = 10
SENT = MESSAGES * (9 + 4 + 7)
"""Requests to each component, those that components send, and the deliveries."""


def trial(architecture: str, failure_rate: float, *, seed: int = 0) -> TrialResult:
    parameters = {"failure_rate": failure_rate, "messages": MESSAGES}
    return run_trial(ISOLATION.scenario, Condition(architecture, parameters), seed=seed)


def measured(architecture: str, failure_rate: float) -> dict[str, Any]:
    return dict(ISOLATION.measure(trial(architecture, failure_rate)))


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    return sweep(plan(ISOLATION, quick=True), executor=InThisProcess())["isolation"]


@pytest.mark.parametrize("architecture", COMPARED)
def test_others_are_exactly_as_they_were_on_each_architecture(architecture: str) -> None:
    without, with_failures = (measured(architecture, rate) for rate in (0.0, 0.5))
    assert without["failing_answered"] == 1 > with_failures["failing_answered"]
    assert without["failing_handled"] == 1 > with_failures["failing_handled"]
    assert [with_failures[name] for name in OF_OTHERS] == [without[name] for name in OF_OTHERS]
    assert (with_failures["others_answered"], with_failures["others_handled"]) == (1.0, 1.0)


@pytest.mark.parametrize("architecture", COMPARED)
def test_each_message_is_on_record_once(architecture: str) -> None:
    found = measured(architecture, 0.5)
    assert (found["sent"], found["lost"]) == (SENT, 0)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("failing", "ServiceFailed"),
        ("failing in a group", "ExceptionGroup"),
        ("failing late", "ServiceFailed"),
    ],
)
def test_each_kind_of_failure_occurs_at_requests_and_events(name: str, error: str) -> None:
    trace = trial("hybrid", 0.5).trace
    for frame in (trace.requests, trace.deliveries):
        failed = frame[(frame["target"] == name) & (frame["outcome"] == "failed")]
        assert set(failed["error"]) == {error}


def test_strict_dependent_fails_with_what_it_asks_and_the_lenient_one_never() -> None:
    requests = trial("hybrid", 0.5).trace.requests.set_index("id")
    asked = requests[requests["source"].isin(["strict", "lenient"])]
    own = requests.loc[asked["cause"]]
    is_strict = (asked["source"] == "strict").to_numpy()
    failed = (asked["outcome"] == "failed").to_numpy()
    assert failed[is_strict].any()
    assert failed[~is_strict].any()
    assert (own["outcome"] == "failed").tolist() == (failed & is_strict).tolist()


def without_last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:-1]


def with_last_twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[[-1]]], ignore_index=True)


def with_last_pending(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(outcome=frame["outcome"].mask(frame.index == len(frame) - 1, "pending"))


@pytest.mark.parametrize("alter", [without_last, with_last_twice, with_last_pending])
def test_record_that_is_not_there_once_with_its_end_is_lost(
    alter: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    trace = trial("hybrid", 0.5).trace

    def frame_of(table: Table) -> pd.DataFrame:
        return alter(trace.frame_of(table))

    assert ended_once(trace) == SENT
    assert ended_once(replace(trace, frame_of=frame_of)) == SENT - 2  # a request and a delivery


def test_claim_holds_with_the_condition_that_nobody_depends_on_what_fails(
    trials: pd.DataFrame,
) -> None:
    [verdict] = ISOLATION.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "isolation"
    assert verdict.judgement == "holds with a condition"
    assert (verdict.effect, verdict.low, verdict.high) == (0.0, 0.0, 0.0)
    assert "as they were on 5 of 5 architectures" in verdict.sentence
    assert f"0 of {len(trials) * SENT:,} messages are lost" in verdict.sentence


@pytest.mark.parametrize(
    ("measure", "factor"), [("others_answered", 0.98), ("request_p99", 1.02), ("delivery_p99", 2.0)]
)
def test_verdict_is_refuted_if_failures_hurt_the_others_on_the_hybrid(
    trials: pd.DataFrame, measure: str, factor: float
) -> None:
    hurt = (trials["architecture"] == "hybrid") & (trials["failure_rate"] > 0)
    worse = trials[measure].mask(hurt, factor * trials[measure])
    [verdict] = ISOLATION.verdicts(trials.assign(**{measure: worse}))
    assert verdict.judgement == "refuted"
    assert "on 4 of 5 architectures" in verdict.sentence


def test_verdict_is_refuted_if_a_record_is_lost(trials: pd.DataFrame) -> None:
    [verdict] = ISOLATION.verdicts(trials.assign(lost=1))
    assert verdict.judgement == "refuted"


def test_verdict_is_that_it_holds_if_failures_cost_dependents_nothing(
    trials: pd.DataFrame,
) -> None:
    [verdict] = ISOLATION.verdicts(trials.assign(strict_answered=1.0))
    assert verdict.judgement == "holds"


def test_summary_has_a_row_per_condition(trials: pd.DataFrame) -> None:
    summary = ISOLATION.summary(trials)
    assert len(summary) == len(ISOLATION.conditions(True)) == 2 * len(COMPARED)
    assert (summary["records lost"] == 0).all()
    assert {"failure rate", "others: requests, p99 [s] high"} <= set(summary)


def test_drawings_are_of_outcomes_dependents_and_latency(trials: pd.DataFrame) -> None:
    traces = {
        name: run_trial(ISOLATION.scenario, condition, seed=0).trace
        for name, condition in ISOLATION.showcases.items()
    }
    drawings = {drawing.name: drawing for drawing in ISOLATION.drawings(trials, traces)}
    assert list(drawings) == ["outcomes", "dependents", "latency"]
    outcomes = drawings["outcomes"].data.set_index(["condition", "outcome"])["share"]
    assert outcomes["other", "answered"] == outcomes["lenient", "answered"] == 1
    assert outcomes["strict", "failed"] > 0
