"""Latency, from when a message was meant to be sent until its outcome was known.

Who measures from when it was sent leaves out the time by which a blocked sender fell behind: the
slower the system, the fewer messages it is asked to be slow with. That is coordinated omission
(G. Tene, "How NOT to measure latency", Strange Loop 2015). Such figures are called naive here, and
stand beside the others so that the difference can be seen.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesis_lab.analysis.grouping import Columns, check_columns, listed, per_group, require_columns
from genesis_lab.analysis.intervals import interval_of_means
from genesis_lab.errors import InvalidSetting

Floats = npt.NDArray[np.float64]

_BATCHES = 32
_EXCURSIONS = 10
"""How often latency has to rise above a percentile in a batch, on average."""
_TICKS = 10
"""Points of a curve between a distance from 1 and half of it."""


def latencies(frame: pd.DataFrame) -> "pd.Series[float]":
    """From the intended sending to the known outcome [s]; NaN where the message is pending.

    Parameters
    ----------
    frame
        Columns `intended_at`, `finished_at`: requests, events or deliveries of a `Trace`, or some
        of their rows. Messages that were not answered have a latency, too: the time after which
        that was known.
    """
    require_columns(frame, "frame", ["intended_at", "finished_at"])
    return (frame["finished_at"] - frame["intended_at"]).rename("latency")


def naive_latencies(frame: pd.DataFrame) -> "pd.Series[float]":
    """From the actual sending to the known outcome [s]; NaN where the message is pending.

    For comparison only, as it leaves out by how much the sender fell behind.

    Parameters
    ----------
    frame
        Columns `sent_at`, `finished_at`, as in `latencies`. NaN also for deliveries that never got
        into an inbox.
    """
    require_columns(frame, "frame", ["sent_at", "finished_at"])
    return (frame["finished_at"] - frame["sent_at"]).rename("naive")


def latency_percentiles(
    frame: pd.DataFrame,
    *,
    by: Columns = (),
    percentiles: Sequence[float] = (50, 90, 95, 99, 99.9),
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Percentiles of latency in one trace, with confidence intervals and the naive figure beside.

    Latencies of messages that queue behind each other are correlated, so single ones must not be
    resampled. The series in order of `intended_at` is cut into 32 batches in a row, whose
    percentiles are nearly independent (A. M. Law, "Simulation Modeling and Analysis", 5th ed.,
    section 9.5.3), and the mean of these is given a BCa interval (`mean_intervals` says which).
    Percentiles of short series are biased, so the interval is moved from their mean to the
    percentile of the whole series, which is called sectioning (S. Asmussen & P. W. Glynn,
    "Stochastic Simulation", 2007, section III.5a; M. K. Nakayama (2014), ACM Transactions on
    Modeling and Computer Simulation 24(4), article 19).

    Parameters
    ----------
    frame
        Columns `intended_at`, `sent_at`, `finished_at` and those of `by`; requests or deliveries of
        one `Trace`. What is pending is left out, so that percentiles of a run that was cut in the
        middle of a jam are too low.
    by
        Columns that tell groups apart, such as `target`.
    percentiles
        Between 0 and 100.
    confidence, seed
        As in `mean_intervals`.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, percentile, latency, low, high, naive, count]`, a row per group and
        percentile: seconds, from `count` messages. `low` and `high` are NaN where the series is too
        short to tell: unless latency rises above the percentile 320 times, which is ten times per
        batch. (Independent latencies do so in 6,700 messages for the 95th percentile and in 320,000
        for the 99.9th; those of a loaded queue in many more.) Where latency is so often the same
        that all batches agree, that many messages beyond the percentile are enough.

    Raises
    ------
    InvalidSetting
        A percentile is not between 0 and 100; the confidence is not between 0 and 1; or the frame
        has no such column.
    """
    for percentile in percentiles:
        if not 0 <= percentile <= 100:  # noqa: PLR2004  # what per cent means
            raise InvalidSetting("percentiles", percentile, "numbers from 0 to 100")
    ranks = np.asarray(percentiles, dtype=np.float64)

    def of_group(group: pd.DataFrame) -> pd.DataFrame:
        series, naive = group["latency"].to_numpy(), group["naive"].dropna().to_numpy()
        latency = _percentiles(series, ranks)
        low, high = _interval(series, ranks, latency, confidence=confidence, seed=seed)
        columns = {
            "percentile": ranks,
            "latency": latency,
            "low": low,
            "high": high,
            "naive": _percentiles(naive, ranks),
            "count": len(series),
        }
        return pd.DataFrame(columns)

    timed = _known(frame, by, naive=naive_latencies(frame))
    return per_group(timed.sort_values("intended_at", kind="stable"), by, of_group)


def _known(frame: pd.DataFrame, by: Columns, **further: pd.Series) -> pd.DataFrame:
    """What is not pending, with its latency and further columns."""
    require_columns(frame, "frame", ["intended_at", "finished_at"])
    check_columns("by", listed(by), frame)
    timed = frame[[*listed(by), "intended_at"]].assign(latency=latencies(frame), **further)
    return timed.dropna(subset="latency")


def _percentiles(values: Floats, ranks: Floats) -> Floats:
    return np.percentile(values, ranks) if len(values) else np.full(len(ranks), np.nan)


def _interval(
    series: Floats, ranks: Floats, whole: Floats, *, confidence: float, seed: int
) -> tuple[Floats, Floats]:
    """Low and high for the percentiles of the whole series; NaN where it is too short."""
    low, high = np.full((2, len(ranks)), np.nan)
    length = len(series) // _BATCHES
    if length == 0:
        return low, high
    # What does not fill all batches is left out at the beginning, where the warm-up is.
    batches = series[len(series) % _BATCHES :].reshape(_BATCHES, length)
    by_batch = np.percentile(batches, ranks, axis=1)
    agree = (by_batch == whole[:, None]).all(axis=1)
    beyond = np.where(agree, len(series) * (100 - ranks) / 100, _excursions(series, whole))
    told = beyond >= _BATCHES * _EXCURSIONS
    mean, *bounds = interval_of_means(by_batch[told], confidence=confidence, seed=seed)
    low[told], high[told] = (whole[told] + (bound - mean) for bound in bounds)
    return low, high


def _excursions(series: Floats, levels: Floats) -> npt.NDArray[np.int64]:
    """How often the series rises above each level.

    Messages of one jam are nearly one observation, so they are not counted one by one.
    """
    is_above = series > levels[:, None]
    rises: npt.NDArray[np.int64] = (is_above[:, 1:] & ~is_above[:, :-1]).sum(axis=1)
    return rises


def percentile_curve(frame: pd.DataFrame, *, by: Columns = ()) -> pd.DataFrame:
    """Latency against probability, dense towards 1, to be drawn over log 1/(1-p).

    Each time the distance from 1 is halved there are ten points, as in HdrHistogram's percentile
    plots (G. Tene, hdrhistogram.org), until the sample has nothing more to say.

    Parameters
    ----------
    frame
        Columns `intended_at`, `finished_at` and those of `by`; requests or deliveries of a `Trace`.
        What is pending is left out.
    by
        Columns that tell groups apart, such as `target`.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, probability, latency]`: that share of the `n` messages of a group took at
        most so long [s]. From 0, the shortest, to 1 - 1/n.

    Raises
    ------
    InvalidSetting
        The frame has no such column.
    """

    def of_group(group: pd.DataFrame) -> pd.DataFrame:
        series = group["latency"].to_numpy()
        probability = _towards_one(len(series))
        latency = _percentiles(series, 100 * probability)
        return pd.DataFrame({"probability": probability, "latency": latency})

    return per_group(_known(frame, by), by, of_group)


def _towards_one(count: int) -> Floats:
    """Probabilities from 0 to 1 - 1/count."""
    if count == 0:
        return np.empty(0)
    halvings = np.arange(np.ceil(np.log2(count)))
    within = np.arange(_TICKS) / _TICKS / 2
    grid = (1 - 0.5 ** halvings[:, None] * (1 - within)).ravel()
    last = 1 - 1 / count
    return np.append(grid[grid < last], last)
