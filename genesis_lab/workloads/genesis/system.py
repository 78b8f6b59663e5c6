"""The whole trading system: its components, who listens to what, and whether the books agree."""

from dataclasses import dataclass

from genesis_lab.buses import Bus
from genesis_lab.workloads.genesis.listeners import Notifications, PerformanceMonitor, Portfolio
from genesis_lab.workloads.genesis.market import Exchange, MarketData
from genesis_lab.workloads.genesis.messages import (
    NOTIFICATIONS,
    PERFORMANCE,
    PORTFOLIO,
    PRICE_UPDATE,
    RISK_ALERT,
    SIGNAL,
    STRATEGY,
    TRADE_EXECUTED,
    Book,
)
from genesis_lab.workloads.genesis.risk import Risk
from genesis_lab.workloads.genesis.settings import GenesisSettings
from genesis_lab.workloads.genesis.strategy import Strategy

_SUBSCRIPTIONS = {
    PRICE_UPDATE: (STRATEGY, PERFORMANCE),
    SIGNAL: (PERFORMANCE,),
    TRADE_EXECUTED: (PORTFOLIO, NOTIFICATIONS, PERFORMANCE),
    RISK_ALERT: (NOTIFICATIONS, PERFORMANCE),
}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Two accounts of the same trades."""

    executed: Book
    """What the exchange's trades imply."""
    booked: Book
    """What the portfolio knows."""

    @property
    def agrees(self) -> bool:
        """Whether positions and cash are exactly the same."""
        return self.executed == self.booked


class Genesis:
    """The components of one trading system, each made anew; they keep what they have seen.

    They are attributes, so that what happened can be looked at even when a run was cut.
    """

    def __init__(self, settings: GenesisSettings | None = None) -> None:
        self.settings = settings or GenesisSettings()
        self.market_data = MarketData(self.settings)
        self.strategy = Strategy(self.settings)
        self.risk = Risk(self.settings)
        self.exchange = Exchange(self.settings)
        self.portfolio = Portfolio(self.settings)
        self.notifications = Notifications(self.settings)
        self.performance = PerformanceMonitor(self.settings)

    def join(self, bus: Bus) -> None:
        """Register all components, and subscribe them to what they listen to."""
        for component in (
            self.market_data,
            self.strategy,
            self.risk,
            self.exchange,
            self.portfolio,
            self.notifications,
            self.performance,
        ):
            bus.register(component)
        for event_type, subscribers in _SUBSCRIPTIONS.items():
            for subscriber in subscribers:
                bus.subscribe(subscriber, event_type)

    def reconcile(self) -> Reconciliation:
        """The exchange's account beside the portfolio's; they agree once the bus is drained."""
        return Reconciliation(Book.of(self.exchange.trades), self.portfolio.book)
