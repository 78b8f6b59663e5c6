from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments import EXPERIMENTS, load_experiment
from genesis_lab.experiments.compared import COMPARED
from genesis_lab.experiments.trials import Condition, admission_named, grid, run_trial
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Poisson
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.services import Service
from tests.experiments import tiny_experiment


class Queue:
    """Open-loop traffic to one server."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def run_on(self, bus: gl.Bus) -> None:
        bus.register(Service("server", Exponential(0.8)))
        ask = Ask("server", timeout=1e6)
        await OpenLoop(ask, Poisson(rate=1.0, count=self._count)).run_on(bus)


def test_trial_is_a_function_of_its_inputs() -> None:
    condition = Condition("hybrid", {"mean": 0.1})
    first, again, other = (
        run_trial(tiny_experiment.scenario, condition, seed=seed).trace.digest()
        for seed in (7, 7, 8)
    )
    assert first == again != other


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_same_seed_gives_the_same_arrivals_and_service_times_on_each_bus(architecture: str) -> None:
    reference, trace = (
        run_trial(Queue, Condition(name, {"count": 50}), seed=3).trace.requests
        for name in ("hybrid", architecture)
    )
    assert trace["intended_at"].tolist() == reference["intended_at"].tolist()
    assert (trace["served_at"] - trace["started_at"]).tolist() == pytest.approx(
        (reference["served_at"] - reference["started_at"]).tolist(), rel=1e-9
    )


def test_horizon_cuts_a_trial() -> None:
    result = run_trial(Queue, Condition("hybrid", {"count": 50}), seed=3, horizon=5.0)
    assert (result.run.ended, result.run.at) == ("horizon", 5.0)


def test_trial_shows_how_it_ended_and_its_trace() -> None:
    result = run_trial(Queue, Condition("hybrid", {"count": 50}), seed=3, horizon=5.0)
    assert repr(result).startswith(
        "<RunResult horizon at 5 s, seed 3>\nTrace of hybrid, seed 3, virtual clock\n"
    )
    assert result._repr_html_() == (
        "<p><strong>horizon</strong> at 5 s, seed 3</p>" + result.trace._repr_html_()
    )


def test_experiment_shows_its_question() -> None:
    experiment = load_experiment("circular")
    assert repr(experiment) == f"<Experiment circular: {EXPERIMENTS['circular']}>"
    assert experiment._repr_html_() == (
        "<strong>circular</strong>: Does A -&gt; B -&gt; A hang, and on a ring of any size?"
    )


def test_grid_is_each_architecture_under_each_combination() -> None:
    assert grid(["hybrid", "hybrid-raise"], load=[0.1, 0.5], admission=["serial"]) == [
        Condition("hybrid", {"load": 0.1, "admission": "serial"}),
        Condition("hybrid", {"load": 0.5, "admission": "serial"}),
        Condition("hybrid-raise", {"load": 0.1, "admission": "serial"}),
        Condition("hybrid-raise", {"load": 0.5, "admission": "serial"}),
    ]


def test_synchronous_bus_has_neither_admission_nor_timeout_in_a_grid() -> None:
    conditions = grid(
        ["synchronous", "hybrid"], admission=["serial", "call_chain"], timeout=[1.0, 2.0], load=[1]
    )
    assert conditions[0] == Condition(
        "synchronous", {"admission": "serial", "timeout": None, "load": 1}
    )
    assert [condition.architecture for condition in conditions[1:]] == ["hybrid"] * 4


@pytest.mark.parametrize(
    ("ignores", "expected"),
    [
        ("honours_admission", {"admission": "serial", "timeout": 1.0}),
        ("honours_timeout", {"admission": "call_chain", "timeout": None}),
    ],
)
def test_grid_leaves_out_what_an_architecture_does_not_honour(
    ignores: str, expected: dict[str, Any]
) -> None:
    gl.add_architecture("mine", gl.HybridCoordinator, **{ignores: False})  # type: ignore[arg-type]
    assert grid(["mine"], admission=["call_chain"], timeout=[1.0]) == [Condition("mine", expected)]


def test_trial_on_an_added_architecture_is_recorded_under_its_name() -> None:
    gl.add_architecture("mine", gl.HybridCoordinator)
    result = run_trial(tiny_experiment.scenario, Condition("mine", {"mean": 0.1}), seed=7)
    assert result.trace.manifest.architecture == "mine"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_added_architecture_changes_no_plan(name: str) -> None:
    experiment = load_experiment(name)
    before = experiment.conditions(False), experiment.conditions(True)
    gl.add_architecture("mine", gl.HybridCoordinator, family="hybrid")
    assert (experiment.conditions(False), experiment.conditions(True)) == before
    assert {condition.architecture for condition in before[0]} <= set(COMPARED)


def test_unknown_architecture_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"^architecture='bus': expected 'synchronous' or "):
        Condition("bus", {})


def test_admissions_have_names() -> None:
    names = ["serial", "call_chain", "interleaved", "re_entrant", "pool(3)"]
    assert [admission_named(name) for name in names] == [
        gl.SERIAL,
        gl.CALL_CHAIN,
        gl.INTERLEAVED,
        gl.RE_ENTRANT,
        gl.pool(3),
    ]


@pytest.mark.parametrize("name", ["", "Serial", "pool", "pool()", "pool(-1)", "pool(2", "pool(0)"])
def test_unknown_admission_is_refused(name: str) -> None:
    with pytest.raises(InvalidSetting):
        admission_named(name)
