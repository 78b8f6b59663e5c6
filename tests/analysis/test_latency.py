import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_lab.analysis import (
    latencies,
    latency_percentiles,
    naive_latencies,
    percentile_curve,
)
from genesis_lab.errors import InvalidSetting


def messages(intended_at: object, latency: object, **columns: object) -> pd.DataFrame:
    """Messages that were sent as intended, with these latencies."""
    intended = np.asarray(intended_at, dtype=np.float64)
    finished = intended + np.asarray(latency, dtype=np.float64)
    times = {"intended_at": intended, "sent_at": intended, "finished_at": finished}
    return pd.DataFrame({**times, **columns})


def in_a_row(*latency: float) -> pd.DataFrame:
    """Messages intended one after another."""
    return messages(np.arange(len(latency)), latency)


def mm1(load: float, size: int, seed: int) -> pd.DataFrame:
    """Customers of an M/M/1 queue that begins in its steady state, one arrival a second."""
    stream = np.random.default_rng(seed)
    gaps, services = stream.exponential(1.0, size), stream.exponential(load, size)
    # Lindley's recursion, solved: waiting is how far the random walk is above its lowest point.
    walk = np.append(0.0, (services - gaps)[:-1].cumsum())
    begin = stream.exponential(load / (1 - load)) if stream.random() < load else 0.0
    waiting = walk - np.minimum.accumulate(np.minimum(walk, -begin))
    return messages(gaps.cumsum(), waiting + services)


def mm1_percentile(load: float, percentile: float) -> float:
    """Time in an M/M/1 queue is exponential."""
    return -load / (1 - load) * float(np.log1p(-percentile / 100))


FELL_BEHIND = pd.DataFrame(
    {
        "intended_at": [0.0, 1.0, 2.0, 3.0],
        "sent_at": [0.0, 10.0, 10.5, 11.0],
        "finished_at": [10.0, 10.5, 11.0, np.nan],
    }
)
"""A sender that was blocked for 10 s by its first message; the last one is pending."""


def test_latency_counts_from_the_intended_sending() -> None:
    assert latencies(FELL_BEHIND).to_list() == pytest.approx([10.0, 9.5, 9.0, np.nan], nan_ok=True)


def test_naive_latency_hides_that_a_blocked_sender_fell_behind() -> None:
    expected = pytest.approx([10.0, 0.5, 0.5, np.nan], nan_ok=True)
    assert naive_latencies(FELL_BEHIND).to_list() == expected


def test_naive_percentile_stands_beside_the_one_from_the_intended_sending() -> None:
    table = latency_percentiles(FELL_BEHIND, percentiles=[50])
    assert list(table) == ["percentile", "latency", "low", "high", "naive", "count"]
    row = table.iloc[0]
    assert (row["percentile"], row["latency"], row["naive"], row["count"]) == (50, 9.5, 0.5, 3)


def test_delivery_that_never_got_into_an_inbox_has_no_naive_latency() -> None:
    dropped = in_a_row(1.0, 2.0, 3.0).assign(sent_at=[0.0, np.nan, np.nan])
    table = latency_percentiles(dropped, percentiles=[50])
    assert table[["latency", "naive"]].to_numpy().tolist() == [[2.0, 1.0]]


def test_percentiles_are_told_group_by_group_in_order_of_the_keys() -> None:
    frame = messages(range(4), [1.0, 2.0, 3.0, 5.0], target=["b", "a", "b", "a"])
    table = latency_percentiles(frame, by="target", percentiles=[0, 50, 100])
    assert table["target"].to_list() == ["a", "a", "a", "b", "b", "b"]
    assert table["latency"].to_list() == [2.0, 3.5, 5.0, 1.0, 2.0, 3.0]
    assert table["count"].to_list() == [2] * 3 + [2] * 3


def test_group_in_which_all_is_pending_has_no_percentiles() -> None:
    frame = messages([0, 1], [1.0, np.nan], target=pd.Categorical(["a", "b"]))
    assert latency_percentiles(frame, by="target")["target"].unique().tolist() == ["a"]
    empty = latency_percentiles(frame.iloc[1:], percentiles=[50])
    assert empty["count"].to_list() == [0]
    assert empty["latency"].isna().all()


@pytest.mark.parametrize(("load", "percentile"), [(0.3, 50), (0.3, 95), (0.7, 50), (0.7, 90)])
def test_interval_holds_the_exact_percentile_of_a_queue(load: float, percentile: float) -> None:
    frame = mm1(load, 40_000, seed=1)
    row = latency_percentiles(frame, percentiles=[percentile], confidence=0.999).iloc[0]
    assert row["low"] < mm1_percentile(load, percentile) < row["high"]
    assert row["low"] < row["latency"] < row["high"]


def test_intervals_of_many_queues_hold_the_exact_percentile_nearly_as_often_as_they_say() -> None:
    exact = mm1_percentile(0.5, 50)
    rows = pd.concat(
        latency_percentiles(mm1(0.5, 4_000, seed), percentiles=[50]) for seed in range(100)
    )
    assert 90 <= rows["low"].lt(exact).mul(rows["high"].gt(exact)).sum() <= 99


def test_more_messages_give_a_narrower_interval() -> None:
    short, long = (
        latency_percentiles(mm1(0.5, size, seed=2), percentiles=[50]).iloc[0]
        for size in (4_000, 64_000)
    )
    assert long["high"] - long["low"] < (short["high"] - short["low"]) / 2


@pytest.mark.parametrize(("rises", "told"), [(319, False), (320, True)])
def test_series_that_rises_above_a_percentile_too_seldom_has_no_interval(
    rises: int, told: bool
) -> None:
    values = [value for short in range(rises) for value in (short * 1e-6, 1.0)]
    row = latency_percentiles(in_a_row(*values), percentiles=[50]).iloc[0]
    assert row[["low", "high"]].notna().all() == told


def test_one_long_jam_is_not_taken_for_many_observations() -> None:
    jam = in_a_row(*[1.0] * 9_000, *np.linspace(2, 3, 1_000))
    assert latency_percentiles(jam, percentiles=[95])["low"].isna().all()


def test_latency_that_is_always_the_same_is_known_exactly() -> None:
    table = latency_percentiles(in_a_row(*[2.0] * 3_200), percentiles=[50, 90, 91])
    assert table["latency"].to_list() == [2.0, 2.0, 2.0]
    assert table["low"].to_list() == pytest.approx([2.0, 2.0, np.nan], nan_ok=True)
    assert table["high"].to_list() == pytest.approx([2.0, 2.0, np.nan], nan_ok=True)


def test_table_does_not_depend_on_the_order_of_rows() -> None:
    frame = mm1(0.5, 4_000, seed=3)
    shuffled = frame.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(latency_percentiles(shuffled), latency_percentiles(frame))


def test_rows_of_several_frames_may_share_their_labels() -> None:
    frame = in_a_row(1.0, np.nan, 3.0)
    table = latency_percentiles(pd.concat([frame, frame]), percentiles=[50])
    assert table[["latency", "naive", "count"]].to_numpy().tolist() == [[2.0, 2.0, 4.0]]


def test_group_has_the_interval_that_it_has_alone() -> None:
    frames = {name: mm1(0.5, 4_000, seed) for seed, name in enumerate("ab")}
    both = pd.concat([frame.assign(target=name) for name, frame in frames.items()])
    table = latency_percentiles(both, by=["target"])
    alone = latency_percentiles(frames["b"])
    of_b = table[table["target"] == "b"].drop(columns="target").reset_index(drop=True)
    pd.testing.assert_frame_equal(of_b, alone)


def test_higher_confidence_gives_a_wider_interval() -> None:
    frame = mm1(0.5, 4_000, seed=4)
    usual, sure = (
        latency_percentiles(frame, percentiles=[50], confidence=confidence).iloc[0]
        for confidence in (0.95, 0.99)
    )
    assert sure["low"] < usual["low"] < usual["high"] < sure["high"]


def test_percentile_beyond_a_hundred_is_refused() -> None:
    with pytest.raises(InvalidSetting) as refused:
        latency_percentiles(FELL_BEHIND, percentiles=[50, 999])
    assert str(refused.value) == "percentiles=999: expected numbers from 0 to 100"


def test_group_by_a_column_that_is_not_there_is_refused() -> None:
    for analysis in (latency_percentiles, percentile_curve):
        with pytest.raises(InvalidSetting) as refused:
            analysis(FELL_BEHIND, by=["target"])
        assert str(refused.value) == (
            "by='target': expected a column of the frame: intended_at, sent_at, finished_at"
        )


def test_curve_is_dense_towards_one_and_ends_where_the_sample_does() -> None:
    curve = percentile_curve(in_a_row(*np.arange(1.0, 9.0)))
    assert list(curve) == ["probability", "latency"]
    assert curve["probability"].to_list() == pytest.approx(
        [*np.arange(0, 0.5, 0.05), *np.arange(0.5, 0.75, 0.025), *np.arange(0.75, 0.876, 0.0125)]
    )
    assert curve["latency"].to_list() == pytest.approx((1 + 7 * curve["probability"]).to_list())


def test_curve_has_no_points_where_all_is_pending() -> None:
    assert len(percentile_curve(in_a_row(np.nan))) == 0
    assert percentile_curve(in_a_row(3.0)).to_numpy().tolist() == [[0.0, 3.0]]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_curve_rises_from_the_shortest_latency_to_one_in_n_before_the_end(
    values: list[float],
) -> None:
    curve = percentile_curve(messages([0] * len(values), values))
    assert curve["probability"].is_monotonic_increasing
    assert curve["probability"].is_unique
    assert curve["latency"].diff().dropna().ge(-1e-9).all()
    assert curve["latency"].iloc[0] == min(values)
    assert curve["probability"].iloc[-1] == 1 - 1 / len(values)
