import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.workloads.durations import Constant
from genesis_lab.workloads.genesis import Book, Genesis, GenesisSettings, Order, Price, Trade
from genesis_lab.workloads.genesis.strategy import Crossing

QUICK: dict[str, Any] = {
    "fast_window": 1,
    "slow_window": 2,
    "exchange_latency": Constant(0.5),
    "rejection_probability": 0.0,
    "notification_time": Constant(0.25),
}
"""Every change of the price's direction is a signal, and all durations are binary fractions."""

BUY = Order("BTC", Decimal(1), Decimal("100.5"))
SELL = Order("BTC", Decimal(-1), Decimal("101.5"))


def play(
    genesis: Genesis, *prices: float, bus: Callable[..., gl.Bus] = gl.HybridCoordinator
) -> gl.Trace:
    """What a price per ten seconds, from 0 on, leaves behind."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with bus(observer=recorder) as opened:
            genesis.join(opened)
            await genesis.market_data.replay(
                (10.0 * number, Price("BTC", price)) for number, price in enumerate(prices)
            )
            await opened.drain()

    gl.run(main)
    return recorder.trace()


def ask(genesis: Genesis, target: str, request_type: str, *orders: object) -> list[Any]:
    """The replies to requests of nobody, one after another."""

    async def main() -> list[Any]:
        async with gl.HybridCoordinator() as bus:
            genesis.join(bus)
            replies = [await bus.request(target, request_type, each, "test") for each in orders]
            await bus.drain()
            return replies

    replies = gl.run(main).value
    assert replies is not None
    return replies


# ------------------------------------------------------------------------------ the strategy


def crossings(*prices: float, fast: int = 1, slow: int = 2) -> list[int]:
    crossing = Crossing(fast, slow)
    return [crossing.take(price) for price in prices]


def test_average_that_crosses_is_a_signal_in_its_direction() -> None:
    assert crossings(10, 11, 10, 9, 12) == [0, 0, -1, 0, 1]


def test_average_that_only_touches_has_not_crossed() -> None:
    assert crossings(10, 11, 11, 12, 12, 11) == [0, 0, 0, 0, 0, -1]


def test_average_does_not_cross_before_the_slow_window_is_full() -> None:
    assert crossings(1, 9, 1, 9, 1, fast=1, slow=4) == [0, 0, 0, 0, -1]


def test_signal_asks_risk_and_then_the_exchange() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, admission=gl.CALL_CHAIN))
    requests = play(genesis, 10, 11, 10.5).requests
    assert requests[["source", "target", "request_type"]].to_numpy().tolist() == [
        ["strategy_manager", "risk_manager", "check_order"],
        ["risk_manager", "strategy_manager", "exposure"],
        ["strategy_manager", "exchange_manager", "execute_trade"],
    ]
    assert requests["sent_at"].tolist() == [20.0, 20.0, 20.0]
    assert requests["finished_at"].tolist() == [20.0, 20.0, 20.5]
    assert genesis.exchange.trades == [Trade(1, "BTC", Decimal("-0.01"), Decimal("10.5"))]


def test_signals_of_symbols_are_apart() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, risk_asks_back=False))

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            genesis.join(bus)
            prices = [Price(symbol, price) for price in (10, 11, 10) for symbol in ("BTC", "ETH")]
            await genesis.market_data.replay((10.0 * at, each) for at, each in enumerate(prices))
            await bus.drain()

    gl.run(main)
    assert [trade.symbol for trade in genesis.exchange.trades] == ["BTC", "ETH"]


# ------------------------------------------------------------------------------ the circular call


def test_serial_strategy_answers_too_late_and_each_signal_pays_the_timeout() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, ask_back_timeout=0.125))
    trace = play(genesis, 10, 11, 10, 11)
    outcomes = trace.requests.groupby("request_type", observed=True)["outcome"].agg(list)
    assert outcomes["exposure"] == ["timed_out", "timed_out"]
    assert outcomes["check_order"] == ["answered", "answered"]
    assert trace.deadlocks["formed_at"].tolist() == [20.0, 30.0]
    assert trace.deadlocks["broken_at"].tolist() == [20.125, 30.125]
    assert trace.deadlocks["broken_by"].tolist() == ["timed_out", "timed_out"]
    assert (genesis.risk.unanswered, genesis.risk.approved) == (2, 2)
    assert len(genesis.exchange.trades) == 2


def test_refused_question_costs_no_time_but_the_answer_is_lost() -> None:
    genesis = Genesis(GenesisSettings(**QUICK))
    trace = play(genesis, 10, 11, 10, bus=gl.ARCHITECTURES["hybrid-raise"])
    assert trace.requests["outcome"].tolist() == ["answered", "deadlocked", "answered"]
    assert trace.requests["finished_at"].tolist() == [20.0, 20.0, 20.5]
    assert genesis.risk.unanswered == 1


def test_call_of_the_same_chain_is_answered() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, admission=gl.CALL_CHAIN))
    trace = play(genesis, 10, 11, 10, 11)
    assert set(trace.requests["outcome"]) == {"answered"}
    assert len(trace.deadlocks) == 0
    assert genesis.risk.unanswered == 0


def test_risk_that_does_not_ask_back_sends_nothing() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, risk_asks_back=False))
    trace = play(genesis, 10, 11, 10)
    assert trace.requests["request_type"].tolist() == ["check_order", "execute_trade"]


# ------------------------------------------------------------------------------ risk


def test_order_beyond_the_limit_is_refused_and_alerted() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, risk_asks_back=False, position_limit=Decimal(1)))
    assert ask(genesis, "risk_manager", "check_order", BUY, BUY, SELL, SELL, SELL) == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert (genesis.risk.approved, genesis.risk.refused) == (3, 2)
    assert genesis.performance.counts == {"risk.alert": 2}
    assert genesis.notifications.sent == 2


def test_risk_that_gets_no_answer_counts_approved_orders_as_held() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, position_limit=Decimal(1)))
    assert ask(genesis, "risk_manager", "check_order", BUY, BUY) == [True, False]
    assert genesis.risk.unanswered == 2
    assert genesis.exchange.trades == []


# ------------------------------------------------------------------------------ the exchange


def test_exchange_executes_after_its_latency() -> None:
    genesis = Genesis(GenesisSettings(**QUICK))
    replies = ask(genesis, "exchange_manager", "execute_trade", BUY, SELL)
    assert (
        replies
        == genesis.exchange.trades
        == [
            Trade(1, "BTC", Decimal(1), Decimal("100.5")),
            Trade(2, "BTC", Decimal(-1), Decimal("101.5")),
        ]
    )


def test_exchange_rejects_the_share_it_is_told() -> None:
    genesis = Genesis(GenesisSettings(**{**QUICK, "rejection_probability": 0.25}))
    replies = ask(genesis, "exchange_manager", "execute_trade", *[BUY] * 2_000)
    assert replies.count("rejected") == genesis.exchange.rejections
    assert genesis.exchange.rejections == pytest.approx(500, abs=4 * math.sqrt(2_000 * 3 / 16))


def test_order_whose_sender_gives_up_before_it_is_executed_is_no_trade() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, strategy_timeout=0.375))
    trace = play(genesis, 10, 11, 10)
    assert trace.requests["outcome"].tolist() == ["answered", "timed_out", "timed_out"]
    assert genesis.exchange.trades == []
    assert genesis.reconcile().agrees


def test_executed_trade_is_made_known_though_its_sender_has_given_up() -> None:
    genesis = Genesis(GenesisSettings(**QUICK, strategy_timeout=0.625))
    play(genesis, 10, 11, 10, bus=gl.ARCHITECTURES["hybrid-awaited"])
    assert len(genesis.exchange.trades) == 1
    assert genesis.notifications.sent == 1
    assert genesis.reconcile().agrees


# ------------------------------------------------------------------------------ listeners


def test_slow_notifications_hold_the_exchange_on_the_old_bus_only() -> None:
    def traded_at(bus: Callable[..., gl.Bus]) -> float:
        requests = play(
            Genesis(GenesisSettings(**QUICK, risk_asks_back=False)), 10, 11, 10, bus=bus
        ).requests
        [finished] = requests.loc[requests["request_type"] == "execute_trade", "finished_at"]
        return float(finished)

    assert traded_at(gl.SynchronousBus) == 20.75
    assert traded_at(gl.HybridCoordinator) == 20.5


def test_monitor_counts_every_event() -> None:
    genesis = Genesis(GenesisSettings(**QUICK))
    play(genesis, 10, 11, 10, 11, 12)
    assert genesis.performance.counts == {
        "price_update": 5,
        "strategy.signal": 2,
        "trade.executed": 2,
    }


def test_book_says_what_is_held_and_what_it_cost() -> None:
    trades = [
        Trade(1, "BTC", Decimal("0.02"), Decimal("61837.63")),
        Trade(2, "ETH", Decimal("-1.5"), Decimal("2683.1")),
        Trade(3, "BTC", Decimal("-0.03"), Decimal("61840.01")),
    ]
    assert Book.of(trades) == Book(
        positions={"BTC": Decimal("-0.01"), "ETH": Decimal("-1.5")},
        cash=Decimal("4643.0977"),
    )


PRICES = st.decimals(Decimal("0.00000001"), Decimal(10_000_000), places=8)


@given(prices=st.lists(PRICES, max_size=20))
def test_books_agree_exactly_once_drained(prices: list[Decimal]) -> None:
    genesis = Genesis(GenesisSettings(**QUICK))
    orders = [Order("BTC", Decimal("0.00000007"), price) for price in prices]
    ask(genesis, "exchange_manager", "execute_trade", *orders)
    reconciliation = genesis.reconcile()
    assert reconciliation.agrees
    assert reconciliation.booked.cash == -sum(int(price * 10**8) for price in prices) * Decimal(
        "0.0000000000000007"
    )


def test_books_that_have_lost_a_trade_disagree() -> None:
    genesis = Genesis(GenesisSettings(**QUICK))
    ask(genesis, "exchange_manager", "execute_trade", BUY, SELL)
    del genesis.exchange.trades[0]
    assert not genesis.reconcile().agrees


# ------------------------------------------------------------------------------ the system


def test_components_have_the_ids_of_the_original_and_are_serial() -> None:
    async def main() -> tuple[str, ...]:
        async with gl.HybridCoordinator() as bus:
            Genesis().join(bus)
            return bus.components()

    assert gl.run(main).value == (
        "market_data_manager",
        "strategy_manager",
        "risk_manager",
        "exchange_manager",
        "portfolio_manager",
        "notification_manager",
        "performance_monitor",
    )
    assert Genesis().strategy.admission is gl.SERIAL


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fast_window": 0}, "fast_window=0: expected a whole number >= 1"),
        ({"slow_window": 20}, "slow_window=20: expected more ticks than fast_window=20"),
        ({"order_quantity": Decimal(0)}, "order_quantity=Decimal('0'): expected a Decimal > 0"),
        ({"position_limit": 0.5}, "position_limit=0.5: expected a Decimal > 0"),
        (
            {"strategy_timeout": 0.0},
            "strategy_timeout=0.0: expected a finite number of seconds > 0",
        ),
        (
            {"ask_back_timeout": math.inf},
            "ask_back_timeout=inf: expected a finite number of seconds > 0",
        ),
        (
            {"rejection_probability": 1.5},
            "rejection_probability=1.5: expected a number from 0 to 1",
        ),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(gl.LabError) as caught:
        GenesisSettings(**settings)
    assert str(caught.value) == message
