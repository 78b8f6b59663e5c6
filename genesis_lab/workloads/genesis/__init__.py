"""The Genesis trading system: the components whose bus the lab compares, under their own ids.

A price arrives, `market_data_manager` publishes it, `strategy_manager` sees its averages cross and
asks `risk_manager` whether it may trade; that one *asks back* how much the strategy holds, which is
the circular call of the original. Then `exchange_manager` trades, and `portfolio_manager`,
`notification_manager` and `performance_monitor` hear of it.

- `messages`: the ids, the types of requests and events, and what these carry
- `settings`: everything that can be set, and the base of the components
- `market`, `strategy`, `risk`, `listeners`: the components
- `system`: all of them together, on a bus; whether the books agree at the end
"""

from genesis_lab.workloads.genesis.listeners import Notifications, PerformanceMonitor, Portfolio
from genesis_lab.workloads.genesis.market import Exchange, MarketData
from genesis_lab.workloads.genesis.messages import Book, Order, Price, Trade
from genesis_lab.workloads.genesis.risk import Risk
from genesis_lab.workloads.genesis.settings import GenesisSettings
from genesis_lab.workloads.genesis.strategy import Strategy
from genesis_lab.workloads.genesis.system import Genesis, Reconciliation

__all__ = [
    "Genesis",
    "GenesisSettings",
    "Reconciliation",
    "MarketData",
    "Strategy",
    "Risk",
    "Exchange",
    "Portfolio",
    "Notifications",
    "PerformanceMonitor",
    "Price",
    "Order",
    "Trade",
    "Book",
]
