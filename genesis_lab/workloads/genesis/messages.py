"""Who is who in the trading system, what they say to each other, and the book of what was traded.

Money and quantities are Decimals, and arithmetic on them raises rather than rounds: books that do
not agree exactly have lost a trade.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import NamedTuple, Self

MARKET_DATA = "market_data_manager"
STRATEGY = "strategy_manager"
RISK = "risk_manager"
EXCHANGE = "exchange_manager"
PORTFOLIO = "portfolio_manager"
NOTIFICATIONS = "notification_manager"
PERFORMANCE = "performance_monitor"

PRICE_UPDATE = "price_update"
SIGNAL = "strategy.signal"
TRADE_EXECUTED = "trade.executed"
RISK_ALERT = "risk.alert"

CHECK_ORDER = "check_order"
"""Asks the risk manager: the reply to an `Order` is whether it may be sent."""
EXPOSURE = "exposure"
"""Asks a strategy: the reply to a symbol is the quantity that it holds."""
EXECUTE_TRADE = "execute_trade"
"""Asks the exchange: the reply to an `Order` is a `Trade`, or `REJECTED`."""
REJECTED = "rejected"

EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])
NOTHING = Decimal(0)


class Price(NamedTuple):
    """What a `price_update` carries; a named tuple, since there is one per tick."""

    symbol: str
    price: float


@dataclass(frozen=True, slots=True)
class Order:
    """What a `strategy.signal` and a `risk.alert` carry, too."""

    symbol: str
    quantity: Decimal
    """Negative to sell."""
    price: Decimal


@dataclass(frozen=True, slots=True)
class Trade:
    """What a `trade.executed` carries."""

    number: int
    """From 1, in the order of execution."""
    symbol: str
    quantity: Decimal
    """Negative: sold."""
    price: Decimal


@dataclass(slots=True)
class Book:
    """What is held and what was paid for it."""

    positions: dict[str, Decimal] = field(default_factory=dict)
    """Quantity per symbol; negative: short."""
    cash: Decimal = NOTHING
    """What selling brought, less what buying cost."""

    @classmethod
    def of(cls, trades: Iterable[Trade]) -> Self:
        """The book after these trades."""
        book = cls()
        for trade in trades:
            book.enter(trade)
        return book

    def enter(self, trade: Trade) -> None:
        """Take a trade in."""
        held = self.positions.get(trade.symbol, NOTHING)
        self.positions[trade.symbol] = EXACT.add(held, trade.quantity)
        cost = EXACT.multiply(trade.quantity, trade.price)
        self.cash = EXACT.subtract(self.cash, cost)
