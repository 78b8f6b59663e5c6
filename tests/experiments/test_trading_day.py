from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.experiments import trading_day
from genesis_lab.experiments.trading_day import (
    Condition,
    conditions,
    measure,
    replay,
    sample_ticks,
    table,
    telling_window,
    verdict,
)
from genesis_lab.workloads.ticks import Ticks, read_ticks
from genesis_lab.workloads.trading_day import TradingDayResult
from tests.experiments.market import SIGNAL_AT, write_ticks


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> Ticks:
    return read_ticks(write_ticks(tmp_path_factory.mktemp("market") / "ticks.csv"))


@pytest.fixture(scope="module")
def days(ticks: Ticks) -> dict[str, TradingDayResult]:
    """The market on each bus, by the condition's name."""
    chosen = conditions(["synchronous", "hybrid", "hybrid-raise"], ["serial", "call_chain"])
    return {condition.name: replay(ticks, condition) for condition in chosen}


def names(architectures: Sequence[str], admissions: Sequence[str]) -> list[str]:
    return [condition.name for condition in conditions(architectures, admissions)]


def test_each_architecture_meets_each_admission() -> None:
    assert names(["hybrid", "hybrid-raise"], ["serial", "call_chain"]) == [
        "hybrid",
        "hybrid-call_chain",
        "hybrid-raise",
        "hybrid-raise-call_chain",
    ]


def test_synchronous_bus_meets_only_one_since_it_is_serial_whatever_is_asked_for() -> None:
    assert names(["synchronous", "hybrid"], ["serial", "call_chain"]) == [
        "synchronous",
        "hybrid",
        "hybrid-call_chain",
    ]
    assert conditions(["synchronous-component"], ["call_chain"]) == [
        Condition("synchronous-component", "serial")
    ]


def test_condition_that_is_asked_for_twice_is_one() -> None:
    assert names(["hybrid", "hybrid"], ["serial"]) == ["hybrid"]


def test_condition_of_no_such_bus_or_admission_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^architecture='new': expected 'synchronous' or "):
        Condition("new", "serial")
    with pytest.raises(
        gl.LabError,
        match=r"^admission='open': expected 'serial' or 'call_chain' or 're_entrant'$",
    ):
        Condition("hybrid", "open")


def test_measures_say_how_each_message_ended(days: dict[str, TradingDayResult]) -> None:
    measured = pd.DataFrame({name: measure(day) for name, day in days.items()}).T
    columns = [
        "ended",
        "at",
        "ticks",
        "requests",
        "requests_answered",
        "requests_timed_out",
        "requests_deadlocked",
        "requests_pending",
        "deliveries_handled",
        "deliveries_dropped",
        "deadlocks",
        "deadlocks_broken_timed_out",
        "deadlocks_broken_refused",
    ]
    assert measured[columns].to_numpy().tolist() == [
        ["stalled", SIGNAL_AT, 158, 2, 0, 0, 0, 2, 315, 0, 1, 0, 0],
        ["completed", 29.875, 240, 3, 2, 1, 0, 0, 484, 0, 1, 1, 0],
        ["completed", 29.875, 240, 3, 3, 0, 0, 0, 484, 0, 0, 0, 0],
        ["completed", 29.875, 240, 3, 2, 0, 1, 0, 484, 0, 1, 0, 1],
        ["completed", 29.875, 240, 3, 3, 0, 0, 0, 484, 0, 0, 0, 0],
    ]
    assert measured["digest"].tolist() == [day.trace.digest() for day in days.values()]


def test_latency_of_requests_is_that_of_those_that_ended(days: dict[str, TradingDayResult]) -> None:
    columns = ["request_latency_p50", "request_latency_p99", "price_age_p99"]
    assert measure(days["hybrid"])[columns].tolist() == [0.25, 0.25, 0.0]
    assert measure(days["synchronous"])[columns].isna().tolist() == [True, True, False]


def test_age_of_a_price_is_how_long_it_lay_at_the_strategy(tmp_path: Path) -> None:
    ticks = read_ticks(write_ticks(tmp_path / "ticks.csv"))
    # Three prices come at the same time, while the strategy waits for the risk manager, and lie
    # there until the exchange has answered.
    ticks.frame.loc[158:160, "time"] = SIGNAL_AT + 0.125
    day = replay(ticks, Condition("hybrid", "serial"))
    [traded_at] = day.trace.requests.query("request_type == 'execute_trade'")["finished_at"]
    prices = day.trace.deliveries.query("event_type == 'price_update'")
    ages = prices["started_at"] - prices["intended_at"]
    assert ages.nlargest(3).tolist() == [traded_at - SIGNAL_AT - 0.125] * 3


def test_verdict_explains_the_deadlock_that_stops_the_old_bus(
    days: dict[str, TradingDayResult],
) -> None:
    assert verdict(days["synchronous"].trace) == (
        "deadlock at 19.625000 s, for ever: strategy_manager (price_update) waits for risk_manager "
        "(check_order), which waits for strategy_manager (exposure), which waits for the first"
    )


def test_verdict_tells_what_masked_a_deadlock_from_what_cured_it(
    days: dict[str, TradingDayResult],
) -> None:
    assert {name: verdict(days[name].trace) for name in days if name != "synchronous"} == {
        "hybrid": "1 deadlock, broken (timed_out) after at most 0.25 s; masked, not cured",
        "hybrid-call_chain": "no deadlock formed",
        "hybrid-raise": "1 deadlock, broken (refused) after at most 0 s",
        "hybrid-raise-call_chain": "no deadlock formed",
    }


def test_verdict_counts_deadlocks(ticks: Ticks) -> None:
    once = replay(ticks, Condition("hybrid", "serial")).trace
    twice = gl.Trace(
        manifest=once.manifest,
        frame_of=lambda table: pd.concat([getattr(once, table.name)] * 2, ignore_index=True),
    )
    assert verdict(twice).startswith("2 deadlocks, broken (timed_out) ")


def test_window_is_about_the_first_signal(days: dict[str, TradingDayResult]) -> None:
    for day in days.values():
        assert telling_window(day.trace) == (SIGNAL_AT - 0.1, SIGNAL_AT + 0.6)


def test_window_of_a_day_without_a_signal_is_its_beginning(ticks: Ticks) -> None:
    quiet = Ticks(
        frame=ticks.frame.head(10),
        started_at_ns=ticks.started_at_ns,
        report=ticks.report,
        source=ticks.source,
    )
    trace = replay(quiet, Condition("hybrid", "serial")).trace
    assert telling_window(trace) == (0.0, 0.7)


def row(shown: pd.DataFrame, label: str) -> list[Any]:
    """The texts in the row of that label, of which there is one."""
    [[_, *texts]] = shown.loc[[label]].itertuples(name=None)
    return texts


def test_table_has_texts_in_a_column_per_condition(days: dict[str, TradingDayResult]) -> None:
    some = ("synchronous", "hybrid")
    measured = pd.DataFrame({name: measure(days[name]) for name in some}).T
    shown = table(measured)
    assert shown.columns.tolist() == ["synchronous", "hybrid"]
    assert row(shown, "ended") == ["stalled", "completed"]
    assert row(shown, "ended at [s]") == ["19.625", "29.875"]
    assert row(shown, "request latency, p50 [s]") == ["-", "0.25"]
    assert row(shown, "books agree") == ["yes", "yes"]
    assert row(shown, "digest") == [day[:12] for day in measured["digest"]]


def test_table_shows_the_outcomes_that_there_are_and_always_what_was_dropped(
    days: dict[str, TradingDayResult],
) -> None:
    measured = pd.DataFrame({"hybrid": measure(days["hybrid"])}).T
    labels = table(measured).index.tolist()
    assert [label for label in labels if label.startswith("- ")] == [
        "- answered",
        "- timed_out",
        "- handled",
        "- dropped",
        "- timed_out",
    ]


def test_table_shows_the_cpu_time_where_there_is_one(days: dict[str, TradingDayResult]) -> None:
    measured = pd.DataFrame({"hybrid": measure(days["hybrid"])}).T
    assert "CPU time [s]" not in table(measured).index
    assert row(table(measured.assign(cpu_time=1.23456)), "CPU time [s]") == ["1.235"]


def test_sample_is_found_beside_the_package_or_inside_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = Path(__file__).parents[2]
    assert sample_ticks() == checkout / "data" / "btcusdt_synthetic.csv.gz"
    installed = tmp_path / "genesis_lab" / "sample" / "btcusdt_synthetic.csv.gz"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(trading_day, "_PACKAGE", tmp_path / "genesis_lab")
    assert sample_ticks() == installed


def test_missing_sample_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading_day, "_PACKAGE", tmp_path / "genesis_lab")
    with pytest.raises(gl.LabError, match=r"^the sample of ticks is not installed: .*--ticks"):
        sample_ticks()
