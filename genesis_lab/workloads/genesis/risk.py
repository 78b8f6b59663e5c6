"""The risk manager, which asks whoever asks it: the circular call of the original system."""

from decimal import Decimal

from genesis_lab.workloads.genesis.messages import EXACT, EXPOSURE, NOTHING, RISK, RISK_ALERT, Order
from genesis_lab.workloads.genesis.settings import GenesisComponent, GenesisSettings


class Risk(GenesisComponent):
    """`risk_manager`: approves an order unless it would lead beyond the position limit.

    It asks the sender how much that holds. Where no answer comes, or it does not ask, it reckons
    with what it last knew and has approved since; orders that the exchange rejected are then
    counted as if they had been executed.

    Attributes
    ----------
    approved, refused : int
        How many orders it has let through, and how many not.
    unanswered : int
        How often it asked in vain.
    """

    def __init__(self, settings: GenesisSettings) -> None:
        super().__init__(RISK, settings)
        self.approved = 0
        self.refused = 0
        self.unanswered = 0
        self._assumed: dict[str, Decimal] = {}

    async def process_request(self, request_type: str, data: Order, source: str) -> bool:
        """Say whether an order may be sent."""
        after = EXACT.add(await self._exposure(data.symbol, source), data.quantity)
        if after.copy_abs() > self.settings.position_limit:
            self.refused += 1
            await self.bus.emit_event(RISK_ALERT, data, self.id)
            return False
        self.approved += 1
        self._assumed[data.symbol] = after
        return True

    async def _exposure(self, symbol: str, of: str) -> Decimal:
        if self.settings.risk_asks_back:
            timeout = self.settings.ask_back_timeout
            answer: Decimal | None = await self.bus.request(of, EXPOSURE, symbol, self.id, timeout)
            if answer is not None:
                return answer
            self.unanswered += 1
        return self._assumed.get(symbol, NOTHING)
