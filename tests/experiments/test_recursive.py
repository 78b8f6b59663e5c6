import math
from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.recursive import SHAPES
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial

RECURSIVE = load_experiment("recursive")
HYBRIDS = ["hybrid", "hybrid-awaited", "hybrid-raise"]


def tried(architecture: str, shape: str, **parameters: Any) -> TrialResult:
    parameters = {"shape": shape, "admission": "serial", "timeout": 1.0, **parameters}
    return run_trial(RECURSIVE.scenario, Condition(architecture, parameters), seed=0)


def measured(architecture: str, shape: str, **parameters: Any) -> dict[str, Any]:
    return dict(RECURSIVE.measure(tried(architecture, shape, **parameters)))


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(RECURSIVE, quick=True, replicates=2)
    return sweep(planned, executor=InThisProcess())["recursive"]


@pytest.mark.parametrize("architecture", ["synchronous", "synchronous-component"])
@pytest.mark.parametrize("shape", SHAPES)
def test_old_bus_hangs_however_a_component_is_reached_again(architecture: str, shape: str) -> None:
    found = measured(architecture, shape, timeout=None)
    assert (found["fate"], found["held"]) == ("hangs", math.inf)
    assert math.isnan(found["latency"])


@pytest.mark.parametrize("architecture", ["synchronous", "synchronous-component"])
def test_old_bus_delivers_an_event_to_its_emitter_which_waits_for_itself(architecture: str) -> None:
    result = tried(architecture, "event", timeout=None)
    assert RECURSIVE.measure(result)["returned"] == 1
    [deadlock] = result.trace.deadlocks["components"]
    # It serves, emits, and would be delivered to; the next subscriber has its turn after that.
    assert list(deadlock) == ["publisher", "publisher", "publisher", "subscriber"]


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_hybrid_never_sends_an_event_back_to_its_emitter(architecture: str) -> None:
    result = tried(architecture, "event")
    found = RECURSIVE.measure(result)
    assert (found["fate"], found["returned"], found["lost"]) == ("none", 0, 0)
    assert result.trace.deliveries["target"].tolist() == ["subscriber"]


@pytest.mark.parametrize(
    ("architecture", "admission", "fate"),
    [
        ("hybrid", "serial", "masked"),
        ("hybrid-raise", "serial", "refused"),
        ("hybrid", "call_chain", "none"),
        ("hybrid", "re_entrant", "none"),
    ],
)
def test_request_to_itself_needs_an_admission_that_lets_it_in(
    architecture: str, admission: str, fate: str
) -> None:
    found = measured(architecture, "request", admission=admission)
    assert (found["fate"], found["lost"]) == (fate, int(fate != "none"))
    assert found["held"] == pytest.approx(1.0 if fate == "masked" else 0.0, abs=1e-12)


def test_call_back_waits_for_its_turn_if_the_publisher_does_not_wait_for_it() -> None:
    result = tried("hybrid", "call back")
    asked, called_back = result.trace.requests.to_dict("records")
    assert called_back["outcome"] == "answered"
    assert called_back["started_at"] >= asked["finished_at"]


@pytest.mark.parametrize(
    ("admission", "fate"), [("serial", "masked"), ("call_chain", "none"), ("re_entrant", "none")]
)
def test_awaited_call_back_needs_an_admission_that_lets_its_chain_in(
    admission: str, fate: str
) -> None:
    found = measured("hybrid-awaited", "call back", admission=admission)
    assert found["fate"] == fate
    assert found["held"] == pytest.approx(1.0 if fate == "masked" else 0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("architecture", "fate"), [("hybrid", "masked"), ("hybrid-awaited", "none")]
)
def test_call_chain_admission_does_not_know_the_chain_of_an_event_that_nobody_waits_for(
    architecture: str, fate: str
) -> None:
    result = tried(architecture, "call back, ask", admission="call_chain")
    assert RECURSIVE.measure(result)["fate"] == fate
    asked, *_ = result.trace.requests.to_dict("records")
    [delivered] = result.trace.deliveries.to_dict("records")
    assert (delivered["chain"] == asked["chain"]) == (fate == "none")


def test_claim_holds_with_a_condition(trials: pd.DataFrame) -> None:
    [verdict] = RECURSIVE.verdicts(trials)
    assert (verdict.claim, verdict.judgement) == ("recursive calls", "holds with a condition")
    assert verdict.effect == 1.0
    assert verdict.sentence.startswith(
        "Events came back to their emitter 0 times and deadlocked in 0 of 2 trials, "
        "in 0 of 2 if a subscriber called back."
    )
    assert "(2 of 2 with call-chain admission, 0 of 2 re-entrant)" in verdict.sentence


@pytest.mark.parametrize(("deadlocked", "judgement"), [(False, "holds"), (True, "refuted")])
def test_verdict_follows_the_trials(trials: pd.DataFrame, deadlocked: bool, judgement: str) -> None:
    [verdict] = RECURSIVE.verdicts(trials.assign(deadlocked=deadlocked, returned=3))
    assert (verdict.judgement, verdict.effect) == (judgement, float(deadlocked))
    assert "came back to their emitter" in verdict.sentence


def test_summary_has_a_row_per_shape_architecture_and_admission(trials: pd.DataFrame) -> None:
    summary = RECURSIVE.summary(trials)
    assert len(summary) == len(SHAPES) * (2 + 3 * 3)
    of = summary.set_index(["shape", "architecture", "admission"])
    assert of.loc[("event", "synchronous", "serial"), "events back at their emitter"] == 1
    assert of["deadlock"]["call back", "hybrid-awaited", "serial"] == "masked"
    assert {"time to answer [s] low", "time to answer [s] high"} <= set(summary)


def test_drawings_are_of_the_sweep_and_of_its_showcases(trials: pd.DataFrame) -> None:
    traces = {
        name: run_trial(RECURSIVE.scenario, condition, seed=0).trace
        for name, condition in RECURSIVE.showcases.items()
    }
    drawings = {drawing.name: drawing for drawing in RECURSIVE.drawings(trials, traces)}
    assert list(drawings) == [
        "latency",
        "timeline-old-bus",
        "timeline-call-chain",
        "wait-for-call-chain",
    ]
    assert drawings["timeline-call-chain"].caption.endswith(
        "a timeout breaks the deadlock, and the answer is lost."
    )
