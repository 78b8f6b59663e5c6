import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_lab.analysis import warm_up_length, without_warm_up
from genesis_lab.errors import InvalidSetting

STEADY = [1.0, 2.0, 3.0, 2.0, 4.0] * 40


def test_warm_up_ends_where_the_series_becomes_steady() -> None:
    assert warm_up_length([100.0] * 50 + STEADY) == 50


def test_series_that_is_steady_from_the_beginning_has_no_warm_up() -> None:
    assert warm_up_length(STEADY) == 0
    assert warm_up_length([0.1] * 999) == 0


def test_warm_up_is_at_most_half_of_the_series() -> None:
    assert warm_up_length(np.arange(1_000.0)) == 500


def test_values_that_happen_to_be_alike_at_the_end_are_not_the_only_steady_ones() -> None:
    noise = np.random.default_rng(0).normal(size=1_000)
    assert warm_up_length([*noise, *[0.0] * 20]) < 500


def test_short_series_has_no_warm_up() -> None:
    assert warm_up_length([9.0] * 10 + [0.0] * 9) == 0
    assert warm_up_length([9.0] * 10 + [0.0] * 10) == 10


def test_value_that_is_missing_is_refused() -> None:
    with pytest.raises(InvalidSetting) as refused:
        warm_up_length([1.0, np.nan])
    assert str(refused.value) == "values=nan: expected finite numbers"


@given(st.lists(st.integers(-50, 50), min_size=20, max_size=150))
def test_no_other_truncation_in_the_first_half_leaves_a_smaller_error(values: list[int]) -> None:
    batches = np.array(values[: len(values) // 5 * 5]).reshape(-1, 5).mean(axis=1)
    errors = [batches[cut:].var() / (len(batches) - cut) for cut in range(len(batches) // 2 + 1)]
    length = warm_up_length(values)
    assert length % 5 == 0
    assert errors[length // 5] == pytest.approx(min(errors), abs=1e-9)


def test_rows_of_the_warm_up_are_left_out_in_order_of_intention() -> None:
    latency = np.array([100.0] * 50 + STEADY)
    intended = np.arange(250.0)
    frame = pd.DataFrame(
        {"intended_at": intended, "finished_at": intended + latency, "id": range(250)}
    ).iloc[::-1]
    rest = without_warm_up(frame)
    assert list(rest) == list(frame)
    assert rest["id"].to_list() == list(range(249, 49, -1))


def test_pending_rows_go_or_stay_by_when_they_were_intended() -> None:
    latency = np.array([100.0] * 50 + STEADY)
    latency[[10, 200]] = np.nan
    intended = np.arange(250.0)
    frame = pd.DataFrame({"intended_at": intended, "finished_at": intended + latency})
    rest = without_warm_up(frame)
    assert rest["finished_at"].isna().sum() == 1
    assert 200 in rest.index


def test_nothing_is_left_out_of_a_short_trace() -> None:
    frame = pd.DataFrame({"intended_at": [0.0, 1.0], "finished_at": [5.0, np.nan]})
    pd.testing.assert_frame_equal(without_warm_up(frame), frame)
