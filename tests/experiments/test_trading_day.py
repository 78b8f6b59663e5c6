import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.experiments import load_experiment, trading_day
from genesis_lab.experiments.claims import CLAIMS
from genesis_lab.experiments.sweeps import InThisProcess, plan, sweep
from genesis_lab.experiments.trading_day import (
    measure_day,
    name_of,
    replay,
    sample_ticks,
    table,
    telling_window,
    timeline,
    what_became_of,
)
from genesis_lab.experiments.trials import Condition, grid, run_trial
from genesis_lab.workloads.ticks import Ticks, read_ticks
from genesis_lab.workloads.trading_day import TradingDayResult
from tests.experiments.market import SIGNAL_AT, write_ticks

TRADING_DAY = load_experiment("trading-day")
HYBRID = Condition("hybrid", {"admission": "serial"})


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> Ticks:
    return read_ticks(write_ticks(tmp_path_factory.mktemp("market") / "ticks.csv"))


@pytest.fixture(scope="module")
def days(ticks: Ticks) -> dict[str, TradingDayResult]:
    """The market on each bus, by the condition's name."""
    chosen = grid(["synchronous", "hybrid", "hybrid-raise"], admission=["serial", "call_chain"])
    return {name_of(condition): replay(ticks, condition) for condition in chosen}


def measures(days: dict[str, TradingDayResult]) -> pd.DataFrame:
    """A row per day, by its name."""
    rows = {name: {**measure_day(day), "digest": day.trace.digest()} for name, day in days.items()}
    return pd.DataFrame(rows, dtype=object).T


def test_condition_is_called_by_its_bus_and_by_any_admission_but_serial(
    days: dict[str, TradingDayResult],
) -> None:
    assert list(days) == [
        "synchronous",
        "hybrid",
        "hybrid-call_chain",
        "hybrid-raise",
        "hybrid-raise-call_chain",
    ]


def test_measures_say_how_each_message_ended(days: dict[str, TradingDayResult]) -> None:
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
    assert measures(days)[columns].to_numpy().tolist() == [
        ["stalled", SIGNAL_AT, 158, 2, 0, 0, 0, 2, 315, 0, 1, 0, 0],
        ["completed", 29.875, 240, 3, 2, 1, 0, 0, 484, 0, 1, 1, 0],
        ["completed", 29.875, 240, 3, 3, 0, 0, 0, 484, 0, 0, 0, 0],
        ["completed", 29.875, 240, 3, 2, 0, 1, 0, 484, 0, 1, 0, 1],
        ["completed", 29.875, 240, 3, 3, 0, 0, 0, 484, 0, 0, 0, 0],
    ]


def test_latency_of_requests_is_that_of_those_that_ended(days: dict[str, TradingDayResult]) -> None:
    columns = ["request_latency_p50", "request_latency_p99", "price_age_p99"]
    measured: pd.DataFrame = measures(days)[columns].astype(float)
    assert measured.loc[["hybrid"]].to_numpy().tolist() == [[0.25, 0.25, 0.0]]
    nothing, forever = math.nan, math.inf
    assert measured.loc[["synchronous"]].to_numpy().ravel().tolist() == pytest.approx(
        [nothing, nothing, forever], nan_ok=True
    )


def test_price_that_the_strategy_never_looks_at_is_infinitely_old(
    days: dict[str, TradingDayResult],
) -> None:
    stalled = days["synchronous"]  # at tick 158, which the strategy looks at
    assert measure_day(replace(stalled, ticks=158))["price_age_p99"] == 0.0
    assert measure_day(replace(stalled, ticks=159))["price_age_p99"] == 0.0
    assert measure_day(replace(stalled, ticks=161))["price_age_p99"] == math.inf


def test_age_of_a_price_is_how_long_it_lay_at_the_strategy(tmp_path: Path) -> None:
    ticks = read_ticks(write_ticks(tmp_path / "ticks.csv"))
    # Three prices come at the same time, while the strategy waits for the risk manager, and lie
    # there until the exchange has answered.
    ticks.frame.loc[158:160, "time"] = SIGNAL_AT + 0.125
    day = replay(ticks, HYBRID)
    [traded_at] = day.trace.requests.query("request_type == 'execute_trade'")["finished_at"]
    prices = day.trace.deliveries.query("event_type == 'price_update'")
    ages = prices["started_at"] - prices["intended_at"]
    assert ages.nlargest(3).tolist() == [traded_at - SIGNAL_AT - 0.125] * 3


def test_sentence_explains_the_deadlock_that_stops_the_old_bus(
    days: dict[str, TradingDayResult],
) -> None:
    assert what_became_of(days["synchronous"].trace) == (
        "deadlock at 19.625000 s, for ever: strategy_manager (price_update) waits for risk_manager "
        "(check_order), which waits for strategy_manager (exposure), which waits for the first"
    )


def test_sentence_tells_what_masked_a_deadlock_from_what_cured_it(
    days: dict[str, TradingDayResult],
) -> None:
    assert {name: what_became_of(days[name].trace) for name in days if name != "synchronous"} == {
        "hybrid": "1 deadlock, broken (timed_out) after at most 0.25 s; masked, not cured",
        "hybrid-call_chain": "no deadlock formed",
        "hybrid-raise": "1 deadlock, broken (refused) after at most 0 s",
        "hybrid-raise-call_chain": "no deadlock formed",
    }


def test_sentence_counts_deadlocks(ticks: Ticks) -> None:
    once = replay(ticks, HYBRID).trace
    twice = gl.Trace(
        manifest=once.manifest,
        frame_of=lambda table: pd.concat([getattr(once, table.name)] * 2, ignore_index=True),
    )
    assert what_became_of(twice).startswith("2 deadlocks, broken (timed_out) ")


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
    trace = replay(quiet, HYBRID).trace
    assert telling_window(trace) == (0.0, 0.7)


def row(shown: pd.DataFrame, label: str) -> list[Any]:
    """The texts in the row of that label, of which there is one."""
    [[_, *texts]] = shown.loc[[label]].itertuples(name=None)
    return texts


def test_table_has_texts_in_a_column_per_condition(days: dict[str, TradingDayResult]) -> None:
    measured = measures({name: days[name] for name in ("synchronous", "hybrid")})
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
    measured = measures({"hybrid": days["hybrid"]})
    labels = table(measured).index.tolist()
    assert [label for label in labels if label.startswith("- ")] == [
        "- answered",
        "- timed_out",
        "- handled",
        "- dropped",
        "- timed_out",
    ]


def test_table_shows_the_cpu_time_where_there_is_one(days: dict[str, TradingDayResult]) -> None:
    measured = measures({"hybrid": days["hybrid"]})
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


def test_missing_sample_of_another_name_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^the sample of ticks is not installed"):
        sample_ticks("tulips")


# ------------------------------------------------------------------------------ the experiment


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    planned = plan(TRADING_DAY, quick=True, replicates=2)
    return sweep(planned, executor=InThisProcess())["trading-day"]


def test_trial_is_the_day_that_a_replay_of_its_ticks_gives() -> None:
    condition = Condition(
        "hybrid", {"admission": "call_chain", "sample": "btcusdt_synthetic", "until": 11.0}
    )
    result = run_trial(TRADING_DAY.scenario, condition, seed=3)
    sample = read_ticks(sample_ticks())
    part = replace(sample, frame=sample.frame[sample.frame["time"] <= 11.0])
    day = replay(part, condition, seed=3)
    assert result.trace.digest() == day.trace.digest()
    known = {"ended": result.run.ended, "at": result.run.at, **TRADING_DAY.measure(result)}
    ages, fate = known.pop("price_ages"), known.pop("fate")
    assert known == measure_day(day)
    assert fate == "none"
    assert known["price_age_p99"] in ages


def test_claim_holds_with_a_condition_since_one_message_at_a_time_deadlocks(
    trials: pd.DataFrame,
) -> None:
    [verdict] = TRADING_DAY.verdicts(trials)
    assert CLAIMS[verdict.claim].experiment == "trading-day"
    assert verdict.judgement == "holds with a condition"
    assert "in 12 of 12 trials on 3 hybrids with 2 admissions, and in 0 of 2 on the old bus" in (
        verdict.sentence
    )
    # What a deadlock costs: the timeout of the question that risk asks the strategy.
    assert verdict.effect == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("column", "value", "judgement"),
    [("deadlocks", 0, "holds"), ("ended", "stalled", "refuted"), ("reconciled", False, "refuted")],
)
def test_verdict_follows_the_trials(
    trials: pd.DataFrame, column: str, value: Any, judgement: str
) -> None:
    is_changed = trials["architecture"].str.startswith("hybrid")
    changed = trials.assign(**{column: trials[column].mask(is_changed, value)})
    [verdict] = TRADING_DAY.verdicts(changed)
    assert verdict.judgement == judgement


def test_summary_tells_where_each_bus_stops(trials: pd.DataFrame) -> None:
    summary = TRADING_DAY.summary(trials).set_index(["architecture", "admission"])
    assert summary[["ended", "ticks published", "deadlock"]].to_numpy().tolist() == [
        ["completed", 608, "none"],
        ["completed", 608, "masked"],
        ["completed", 608, "none"],
        ["completed", 608, "masked"],
        ["completed", 608, "none"],
        ["completed", 608, "refused"],
        ["stalled", 139, "hangs"],
        ["stalled", 139, "hangs"],
    ]
    assert "age of price at strategy, p99 [s] low" in summary


def test_drawings_are_of_the_ages_of_prices_and_of_the_first_signal(trials: pd.DataFrame) -> None:
    traces = {
        name: run_trial(TRADING_DAY.scenario, condition, seed=0).trace
        for name, condition in TRADING_DAY.showcases.items()
    }
    drawings = {drawing.name: drawing for drawing in TRADING_DAY.drawings(trials, traces)}
    assert list(drawings) == [
        "price-ages",
        "timeline-old-bus",
        "timeline-hybrid",
        "timeline-call-chain",
    ]
    ages = drawings["price-ages"].data.set_index(["architecture", "admission", "probability"])
    assert "synchronous" not in ages.index.get_level_values("architecture")
    assert ages["latency"]["hybrid", "serial", 0.99] > ages["latency"]["hybrid", "call_chain", 0.99]
    assert "masked, not cured" in drawings["timeline-hybrid"].caption


def test_timeline_is_of_the_telling_window(days: dict[str, TradingDayResult]) -> None:
    drawing = timeline("hybrid", days["hybrid"].trace)
    assert drawing.axes.get_xlim() == telling_window(days["hybrid"].trace)
