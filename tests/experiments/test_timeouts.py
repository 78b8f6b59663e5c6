import math
from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.timeouts import BANDS, BUSY, Band, judge, least_ratio
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial

TIMEOUTS = load_experiment("timeouts")


def tried(**parameters: Any) -> TrialResult:
    parameters = {"utilisation": BUSY, "ratio": 5.0, "mean": 1.0, "requests": 500, **parameters}
    return run_trial(TIMEOUTS.scenario, Condition("hybrid", parameters), seed=0)


def trials_in_which(given_up: dict[float, float], held: float = 1.0) -> pd.DataFrame:
    """Trials in which so much is given up at each ratio; `held` counts in timeouts."""
    return pd.DataFrame(
        {
            "utilisation": BUSY,
            "ratio": ratio,
            "mean": 1.0,
            "seed": seed,
            "given_up": share,
            "held": held * ratio,
        }
        for ratio, share in given_up.items()
        for seed in range(3)
    )


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    return sweep(plan(TIMEOUTS, quick=True), executor=InThisProcess())["timeouts"]


@pytest.mark.parametrize("ratio", [2.0, 10.0])
def test_pair_is_held_for_exactly_the_timeout(ratio: float) -> None:
    result = tried(ratio=ratio, requests=1)
    assert TIMEOUTS.measure(result)["held"] == ratio
    assert result.trace.deadlocks["broken_by"].tolist() == ["timed_out"]


def test_request_is_given_up_on_at_its_timeout_and_no_sooner() -> None:
    requests = tried().trace.requests
    server = requests[requests["target"] == "server"]
    latency = server["finished_at"] - server["intended_at"]
    given_up = server["outcome"] == "timed_out"
    assert 0 < given_up.sum() < len(server) == 500
    assert latency[given_up].tolist() == pytest.approx([5.0] * given_up.sum())
    assert latency[~given_up].max() < 5.0


def test_only_the_ratio_matters() -> None:
    # A power of two scales all times without rounding.
    one, quarter = (tried(mean=mean).trace.requests["outcome"].tolist() for mean in (1.0, 0.25))
    assert one == quarter


def test_more_is_given_up_the_shorter_the_timeout_and_the_busier_the_server() -> None:
    shares = {
        (utilisation, ratio): TIMEOUTS.measure(tried(utilisation=utilisation, ratio=ratio))[
            "given_up"
        ]
        for utilisation in (0.3, 0.8)
        for ratio in (2.0, 8.0)
    }
    assert shares[0.3, 8.0] < shares[0.3, 2.0] < shares[0.8, 2.0]
    assert shares[0.3, 8.0] < shares[0.8, 8.0] < shares[0.8, 2.0]


def test_less_is_given_up_than_is_late_without_timeouts() -> None:
    # Whoever gives up makes room for the others. Without timeouts the latency of an M/M/1 queue
    # exceeds t mean service times with the probability exp(-(1 - utilisation) t).
    share = TIMEOUTS.measure(tried(ratio=5.0, requests=4_000))["given_up"]
    assert 0.25 * math.exp(-0.4 * 5) < share < math.exp(-0.4 * 5)


def test_least_ratio_is_the_shortest_that_gives_up_on_few() -> None:
    found = least_ratio(trials_in_which({5.0: 0.05, 8.0: 0.01, 10.0: 0.009, 20.0: 0.0}), BUSY)
    assert (found.value, found.low, found.high) == (10.0, 10.0, 10.0)


def test_no_ratio_that_was_tried_may_be_long_enough() -> None:
    trials = trials_in_which({5.0: 0.05, 50.0: 0.02})
    assert least_ratio(trials, BUSY).value == math.inf
    assert {verdict.judgement for verdict in TIMEOUTS.verdicts(trials)} == {"refuted"}
    assert {verdict.effect for verdict in TIMEOUTS.verdicts(trials)} == {0.0}


@pytest.mark.parametrize(
    ("mean", "peak", "judgement"),
    [
        (0.1, 10.0, "holds"),
        (0.1, 11.0, "holds with a condition"),  # at the peak only longer ones suit
        (0.05, math.inf, "holds with a condition"),
        (0.15, 10.0, "holds with a condition"),  # only the longer ones suit
        (0.2, 20.0, "holds with a condition"),
        (0.21, 20.0, "refuted"),
    ],
)
def test_recommendation_is_judged_by_its_band(mean: float, peak: float, judgement: str) -> None:
    assert judge(Band(1.0, 2.0, mean=mean), busy=10.0, peak=peak) == judgement


def test_each_claim_gets_a_verdict_with_its_condition(trials: pd.DataFrame) -> None:
    verdicts = {verdict.claim: verdict for verdict in TIMEOUTS.verdicts(trials)}
    assert set(verdicts) == {name for name, c in CLAIMS.items() if c.experiment == "timeouts"}
    assert {claim: verdict.judgement for claim, verdict in verdicts.items()} == {
        "fast operations": "holds",
        "connection checks": "holds with a condition",
        "complex operations": "holds with a condition",
    }
    least = least_ratio(trials, BUSY).value
    for claim, verdict in verdicts.items():
        band = BANDS[claim]
        assert verdict.low <= verdict.effect == band.shortest / least <= verdict.high
        assert verdict.sentence.endswith(f"components are held for up to {band.longest:g} s.")


def test_band_that_suits_its_operations_at_any_load_holds() -> None:
    trials = trials_in_which({5.0: 0.05, 10.0: 0.001})
    judgements = [verdict.judgement for verdict in TIMEOUTS.verdicts(trials)]
    assert judgements == ["holds", "holds", "holds"]


def test_one_replicate_has_no_interval(trials: pd.DataFrame) -> None:
    for verdict in TIMEOUTS.verdicts(trials[trials["seed"] == 0]):
        assert verdict.effect > 0
        assert math.isnan(verdict.low)
        assert math.isnan(verdict.high)


def test_verdict_says_so_where_no_timeout_suffices() -> None:
    for verdict in TIMEOUTS.verdicts(trials_in_which({5.0: 0.05, 50.0: 0.02})):
        assert "inf" not in verdict.sentence
        assert "no timeout that was tried gives up on less than 1% of" in verdict.sentence
        assert f"s suits none, and at {BUSY} none;" in verdict.sentence


def test_summary_has_a_row_per_utilisation_and_timeout(trials: pd.DataFrame) -> None:
    summary = TIMEOUTS.summary(trials)
    assert len(summary) == 2 * 3
    assert {"share given up", "share given up low", "share given up high"} <= set(summary)
    held = summary["deadlock held [service times]"]
    assert held.tolist() == summary["timeout [service times]"].tolist()


def test_drawing_has_a_curve_per_utilisation(trials: pd.DataFrame) -> None:
    [drawing] = TIMEOUTS.drawings(trials, {})
    legend = drawing.axes.get_legend()
    assert drawing.name == "given-up"
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "utilisation 0.6",
        "utilisation 0.8",
    ]
