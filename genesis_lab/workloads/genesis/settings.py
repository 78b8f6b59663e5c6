"""Everything that can be set about the trading system, and the base of its components."""

import math
from dataclasses import dataclass, field
from decimal import Decimal

from genesis_lab.components import SERIAL, Admission, Component
from genesis_lab.errors import InvalidSetting
from genesis_lab.workloads.durations import Constant, Duration, LogNormal


@dataclass(frozen=True, slots=True, kw_only=True)
class GenesisSettings:
    """How the trading system trades, and how long its parts take.

    The risk manager gives up its question before the strategy gives up on the risk manager: where
    the answer cannot come, each signal pays `ask_back_timeout`, and the risk manager decides on
    what it knows itself.
    """

    admission: Admission = SERIAL
    """How many messages each component takes at once; `SERIAL` is the original."""
    risk_asks_back: bool = True
    """Whether the risk manager asks the strategy how much it holds: the circular call."""
    fast_window: int = 20
    """Ticks in the moving average that follows the price closely."""
    slow_window: int = 100
    """Ticks in the one that it has to cross for a signal."""
    order_quantity: Decimal = Decimal("0.01")
    position_limit: Decimal = Decimal("0.01")
    """The largest quantity to hold of a symbol, long or short."""
    strategy_timeout: float = 1.0
    """How long the strategy waits for risk manager and exchange, each [s]."""
    ask_back_timeout: float = 0.25
    """How long the risk manager waits for the strategy's answer [s]."""
    exchange_latency: Duration = field(default=LogNormal(mean=0.02, scv=1.0))
    rejection_probability: float = 0.05
    """The share of orders that the exchange rejects."""
    notification_time: Duration = field(default=Constant(0.2))
    """How long it takes to notify somebody of a trade or an alert."""

    def __post_init__(self) -> None:
        _check_windows(self.fast_window, self.slow_window)
        for name in ("order_quantity", "position_limit"):
            value = getattr(self, name)
            if not (isinstance(value, Decimal) and value.is_finite() and value > 0):
                raise InvalidSetting(name, value, "a Decimal > 0")
        for name in ("strategy_timeout", "ask_back_timeout"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise InvalidSetting(name, value, "a finite number of seconds > 0")
        if not 0 <= self.rejection_probability <= 1:
            value = self.rejection_probability
            raise InvalidSetting("rejection_probability", value, "a number from 0 to 1")


def _check_windows(fast: int, slow: int) -> None:
    if fast < 1:
        raise InvalidSetting("fast_window", fast, "a whole number >= 1")
    if slow <= fast:
        raise InvalidSetting("slow_window", slow, f"more ticks than fast_window={fast}")


class GenesisComponent(Component):
    """A component of the trading system.

    Parameters
    ----------
    id
        Its id, which the others know.
    settings
        Those of the whole system; each component reads what concerns it.
    """

    def __init__(self, id: str, settings: GenesisSettings) -> None:
        super().__init__(id)
        self.admission = settings.admission
        self.settings = settings
