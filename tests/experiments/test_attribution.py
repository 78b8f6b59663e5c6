import math
from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import attribution, load_experiment
from genesis_lab.experiments.attribution import cells, main_effects, single_changes
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, run_trial

ATTRIBUTION = load_experiment("attribution")


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(ATTRIBUTION, quick=True, replicates=2)
    return sweep(planned, executor=InThisProcess())["attribution"]


def measured(architecture: str, **parameters: Any) -> dict[str, Any]:
    result = run_trial(ATTRIBUTION.scenario, Condition(architecture, parameters), seed=0)
    return {"ended": result.run.ended, **ATTRIBUTION.measure(result)}


@pytest.mark.parametrize("workload", attribution.WORKLOADS)
def test_each_workload_hangs_on_the_old_bus(workload: str) -> None:
    found = measured("synchronous", workload=workload, admission="serial", timeout=None)
    assert (found["ended"], found["fate"], found["held"]) == ("stalled", "hangs", math.inf)


def test_nothing_ends_a_deadlock_without_a_timeout() -> None:
    found = measured("hybrid", workload="circular", admission="serial", timeout=None)
    assert (found["ended"], found["fate"], found["held"]) == ("stalled", "hangs", math.inf)


@pytest.mark.parametrize(
    ("workload", "delivery", "admission", "verdict"),
    [
        ("circular", "concurrent", "serial", "masked"),
        ("circular", "concurrent", "call_chain", "cured"),
        ("circular", "awaited", "serial", "masked"),
        ("call back", "concurrent", "serial", "cured"),
        ("call back", "awaited", "serial", "masked"),
        ("call back", "awaited", "call_chain", "cured"),
        ("call back, ask", "concurrent", "call_chain", "masked"),
        ("call back, ask", "awaited", "call_chain", "cured"),
        ("call back, ask", "concurrent", "re_entrant", "cured"),
    ],
)
def test_combination_ends(
    trials: pd.DataFrame, workload: str, delivery: str, admission: str, verdict: str
) -> None:
    of = cells(trials).set_index(["workload", "delivery", "admission", "timeout"])["verdict"]
    assert of[workload, delivery, admission, 0.5] == verdict


def test_factorial_is_full_and_has_the_old_bus_beside_it(trials: pd.DataFrame) -> None:
    counts = cells(trials)["delivery"].value_counts()
    # Workloads x admissions x timeouts; the old bus has workloads only.
    assert counts.to_dict() == {"concurrent": 3 * 3 * 2, "awaited": 3 * 3 * 2, "one by one": 3}


def test_change_of_the_timeout_alone_cures_nothing(trials: pd.DataFrame) -> None:
    changes = single_changes(cells(trials)).set_index(["workload", "factor"])
    assert changes["deadlocked"]["circular", "timeout"] == 4  # both deliveries and timeouts
    assert changes["cured"].to_dict() == {
        ("circular", "admission"): 4,
        ("circular", "timeout"): 0,
        ("circular", "delivery"): 0,
        ("call back", "admission"): 2,
        ("call back", "timeout"): 0,
        ("call back", "delivery"): 2,
        ("call back, ask", "admission"): 6,
        ("call back, ask", "timeout"): 0,
        ("call back, ask", "delivery"): 2,
    }


def test_main_effects_are_shares_of_each_level(trials: pd.DataFrame) -> None:
    effects = main_effects(cells(trials)).set_index(["factor", "level"])
    assert effects.sum(axis="columns").tolist() == pytest.approx([1.0] * 7)
    assert effects["cured"]["admission", "re_entrant"] == 1
    # A timeout moves combinations from neither to masked, and none to cured.
    assert effects["cured"]["timeout", "0.5 s"] == effects["cured"]["timeout", "none"]
    assert effects.loc[("timeout", "0.5 s"), "neither"] == 0
    assert effects.loc[("timeout", "none"), "masked"] == 0


def test_cell_is_as_bad_as_its_worst_replicate(trials: pd.DataFrame) -> None:
    planted = trials.copy()
    planted.loc[planted["seed"] == 1, "fate"] = "hangs"
    assert set(cells(planted)["verdict"]) == {"neither"}


def test_lost_answer_is_no_cure(trials: pd.DataFrame) -> None:
    planted = trials.assign(fate="none", lost=1)
    assert set(cells(planted)["verdict"]) == {"masked"}


def test_summary_says_what_is_paid(trials: pd.DataFrame) -> None:
    summary = ATTRIBUTION.summary(trials)
    assert len(summary) == len(cells(trials))
    paid = summary.set_index(["workload", "delivery", "admission", "timeout"])["paid [s]"]
    assert paid["circular", "awaited", "call_chain", 0.5] == 0
    # The whole timeout, less the work that the deadlock leaves undone.
    assert 0.4 < paid["circular", "concurrent", "serial", 0.5] < 0.5
    # The emitter waits for its subscriber, who calls back.
    assert 0.5 < paid["call back", "awaited", "serial", 0.5] < 0.6


def test_no_claim_is_judged(trials: pd.DataFrame) -> None:
    assert list(ATTRIBUTION.verdicts(trials)) == []


def test_drawings_are_a_matrix_per_workload(trials: pd.DataFrame) -> None:
    drawings = {drawing.name: drawing for drawing in ATTRIBUTION.drawings(trials, {})}
    assert set(drawings) == {"matrix-circular", "matrix-call-back", "matrix-call-back-ask"}
    assert drawings["matrix-call-back"].caption.endswith(
        "(the old bus: neither), and the time to an answer. Of 2 that deadlock, a change of the "
        "admission alone cures 2, of the delivery 2, of the timeout 0."
    )
    assert len(drawings["matrix-circular"].data) == 2 * 3 * 2
