"""Where a run's warm-up ends, by the rule MSER-5.

K. P. White Jr. (1997), "An effective truncation heuristic for bias reduction in simulation output",
Simulation 69(6), 323-334; K. P. White Jr., M. J. Cobb & S. C. Spratt (2000), "A comparison of five
steady-state truncation heuristics for simulation", Winter Simulation Conference, 755-760.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesis_lab.analysis.grouping import require_columns
from genesis_lab.analysis.latency import latencies
from genesis_lab.errors import InvalidSetting

_BATCH = 5


def warm_up_length(values: npt.ArrayLike) -> int:
    """How many values at the beginning of a series belong to its warm-up.

    The series is cut into batches of five in a row. Of all truncations, the one is taken after
    which the batch means that remain give the smallest squared standard error of their mean,

        sum of (Y - mean Y)^2 / (number of Y)^2,

    the shortest one if there are several.

    Parameters
    ----------
    values
        One series, in order of time; finite.

    Returns
    -------
    int
        A multiple of five, and at most half of the series: near its end the rule would reward that
        a few values happen to be alike. A result of about one half says that the run is too short
        to have left its warm-up. 0 for less than four batches.

    Raises
    ------
    InvalidSetting
        A value is not finite.
    """
    series = np.asarray(values, dtype=np.float64)
    if not np.isfinite(series).all():
        raise InvalidSetting("values", float(series[~np.isfinite(series)][0]), "finite numbers")
    count = len(series) // _BATCH
    if count < 4:  # noqa: PLR2004  # two to compare with two
        return 0
    means = series[: count * _BATCH].reshape(count, _BATCH).mean(axis=1)
    # Centred on one of them, so that the squares do not cancel, and are 0 where all are equal.
    means -= np.median(means)
    remaining = np.arange(count, 0, -1)
    sums, squares = (terms[::-1].cumsum()[::-1] for terms in (means, means**2))
    errors = (squares - sums**2 / remaining) / remaining**2
    return _BATCH * int(errors[: count // 2 + 1].argmin())


def without_warm_up(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that were intended after the warm-up, by the latencies in order of intention.

    Parameters
    ----------
    frame
        Columns `intended_at`, `finished_at`: requests or deliveries of one `Trace`. Where
        components differ, their warm-ups do: then take one component's rows at a time. What is
        pending has no latency to judge by, and goes or stays by when it was intended.

    Returns
    -------
    pandas.DataFrame
        The same columns; the rows that remain, in their order.
    """
    require_columns(frame, "frame", ["intended_at", "finished_at"])
    known = (
        frame[["intended_at"]]
        .assign(latency=latencies(frame))
        .dropna()
        .sort_values("intended_at", kind="stable")
    )
    length = warm_up_length(known["latency"])
    return frame[frame["intended_at"] >= known["intended_at"].iloc[length]] if length else frame
