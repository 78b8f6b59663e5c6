import numpy as np
import pandas as pd
import pytest

from genesis_lab.analysis import throughput
from genesis_lab.errors import InvalidSetting
from tests.plots.scenes import LISTENING, QUEUE, trace_of

FRAME = pd.DataFrame(
    {
        "target": ["a", "a", "a", "b", "b"],
        "outcome": ["answered", "answered", "timed_out", "answered", "pending"],
        "intended_at": [0.0, 1.0, 2.0, 3.0, 4.0],
        "finished_at": [1.0, 5.0, 4.0, 10.0, np.nan],
    }
)


def test_rates_are_those_between_the_first_intention_and_the_last_end() -> None:
    assert throughput(FRAME).to_dict("records") == [{"offered": 0.5, "throughput": 0.3}]


def test_all_groups_have_the_same_window() -> None:
    assert throughput(FRAME, by="target").to_dict("records") == [
        {"target": "a", "offered": 0.3, "throughput": 0.2},
        {"target": "b", "offered": 0.2, "throughput": 0.1},
    ]


def test_windows_in_a_row_count_each_message_once() -> None:
    early, late = throughput(FRAME, start=-1, end=4), throughput(FRAME, start=4, end=10)
    assert 5 * early["offered"][0] + 6 * late["offered"][0] == pytest.approx(5)
    assert 5 * early["throughput"][0] + 6 * late["throughput"][0] == pytest.approx(3)
    assert early["offered"][0] == pytest.approx(4 / 5)
    assert early["throughput"][0] == pytest.approx(1 / 5)


def test_throughput_of_a_queue_that_is_never_empty_is_that_of_its_server() -> None:
    row = throughput(trace_of(QUEUE).requests).iloc[0]
    assert (row["offered"], row["throughput"]) == (1.0, 1.0)


def test_handled_deliveries_count_as_requests_do_that_are_answered() -> None:
    row = throughput(trace_of(LISTENING).deliveries).iloc[0]
    assert (row["offered"], row["throughput"]) == (0.5, 0.5)


def test_window_without_length_has_no_rates() -> None:
    assert throughput(FRAME, start=2, end=2).isna().all(axis=None)
    assert throughput(FRAME.iloc[:0]).isna().all(axis=None)


def test_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidSetting) as refused:
        throughput(FRAME, start=3, end=2)
    assert str(refused.value) == "end=2: expected an instant after the start, 3 s"
