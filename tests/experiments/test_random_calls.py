from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial

RANDOM_CALLS = load_experiment("random-calls")
HORIZON = RANDOM_CALLS.horizon


def trial(architecture: str, seed: int = 0, **parameters: Any) -> TrialResult:
    parameters = {
        "load": 0.3,
        "components": 6,
        "admission": "serial",
        "timeout": 0.5,
        **parameters,
    }
    condition = Condition(architecture, parameters)
    return run_trial(RANDOM_CALLS.scenario, condition, seed=seed, horizon=HORIZON)


def measured(architecture: str, seed: int = 0, **parameters: Any) -> Mapping[str, Any]:
    return RANDOM_CALLS.measure(trial(architecture, seed, **parameters))


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(RANDOM_CALLS, quick=True)
    return sweep(planned, executor=InThisProcess())["random-calls"]


def test_first_deadlock_comes_at_the_same_instant_on_hybrid_and_component_wise_old_bus() -> None:
    for seed in range(5):
        hybrid, old = (measured(bus, seed) for bus in ("hybrid", "synchronous-component"))
        assert (hybrid["deadlocked"], hybrid["time"]) == (old["deadlocked"], old["time"])


def test_time_of_a_trial_is_that_of_its_first_deadlock() -> None:
    result = next(
        result for seed in range(20) if not (result := trial("hybrid", seed)).trace.deadlocks.empty
    )
    found, deadlocks = RANDOM_CALLS.measure(result), result.trace.deadlocks
    assert found["deadlocked"]
    assert found["time"] == deadlocks["formed_at"].iloc[0] < HORIZON
    assert found["formed"] == len(deadlocks)
    assert found["answered"] < 1


def test_trial_without_deadlock_lasts_until_the_horizon() -> None:
    found = measured("hybrid", admission="re_entrant")
    assert (found["deadlocked"], found["time"], found["formed"]) == (False, HORIZON, 0)


def test_clients_are_the_same_on_each_architecture_and_admission() -> None:
    conditions: list[tuple[str, dict[str, Any]]] = [
        ("synchronous", {"timeout": None}),
        ("hybrid", {}),
        ("hybrid", {"admission": "re_entrant"}),
    ]
    arrivals = set()
    for architecture, parameters in conditions:
        requests = trial(architecture, **parameters).trace.requests
        of_clients = requests[requests["source"] == "client"]
        arrivals.add((*of_clients["target"], *of_clients["intended_at"]))
    assert len(arrivals) == 1


def test_probabilities_are_neither_all_0_nor_all_1(trials: pd.DataFrame) -> None:
    serial = trials[trials["admission"] == "serial"]
    assert 0.1 < serial["deadlocked"].mean() < 0.9


def test_claim_holds_with_the_condition_that_components_are_re_entrant(
    trials: pd.DataFrame,
) -> None:
    [verdict] = RANDOM_CALLS.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "random-calls"
    assert verdict.judgement == "holds with a condition"
    # One chain at a time cannot cross another one: the original old bus deadlocks less.
    assert verdict.effect > 0
    assert verdict.low <= verdict.effect <= verdict.high
    seeds = trials["seed"].nunique()
    assert f"components it is 0 of 12 runs, under 0 of {seeds} seeds" in verdict.sentence
    pairs = trials[trials["admission"] == "serial"].pivot_table(
        index=["load", "components", "seed"],
        columns="architecture",
        values="deadlocked",
        aggfunc="any",
    )
    either = pairs[["hybrid", "synchronous-component"]].any(axis="columns").sum()
    assert 0 < either < len(pairs)
    assert f"In {either} of {either} pairs with a deadlock the first one" in verdict.sentence
    assert verdict.sentence.endswith("it is the admission that decides, and not the bus.")


def test_sentence_says_only_what_the_trials_do(trials: pd.DataFrame) -> None:
    [verdict] = RANDOM_CALLS.verdicts(trials.assign(deadlocked=False, time=1.0))
    assert "cross" not in verdict.sentence
    assert "In 0 of 0 pairs with a deadlock" in verdict.sentence
    later = trials["time"].where(trials["architecture"] != "hybrid", trials["time"] / 2)
    [verdict] = RANDOM_CALLS.verdicts(trials.assign(time=later))
    assert "decides" not in verdict.sentence


@pytest.mark.parametrize(("deadlocked", "judgement"), [(False, "holds"), (True, "refuted")])
def test_verdict_follows_the_trials(trials: pd.DataFrame, deadlocked: bool, judgement: str) -> None:
    [verdict] = RANDOM_CALLS.verdicts(trials.assign(deadlocked=deadlocked))
    assert (verdict.judgement, verdict.effect) == (judgement, 0.0)


def test_summary_has_a_row_per_condition_with_wilsons_interval(trials: pd.DataFrame) -> None:
    summary = RANDOM_CALLS.summary(trials)
    assert len(summary) == len(RANDOM_CALLS.conditions(True))
    free = summary[summary["admission"] == "re_entrant"]
    assert (free["probability of a deadlock"] == 0).all()
    # z**2 / (n + z**2) where none of n trials deadlocked.
    assert free["probability of a deadlock high"].tolist() == pytest.approx(
        [1.959964**2 / (6 + 1.959964**2)] * 2
    )
    assert (free["time without deadlock, of 1 s [s]"] == 1).all()
    assert {"deadlocks per run", "share of requests answered low"} <= set(summary)


def test_drawings_are_of_the_probability_and_of_the_survival(trials: pd.DataFrame) -> None:
    drawings = {drawing.name: drawing for drawing in RANDOM_CALLS.drawings(trials, {})}
    assert list(drawings) == ["probability-by-load", "probability-by-components", "survival"]
    series = len(trials[["architecture", "admission"]].drop_duplicates())
    assert len(drawings["probability-by-load"].data) == 2 * series
    assert len(drawings["probability-by-components"].data) == series
    ends = drawings["survival"].data.groupby(["architecture", "admission"])["survival"].last()
    assert ends["hybrid", "re_entrant"] == 1
    assert ends["hybrid", "serial"] == ends["synchronous-component", "serial"] < 1
