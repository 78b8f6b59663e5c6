"""What `read_ticks` returns: the trades, and an account of every line that was read."""

import math
from dataclasses import dataclass
from html import escape

import pandas as pd

_NAMED = 3
"""How many symbols a summary names."""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """What became of each line of a file: nothing is skipped without being counted here.

    `lines == trades + other_messages + bad_lines` always holds.
    """

    lines: int
    """Lines (rows, in Parquet), a header not counted."""
    trades: int
    """Lines that became a row of the frame."""
    other_messages: int
    """Valid messages that are not trades, and aggregate trades of a symbol whose single trades are
    in the file too (they are the same trades again)."""
    bad_lines: int
    """Lines that the format does not allow, or whose price, quantity or time is impossible."""
    first_bad_line: int | None
    """Its number in the file, from 1 (a header counts), or None."""
    first_bad_reason: str | None
    """What is wrong with that line, or None."""
    backwards: int
    """Trades stamped earlier than a trade before them in the file; they were sorted in."""
    first_backwards_line: int | None
    """The number of the first such trade's line, or None."""
    cut_short: bool
    """Whether the compressed stream breaks off: the file has lost its end."""

    def __str__(self) -> str:
        """Return the report as one line."""
        return ", ".join(
            filter(
                None,
                [
                    f"{_counted(self.lines, 'line')}: {_counted(self.trades, 'trade')}",
                    _counted(self.other_messages, "other message"),
                    self._bad_lines(),
                    self._backwards(),
                    "the compressed stream breaks off" if self.cut_short else "",
                ],
            )
        )

    def _bad_lines(self) -> str:
        if not self.bad_lines:
            return "no bad lines"
        first = f"the first is line {self.first_bad_line:,}: {self.first_bad_reason}"
        return f"{_counted(self.bad_lines, 'bad line')} ({first})"

    def _backwards(self) -> str:
        if not self.backwards:
            return "time never went backwards"
        first = f"the first at line {self.first_backwards_line:,}"
        return f"time went backwards {_counted(self.backwards, 'time')} ({first})"


# eq=False: a frame has no truth value, so a generated __eq__ would raise instead of answering.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Ticks:
    """Trades in the order of their times, ready to be replayed."""

    frame: pd.DataFrame
    """One row per trade:

    - `time`: float64, seconds since the first trade; it never decreases. Trades that were stamped
      before an earlier one are sorted in (the report counts those); trades of one time keep the
      order of the file. Exact to the nanosecond for three months.
    - `symbol`: categorical
    - `price`, `quantity`: float64, finite and positive
    """
    started_at_ns: int
    """The first trade's time, in nanoseconds since the epoch."""
    report: ReadReport
    source: str
    """The name of the file."""

    def gap_statistics(self) -> pd.Series:
        """Return how the times between successive trades are distributed.

        Returns
        -------
        pandas.Series
            `mean`, `median`, `p90`, `p99`, `longest` (seconds), and `coefficient_of_variation`, the
            standard deviation over the mean: 1 for independent (Poisson) arrivals, more for bursts.
            Trades of all symbols together; NaN where there are too few trades to tell.
        """
        gaps = self.frame["time"].diff().iloc[1:]
        mean = gaps.mean()
        return pd.Series(
            {
                "mean": mean,
                "median": gaps.median(),
                "p90": gaps.quantile(0.90),
                "p99": gaps.quantile(0.99),
                "longest": gaps.max(),
                "coefficient_of_variation": gaps.std(ddof=0) / mean if mean > 0 else math.nan,
            },
            name="gap",
        )

    def _summary(self) -> dict[str, str]:
        started = pd.Timestamp(self.started_at_ns, unit="ns", tz="UTC")
        symbols = list(self.frame["symbol"].cat.categories)
        more = f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else ""
        return {
            "trades": f"{len(self.frame):,} of {', '.join(symbols[:_NAMED])}{more}",
            "started": f"{started:%Y-%m-%d %H:%M:%S} UTC",
            "span": f"{self.frame['time'].iloc[-1]:,.3f} s",
            "mean gap": f"{self.gap_statistics()['mean']:.3g} s",
            "report": str(self.report),
        }

    def __repr__(self) -> str:
        facts = (f"  {name}: {value}" for name, value in self._summary().items())
        return "\n".join([f"Ticks from {self.source}", *facts])

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><th>{name}</th><td>{escape(value)}</td></tr>"
            for name, value in self._summary().items()
        )
        caption = f"<caption>Ticks from {escape(self.source)}</caption>"
        return f"<table>{caption}{''.join(rows)}</table>"
