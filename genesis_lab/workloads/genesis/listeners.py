"""The components that only listen: the books, the notifications, the counts."""

from collections import Counter
from typing import Any

from genesis_lab.streams import Draws
from genesis_lab.virtual_time import sleep
from genesis_lab.workloads.genesis.messages import (
    NOTIFICATIONS,
    PERFORMANCE,
    PORTFOLIO,
    Book,
    Trade,
)
from genesis_lab.workloads.genesis.settings import GenesisComponent, GenesisSettings


class Portfolio(GenesisComponent):
    """`portfolio_manager`: keeps the book of the trades that it hears of."""

    def __init__(self, settings: GenesisSettings) -> None:
        super().__init__(PORTFOLIO, settings)
        self.book = Book()

    def on_event(self, event_type: str, data: Trade, source: str) -> None:
        """Enter a trade."""
        self.book.enter(data)


class Notifications(GenesisComponent):
    """`notification_manager`: tells people, which is slow.

    Attributes
    ----------
    sent : int
        How many notifications have gone out.
    """

    def __init__(self, settings: GenesisSettings) -> None:
        super().__init__(NOTIFICATIONS, settings)
        self.sent = 0
        self._duration = Draws(settings.notification_time.sample, self.id)

    async def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Notify somebody."""
        await sleep(self._duration())
        self.sent += 1


class PerformanceMonitor(GenesisComponent):
    """`performance_monitor`: counts what happens.

    Attributes
    ----------
    counts : Counter
        How many events of each type it has received.
    """

    def __init__(self, settings: GenesisSettings) -> None:
        super().__init__(PERFORMANCE, settings)
        self.counts: Counter[str] = Counter()

    def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Count an event."""
        self.counts[event_type] += 1
