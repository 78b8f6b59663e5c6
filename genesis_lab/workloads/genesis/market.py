"""The two ends of the system that face the market: prices come in, orders go out."""

from collections.abc import Callable, Iterable

import numpy as np
import trio

from genesis_lab.streams import Draws
from genesis_lab.virtual_time import sleep
from genesis_lab.workloads.arrivals import wait_until
from genesis_lab.workloads.genesis.messages import (
    EXCHANGE,
    MARKET_DATA,
    PRICE_UPDATE,
    REJECTED,
    TRADE_EXECUTED,
    Order,
    Price,
    Trade,
)
from genesis_lab.workloads.genesis.settings import GenesisComponent, GenesisSettings


class MarketData(GenesisComponent):
    """`market_data_manager`: publishes each price."""

    def __init__(self, settings: GenesisSettings) -> None:
        super().__init__(MARKET_DATA, settings)

    async def replay(
        self, prices: Iterable[tuple[float, Price]], progress: Callable[[], object] | None = None
    ) -> None:
        """Publish prices at their times, or as soon as the bus lets go of the one before.

        Parameters
        ----------
        prices
            Times, none earlier than the one before [s since the replay began], and prices.
        progress
            Called after each price.
        """
        began = self.bus.now()
        for at, price in prices:
            meant_at = began + at
            await wait_until(self.bus, meant_at)
            await self.bus.emit_event(PRICE_UPDATE, price, self.id, intended_at=meant_at)
            if progress is not None:
                progress()


class Exchange(GenesisComponent):
    """`exchange_manager`: executes orders at their price, after a latency, or rejects them.

    Attributes
    ----------
    trades : list of Trade
        What was executed, in order.
    rejections : int
        How many orders were rejected.
    """

    def __init__(self, settings: GenesisSettings) -> None:
        super().__init__(EXCHANGE, settings)
        self.trades: list[Trade] = []
        self.rejections = 0
        self._latency = Draws(settings.exchange_latency.sample, self.id, "latency")
        self._luck = Draws(np.random.Generator.random, self.id, "rejection")

    async def process_request(self, request_type: str, data: Order, source: str) -> Trade | str:
        """Execute an order: the trade, or `REJECTED`."""
        is_rejected = self._luck() < self.settings.rejection_probability
        await sleep(self._latency())
        if is_rejected:
            self.rejections += 1
            return REJECTED
        trade = Trade(len(self.trades) + 1, data.symbol, data.quantity, data.price)
        self.trades.append(trade)
        # What is executed is made known, even to a buyer who has stopped waiting meanwhile.
        with trio.CancelScope(shield=True):
            await self.bus.emit_event(TRADE_EXECUTED, trade, self.id)
        return trade
