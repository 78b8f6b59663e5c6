"""The strategy: trades when a fast moving average of the price crosses a slow one."""

from collections import deque
from decimal import Decimal
from math import fsum
from typing import Literal

from genesis_lab.workloads.genesis.messages import (
    CHECK_ORDER,
    EXACT,
    EXCHANGE,
    EXECUTE_TRADE,
    NOTHING,
    RISK,
    SIGNAL,
    STRATEGY,
    Order,
    Price,
    Trade,
)
from genesis_lab.workloads.genesis.settings import GenesisComponent, GenesisSettings


class Crossing:
    """Two moving averages of one price, and on which side of the slow one the fast one is."""

    def __init__(self, fast_window: int, slow_window: int) -> None:
        self._fast: deque[float] = deque(maxlen=fast_window)
        self._slow: deque[float] = deque(maxlen=slow_window)
        self._slow_window = slow_window
        self._side = 0

    def take(self, price: float) -> Literal[-1, 0, 1]:
        """1 when the fast average has just crossed upwards, -1 downwards, 0 otherwise.

        No crossing before the slow window is full; an average that only touches has not crossed.
        """
        self._fast.append(price)
        self._slow.append(price)
        if len(self._slow) < self._slow_window:
            return 0
        # fsum is exact: a running sum drifts, and `sum` rounds otherwise since Python 3.12.
        fast = fsum(self._fast) / len(self._fast)
        slow = fsum(self._slow) / len(self._slow)
        side: Literal[-1, 0, 1] = 1 if fast > slow else -1 if fast < slow else 0
        if side in {0, self._side}:
            return 0
        is_first, self._side = self._side == 0, side
        return 0 if is_first else side


class Strategy(GenesisComponent):
    """`strategy_manager`: on a signal asks the risk manager, and then the exchange to trade.

    Attributes
    ----------
    signals : int
        How many crossings it has seen.
    """

    def __init__(self, settings: GenesisSettings) -> None:
        super().__init__(STRATEGY, settings)
        self.signals = 0
        self._crossings: dict[str, Crossing] = {}
        self._exposure: dict[str, Decimal] = {}

    def process_request(self, request_type: str, data: str, source: str) -> Decimal:
        """How much it holds of a symbol."""
        return self._exposure.get(data, NOTHING)

    async def on_event(self, event_type: str, data: Price, source: str) -> None:
        """Take a price, and act if it makes the averages cross."""
        crossing = self._crossings.get(data.symbol)
        if crossing is None:
            crossing = Crossing(self.settings.fast_window, self.settings.slow_window)
            self._crossings[data.symbol] = crossing
        direction = crossing.take(data.price)
        if direction:
            quantity = self.settings.order_quantity
            if direction < 0:
                quantity = quantity.copy_negate()
            # repr is the shortest decimal of this float: what the exchange printed.
            await self._act(Order(data.symbol, quantity, Decimal(repr(data.price))))

    async def _act(self, order: Order) -> None:
        self.signals += 1
        await self.bus.emit_event(SIGNAL, order, self.id)
        timeout = self.settings.strategy_timeout
        if not await self.bus.request(RISK, CHECK_ORDER, order, self.id, timeout):
            return
        reply = await self.bus.request(EXCHANGE, EXECUTE_TRADE, order, self.id, timeout)
        if isinstance(reply, Trade):
            held = self._exposure.get(order.symbol, NOTHING)
            self._exposure[order.symbol] = EXACT.add(held, reply.quantity)
