import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.workloads.durations import Constant
from genesis_lab.workloads.genesis import GenesisSettings
from genesis_lab.workloads.ticks import ReadReport, Ticks, read_ticks
from genesis_lab.workloads.trading_day import trading_day

ROOT = Path(__file__).parents[2]
CAPTURE = ROOT / ".." / "shared" / "data" / "btcusdt_20240808.gz"

QUICK: dict[str, Any] = {
    "fast_window": 1,
    "slow_window": 2,
    "exchange_latency": Constant(0.5),
    "rejection_probability": 0.0,
    "notification_time": Constant(0.25),
}


def ticks_of(*prices: float, gap: float = 1.0) -> Ticks:
    """Ticks of one symbol, at a steady pace from 0 on."""
    return Ticks(
        frame=pd.DataFrame(
            {
                "time": [gap * number for number in range(len(prices))],
                "symbol": pd.Categorical(["BTC"] * len(prices)),
                "price": prices,
                "quantity": [1.0] * len(prices),
            }
        ),
        started_at_ns=0,
        report=ReadReport(
            lines=len(prices),
            trades=len(prices),
            other_messages=0,
            bad_lines=0,
            first_bad_line=None,
            first_bad_reason=None,
            backwards=0,
            first_backwards_line=None,
            cut_short=False,
        ),
        source="test",
    )


ZIGZAG = ticks_of(10, 11, 10, 11, 10)
"""Signals at 2, 3 and 4 s."""


def test_old_bus_stops_for_ever_at_the_first_signal() -> None:
    day = trading_day(ZIGZAG, architecture="synchronous", settings=GenesisSettings(**QUICK))
    [deadlock] = day.trace.deadlocks.to_dict("records")
    assert (day.run.ended, day.run.at) == ("stalled", 2.0)
    assert deadlock["components"] == ("strategy_manager", "risk_manager", "strategy_manager")
    assert deadlock["formed_at"] == 2.0
    assert day.summary().to_dict() == {
        "largest_lag": math.inf,  # of the two ticks that are never published
        "ended": "stalled",
        "at": 2.0,
        "ticks": 3,
        "signals": 1,
        "trades": 0,
        "rejections": 0,
        "refusals": 0,
        "unanswered": 0,
        "notifications": 0,
        "deadlocks": 1,
        "deadlocks_broken": 0,
        "reconciled": True,
    }


def test_last_tick_is_not_late_though_the_bus_stalls_with_it() -> None:
    last = trading_day(
        ticks_of(10, 11, 10), architecture="synchronous", settings=GenesisSettings(**QUICK)
    )
    assert (last.run.ended, last.ticks, last.summary()["largest_lag"]) == ("stalled", 3, 0.0)


def test_admission_does_not_save_the_old_bus() -> None:
    settings = GenesisSettings(**QUICK, admission=gl.CALL_CHAIN)
    day = trading_day(ZIGZAG, architecture="synchronous", settings=settings)
    assert (day.run.ended, day.run.at) == ("stalled", 2.0)


def test_hybrid_delivers_but_pays_a_timeout_for_each_signal() -> None:
    day = trading_day(ZIGZAG, architecture="hybrid", settings=GenesisSettings(**QUICK))
    assert day.summary().to_dict() == {
        "ended": "completed",
        "at": 5.0,  # 4.25 risk decided, 4.75 traded, 5 notified
        "ticks": 5,
        "signals": 3,
        "trades": 3,
        "rejections": 0,
        "refusals": 0,
        "unanswered": 3,
        "notifications": 3,
        "deadlocks": 3,
        "deadlocks_broken": 3,
        "largest_lag": 0.0,
        "reconciled": True,
    }


def test_hybrid_with_call_chains_has_no_deadlock() -> None:
    settings = GenesisSettings(**QUICK, admission=gl.CALL_CHAIN)
    summary = trading_day(ZIGZAG, architecture="hybrid", settings=settings).summary()
    assert summary[["ended", "at", "trades", "unanswered", "deadlocks"]].to_dict() == {
        "ended": "completed",
        "at": 4.75,
        "trades": 3,
        "unanswered": 0,
        "deadlocks": 0,
    }


def test_old_bus_without_the_circular_call_makes_the_feed_late() -> None:
    settings = GenesisSettings(**QUICK, risk_asks_back=False)
    day = trading_day(
        ticks_of(10, 11, 10, 11, 10, gap=0.5), architecture="synchronous", settings=settings
    )
    events = day.trace.events
    updates = events[events["event_type"] == "price_update"]
    # Each signal costs 0.5 s at the exchange and 0.25 s for the notification.
    assert updates["intended_at"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert updates["sent_at"].tolist() == [0.0, 0.5, 1.0, 1.75, 2.5]
    assert day.summary()["largest_lag"] == 0.5
    assert (day.run.ended, day.run.at) == ("completed", 3.25)


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_books_agree_on_every_architecture(architecture: str) -> None:
    settings = GenesisSettings(**{**QUICK, "rejection_probability": 0.5}, risk_asks_back=False)
    prices = [10 + number % 2 for number in range(60)]
    day = trading_day(ticks_of(*prices), architecture=architecture, settings=settings)
    assert day.run.ended == "completed"
    assert len(day.genesis.exchange.trades) > 0
    assert day.genesis.exchange.rejections > 0
    assert day.genesis.reconcile().agrees


def largest_position(*, admission: gl.Admission) -> int:
    """How many orders' worth was held at most, where the exchange rejects every other order."""
    settings = GenesisSettings(**{**QUICK, "rejection_probability": 0.5}, admission=admission)
    prices = [10 + number % 2 for number in range(60)]
    day = trading_day(ticks_of(*prices, gap=2.0), settings=settings)
    held = pd.Series([trade.quantity for trade in day.genesis.exchange.trades]).cumsum().abs()
    return int(held.max() / settings.order_quantity)


def test_timeout_masks_the_deadlock_and_lets_the_position_leave_its_limit() -> None:
    assert largest_position(admission=gl.SERIAL) > 1
    assert largest_position(admission=gl.CALL_CHAIN) == 1


def test_day_is_cut_at_the_horizon() -> None:
    day = trading_day(ZIGZAG, settings=GenesisSettings(**QUICK), horizon=2.5)
    assert (day.run.ended, day.run.at) == ("horizon", 2.5)
    assert day.summary()["ticks"] == 3


def test_progress_is_reported_for_each_tick() -> None:
    seen = []
    trading_day(ZIGZAG, settings=GenesisSettings(**QUICK), progress=lambda: seen.append(1))
    assert len(seen) == 5


def test_day_of_no_such_architecture_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^architecture='new': expected 'synchronous' or "):
        trading_day(ZIGZAG, architecture="new")


def test_same_seed_gives_the_same_day() -> None:
    prices = [10 + number % 2 for number in range(40)]
    settings = GenesisSettings(fast_window=1, slow_window=2)
    digests = [
        trading_day(ticks_of(*prices), seed=seed, settings=settings).trace.digest()
        for seed in (7, 7, 8)
    ]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


# ------------------------------------------------------------------------------ recorded ticks


@pytest.fixture(scope="module")
def capture() -> Ticks:
    if not CAPTURE.exists():
        pytest.skip("the capture is not part of the repository")
    return read_ticks(CAPTURE)


def test_old_bus_stops_at_the_first_signal_of_a_real_capture(capture: Ticks) -> None:
    day = trading_day(capture, architecture="synchronous")
    assert (day.run.ended, day.run.at) == ("stalled", 5.357154494)
    assert day.summary()["ticks"] == 110
    assert day.trace.deadlocks["formed_at"].tolist() == [5.357154494]


def test_hybrid_delivers_a_real_capture_at_a_timeout_per_signal(capture: Ticks) -> None:
    day = trading_day(capture, architecture="hybrid")
    assert day.run.ended == "completed"
    assert day.summary()[["ticks", "signals", "deadlocks", "deadlocks_broken"]].to_dict() == {
        "ticks": 9_757,
        "signals": 66,
        "deadlocks": 66,
        "deadlocks_broken": 66,
    }
    assert day.genesis.reconcile().agrees


def test_call_chains_cure_a_real_capture(capture: Ticks) -> None:
    settings = GenesisSettings(admission=gl.CALL_CHAIN)
    day = trading_day(capture, architecture="hybrid", settings=settings)
    assert day.run.ended == "completed"
    assert len(day.trace.deadlocks) == 0
    assert set(day.trace.requests["outcome"]) == {"answered"}
    assert day.genesis.reconcile().agrees


def test_bundled_sample_replays_on_both_buses() -> None:
    ticks = read_ticks(ROOT / "data" / "btcusdt_synthetic.csv.gz")
    old, hybrid = (trading_day(ticks, architecture=name) for name in ("synchronous", "hybrid"))
    assert (old.run.ended, hybrid.run.ended) == ("stalled", "completed")
    assert hybrid.summary()["ticks"] == len(ticks.frame)
