from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, run_trial
from genesis_lab.recording import Trace

SLOW = load_experiment("slow-component")
AT_OTHERS = ["request_p50", "request_p99", "delivery_p50", "delivery_p99"]
FLOOD = {"components": 2, "slow": 1, "event_rate": 600.0, "seconds": 2.0}


def condition(architecture: str, slowness: float, **parameters: Any) -> Condition:
    system = {"components": 8, "slow": 2, "event_rate": 15.0, "seconds": 0.5}
    return Condition(architecture, {**system, **parameters, "slowness": slowness})


def trace_of(architecture: str, slowness: float, **parameters: Any) -> Trace:
    return run_trial(SLOW.scenario, condition(architecture, slowness, **parameters), seed=0).trace


def measured(architecture: str, slowness: float, **parameters: Any) -> Mapping[str, Any]:
    trial = condition(architecture, slowness, **parameters)
    return SLOW.measure(run_trial(SLOW.scenario, trial, seed=0))


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    return sweep(plan(SLOW, quick=True), executor=InThisProcess())["slow-component"]


def test_nobody_else_pays_on_the_hybrid_but_who_asks_the_slow_one() -> None:
    as_before, slow = measured("hybrid", 1.0), measured("hybrid", 20.0)
    same = [*AT_OTHERS, "lag", "held", "dropped", "dropped_at_others"]
    assert [slow[name] for name in same] == [as_before[name] for name in same]
    assert (slow["lag"], slow["held"]) == (0.0, 0.0)
    assert slow["at_slow"] > 10 * as_before["at_slow"]
    assert slow["at_dependent"] > 10 * as_before["at_dependent"]


def test_slow_components_hold_everybody_on_the_old_bus() -> None:
    as_before, slow = measured("synchronous", 1.0), measured("synchronous", 20.0)
    for name in [*AT_OTHERS, "lag", "held"]:
        assert slow[name] > 2 * as_before[name], name


def test_component_wise_old_bus_only_has_events_wait_for_slow_components() -> None:
    as_before, slow = (measured("synchronous-component", slowness) for slowness in (1.0, 20.0))
    assert slow["request_p99"] < 1.5 * as_before["request_p99"]
    assert slow["delivery_p99"] > 2 * as_before["delivery_p99"]


def test_awaited_delivery_holds_the_publisher_until_the_slowest_is_done() -> None:
    trace = trace_of("hybrid-awaited", 20.0)
    slowest = trace.deliveries.groupby("event")["finished_at"].max()
    assert trace.events.set_index("id")["finished_at"].tolist() == slowest.tolist()
    found = measured("hybrid-awaited", 20.0)
    assert found["held"] > 0.02
    assert found["lag"] > 0


def test_flood_is_dropped_at_the_slow_component_only() -> None:
    found, as_before = measured("hybrid", 20.0, **FLOOD), measured("hybrid", 1.0, **FLOOD)
    assert (as_before["dropped"], as_before["dropped_at_others"]) == (0, 0)
    assert found["dropped"] > 0
    assert found["dropped_at_others"] == 0
    assert [found[name] for name in AT_OTHERS] == [as_before[name] for name in AT_OTHERS]


def test_arrivals_and_work_are_the_same_on_each_architecture() -> None:
    traces = [trace_of(name, 20.0) for name in ("synchronous", "hybrid", "hybrid-awaited")]
    for column in ("source", "target", "intended_at"):
        asked = [
            trace.requests[trace.requests["source"] == "client"]
            .sort_values(["intended_at", "target"])[column]
            .tolist()
            for trace in traces
        ]
        assert asked[0] == asked[1] == asked[2]
    published = [trace.events["intended_at"].tolist() for trace in traces]
    assert published[0] == published[1] == published[2]


def test_claim_holds_with_the_condition_that_nobody_waits_for_a_slow_one(
    trials: pd.DataFrame,
) -> None:
    [verdict] = SLOW.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "slow-component"
    assert verdict.judgement == "holds with a condition"
    assert (verdict.effect, verdict.low, verdict.high, verdict.unit) == (1.0, 1.0, 1.0, "x")
    assert "at most 1 times what they were on the hybrid" in verdict.sentence


def test_verdict_is_refuted_if_latency_at_the_others_rises_on_the_hybrid(
    trials: pd.DataFrame,
) -> None:
    is_slow = (trials["architecture"] == "hybrid") & (trials["slowness"] > 1)
    longer = trials["request_p99"].mask(is_slow, 1.05 * trials["request_p99"])
    [verdict] = SLOW.verdicts(trials.assign(request_p99=longer))
    assert verdict.judgement == "refuted"
    assert verdict.effect == pytest.approx(1.05)


def test_verdict_is_refuted_if_events_are_lost_at_the_others(trials: pd.DataFrame) -> None:
    on_hybrid = trials["architecture"] == "hybrid"
    [verdict] = SLOW.verdicts(trials.assign(dropped_at_others=on_hybrid.astype(int)))
    assert verdict.judgement == "refuted"
    assert f"where {on_hybrid.sum()} of their events are lost" in verdict.sentence


def test_sentence_has_the_largest_ratio_whatever_its_interval(trials: pd.DataFrame) -> None:
    awaited = (trials["architecture"] == "hybrid-awaited") & (trials["slowness"] > 1)
    for measure in AT_OTHERS:  # a large ratio with no spread, and a smaller one with much of it
        base = trials.assign(**dict.fromkeys(AT_OTHERS, 1.0))
        wide = base[measure].where(~awaited, 10.0 ** (trials["seed"] % 2 * 2))
        other = next(name for name in AT_OTHERS if name != measure)
        steady = base[other].where(~awaited, 50.0)
        [verdict] = SLOW.verdicts(base.assign(**{measure: wide, other: steady}))
        assert "with awaited delivery it is 50 times" in verdict.sentence


def test_verdict_is_that_it_holds_if_nobody_pays(trials: pd.DataFrame) -> None:
    [verdict] = SLOW.verdicts(trials.assign(**dict.fromkeys([*AT_OTHERS, "at_dependent"], 0.001)))
    assert verdict.judgement == "holds"


def test_verdict_of_a_single_replicate_has_no_interval(trials: pd.DataFrame) -> None:
    [verdict] = SLOW.verdicts(trials[trials["seed"] == 0])
    assert verdict.judgement == "holds with a condition"
    assert verdict.effect == 1.0
    assert pd.isna([verdict.low, verdict.high]).all()


def test_summary_has_a_row_per_condition(trials: pd.DataFrame) -> None:
    summary = SLOW.summary(trials)
    assert len(summary) == len(SLOW.conditions(True))
    assert {"slow ones", "requests to others, p99 [s] low", "events dropped"} <= set(summary)


def test_full_run_drops_events_in_a_flood_and_has_each_baseline() -> None:
    conditions = SLOW.conditions(False)
    by_system: dict[tuple[Any, ...], set[Any]] = {}
    for each in conditions:
        parameters = dict(each.parameters)
        slowness = parameters.pop("slowness")
        by_system.setdefault((each.architecture, *parameters.items()), set()).add(slowness)
    assert all(1.0 in found for found in by_system.values())
    assert condition("hybrid", 20.0, **FLOOD) in conditions


def test_drawings_are_of_requests_events_and_the_publisher(trials: pd.DataFrame) -> None:
    drawings = {drawing.name: drawing for drawing in SLOW.drawings(trials, {})}
    assert list(drawings) == ["requests", "events", "publisher"]
    held = drawings["publisher"].data.set_index(["architecture", "slowness"])["held"]
    assert held["hybrid", 20.0] == 0
    assert held["hybrid-awaited", 20.0] < held["synchronous", 20.0]
