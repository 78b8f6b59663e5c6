from typing import Any

import numpy as np
import pandas as pd
import pytest

from genesis_lab import analysis
from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.load import OVERLOAD, SERVERS, SERVICE
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial

LOAD = load_experiment("load")


def trial(architecture: str, **parameters: Any) -> TrialResult:
    chosen = {"servers": 4, "utilisation": 0.2, "duration": 2.0, "sender_waits": False}
    return run_trial(LOAD.scenario, Condition(architecture, {**chosen, **parameters}), seed=0)


def measured(architecture: str, **parameters: Any) -> dict[str, Any]:
    return dict(LOAD.measure(trial(architecture, **parameters)))


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(LOAD, quick=True, replicates=2)
    return sweep(planned, executor=InThisProcess())["load"]


def test_architectures_are_offered_the_same_work_at_the_same_times() -> None:
    old, hybrid = (
        trial(name).trace.requests.sort_values(["target", "intended_at"], ignore_index=True)
        for name in ("synchronous", "hybrid")
    )
    assert old["intended_at"].tolist() == hybrid["intended_at"].tolist()
    taken = (old["finished_at"] - old["started_at"]).to_numpy()
    assert np.allclose(taken, hybrid["finished_at"] - hybrid["started_at"], rtol=0, atol=1e-12)


def test_old_bus_serves_one_request_at_a_time_in_the_whole_system() -> None:
    requests = trial("synchronous").trace.requests.sort_values("started_at")
    assert (requests["started_at"].iloc[1:].array >= requests["finished_at"].iloc[:-1].array).all()
    assert requests["intended_at"].is_monotonic_increasing


def test_single_server_is_the_same_queue_on_each_bus() -> None:
    old, kinder, hybrid = (
        measured(name, servers=1, utilisation=0.7)
        for name in ("synchronous", "synchronous-component", "hybrid")
    )
    assert old == kinder == hybrid
    assert not hybrid["saturated"]


@pytest.mark.parametrize(
    ("architecture", "utilisation", "saturated"),
    [
        ("synchronous", 0.2, False),
        ("synchronous", 0.3, True),
        ("synchronous-component", 0.7, False),
        ("hybrid", 0.7, False),
        ("hybrid", OVERLOAD, True),
    ],
)
def test_servers_are_saturated_where_theory_has_no_steady_state(
    architecture: str, utilisation: float, saturated: bool
) -> None:
    assert measured(architecture, utilisation=utilisation, duration=8.0)["saturated"] is saturated


def test_most_that_is_answered_is_what_one_server_or_all_of_them_can_do() -> None:
    old, hybrid = (
        measured(name, utilisation=OVERLOAD)["throughput"] for name in ("synchronous", "hybrid")
    )
    assert old == pytest.approx(1 / SERVICE.mean, rel=0.1)
    assert hybrid == pytest.approx(SERVERS / SERVICE.mean, rel=0.1)


def test_median_latency_is_that_of_theory() -> None:
    found = pd.DataFrame(
        [
            {"architecture": "hybrid", **LOAD.measure(run_trial(LOAD.scenario, condition, seed=s))}
            for condition in LOAD.conditions(False)
            if condition.architecture == "hybrid" and condition.parameters["utilisation"] == 0.5
            if not condition.parameters["sender_waits"]
            for s in range(10)
        ]
    )
    [median] = analysis.mean_intervals(found, "p50", by="architecture").to_dict("records")
    theory = analysis.mm1_latency_quantile(0.5, 0.5 / SERVICE.mean, SERVICE.mean)
    assert median["low"] < theory < median["high"]


def test_sender_that_waits_hides_the_queue_from_the_naive_figure() -> None:
    free, waiting = (
        measured("hybrid", utilisation=0.5, sender_waits=waits) for waits in (False, True)
    )
    assert waiting["p99"] == pytest.approx(free["p99"], abs=1e-12)
    assert waiting["naive"] < free["naive"] == free["p99"]


def test_claim_holds_with_the_condition_that_load_is_spread(trials: pd.DataFrame) -> None:
    [verdict] = LOAD.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "load"
    assert verdict.judgement == "holds with a condition"
    assert verdict.effect == pytest.approx(SERVERS, rel=0.2)
    assert "but a single server 1 times as many" in verdict.sentence


@pytest.mark.parametrize(
    ("servers", "factor", "judgement"), [([4], 0.25, "refuted"), ([1, 4], 4.0, "holds")]
)
def test_verdict_follows_the_trials(
    trials: pd.DataFrame, servers: list[int], factor: float, judgement: str
) -> None:
    is_changed = (trials["architecture"] == "hybrid") & trials["servers"].isin(servers)
    throughput = trials["throughput"].where(~is_changed, factor * trials["throughput"])
    [verdict] = LOAD.verdicts(trials.assign(throughput=throughput))
    assert verdict.judgement == judgement


def test_summary_gives_no_latency_to_what_is_saturated(trials: pd.DataFrame) -> None:
    summary = LOAD.summary(trials)

    half_used = summary[(summary["servers"] == 4) & (summary["utilisation"] == 0.5)]
    rows = half_used.set_index(["architecture", "sender waits"]).T
    full, open_loop = rows["synchronous", False], rows["hybrid", False]
    latency = ["p50 [s]", "p50, theory [s]", "p99 [s]", "p99, theory [s]"]
    assert full[latency].tolist() == [np.inf] * 4
    assert open_loop[latency].max() < 1
    assert (full["saturated"], open_loop["saturated"]) == (True, False)
    # What a sender who waits believes of a queue that grows for ever.
    assert rows["synchronous", True]["p99, naive [s]"] < 1
    assert len(summary) == len(LOAD.conditions(True))


def test_drawings_show_what_is_measured_beside_theory(trials: pd.DataFrame) -> None:
    traces = {
        name: run_trial(LOAD.scenario, condition, seed=0).trace
        for name, condition in LOAD.showcases.items()
    }
    drawings = {drawing.name: drawing for drawing in LOAD.drawings(trials, traces)}
    assert list(drawings) == ["latency", "throughput", "percentiles"]
    legend = drawings["latency"].axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "synchronous",
        "synchronous-component",
        "hybrid",
        "M/M/1 each",
        "M/M/1 together",
    ]
    shown = drawings["latency"].data
    old = shown[shown["architecture"] == "synchronous"]
    assert old["utilisation"].tolist() == [0.1, 0.2]
