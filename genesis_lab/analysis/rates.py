"""Throughput: what is answered per second, beside what is asked for."""

import numpy as np
import pandas as pd

from genesis_lab.analysis.grouping import Columns, check_columns, listed, per_group, require_columns
from genesis_lab.errors import InvalidSetting
from genesis_lab.messages import Outcome

SUCCESSES = (Outcome.ANSWERED.label, Outcome.HANDLED.label)
"""The outcomes of a request and of a delivery that was not in vain."""


def throughput(
    frame: pd.DataFrame,
    *,
    by: Columns = (),
    start: float | None = None,
    end: float | None = None,
) -> pd.DataFrame:
    """Messages answered or handled per second, beside those offered.

    Parameters
    ----------
    frame
        Columns `outcome`, `intended_at`, `finished_at` and those of `by`; requests or deliveries
        of a `Trace`.
    by
        Columns that tell groups apart, such as `target`. All groups have the same window.
    start, end
        The window [s since the bus opened]: unless told, from the first message that was intended
        until the last one had ended.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, offered, throughput]` [1/s]: messages intended in the window from `start` to
        just before `end`, and messages answered or handled from just after `start` to `end`. So
        windows in a row count each message once. NaN where the window has no length.

    Raises
    ------
    InvalidSetting
        The window ends before it begins; or the frame has no such column.
    """
    require_columns(frame, "frame", ["outcome", "intended_at", "finished_at"])
    check_columns("by", listed(by), frame)
    first = float(frame["intended_at"].min()) if start is None else start
    times = frame[["intended_at", "finished_at"]]
    last = float(times.max().max()) if end is None else end
    if last < first:
        raise InvalidSetting("end", end, f"an instant after the start, {first:g} s")
    length = last - first or np.nan

    def of_group(group: pd.DataFrame) -> pd.DataFrame:
        rates = {name: [group[name].sum() / length] for name in ("offered", "throughput")}
        return pd.DataFrame(rates)

    is_success = frame["outcome"].isin(SUCCESSES)
    counted = frame[listed(by)].assign(
        offered=(frame["intended_at"] >= first) & (frame["intended_at"] < last),
        throughput=is_success & (frame["finished_at"] > first) & (frame["finished_at"] <= last),
    )
    return per_group(counted, by, of_group)
