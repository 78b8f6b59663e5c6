import pandas as pd
import pytest

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.scaling import THINK
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial

SCALING = load_experiment("scaling")


def trial(architecture: str, *, components: int) -> TrialResult:
    condition = Condition(architecture, {"components": components, "duration": 1.0})
    return run_trial(SCALING.scenario, condition, seed=0)


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(SCALING, quick=True, replicates=2)
    return sweep(planned, executor=InThisProcess())["scaling"]


def test_each_component_is_asked_by_one_client_at_a_time() -> None:
    requests = trial("hybrid", components=4).trace.requests
    for _, of_one in requests.groupby("target", observed=True):
        assert (of_one["sent_at"].iloc[1:].array >= of_one["finished_at"].iloc[:-1].array).all()
    assert requests["target"].nunique() == 4


@pytest.mark.parametrize("architecture", ["synchronous-component", "hybrid"])
def test_client_does_not_notice_how_many_others_there_are(architecture: str) -> None:
    alone, among_many = (
        trial(architecture, components=components).trace.requests.query("target == 'component 0'")
        for components in (1, 16)
    )
    assert alone["finished_at"].tolist() == among_many["finished_at"].tolist()


def test_old_bus_is_always_busy_with_one_of_its_components() -> None:
    result = trial("synchronous", components=16)
    requests = result.trace.requests.sort_values("started_at")
    steady = requests[requests["started_at"] > 0.1]
    assert steady["started_at"].iloc[1:].tolist() == steady["finished_at"].iloc[:-1].tolist()
    # Little's law: a client is either thinking or waiting for its answer.
    found = SCALING.measure(result)
    cycle = 16 / found["throughput"]
    assert found["latency"] == pytest.approx(cycle - THINK.mean, rel=0.1)


def test_alone_a_component_answers_the_same_on_each_bus() -> None:
    old, hybrid = (SCALING.measure(trial(name, components=1)) for name in ("synchronous", "hybrid"))
    assert old == hybrid


def test_claim_holds(trials: pd.DataFrame) -> None:
    [verdict] = SCALING.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "scaling"
    assert verdict.judgement == "holds"
    # What 16 clients can ask, over what one component can answer.
    assert verdict.effect == pytest.approx(16 * 50 / 100, rel=0.15)


@pytest.mark.parametrize(("architecture", "factor"), [("hybrid", 0.8), ("synchronous", 8.5)])
def test_verdict_follows_the_trials(trials: pd.DataFrame, architecture: str, factor: float) -> None:
    is_changed = trials["architecture"] == architecture
    throughput = trials["throughput"].where(~is_changed, factor * trials["throughput"])
    [verdict] = SCALING.verdicts(trials.assign(throughput=throughput))
    assert verdict.judgement == "refuted"


def test_summary_has_a_row_per_architecture_and_number_of_components(
    trials: pd.DataFrame,
) -> None:
    summary = SCALING.summary(trials)
    assert summary[["architecture", "components"]].to_numpy().tolist() == [
        [architecture, components]
        for architecture in ("hybrid", "synchronous", "synchronous-component")
        for components in (1, 4, 16)
    ]
    share = summary.set_index(["architecture", "components"])["share of the ideal throughput"]
    assert share["hybrid", 16] == pytest.approx(1.0, abs=0.05)


def test_drawings_are_of_throughput_and_latency(trials: pd.DataFrame) -> None:
    drawings = {drawing.name: drawing for drawing in SCALING.drawings(trials, {})}
    assert list(drawings) == ["throughput", "latency"]
    throughput = drawings["throughput"].data.set_index(["architecture", "components"])["throughput"]
    assert throughput["hybrid", 16] > 4 * throughput["synchronous", 16]
