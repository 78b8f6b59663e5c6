import math
from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, run_trial

CIRCULAR = load_experiment("circular")


def measured(architecture: str, seed: int = 0, **parameters: Any) -> dict[str, Any]:
    parameters = {"ring": 2, "admission": "serial", "timeout": 1.0, **parameters}
    result = run_trial(CIRCULAR.scenario, Condition(architecture, parameters), seed=seed)
    return dict(CIRCULAR.measure(result))


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(CIRCULAR, quick=True, replicates=2)
    return sweep(planned, executor=InThisProcess())["circular"]


@pytest.mark.parametrize("architecture", ["synchronous", "synchronous-component"])
@pytest.mark.parametrize("ring", [1, 2, 5])
def test_ring_hangs_on_the_old_bus(architecture: str, ring: int) -> None:
    found = measured(architecture, ring=ring, timeout=None)
    assert math.isnan(found.pop("latency"))
    # The client's question, one per component, and none of them is answered.
    assert found == {"fate": "hangs", "deadlocked": True, "held": math.inf, "lost": ring + 1}


@pytest.mark.parametrize("timeout", [0.5, 1.0, 5.0])
def test_timeout_masks_the_deadlock_of_a_serial_ring(timeout: float) -> None:
    cured = measured("hybrid", admission="re_entrant", timeout=timeout)
    found = measured("hybrid", timeout=timeout)
    assert (found["fate"], found["lost"]) == ("masked", 2)
    # The first component's own work, and then its whole timeout.
    work = found["latency"] - timeout
    assert 0 < work < cured["latency"]
    # The second one worked before it asked back: the ring was closed by then.
    assert timeout - cured["latency"] < found["held"] < timeout


def test_ring_of_one_is_held_for_exactly_the_timeout() -> None:
    assert measured("hybrid", ring=1)["held"] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("admission", ["call_chain", "re_entrant"])
def test_ring_that_lets_its_own_call_chain_in_answers(admission: str) -> None:
    found = measured("hybrid", admission=admission, ring=3)
    assert 0 < found.pop("latency") < 1
    assert found == {"fate": "none", "deadlocked": False, "held": 0.0, "lost": 0}


def test_refused_request_costs_its_answer_and_no_time() -> None:
    found = measured("hybrid-raise", ring=3)
    assert (found["fate"], found["held"], found["lost"]) == ("refused", 0.0, 1)


def test_claim_holds_with_the_condition_that_rings_are_let_in(trials: pd.DataFrame) -> None:
    [verdict] = CIRCULAR.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "circular"
    assert (verdict.judgement, verdict.effect) == ("holds with a condition", 1.0)
    assert "6 of 6 rings deadlock" in verdict.sentence
    assert "with call-chain admission 0 of 6 do" in verdict.sentence


def test_other_timeouts_are_no_further_rings(trials: pd.DataFrame) -> None:
    others = trials.dropna(subset="timeout").assign(timeout=0.25)
    assert [*CIRCULAR.verdicts(pd.concat([trials, others]))] == [*CIRCULAR.verdicts(trials)]


@pytest.mark.parametrize(("deadlocked", "judgement"), [(False, "holds"), (True, "refuted")])
def test_verdict_follows_the_trials(trials: pd.DataFrame, deadlocked: bool, judgement: str) -> None:
    [verdict] = CIRCULAR.verdicts(trials.assign(deadlocked=deadlocked))
    assert (verdict.judgement, verdict.effect) == (judgement, float(deadlocked))


def test_summary_has_a_row_per_architecture_admission_and_ring(trials: pd.DataFrame) -> None:
    summary = CIRCULAR.summary(trials)
    assert len(summary) == (2 + 2 * 3) * trials["ring"].nunique()
    assert {"time to answer [s]", "longest deadlock [s] low", "deadlock"} <= set(summary)
    by_condition = summary.groupby(["architecture", "admission"])["deadlock"].unique()
    assert by_condition["hybrid", "serial"].tolist() == ["masked"]
    assert by_condition["synchronous", "serial"].tolist() == ["hangs"]


def test_drawings_are_of_the_sweep_and_of_its_showcases(trials: pd.DataFrame) -> None:
    traces = {
        name: run_trial(CIRCULAR.scenario, condition, seed=0).trace
        for name, condition in CIRCULAR.showcases.items()
    }
    drawings = {drawing.name: drawing for drawing in CIRCULAR.drawings(trials, traces)}
    assert list(drawings) == ["latency", "timeline-old-bus", "timeline-hybrid", "wait-for-old-bus"]
    assert "holds for ever" in drawings["timeline-old-bus"].caption
    legend = drawings["latency"].axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "synchronous (no answer)"
