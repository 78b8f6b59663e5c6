import numpy as np
import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.analysis import deadlock_durations, deadlock_probability, deadlock_survival
from genesis_lab.errors import InvalidSetting
from genesis_lab.workloads.scripted import Call, Client, ScriptedComponent, System
from tests.plots.scenes import QUEUE, RING, trace_of


def trials(time: list[float], deadlocked: list[bool], load: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"load": load, "time": time, "deadlocked": deadlocked})


def test_probability_is_the_share_of_trials_with_a_wilson_interval() -> None:
    frame = pd.concat([trials([1.0] * 10, [True] * 4 + [False] * 6), trials([1.0], [True], 0.9)])
    table = deadlock_probability(frame, by="load")
    assert list(table) == ["load", "trials", "deadlocked", "probability", "low", "high"]
    assert table["trials"].to_list() == [10, 1]
    assert table["deadlocked"].to_list() == [4, 1]
    assert table["probability"].to_list() == [0.4, 1.0]
    z = 1.959963984540054
    centre, half = 0.4 + z**2 / 20, z * np.sqrt(0.4 * 0.6 / 10 + z**2 / 400)
    assert table.iloc[0][["low", "high"]].to_list() == pytest.approx(
        [(centre - half) / (1 + z**2 / 10), (centre + half) / (1 + z**2 / 10)]
    )


def test_trials_without_any_deadlock_do_not_prove_that_there_is_none() -> None:
    row = deadlock_probability(trials([1.0] * 20, [False] * 20), by="load").iloc[0]
    assert (row["probability"], row["low"]) == (0.0, 0.0)
    z = 1.959963984540054
    assert row["high"] == pytest.approx(z**2 / (20 + z**2))


def test_deadlocks_may_be_told_by_another_column() -> None:
    frame = trials([1.0, 1.0], [True, True]).rename(columns={"deadlocked": "hung"})
    assert deadlock_probability(frame, by="load", deadlocked="hung")["deadlocked"].item() == 2
    with pytest.raises(InvalidSetting) as refused:
        deadlock_probability(frame, by="load")
    assert str(refused.value) == (
        "deadlocked='deadlocked': expected a column of the frame: load, time, hung"
    )


def test_survival_falls_at_each_deadlock_and_not_where_a_trial_just_ends() -> None:
    frame = trials([1.0, 2.0, 2.0, 3.0, 5.0], [True, True, False, True, False])
    curve = deadlock_survival(frame, by="load")
    assert list(curve) == ["load", "time", "survival", "low", "high", "at_risk"]
    assert curve["time"].to_list() == [0.0, 1.0, 2.0, 3.0, 5.0]
    assert curve["survival"].to_list() == pytest.approx([1.0, 0.8, 0.6, 0.3, 0.3])
    assert curve["at_risk"].to_list() == [5, 5, 4, 2, 1]
    # Greenwood: the variance of log S at 2 s is 1/(5*4) + 1/(4*3).
    spread = 1.959963984540054 * np.sqrt(1 / 20 + 1 / 12) / -np.log(0.6)
    assert curve.iloc[2][["low", "high"]].to_list() == pytest.approx(
        [0.6 ** np.exp(spread), 0.6 ** np.exp(-spread)]
    )
    assert curve.iloc[0][["low", "high"]].to_list() == [1.0, 1.0]
    assert curve.iloc[4][["low", "high"]].to_list() == curve.iloc[3][["low", "high"]].to_list()


def test_survival_without_deadlocks_has_no_interval_at_the_end() -> None:
    curve = deadlock_survival(trials([60.0, 60.0], [False, False]), by="load")
    assert curve["time"].to_list() == [0.0, 60.0]
    assert curve["survival"].to_list() == [1.0, 1.0]
    assert curve["at_risk"].to_list() == [2, 2]
    assert curve["low"].to_list() == pytest.approx([1.0, np.nan], nan_ok=True)


def test_survival_ends_at_nothing_where_every_trial_deadlocks() -> None:
    curve = deadlock_survival(trials([0.0, 4.0], [True, True]), by="load")
    assert curve["time"].to_list() == [0.0, 0.0, 4.0]
    assert curve["survival"].to_list() == [1.0, 0.5, 0.0]
    assert curve["high"].isna().to_list() == [False, False, True]


def test_survival_is_told_condition_by_condition() -> None:
    frame = pd.concat([trials([1.0], [True], 0.9), trials([2.0], [True], 0.1)])
    curve = deadlock_survival(frame, by=["load"])
    assert curve["load"].to_list() == [0.1, 0.1, 0.9, 0.9]
    assert curve["time"].to_list() == [0.0, 2.0, 0.0, 1.0]


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_trial_without_a_time_is_refused(wrong: float) -> None:
    with pytest.raises(InvalidSetting) as refused:
        deadlock_survival(trials([1.0, wrong], [True, True]), by="load")
    assert str(refused.value) == f"time={wrong!r}: expected seconds >= 0 in every trial"


def test_deadlock_of_a_ring_lasts_until_its_timeout() -> None:
    assert deadlock_durations(trace_of(RING).deadlocks).to_dict("records") == [
        {
            "cycle": "a -> b -> a",
            "count": 1,
            "first_formed_at": 0.5,
            "timed_out": 1,
            "cancelled": 0,
            "refused": 0,
            "holding": 0,
            "mean_held": 1.0,
            "max_held": 1.0,
        }
    ]


def test_deadlock_that_holds_has_no_duration() -> None:
    row = deadlock_durations(trace_of(RING, "synchronous", horizon=9.0).deadlocks).iloc[0]
    assert (row["count"], row["holding"], row["timed_out"]) == (1, 1, 0)
    assert row[["mean_held", "max_held"]].isna().all()


FACING = System(
    components=tuple(
        ScriptedComponent(
            id,
            on_request={
                "go": (Call(other, "back", timeout=1.0),),
                "back": (Call(other, "end"),),
                "end": (),
            },
        )
        for id, other in ("ab", "ba")
    ),
    clients=(
        Client((Call("a", "go", timeout=None),)),
        Client((Call("b", "go", timeout=None),), start_at=10.0),
    ),
)
"""First a asks b, which asks back; at 10 s, b asks a, which asks back."""


def test_cycle_is_one_whoever_of_its_components_began_it() -> None:
    deadlocks = trace_of(FACING).deadlocks
    begun_by = {components[0] for components in deadlocks["components"]}
    table = deadlock_durations(deadlocks)
    assert begun_by == {"a", "b"}
    assert table["cycle"].to_list() == ["a -> b -> a"]
    assert table["count"].to_list() == [2]
    assert table["max_held"].to_list() == [1.0]


def test_trace_without_deadlocks_has_no_durations() -> None:
    table = deadlock_durations(trace_of(QUEUE).deadlocks)
    assert table.empty
    assert list(table) == [
        "cycle", "count", "first_formed_at", "timed_out", "cancelled", "refused", "holding",
        "mean_held", "max_held",
    ]  # fmt: skip
    assert gl.Recorder().trace().deadlocks.empty


def test_trial_of_which_nobody_knows_is_refused() -> None:
    trials = pd.DataFrame({"deadlocked": [True, None]})
    with pytest.raises(InvalidSetting, match=r"^deadlocked=nan: expected whether a deadlock form"):
        deadlock_probability(trials, by=())
