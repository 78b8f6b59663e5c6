"""A market of 30 seconds, in which the price rises, then falls, and so gives one signal."""

from pathlib import Path

SIGNAL_AT = 19.625
"""When the averages cross [s]."""


def write_ticks(path: Path) -> Path:
    """240 ticks, one each 0.125 s: the price rises by 1 each to 220, then falls again."""
    prices = [100 + min(number, 240 - number) for number in range(240)]
    rows = [
        f"{1_700_000_000 + 0.125 * number},BTC,{price},1" for number, price in enumerate(prices)
    ]
    path.write_text("\n".join(["time,symbol,price,quantity", *rows, ""]))
    return path
