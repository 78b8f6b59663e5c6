"""How likely deadlocks are, how soon they come, and which ones a trace has."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from genesis_lab.analysis.grouping import Columns, check_columns, per_group, require_columns
from genesis_lab.errors import InvalidSetting, as_cycle
from genesis_lab.messages import BrokenBy
from genesis_lab.recording.loops import first_rotation

Floats = npt.NDArray[np.float64]

_ALPHA = 0.05
"""All intervals of this module are 95 % ones."""


def deadlock_probability(
    trials: pd.DataFrame, *, by: Columns, deadlocked: str = "deadlocked"
) -> pd.DataFrame:
    """The share of trials that deadlocked, with a 95 % interval.

    The interval is Wilson's, which is sensible also where none or all of the trials deadlocked
    (E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22(158), 209-212).

    Parameters
    ----------
    trials
        One row per trial.
    by
        Columns that tell conditions apart.
    deadlocked
        The column that says whether a deadlock formed.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, trials, deadlocked, probability, low, high]`: the first two are counts.

    Raises
    ------
    InvalidSetting
        The frame has no such column, or it is missing in a trial.
    """
    check_columns("deadlocked", [deadlocked], trials)
    if trials[deadlocked].isna().any():
        raise InvalidSetting(deadlocked, math.nan, "whether a deadlock formed, in every trial")

    def of_group(group: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"trials": [len(group)], "deadlocked": [int(group[deadlocked].sum())]})

    counts = per_group(trials, by, of_group)
    low, high = proportion_confint(
        counts["deadlocked"], counts["trials"], alpha=_ALPHA, method="wilson"
    )
    return counts.assign(probability=counts["deadlocked"] / counts["trials"], low=low, high=high)


def deadlock_survival(
    trials: pd.DataFrame, *, by: Columns, time: str = "time", deadlocked: str = "deadlocked"
) -> pd.DataFrame:
    """The share of trials that have not deadlocked yet, against time, with 95 % intervals.

    The Kaplan-Meier estimate: a trial that ended without a deadlock counts as long as it lasted
    (right censoring). Pointwise intervals by Greenwood's formula on the scale of log(-log S), which
    keeps them between 0 and 1 (J. D. Kalbfleisch & R. L. Prentice, "The Statistical Analysis of
    Failure Time Data", 2nd ed., section 1.4).

    Parameters
    ----------
    trials
        One row per trial.
    by
        Columns that tell conditions apart.
    time
        The column of the time at which the first deadlock formed, or at which the trial ended
        without one [s].
    deadlocked
        The column that says which of the two it is.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, time, survival, low, high, at_risk]`: a row at time 0, where all survive; one
        for each time at which a deadlock formed; and one where the last trial ended. The curve is
        constant from a row until just before the next. `at_risk` counts the trials that were still
        running, without a deadlock, just before. `low` and `high` are NaN where Greenwood's formula
        is undefined: once none survive, and where none deadlocked at all (for such a condition
        `deadlock_probability` has an interval).

    Raises
    ------
    InvalidSetting
        The frame has no such column, or a time is missing or negative.
    """
    check_columns("time", [time], trials)
    check_columns("deadlocked", [deadlocked], trials)
    for wrong in trials.loc[~(trials[time] >= 0), time]:
        raise InvalidSetting(time, wrong, "seconds >= 0 in every trial")

    def of_group(group: pd.DataFrame) -> pd.DataFrame:
        return _survival(group[time].to_numpy(float), group[deadlocked].to_numpy(float))

    return per_group(trials, by, of_group)


def _survival(times: Floats, deadlocked: Floats) -> pd.DataFrame:
    """The estimate for the trials of one condition."""
    estimate = SurvfuncRight(times, deadlocked)
    survival = estimate.surv_prob
    inside = np.where((survival > 0) & (survival < 1), survival, np.nan)
    spread = norm.ppf(1 - _ALPHA / 2) * estimate.surv_prob_se / -(inside * np.log(inside))
    curve = pd.DataFrame(
        {
            "time": np.append(0.0, estimate.surv_times),
            "survival": np.append(1.0, survival),
            "low": np.append(1.0, inside ** np.exp(spread)),
            "high": np.append(1.0, inside ** np.exp(-spread)),
        }
    )
    end = curve.iloc[[-1]].assign(time=times.max())
    if len(survival) == 0:
        curve = pd.concat([curve, end.assign(low=np.nan, high=np.nan)])
    elif times.max() > estimate.surv_times[-1]:
        curve = pd.concat([curve, end])
    return curve.assign(at_risk=[int((times >= at).sum()) for at in curve["time"]])


def deadlock_durations(deadlocks: pd.DataFrame) -> pd.DataFrame:
    """Which cycles of components a trace has, how often, and for how long they held.

    Parameters
    ----------
    deadlocks
        As in a `Trace`.

    Returns
    -------
    pandas.DataFrame
        A row per cycle, in the order in which they first formed:

        - `cycle`: its components, from the alphabetically first one: `a -> b -> a`, whoever of
          them asked first
        - `count`, `first_formed_at`: how many deadlocks, and when the first formed [s]
        - `timed_out`, `cancelled`, `refused`, `holding`: how many were broken by what, or hold
          until the end of the trace
        - `mean_held`, `max_held`: from forming to being broken [s], those that are not broken left
          out; NaN where none is
    """
    require_columns(deadlocks, "deadlocks", ["components", "formed_at", "broken_at", "broken_by"])
    held = deadlocks["broken_at"] - deadlocks["formed_at"]
    ways = {way: deadlocks["broken_by"] == way for way in get_args(BrokenBy)}
    return (
        deadlocks.assign(
            cycle=pd.array([_cycle(each) for each in deadlocks["components"]], dtype="str"),
            held=held,
            holding=held.isna(),
            **ways,
        )
        .groupby("cycle")
        .agg(
            count=("held", "size"),
            first_formed_at=("formed_at", "min"),
            **{way: (way, "sum") for way in [*ways, "holding"]},
            mean_held=("held", "mean"),
            max_held=("held", "max"),
        )
        .sort_values("first_formed_at", kind="stable")
        .reset_index()
    )


def _cycle(components: Sequence[str]) -> str:
    """The round trip from its alphabetically first rotation."""
    path = [name for name, _ in groupby(components)]
    if path[0] == path[-1] and len(path) > 1:
        path.pop()
    return as_cycle(first_rotation(path))
