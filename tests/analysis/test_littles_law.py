from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.analysis import littles_law
from genesis_lab.buses.statistics import BusStatistics
from genesis_lab.errors import InvalidSetting
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Concurrent,
    Emit,
    Fail,
    ScriptedComponent,
    System,
    Wait,
)
from tests.parts import all_but

NEVER = np.nan
COLUMNS = ["target", "sent_at", "started_at", "finished_at"]


def frame_of(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype({"target": "category"})


def sides(law: pd.DataFrame) -> list[tuple[Any, ...]]:
    columns = ["arrivals", "arrival_rate", "mean_time_in_system", "mean_in_system"]
    return list(law[columns].itertuples(index=False, name=None))


# --- small frames ---------------------------------------------------------------------------------

TWO = frame_of(("a", 0.0, 0.0, 2.0), ("b", 0.0, 0.5, 1.0), ("a", 1.0, 2.0, 4.0))


def test_each_target_has_its_own_numbers() -> None:
    law = littles_law(TWO)
    assert law["target"].tolist() == ["a", "b"]
    assert sides(law) == [(2, 0.5, 2.5, 1.25), (1, 0.25, 1.0, 0.25)]
    assert law["relative_difference"].tolist() == [0.0, 0.0]


def test_whole_system_has_all_messages() -> None:
    law = littles_law(TWO, by=())
    assert sides(law) == [(3, 0.75, 2.0, 1.5)]
    assert "target" not in law.columns


def test_pending_message_is_there_until_the_end_of_the_window() -> None:
    cut = frame_of(("a", 0.0, 0.0, 2.0), ("a", 1.0, 2.0, NEVER))
    assert sides(littles_law(cut)) == [(2, 1.0, 1.5, 1.5)]
    assert sides(littles_law(cut, end=4.0)) == [(2, 0.5, 2.5, 1.25)]


def test_window_cuts_what_reaches_beyond_it_and_leaves_out_what_is_outside() -> None:
    assert sides(littles_law(TWO, start=1.5, end=3.5)) == [(2, 1.0, 1.25, 1.25)]


def test_message_that_took_no_time_is_an_arrival() -> None:
    law = littles_law(frame_of(("a", 0.0, 0.0, 1.0), ("a", 1.0, NEVER, 1.0)))
    assert sides(law) == [(2, 2.0, 0.5, 1.0)]


def test_delivery_that_never_got_into_an_inbox_was_never_there() -> None:
    dropped = frame_of(("a", 0.0, 0.0, 1.0), ("a", NEVER, NEVER, 0.5), ("b", NEVER, NEVER, 0.5))
    law = littles_law(dropped)
    assert law["target"].tolist() == ["a"]
    assert sides(law) == [(1, 1.0, 1.0, 1.0)]


def test_system_without_messages_is_empty() -> None:
    assert littles_law(TWO.iloc[:0], end=1.0).empty
    law = littles_law(TWO.iloc[:0], by=(), end=1.0)
    assert sides(law.fillna(-1.0)) == [(0, 0.0, -1.0, 0.0)]
    assert law["relative_difference"].tolist() == [0.0]


def test_window_without_length_is_refused() -> None:
    with pytest.raises(InvalidSetting) as caught:
        littles_law(TWO, start=4.0)
    assert str(caught.value) == "end=4.0: expected a time after start=4.0"


# --- any frame ------------------------------------------------------------------------------------

times = st.floats(0.0, 100.0)
rows = st.tuples(
    st.sampled_from("abc"), times, st.sampled_from([0.0, 0.5, NEVER]), times | st.just(NEVER)
)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Requests of any length; some pending, some never started, some that took no time."""
    drawn = draw(st.lists(rows, min_size=1, max_size=30))
    return frame_of(*((to, at, at + wait, at + long) for to, at, wait, long in drawn))


def counted(frame: pd.DataFrame, start: float, end: float) -> float:
    """The time-average number in the system, counting anew between any two instants."""
    sent, finished = frame["sent_at"].to_numpy(), frame["finished_at"].fillna(end).to_numpy()
    instants = np.unique(np.clip(np.concatenate([sent, finished, [start, end]]), start, end))
    middles = (instants[:-1] + instants[1:]) / 2
    there = (sent <= middles[:, None]) & (middles[:, None] < finished)
    return float(there.sum(axis=1) @ np.diff(instants)) / (end - start)


@given(frame=frames(), start=st.floats(0.0, 50.0), length=st.floats(0.1, 200.0))
def test_both_sides_are_equal_whatever_the_frame_and_the_window(
    frame: pd.DataFrame, start: float, length: float
) -> None:
    end = start + length
    law = littles_law(frame, start=start, end=end)
    # In absolute terms near zero: a message may be there for a rounding error of its times only.
    product = law["arrival_rate"] * law["mean_time_in_system"]
    assert law["mean_in_system"].tolist() == pytest.approx(product.tolist(), abs=1e-12)
    for target, in_system in zip(law["target"], law["mean_in_system"], strict=True):
        expected = counted(frame[frame["target"] == target], start, end)
        assert in_system == pytest.approx(expected, abs=1e-12)
    (whole,) = littles_law(frame, by=(), start=start, end=end)["mean_in_system"]
    assert whole == pytest.approx(counted(frame, start, end), abs=1e-12)


# --- recorded runs, beside a count of the bus's own -----------------------------------------------
#
# All times are multiples of a quarter of a second, so that nothing changes at the instants between
# at which the bus is asked what is in flight. Nothing of the record goes into these counts.

STEP = 0.25
HORIZON = 10.0

BUSY = System(
    components=(
        ScriptedComponent("a", on_request={"go": (Wait(0.5), Call("b", "go", timeout=1.25))}),
        ScriptedComponent("b", on_request={"go": (Emit("news"), Wait(0.75))}),
        ScriptedComponent(
            "c",
            on_request={"go": (Concurrent((Call("a", "go", timeout=0.5),), (Wait(0.25),)), Fail())},
            on_event={"news": (Wait(1.0),)},
        ),
        ScriptedComponent("d", on_event={"news": (Wait(0.5), Call("a", "go", timeout=None))}),
    ),
    subscriptions=(("c", "news"), ("d", "news")),
    clients=tuple(
        Client((Call(to, "go", timeout=2.5), Call("nobody", "go"), Call(to, "go")), start_at=at)
        for to, at in [("a", 0.25), ("b", 0.5), ("c", 1.0), ("a", 1.25), ("b", 1.5)]
    ),
)
RING = System(
    components=(
        ScriptedComponent("a", on_request={"go": (Wait(0.5), Call("b", "go", timeout=None))}),
        ScriptedComponent("b", on_request={"go": (Wait(0.5), Call("a", "go", timeout=None))}),
    ),
    clients=(
        Client((Call("a", "go", timeout=None),), start_at=0.25),
        Client((Call("a", "go", timeout=None),), start_at=4.0),
    ),
)
SYSTEMS = {"busy": BUSY, "ring": RING}


def watched(system: System, architecture: str) -> tuple[gl.Trace, list[BusStatistics]]:
    """The record of a run, and what the bus said of itself in the middle of each step."""
    recorder = gl.Recorder()
    statistics: list[BusStatistics] = []

    async def main() -> None:
        async def watch() -> None:
            await gl.sleep(STEP / 2)
            while True:
                statistics.append(bus.statistics())
                await gl.sleep(STEP)

        async with (
            gl.ARCHITECTURES[architecture](observer=recorder) as bus,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(watch)
            await system.run_on(bus)

    gl.run(main, horizon=HORIZON)
    assert len(statistics) == HORIZON / STEP
    return recorder.trace(), statistics


def numbers_in_system(statistics: list[BusStatistics], kind: str) -> dict[str, float]:
    """How many messages of a kind were at each target, on average."""
    counts = Counter(
        message.target
        for moment in statistics
        for message in moment.in_flight
        if message.kind == kind
    )
    return {target: count / len(statistics) for target, count in counts.items()}


def products(frame: pd.DataFrame) -> dict[str, float]:
    """lambda W of each target that a message spent time at."""
    law = littles_law(frame, end=HORIZON)
    product = law["arrival_rate"] * law["mean_time_in_system"]
    return dict(zip(law["target"][product > 0], product[product > 0], strict=True))


@pytest.mark.parametrize("architecture", all_but("dedicated-queues"))
@pytest.mark.parametrize("system", SYSTEMS)
def test_law_holds_on_a_recorded_run_and_agrees_with_a_count_of_what_was_in_flight(
    system: str, architecture: str
) -> None:
    trace, statistics = watched(SYSTEMS[system], architecture)
    for frame, kind in [(trace.requests, "request"), (trace.deliveries, "delivery")]:
        assert (littles_law(frame, end=HORIZON)["relative_difference"] < 1e-12).all()
        assert products(frame) == pytest.approx(numbers_in_system(statistics, kind), rel=1e-12)


def test_recorded_runs_have_every_sort_of_message() -> None:
    outcomes = set()
    for system in SYSTEMS.values():
        for architecture in gl.ARCHITECTURES:
            trace, _ = watched(system, architecture)
            outcomes |= set(trace.requests["outcome"]) | set(trace.deliveries["outcome"])
    assert outcomes >= {"answered", "handled", "timed_out", "failed", "unknown_target", "pending"}


@pytest.mark.parametrize("fault", ["lost row", "later end", "earlier begin", "another target"])
def test_count_does_not_agree_with_a_record_that_is_wrong(fault: str) -> None:
    trace, statistics = watched(BUSY, "hybrid")
    requests = trace.requests.copy()
    row = requests.index[requests["target"] == "b"][0]
    match fault:
        case "lost row":
            requests = requests.drop(index=row)
        case "later end":
            requests.loc[row, "finished_at"] += 1e-6
        case "earlier begin":
            requests.loc[row, "sent_at"] -= 1e-6
        case _:
            requests.loc[row, "target"] = "a"
    counts = numbers_in_system(statistics, "request")
    assert products(trace.requests) == pytest.approx(counts, rel=1e-12)
    assert products(requests) != pytest.approx(counts, rel=1e-9)
