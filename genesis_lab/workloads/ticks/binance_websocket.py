"""Raw captures of Binance's WebSocket: lines of the receiver's nanoseconds, a space, the message.

A trade's time is the receiver's: it is when a trading system could first act on the trade, and it
orders all messages of a capture, which the exchange's milliseconds do not.
Every message is parsed, trade or not: a search for `"trade"` first would be faster, but would count
a mangled message as a valid one.
"""

import json
import re

from genesis_lab.workloads.ticks.lines import (
    LAST_NS,
    BadLine,
    LineFormat,
    NotATrade,
    Record,
    Trade,
    digits,
    named,
    positive,
    shown,
)

_FIRST_NS = 10**17
"""1973: a smaller stamp counts microseconds or milliseconds, which would replay in no time."""


def parse(line: str) -> Record:
    """Return the trade in a line, if it is one."""
    stamp, space, message = line.partition(" ")
    if not space:
        reason = "not '<ns> <JSON>'"
        raise BadLine(reason)
    ns = _receiver_ns(stamp)
    payload = _payload(message)
    event = payload.get("e", "")
    if not isinstance(event, str):
        reason = f"event {shown(event)} is not a name"
        raise BadLine(reason)
    if event not in {"trade", "aggTrade"}:
        return NotATrade.MESSAGE
    try:
        symbol, price, quantity = payload["s"], payload["p"], payload["q"]
    except KeyError as missing:
        reason = f"a {event} without {missing}"
        raise BadLine(reason) from None
    return Trade(
        ns,
        named(symbol),
        positive("price", price),
        positive("quantity", quantity),
        aggregated=event == "aggTrade",
    )


def _receiver_ns(stamp: str) -> int:
    ns = digits("time", stamp)
    if not _FIRST_NS <= ns <= LAST_NS:
        reason = f"time {stamp!r} is not in nanoseconds since the epoch"
        raise BadLine(reason)
    return ns


def _payload(message: str) -> dict[str, object]:
    """Return the event of a message: wrapped (combined streams) or bare; {} when it is none."""
    try:
        received = json.loads(message)
    except (ValueError, RecursionError):
        reason = "what follows the time is not JSON"
        raise BadLine(reason) from None
    if isinstance(received, dict):
        received = received.get("data", received)
    # Some streams send lists (all tickers); none of those carries trades.
    return received if isinstance(received, dict) else {}


FORMAT = LineFormat(
    name="binance-websocket",
    expected='lines of \'<receiver ns> {"stream": ..., "data": {...}}\'',
    recognises=lambda line: re.match(r"\d+ [{\[]", line) is not None,
    parser_for=lambda _path: parse,
)
