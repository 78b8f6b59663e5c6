"""Make `btcusdt_synthetic.csv.gz`: trades as bursty as those of a busy market, and nobody's.

    python data/make_btcusdt_synthetic.py [FILE]

Recorded ticks are the exchange's, so none can be handed on. What can are facts about them: the
tables below are quantiles, to two digits, measured on a public capture of BTCUSDT trades (Binance
spot, 346 s on 2024-08-08, by its receiver's clock). The sample is drawn anew from the tables:

- *Gaps* between trades: half lie under 2 microseconds (one order that fills against many), a few
  last a second. Each gap is one quantile of the table, all equally likely, so the sample has the
  table's mean and tail rather than a lucky draw's. A slowly changing activity decides their order,
  so that short gaps come in bursts and long ones in lulls, as they do in the capture.
- *Prices* walk at random from 57,000: six trades in ten repeat the last price.
- *Quantities* are independent draws.

Left out on purpose: the link between a trade's size and its effect on the price, the two sides of
the book, any trend. The same seed writes the same text everywhere; the compressed bytes may differ
with the version of zlib.
"""

import gzip
import math
import random
import sys
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

SEED = 20240808
TRADES = 10_000
STARTED_AT_NS = 1_735_689_600_000_000_000
"""2025-01-01 00:00 UTC: not the capture's hour."""

GAPS = {
    0.00: 3e-7, 0.10: 6e-7, 0.30: 9e-7, 0.40: 1.2e-6, 0.50: 1.7e-6, 0.53: 2e-6, 0.60: 2.9e-6,
    0.62: 3.8e-6, 0.65: 0.00059, 0.70: 0.0017, 0.75: 0.0042, 0.80: 0.011, 0.85: 0.037,
    0.875: 0.067, 0.90: 0.10, 0.925: 0.15, 0.95: 0.23, 0.97: 0.34, 0.98: 0.44, 0.99: 0.61,
    0.995: 0.77, 0.998: 0.98, 0.999: 1.1, 0.9995: 1.2, 0.9999: 1.4, 1.00: 2.0,
}  # fmt: skip
"""Seconds to the next trade, by quantile."""
PERSISTENCE = 0.83
"""Of the activity, from trade to trade: 8 in 10 short gaps then follow a short one, as measured."""

START_PRICE = 5_700_000
"""In ticks of 0.01."""
PRICE_REPEATS = 0.59
PRICE_JUMPS = {
    0.00: 1, 0.25: 1, 0.40: 3, 0.50: 7, 0.60: 14, 0.70: 27, 0.80: 62, 0.90: 130, 0.95: 200,
    0.98: 390, 0.99: 680, 0.995: 950, 0.999: 1900, 1.00: 3300,
}  # fmt: skip
"""The size of a change of price in ticks, by quantile."""

QUANTITIES = {
    0.00: 1e-5, 0.05: 9e-5, 0.20: 1e-4, 0.30: 1.5e-4, 0.40: 2.7e-4, 0.50: 6e-4, 0.60: 0.0021,
    0.70: 0.009, 0.80: 0.02, 0.90: 0.056, 0.95: 0.1, 0.98: 0.26, 0.99: 0.32, 1.00: 0.98,
}  # fmt: skip
"""In bitcoin, by quantile."""


def at_quantile(table: Mapping[float, float], u: float) -> float:
    """Return the value at a quantile `u` in [0, 1], geometrically between the table's entries.

    Geometrically, because the values of each table span four to seven orders of magnitude.
    """
    levels = list(table)
    above = min(bisect_right(levels, u), len(levels) - 1)
    low, high = levels[above - 1], levels[above]
    # math.pow: `**` of two floats may be complex to a type checker.
    return table[low] * math.pow(table[high] / table[low], (u - low) / (high - low))


def gaps_ns(rng: random.Random, count: int) -> list[int]:
    """Return the gaps of the table, in the order that an autoregressive activity gives them."""
    # Only the activity's ranks matter, so its shocks need not be normal; `random()` alone is
    # guaranteed to give the same numbers in every Python.
    activity = list(
        accumulate(
            (rng.random() - 0.5 for _ in range(count)),
            lambda past, shock: PERSISTENCE * past + shock,
        )
    )
    gaps = [0] * count
    for rank, place in enumerate(sorted(range(count), key=activity.__getitem__)):
        gaps[place] = round(1e9 * at_quantile(GAPS, rank / (count - 1)))
    return gaps


def prices(rng: random.Random, count: int) -> list[int]:
    """Return a walk in ticks."""

    def step() -> int:
        if rng.random() < PRICE_REPEATS:
            return 0
        return rng.choice((-1, 1)) * round(at_quantile(PRICE_JUMPS, rng.random()))

    return list(accumulate((step() for _ in range(count - 1)), initial=START_PRICE))


def rows(seed: int) -> list[str]:
    """Return the sample as lines of CSV."""
    # Times and prices are whole numbers up to here, so that no digit of theirs is a float's.
    rng = random.Random(seed)
    times = accumulate(gaps_ns(rng, TRADES - 1), initial=STARTED_AT_NS)
    quantities = (at_quantile(QUANTITIES, rng.random()) for _ in range(TRADES))
    return ["time,symbol,price,quantity"] + [
        f"{ns // 10**9}.{ns % 10**9:09d},BTCUSDT,{ticks // 100}.{ticks % 100:02d},{quantity:.5f}"
        for ns, ticks, quantity in zip(times, prices(rng, TRADES), quantities, strict=True)
    ]


def write(path: Path, *, seed: int = SEED) -> None:
    """Write the sample; neither the file's name nor the time of writing goes into its bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as compressed:
        compressed.write("".join(f"{row}\n" for row in rows(seed)).encode())


if __name__ == "__main__":
    write(
        Path(sys.argv[1])
        if len(sys.argv) > 1
        else Path(__file__).with_name("btcusdt_synthetic.csv.gz")
    )
