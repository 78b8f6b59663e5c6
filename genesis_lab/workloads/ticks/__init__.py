"""Recorded trades, read into one frame whatever wrote them.

>>> ticks = read_ticks("btcusdt_20240808.gz")              # doctest: +SKIP
>>> ticks.frame                # time, symbol, price, quantity  # doctest: +SKIP
>>> ticks.report               # what was read, and what could not be  # doctest: +SKIP
>>> ticks.gap_statistics()     # how bursty the trades are  # doctest: +SKIP

From the bottom up:

- `lines`: what a trade is and what makes a value bad; every format uses it
- `binance_websocket`, `binance_aggtrades`, `plain`: one format each, line in, trade out
- `values`: `Ticks` and `ReadReport`, what the caller gets
- `opening`: the lines of a file, packed or not
- `reading`: `read_ticks`, which recognises the format and counts every line
"""

from genesis_lab.workloads.ticks.opening import UnreadableTicks
from genesis_lab.workloads.ticks.reading import (
    NoTrades,
    TickFormat,
    UnknownTickFormat,
    read_ticks,
)
from genesis_lab.workloads.ticks.values import ReadReport, Ticks

__all__ = [
    "NoTrades",
    "ReadReport",
    "TickFormat",
    "Ticks",
    "UnknownTickFormat",
    "UnreadableTicks",
    "read_ticks",
]
