import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from genesis_lab.analysis import mean_intervals, paired_differences
from genesis_lab.errors import InvalidSetting

VALUES = [3.0, 1.0, 4.0, 1.5, 9.0, 2.5, 6.0]


def of_one_group(*values: float, confidence: float = 0.95, seed: int = 0) -> pd.Series:
    frame = pd.DataFrame({"x": values, "group": "g"})
    return mean_intervals(frame, "x", by="group", confidence=confidence, seed=seed).iloc[0]


def test_interval_is_the_bca_interval_of_scipy() -> None:
    expected = bootstrap(
        (np.sort(VALUES),), np.mean, confidence_level=0.9, rng=np.random.default_rng(7)
    ).confidence_interval
    row = of_one_group(*VALUES, confidence=0.9, seed=7)
    assert row["mean"] == pytest.approx(np.mean(VALUES))
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert row["replicates"] == len(VALUES)


def test_rows_come_group_by_group_and_in_them_in_the_order_of_the_measures() -> None:
    frame = pd.DataFrame(
        {"bus": ["new", "old", "new", "old"], "load": [1, 1, 1, 2], "z": range(4), "a": range(4)}
    )
    table = mean_intervals(frame, ["z", "a"], by=["bus", "load"])
    assert list(table) == ["bus", "load", "measure", "mean", "low", "high", "replicates"]
    assert table[["bus", "load", "measure", "mean", "replicates"]].to_numpy().tolist() == [
        ["new", 1, "z", 1.0, 2],
        ["new", 1, "a", 1.0, 2],
        ["old", 1, "z", 1.0, 1],
        ["old", 1, "a", 1.0, 1],
        ["old", 2, "z", 3.0, 1],
        ["old", 2, "a", 3.0, 1],
    ]


def test_equal_values_have_an_interval_without_length() -> None:
    row = of_one_group(2.5, 2.5, 2.5)
    assert (row["low"], row["mean"], row["high"]) == (2.5, 2.5, 2.5)


def test_values_that_differ_by_rounding_only_have_a_tiny_interval() -> None:
    row = of_one_group(*[0.3] * 19, 0.1 + 0.2)
    assert row["low"] == pytest.approx(0.3, abs=1e-15)
    assert row["high"] == pytest.approx(0.3, abs=1e-15)


def test_single_replicate_has_a_mean_but_no_interval() -> None:
    row = of_one_group(2.5)
    assert (row["mean"], row["replicates"]) == (2.5, 1)
    assert row[["low", "high"]].isna().all()


def test_missing_values_are_left_out_measure_by_measure() -> None:
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0], "y": [np.nan] * 3, "group": "g"})
    table = mean_intervals(frame, ["x", "y"], by="group")
    assert table["replicates"].to_list() == [2, 0]
    assert table["mean"].to_list() == pytest.approx([2.0, np.nan], nan_ok=True)
    assert table.iloc[1][["low", "high"]].isna().all()


def test_infinite_value_leaves_no_interval() -> None:
    row = of_one_group(1.0, 2.0, np.inf)
    assert row["mean"] == np.inf
    assert row[["low", "high"]].isna().all()


def test_mean_of_truth_values_is_a_share() -> None:
    frame = pd.DataFrame({"deadlocked": [True, False, True, True], "group": "g"})
    row = mean_intervals(frame, "deadlocked", by="group").iloc[0]
    assert row["mean"] == 0.75
    assert 0 <= row["low"] < 0.75 < row["high"] <= 1


def test_condition_without_a_value_of_its_factor_is_a_condition() -> None:
    frame = pd.DataFrame({"timeout": [1.0, np.nan, np.nan], "x": [1.0, 2.0, 4.0]})
    table = mean_intervals(frame, "x", by="timeout")
    assert table["timeout"].to_list() == pytest.approx([1.0, np.nan], nan_ok=True)
    assert table["mean"].to_list() == [1.0, 3.0]


def test_all_rows_are_one_group_where_no_column_tells_them_apart() -> None:
    table = mean_intervals(pd.DataFrame({"x": VALUES}), "x", by=())
    assert list(table) == ["measure", "mean", "low", "high", "replicates"]
    assert table["replicates"].to_list() == [len(VALUES)]


def test_no_trials_give_no_rows_and_all_columns() -> None:
    table = mean_intervals(pd.DataFrame({"group": [], "x": []}), "x", by="group")
    assert list(table) == ["group", "measure", "mean", "low", "high", "replicates"]
    assert table.empty


def test_group_has_the_interval_that_it_has_alone() -> None:
    stream = np.random.default_rng(0)
    frame = pd.DataFrame({"group": np.repeat(range(90), 5), "x": stream.random(450)})
    further = pd.DataFrame({"group": np.repeat(range(90, 100), 7), "x": stream.random(70)})
    table = mean_intervals(pd.concat([frame, further]), "x", by="group")
    for group in (0, 89, 99):
        alone = of_one_group(*pd.concat([frame, further]).query("group == @group")["x"])
        columns = ["mean", "low", "high", "replicates"]
        assert table.iloc[group][columns].to_list() == alone[columns].to_list()


def test_seed_fixes_the_interval() -> None:
    first, again, other = (of_one_group(*VALUES, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_intervals_of_many_groups_hold_the_true_mean_nearly_as_often_as_they_say() -> None:
    stream = np.random.default_rng(0)
    frame = pd.DataFrame({"group": np.repeat(range(300), 20), "x": stream.exponential(size=6_000)})
    table = mean_intervals(frame, "x", by="group")
    share = ((table["low"] < 1) & (table["high"] > 1)).mean()
    assert 0.88 <= share <= 0.97


@settings(max_examples=20)
@given(st.permutations(VALUES))
def test_interval_does_not_depend_on_the_order_of_replicates(values: list[float]) -> None:
    bounds = of_one_group(*values)[["low", "high"]].to_list()
    assert bounds == of_one_group(*VALUES)[["low", "high"]].to_list()


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=12))
def test_interval_lies_within_the_values(values: list[float]) -> None:
    row = of_one_group(*values)
    slack = 1e-12 * max(map(abs, values))
    assert min(values) - slack <= row["low"] <= row["high"] <= max(values) + slack


def test_measure_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidSetting) as refused:
        mean_intervals(pd.DataFrame({"x": [1.0]}), ["x", "y"], by=())
    assert str(refused.value) == "measures='y': expected a column of the frame: x"


def test_confidence_of_one_is_refused() -> None:
    with pytest.raises(InvalidSetting) as refused:
        of_one_group(*VALUES, confidence=1.0)
    assert str(refused.value) == "confidence=1.0: expected a number between 0 and 1"


TRIALS = pd.DataFrame(
    {
        "bus": ["old", "old", "old", "new", "new", "new"],
        "seed": [1, 2, 3, 3, 2, 1],
        "x": [10.0, 20.0, 40.0, 20.0, 10.0, 5.0],
    }
)


def test_difference_is_taken_between_trials_under_the_same_seed() -> None:
    table = paired_differences(TRIALS, "x", between="bus", baseline="old")
    assert list(table) == ["bus", "difference", "low", "high", "pairs"]
    row = table.iloc[0]
    assert (row["bus"], row["pairs"]) == ("new", 3)
    assert row["difference"] == pytest.approx(np.mean([-5, -10, -20]))
    assert -20 <= row["low"] < row["difference"] < row["high"] <= -5


def test_ratio_that_is_the_same_in_all_pairs_is_certain() -> None:
    table = paired_differences(TRIALS, "x", between="bus", baseline="old", relative=True)
    assert list(table) == ["bus", "ratio", "low", "high", "pairs"]
    assert table[["ratio", "low", "high"]].to_numpy().tolist() == [pytest.approx([0.5] * 3)]


def test_ratios_to_each_other_are_reciprocal() -> None:
    frame = TRIALS.assign(x=[1.0, 2.0, 4.0, 3.0, 7.0, 5.0])
    new, old = (
        paired_differences(frame, "x", between="bus", baseline=baseline, relative=True)
        for baseline in ("old", "new")
    )
    assert new["ratio"].item() * old["ratio"].item() == pytest.approx(1.0)


def test_pairs_are_looked_for_within_the_same_condition() -> None:
    frame = pd.concat([TRIALS.assign(load=1), TRIALS.assign(load=2, x=TRIALS["x"] * 2)])
    table = paired_differences(frame, "x", between="bus", baseline="old", by="load")
    assert list(table) == ["load", "bus", "difference", "low", "high", "pairs"]
    assert table["difference"].to_list() == pytest.approx([-35 / 3, -70 / 3])


def test_trial_without_a_partner_or_without_a_value_is_left_out() -> None:
    frame = TRIALS.assign(seed=[1, 2, 7, 3, 2, 1], x=[10.0, np.nan, 40.0, 20.0, 10.0, 5.0])
    row = paired_differences(frame, "x", between="bus", baseline="old").iloc[0]
    assert (row["difference"], row["pairs"]) == (-5.0, 1)
    assert row[["low", "high"]].isna().all()


def test_common_seeds_narrow_the_interval() -> None:
    stream = np.random.default_rng(0)
    luck = stream.normal(0, 10, 20)
    old = pd.DataFrame({"bus": "old", "seed": range(20), "x": luck})
    new = pd.DataFrame({"bus": "new", "seed": range(20), "x": luck + stream.normal(1, 0.1, 20)})
    both = pd.concat([old, new])
    paired = paired_differences(both, "x", between="bus", baseline="old").iloc[0]
    single = mean_intervals(both, "x", by="bus").iloc[0]
    assert paired["low"] < 1 < paired["high"]
    assert paired["high"] - paired["low"] < (single["high"] - single["low"]) / 20


def test_baseline_that_does_not_occur_is_refused() -> None:
    with pytest.raises(InvalidSetting) as refused:
        paired_differences(TRIALS, "x", between="bus", baseline="hybrid")
    assert str(refused.value) == "baseline='hybrid': expected 'old' or 'new'"


def test_two_trials_of_one_condition_and_seed_are_refused() -> None:
    with pytest.raises(InvalidSetting) as refused:
        paired_differences(pd.concat([TRIALS, TRIALS]), "x", between="bus", baseline="old")
    assert str(refused.value) == (
        "pair='seed': expected a column that tells the trials of each ('bus',) apart"
    )


def test_ratio_to_nothing_is_refused() -> None:
    frame = TRIALS.assign(x=[0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    with pytest.raises(InvalidSetting) as refused:
        paired_differences(frame, "x", between="bus", baseline="old", relative=True)
    assert str(refused.value) == "x=0.0: expected a value above 0, as ratios are asked for"
