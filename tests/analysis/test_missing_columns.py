"""Every analysis and every plot, on frames that lack one column after the other."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from genesis_lab import analysis, plots
from genesis_lab.analysis.grouping import MissingColumns, require_columns
from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments.trials import Condition, run_trial
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Emit,
    ScriptedComponent,
    System,
    Wait,
)

SYSTEM = System(
    components=(
        ScriptedComponent("a", on_request={"go": (Emit("news"), Wait(0.5), Call("b", "ask"))}),
        ScriptedComponent("b", on_request={"ask": (Call("a", "go"),)}, on_event={"news": ()}),
    ),
    subscriptions=(("b", "news"),),
    clients=(Client((Call("a", "go", timeout=1.0),)),),
)
TRACE = run_trial(lambda: SYSTEM, Condition("hybrid", {}), seed=0).trace
SERIES = {"architecture": ["hybrid", "hybrid"], "latency": [1.0, 2.0], "low": 0.5, "high": 3.0}
TRIALS = pd.DataFrame(
    {"condition": ["x", "x"], "seed": [0, 1], "time": [1.0, 2.0], "deadlocked": [True, False]}
)

DOORS: list[tuple[Callable[..., object], dict[str, pd.DataFrame]]] = [
    (analysis.latencies, {"frame": TRACE.requests}),
    (analysis.naive_latencies, {"frame": TRACE.requests}),
    (analysis.latency_percentiles, {"frame": TRACE.requests}),
    (analysis.percentile_curve, {"frame": TRACE.requests}),
    (analysis.littles_law, {"frame": TRACE.requests}),
    (analysis.outcome_table, {"frame": TRACE.requests}),
    (analysis.wasted_work, {"requests": TRACE.requests}),
    (analysis.throughput, {"frame": TRACE.requests}),
    (analysis.without_warm_up, {"frame": TRACE.requests}),
    (analysis.deadlock_durations, {"deadlocks": TRACE.deadlocks}),
    (partial(analysis.deadlock_probability, by="condition"), {"trials": TRIALS}),
    (partial(analysis.deadlock_survival, by="condition"), {"trials": TRIALS}),
    (partial(analysis.mean_intervals, measures="time", by="condition"), {"frame": TRIALS}),
    (
        partial(analysis.paired_differences, measure="time", between="condition", baseline="x"),
        {"frame": TRIALS},
    ),
    (
        partial(plots.timeline_segments, start=0.0, end=1.0),
        {"requests": TRACE.requests, "deliveries": TRACE.deliveries, "events": TRACE.events},
    ),
    (
        partial(plots.plot_timeline, start=0.0, end=1.0),
        {
            "requests": TRACE.requests,
            "deliveries": TRACE.deliveries,
            "events": TRACE.events,
            "deadlocks": TRACE.deadlocks,
        },
    ),
    (
        plots.plot_wait_for_graph,
        {
            "deadlocks": TRACE.deadlocks,
            "requests": TRACE.requests,
            "deliveries": TRACE.deliveries,
            "events": TRACE.events,
        },
    ),
    (
        plots.plot_outcomes,
        {"frame": pd.DataFrame({"condition": ["x"], "outcome": ["answered"], "count": [1]})},
    ),
    (
        plots.plot_attribution,
        {
            "frame": pd.DataFrame(
                {"delivery": ["d"], "admission": ["a"], "timeout": [1.0], "verdict": ["cured"]}
            )
        },
    ),
    (
        plots.plot_scoreboard,
        {
            "frame": pd.DataFrame(
                {
                    "claim": ["c"],
                    "experiment": ["e"],
                    "effect": [1.0],
                    "low": [0.5],
                    "high": [2.0],
                    "unit": ["x"],
                    "verdict": ["holds"],
                    "sentence": ["So it is."],
                }
            )
        },
    ),
    (plots.plot_percentile_curve, {"frame": pd.DataFrame({**SERIES, "probability": [0.0, 0.5]})}),
    (plots.plot_ecdf, {"frame": pd.DataFrame(SERIES)}),
    (
        plots.plot_latency_by_utilisation,
        {
            "measured": pd.DataFrame({**SERIES, "utilisation": [0.1, 0.5]}),
            "theory": pd.DataFrame({"utilisation": [0.1], "latency": [1.0]}),
        },
    ),
    (plots.plot_fan_out, {"frame": pd.DataFrame({**SERIES, "subscribers": [1, 2]})}),
    (
        plots.plot_scaling,
        {"frame": pd.DataFrame({**SERIES, "components": [1, 2], "throughput": [1.0, 2.0]})},
    ),
    (
        partial(plots.plot_deadlock_probability, x="load", xlabel="load"),
        {"frame": pd.DataFrame({**SERIES, "load": [1, 2], "probability": [0.0, 0.5]})},
    ),
    (
        plots.plot_deadlock_survival,
        {"frame": pd.DataFrame({**SERIES, "time": [0.0, 1.0], "survival": [1.0, 0.5]})},
    ),
]


def name_of(door: object) -> str:
    function: Any = door.func if isinstance(door, partial) else door
    return str(function.__name__)


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize(("door", "frames"), DOORS, ids=[name_of(door) for door, _ in DOORS])
def test_column_that_is_missing_is_named_or_not_needed(
    door: Callable[..., object], frames: dict[str, pd.DataFrame]
) -> None:
    door(**frames)
    named = set()
    for name, frame in frames.items():
        for column in frame.columns:
            lacking = frames | {name: frame.drop(columns=column)}
            try:
                door(**lacking)
            except (MissingColumns, InvalidSetting) as error:
                named.add(column in str(error))
        with pytest.raises((MissingColumns, InvalidSetting)):
            door(**frames | {name: frame[[]].assign(odd=1)})
    assert named == {True}


def test_every_analysis_and_plot_of_frames_is_tried() -> None:
    takes_no_frame = {
        *("mm1", "mmc", "md1", "mg1", "mm1k", "mm1_latency_quantile", "mmc_latency_quantile"),
        *("theory_curve", "warm_up_length", "SteadyState", "UnstableQueue"),
    }
    plotting = {name for name in plots.__all__ if name.startswith("plot_")}
    doors = {name_of(door) for door, _ in DOORS}
    assert {*analysis.__all__} - takes_no_frame <= doors
    assert plotting - {"plot_measure"} <= doors  # those that it draws are


def test_message_names_the_frame_what_it_lacks_and_what_it_has() -> None:
    frame = pd.DataFrame({"id": [1], "cause": [-1]})
    with pytest.raises(MissingColumns) as caught:
        require_columns(frame, "requests", ["id", "outcome", "blocked"])
    assert str(caught.value) == (
        "requests lacks the columns 'outcome', 'blocked'; it has id, cause"
    )
    with pytest.raises(MissingColumns) as caught:
        analysis.latencies(pd.DataFrame({"finished_at": [1.0]}))
    assert str(caught.value) == "frame lacks the column 'intended_at'; it has finished_at"
