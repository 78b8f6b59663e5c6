from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial

FAN_OUT = load_experiment("fan-out")


def trial(architecture: str, *, subscribers: int = 8, events: int = 1) -> TrialResult:
    condition = Condition(architecture, {"subscribers": subscribers, "events": events})
    return run_trial(FAN_OUT.scenario, condition, seed=0)


def handling(result: TrialResult) -> Any:
    deliveries = result.trace.deliveries
    return deliveries["finished_at"] - deliveries["started_at"]


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(FAN_OUT, quick=True, replicates=2)
    return sweep(planned, executor=InThisProcess())["fan-out"]


def test_old_bus_holds_its_emitter_for_all_subscribers_together() -> None:
    result = trial("synchronous")
    found, taken = FAN_OUT.measure(result), handling(result)
    assert found["emit"] == found["last"] == pytest.approx(taken.sum(), abs=1e-12)
    assert found["delivery"] == pytest.approx(taken.cumsum().mean(), abs=1e-12)
    assert found["waiting"] == pytest.approx((taken.cumsum() - taken).mean(), abs=1e-12)


def test_hybrid_lets_its_emitter_go_on_at_once() -> None:
    result = trial("hybrid")
    found, taken = FAN_OUT.measure(result), handling(result)
    assert found == {"emit": 0.0, "delivery": taken.mean(), "last": taken.max(), "waiting": 0.0}


def test_awaited_delivery_holds_its_emitter_for_the_slowest_subscriber() -> None:
    result = trial("hybrid-awaited")
    found, taken = FAN_OUT.measure(result), handling(result)
    assert found["emit"] == found["last"] == taken.max()
    assert found["waiting"] == 0.0


def test_no_event_waits_for_the_one_before() -> None:
    for architecture in ("synchronous", "hybrid-awaited"):
        events = trial(architecture, subscribers=256, events=3).trace.events
        assert events["sent_at"].tolist() == [0.0, 1.0, 2.0]
        assert (events["finished_at"] - events["sent_at"]).max() < 1


def test_claim_holds_with_the_condition_that_delivery_is_not_awaited(trials: pd.DataFrame) -> None:
    [verdict] = FAN_OUT.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "fan-out"
    assert verdict.judgement == "holds with a condition"
    # 64 subscribers one after another, and the slowest of them, by theory.
    assert verdict.effect == pytest.approx(64 / sum(1 / n for n in range(1, 65)), rel=0.2)


def test_verdict_follows_the_trials(trials: pd.DataFrame) -> None:
    def judged(architecture: str, **changed: float) -> str:
        is_changed = trials["architecture"] == architecture
        columns = {name: trials[name].mask(is_changed, value) for name, value in changed.items()}
        [verdict] = FAN_OUT.verdicts(trials.assign(**columns))
        return verdict.judgement

    assert judged("hybrid-awaited", emit=0.0) == "holds"
    assert judged("hybrid", emit=0.001) == "refuted"
    assert judged("hybrid", waiting=0.001) == "refuted"
    assert judged("hybrid", last=1.0) == "refuted"


def test_summary_has_a_row_per_architecture_and_number_of_subscribers(
    trials: pd.DataFrame,
) -> None:
    summary = FAN_OUT.summary(trials)
    assert summary[["architecture", "subscribers"]].to_numpy().tolist() == [
        [architecture, subscribers]
        for architecture in ("hybrid", "hybrid-awaited", "synchronous")
        for subscribers in (1, 16, 64)
    ]
    assert {"emitter waits [s]", "emitter waits [s] low", "all are done after [s]"} <= set(summary)


def test_drawings_are_of_the_emitter_and_of_the_last_subscriber(trials: pd.DataFrame) -> None:
    drawings = {drawing.name: drawing for drawing in FAN_OUT.drawings(trials, {})}
    assert list(drawings) == ["emitter", "last"]
    emitter = drawings["emitter"].data.set_index(["architecture", "subscribers"])["latency"]
    assert emitter.loc["hybrid"].tolist() == [0.0, 0.0, 0.0]
    assert emitter.loc["synchronous"].is_monotonic_increasing
