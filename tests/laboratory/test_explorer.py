"""The explorer: what it makes of its settings, and that its controls do what they say."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments.trials import Condition, TrialResult
from genesis_lab.laboratory.exploring import (
    Settings,
    cell,
    draw,
    explore,
    export,
    say,
    scenario,
)
from genesis_lab.laboratory.page import as_duration
from genesis_lab.plots import timeline_segments

pytestmark = pytest.mark.slow

SUFFIXES = {".svg", ".pdf", ".png", ".csv", ".json"}
FIGURES = ["timeline", "latency", "outcomes"]


def explored(**changed: Any) -> tuple[Condition, TrialResult]:
    settings = Settings(**changed)
    return settings.condition(), explore(settings)


@pytest.fixture(scope="module")
def hybrid() -> tuple[Condition, TrialResult]:
    return explored()


@pytest.fixture(scope="module")
def synchronous() -> tuple[Condition, TrialResult]:
    return explored(architecture="synchronous")


# --- the trial ------------------------------------------------------------------------------------


def test_a_trial_is_bounded_by_its_clients_however_it_is_set() -> None:
    for changed in ({}, {"load": 1.2, "slowness": 50.0}, {"load": 0.05, "service_time": 0.1}):
        _, result = explored(admission="re_entrant", timeout=None, **changed)
        requests = result.trace.requests
        clients = requests[requests["cause"] < 0]
        assert result.run.ended == "completed"
        assert 450 < len(clients) < 550
        assert 1.2 * len(clients) < len(requests) < 1.6 * len(clients)


def test_the_load_is_the_utilisation_of_components_if_nothing_blocks() -> None:
    _, result = explored(admission="re_entrant", timeout=None, load=0.3)
    requests = result.trace.requests
    work = requests["finished_at"] - requests["started_at"] - requests["blocked"]
    busy = work.groupby(requests["target"], observed=True).sum() / requests["sent_at"].max()
    assert busy.mean() == pytest.approx(0.3, rel=0.15)


def test_slowness_is_that_of_one_component_and_shifts_nothing_else() -> None:
    calm, slow = (
        explored(admission="re_entrant", timeout=None, slowness=slowness)[1].trace.requests
        for slowness in (1.0, 10.0)
    )
    clients = [requests[requests["cause"] < 0] for requests in (calm, slow)]
    assert clients[0]["sent_at"].tolist() == clients[1]["sent_at"].tolist()
    assert clients[0]["target"].tolist() == clients[1]["target"].tolist()
    before, after = (
        (requests["finished_at"] - requests["started_at"] - requests["blocked"])
        .groupby(requests["target"], observed=True)
        .sum()
        for requests in (calm, slow)
    )
    ratio = (after / before).round(6).to_dict()
    assert ratio == {"c0": 10.0, "c1": 1.0, "c2": 1.0, "c3": 1.0, "c4": 1.0}


def test_slowness_must_be_positive() -> None:
    with pytest.raises(InvalidSetting, match=r"slowness=0: expected a number > 0"):
        scenario(
            components=2, load=0.1, service_time=0.1, slowness=0, timeout=1.0, admission="serial"
        )


def test_a_condition_is_all_settings_but_the_seed_and_what_a_bus_ignores() -> None:
    names = {each.name for each in fields(Settings)} - {"architecture", "seed"}
    assert set(Settings().condition().parameters) == names
    on_old_bus = Settings(architecture="synchronous", admission="re_entrant").condition()
    assert (on_old_bus.parameters["admission"], on_old_bus.parameters["timeout"]) == (
        "serial",
        None,
    )


# --- what is said and drawn -----------------------------------------------------------------------


def test_the_line_says_how_it_ended(
    hybrid: tuple[Condition, TrialResult], synchronous: tuple[Condition, TrialResult]
) -> None:
    assert say(*hybrid) == (
        "hybrid under seed 7: completed after 27.9 s, with 32 deadlocks. "
        "Of 524 clients' requests, 472 answered and 52 timed out; "
        "those that ended took 77.1 ms (p50) and 1 s (p99)."
    )
    assert say(*synchronous) == (
        "synchronous under seed 7: stalled for ever after 27.7 s, with 1 deadlock. "
        "Of 524 clients' requests, 17 answered and 507 pending; "
        "those that ended took 49.7 ms (p50) and 112 ms (p99)."
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.00012345, "0.123 ms"),
        (0.25, "250 ms"),
        (0.99951, "1 s"),
        (0.9994, "999 ms"),
        (86.84, "86.8 s"),
        (float("nan"), "none"),
    ],
)
def test_a_duration_is_said_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert as_duration(seconds) == text


def test_the_timeline_is_about_the_first_deadlock(hybrid: tuple[Condition, TrialResult]) -> None:
    timeline, *_ = draw(*hybrid)
    start, end = timeline.axes.get_xlim()
    trace = hybrid[1].trace
    formed = trace.deadlocks["formed_at"].min()
    assert start < formed < end
    assert trace.requests["sent_at"].between(start, end).sum() == 41
    shown = timeline_segments(trace.requests, trace.deliveries, start=start, end=end)
    pd.testing.assert_frame_equal(timeline.data, shown)
    assert len(shown) > 41
    assert "around the first deadlock" in timeline.caption


def test_the_timeline_begins_with_the_first_clients_where_there_is_no_deadlock() -> None:
    timeline, *_ = draw(*explored(admission="re_entrant"))
    assert timeline.axes.get_xlim()[0] == 0.0
    assert "when the first clients came" in timeline.caption


def test_the_curve_is_of_clients_and_the_bars_are_of_all(
    hybrid: tuple[Condition, TrialResult],
) -> None:
    _, latency, outcomes = draw(*hybrid)
    assert latency.data["probability"].iloc[-1] == 1 - 1 / 524
    bars = outcomes.data[outcomes.data["count"] > 0]
    by_clients = bars[bars["condition"] == "by clients"].set_index("outcome")["count"]
    assert by_clients.to_dict() == {"answered": 472, "timed_out": 52}
    assert bars["count"].sum() == len(hybrid[1].trace.requests)


# --- what is kept ---------------------------------------------------------------------------------


def test_the_cell_gives_the_same_trial_and_figures(
    hybrid: tuple[Condition, TrialResult], capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[object] = []
    names: dict[str, Any] = {"display": shown.append}
    exec(cell(*hybrid), names)  # it is there to be run
    assert names["result"].trace.digest() == hybrid[1].trace.digest()
    assert names["condition"] == hybrid[0]
    assert capsys.readouterr().out == f"{say(*hybrid)}\n"
    assert len(shown) == 3


@pytest.mark.parametrize("changed", [{"timeout": None}, {"architecture": "synchronous"}])
def test_a_cell_needs_no_formatting(changed: Mapping[str, Any]) -> None:
    code = cell(*explored(**changed))
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--line-length=100", "-"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
    )
    assert formatted.stdout == code


def test_what_is_written_is_in_a_folder_of_its_own(
    hybrid: tuple[Condition, TrialResult], tmp_path: Path
) -> None:
    paths = export(*hybrid, tmp_path)
    digest = hybrid[1].trace.digest()[:8]
    assert {path.parent for path in paths} == {tmp_path / f"hybrid-seed-7-{digest}"}
    assert paths[0].name == "cell.py"
    assert paths[0].read_text() == cell(*hybrid)
    assert {path.name for path in paths[1:]} == {
        f"{name}{suffix}" for name in FIGURES for suffix in SUFFIXES
    }
    assert all(path.stat().st_size for path in paths)
    _, latency, _ = draw(*hybrid)
    written = pd.read_csv(paths[0].with_name("latency.csv"))
    assert written["latency"].tolist() == pytest.approx(latency.data["latency"].tolist())
    before = paths[0].read_bytes(), paths[1].read_bytes()
    assert export(*hybrid, tmp_path) == paths
    assert (paths[0].read_bytes(), paths[1].read_bytes()) == before


# --- the widget -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return gl.explorer(folder=tmp_path_factory.mktemp("explorer"))


def shown(explorer: Any) -> tuple[str, list[bytes]]:
    return explorer.line.value, [bytes(explorer.figures[name].value) for name in FIGURES]


def test_it_has_a_control_for_each_setting_at_its_default(explorer: Any) -> None:
    assert list(explorer.controls) == [each.name for each in fields(Settings)]
    assert explorer.settings == Settings()
    for name, control in explorer.controls.items():
        assert f"genesis-explorer-{name.replace('_', '-')}" in control._dom_classes
        assert control.tooltip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture", "hybrid-raise"),
        ("components", 8),
        ("load", 0.3),
        ("service_time", 0.05),
        ("slowness", 10.0),
        ("timeout", 0.2),
        ("admission", "call_chain"),
        ("seed", 11),
    ],
)
def test_moving_a_control_shows_another_trial_and_moving_it_back_the_same_again(
    explorer: Any, name: str, value: Any
) -> None:
    control = explorer.controls[name]
    before, shown_before = control.value, shown(explorer)
    control.value = value
    assert explorer.settings == Settings(**{name: value})
    line, figures = shown(explorer)
    condition = explorer.settings.condition()
    assert say(condition, explore(explorer.settings)).replace("'", "&#x27;") in line
    assert line != shown_before[0]
    assert all(figure.startswith(b"<?xml") for figure in figures)
    assert all(caption.value for caption in explorer.captions.values())
    assert figures != shown_before[1]
    control.value = before
    assert shown(explorer) == shown_before


def test_what_a_synchronous_bus_ignores_cannot_be_set_there(explorer: Any) -> None:
    def disabled() -> list[str]:
        return [name for name, control in explorer.controls.items() if control.disabled]

    assert disabled() == []
    explorer.controls["architecture"].value = "synchronous"
    assert disabled() == ["timeout", "admission"]
    assert "stalled for ever" in explorer.line.value
    explorer.controls["architecture"].value = "hybrid"
    assert disabled() == []


def test_only_what_an_added_architecture_ignores_cannot_be_set() -> None:
    gl.add_architecture("mine", gl.HybridCoordinator, honours_timeout=False)
    controls = gl.explorer().controls
    controls["architecture"].value = "mine"
    assert (controls["timeout"].disabled, controls["admission"].disabled) == (True, False)


def test_the_button_writes_and_shows_where_and_how_to_repeat_it(explorer: Any) -> None:
    explorer.button.click()
    [folder] = explorer._folder.iterdir()
    assert f"Written into <code>{folder}</code>: cell.py, timeline.svg" in explorer.written.value
    assert "result = run_trial(scenario, condition, seed=7)" in explorer.written.value
    assert len(list(folder.iterdir())) == 16
    explorer.controls["seed"].value = 8
    assert explorer.written.value == ""
    explorer.controls["seed"].value = 7


def test_a_notebook_keeps_a_text_in_place_of_the_widget(explorer: Any) -> None:
    text = "<Explorer of trials in virtual time: run this cell to move its sliders>"
    assert explorer._repr_mimebundle_()["text/plain"] == text
