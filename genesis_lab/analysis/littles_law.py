"""Little's law, L = lambda W, on a recorded frame.

The time-average number in the system is the arrival rate times the mean time in the system:
J. D. C. Little (1961), "A proof for the queuing formula: L = lambda W", Operations Research 9(3),
383-387. It holds for whatever happens inside: any order of service, timeouts, refusals, deadlocks.
Within a finite window it holds exactly, not only in the long run, once both sides treat its edges
alike: J. D. C. Little (2011), "Little's law as viewed on its 50th anniversary", Operations Research
59(3), 536-549; S.-H. Kim & W. Whitt (2013), "Statistical analysis with Little's law", Operations
Research 61(4), 1030-1045.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesis_lab.analysis.grouping import Columns, check_columns, listed, numbered, require_columns
from genesis_lab.errors import InvalidSetting

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def littles_law(
    frame: pd.DataFrame, *, by: Columns = "target", start: float = 0.0, end: float | None = None
) -> pd.DataFrame:
    """Both sides of Little's law, for each target or the whole system, and how far they differ.

    A message is in the system from `sent_at` to `finished_at`, as far as that lies within the
    window. One that is pending is there until the window's end. One that was there before the
    window counts as an arrival, as if it came at the start. Both sides go by these rules, so they
    differ by rounding. (From `intended_at` on the law would hold as well, but a message that has
    not been sent waits with its sender, outside the system.)

    L is found by going through the window in time and counting who is there, W by averaging over
    messages. They come from one record, though: what that lacks is missing on both sides. A record
    is put to the test by comparing its lambda W with an L that was counted while the run went on,
    as from a bus's `statistics()`.

    Parameters
    ----------
    frame
        Requests or deliveries of a `Trace`, or some of their rows. Deliveries that never got into
        an inbox (`sent_at` is NaN) were never in the system.
    by
        Columns that tell systems apart; `()`: all messages are in one.
    start, end
        The window [s since the bus opened]; the end is the last time in the frame, unless told.
        For a run that was cut, that is before its horizon.

    Returns
    -------
    pandas.DataFrame
        One row per system that a message was in during the window, in order of `by`:

        - the columns of `by`
        - `arrivals`: how many messages, those that were there at the start among them
        - `arrival_rate`: lambda, arrivals over the length of the window [1/s]
        - `mean_time_in_system`: W, per arrival and within the window [s]; NaN without arrivals
        - `mean_in_system`: L, the number of messages there on average over time
        - `relative_difference`: of L and lambda W, over the larger of them; 0 where both are 0

    Raises
    ------
    InvalidSetting
        The window has no length, or the frame lacks a column of `by`.
    """
    last = ["started_at"] if end is None else []
    require_columns(frame, "frame", ["sent_at", *last, "finished_at"])
    check_columns("by", listed(by), frame)
    end = _last_time(frame) if end is None else end
    if not start < end:
        raise InvalidSetting("end", end, f"a time after start={start!r}")
    sent = frame["sent_at"].to_numpy(np.float64)
    finished = frame["finished_at"].fillna(end).to_numpy(np.float64)
    is_there = (sent <= end) & (finished >= start)
    keys, system = numbered(frame.loc[is_there, listed(by)], by)
    arrived, left = (np.clip(times[is_there], start, end) for times in (sent, finished))
    arrivals = np.bincount(system, minlength=len(keys))
    rate = arrivals / (end - start)
    total_time = np.bincount(system, left - arrived, minlength=len(keys)).astype(np.float64)
    mean_time = _ratio(total_time, arrivals.astype(np.float64), otherwise=np.nan)
    in_system = _presence(arrived, left, system, len(keys)) / (end - start)
    return keys.assign(
        arrivals=arrivals,
        arrival_rate=rate,
        mean_time_in_system=mean_time,
        mean_in_system=in_system,
        relative_difference=_relative_difference(in_system, rate * np.nan_to_num(mean_time)),
    )


def _last_time(frame: pd.DataFrame) -> float:
    """The last instant of which the frame knows; 0 if of none."""
    return float(frame[["sent_at", "started_at", "finished_at"]].max().fillna(0.0).max())


def _presence(arrived: Floats, left: Floats, system: Ints, systems: int) -> Floats:
    """How many are in each system, integrated over time [message seconds]."""
    at = np.concatenate([arrived, left])
    step = np.repeat([1, -1], len(arrived))
    where = np.tile(system, 2)
    order = np.lexsort((at, where))
    # Whoever comes leaves, so each system is empty in the end and hands nothing on to the next.
    there = step[order].cumsum()[:-1]
    time = there * np.diff(at[order])
    # Without any weight numpy counts, in whole numbers.
    return np.bincount(where[order][:-1], time, minlength=systems).astype(np.float64)


def _relative_difference(a: Floats, b: Floats) -> Floats:
    return _ratio(np.abs(a - b), np.maximum(a, b), otherwise=0.0)


def _ratio(a: Floats, b: Floats, *, otherwise: float) -> Floats:
    """One over the other, and something else over zero."""
    ratio: Floats = np.divide(a, b, out=np.full(len(b), otherwise), where=b > 0)
    return ratio
