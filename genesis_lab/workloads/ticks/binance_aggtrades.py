"""Binance's published aggTrades CSV, spot (no header) and futures (with one).

spot     `aggTradeId,price,quantity,firstId,lastId,timestamp,isBuyerMaker,isBestMatch`
futures  `agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker`

The columns that matter stand at the same places in both. The unit of the time does not follow the
header: futures files count milliseconds, spot files microseconds since 2025 and milliseconds
before. So each timestamp tells its own unit by its size (`unit_ns`).

The symbol is in the file's name only (`BTCUSDT-aggTrades-2025-01-01.csv`). Under another name it is
`UNKNOWN`: rename the file, or assign the column.
"""

import re
from functools import partial
from pathlib import Path

from genesis_lab.workloads.ticks.lines import (
    LAST_NS,
    BadLine,
    LineFormat,
    NotATrade,
    Record,
    Trade,
    digits,
    positive,
)

_HEADER = "agg_trade_id,"
_PRICE, _QUANTITY, _TIME = 1, 2, 5
_FIELDS = (7, 8)


def unit_ns(timestamp: int) -> int:
    """Return the nanoseconds in a timestamp's unit, known by its size.

    [1e11, 1e14) is milliseconds (1973 to 5138) and [1e14, 1e17) microseconds (the same years), so
    no instant of a market is ambiguous. Smaller (seconds) and larger (nanoseconds) are never
    published, hence bad.
    """
    if 10**11 <= timestamp < 10**14:
        return 1_000_000
    if 10**14 <= timestamp < 10**17:
        return 1_000
    reason = f"time {timestamp} is neither milliseconds nor microseconds since the epoch"
    raise BadLine(reason)


def _parse(line: str, *, symbol: str) -> Record:
    if line.startswith(_HEADER):
        return NotATrade.HEADER
    fields = line.split(",")
    if len(fields) not in _FIELDS:
        reason = f"{len(fields)} fields, not 7 or 8"
        raise BadLine(reason)
    timestamp = digits("time", fields[_TIME])
    ns = timestamp * unit_ns(timestamp)
    if ns > LAST_NS:
        reason = f"time {timestamp} lies after 2262"
        raise BadLine(reason)
    return Trade(
        ns,
        symbol,
        positive("price", fields[_PRICE]),
        positive("quantity", fields[_QUANTITY]),
        aggregated=True,
    )


def _symbol(path: Path) -> str:
    found = re.search(r"([^-]+)-aggTrades", path.name)
    return found[1] if found else "UNKNOWN"


def _recognises(line: str) -> bool:
    return line.startswith(_HEADER) or bool(
        re.match(r"(?a)\d+,[\d.]+,[\d.]+,\d+,\d+,\d+,(true|false)\b", line, re.IGNORECASE)
    )


FORMAT = LineFormat(
    name="binance-aggtrades",
    expected="Binance's aggTrades CSV (<id>,<price>,<quantity>,<id>,<id>,<time>,<true|false>...)",
    recognises=_recognises,
    parser_for=lambda path: partial(_parse, symbol=_symbol(path)),
)
