"""Means over replicates with confidence intervals, and differences between paired trials.

The intervals are bootstrap intervals, bias-corrected and accelerated (BCa): B. Efron (1987),
"Better bootstrap confidence intervals", Journal of the American Statistical Association 82(397),
171-185. They assume that rows of a group are independent, as trials under different seeds are, and
ask nothing of their distribution. With few replicates they are too narrow, as all bootstrap
intervals are: below ten, read them as a hint.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesis_lab.analysis.grouping import Columns, check_columns, listed, numbered
from genesis_lab.errors import InvalidSetting

Floats = npt.NDArray[np.float64]

_RESAMPLES = 9_999
_AT_ONCE = 2**23
"""How many resampled values are in memory at a time: 64 MiB of them."""


def mean_intervals(
    frame: pd.DataFrame,
    measures: Columns,
    *,
    by: Columns,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """The mean of each measure over the replicates of each group, with a BCa interval.

    Parameters
    ----------
    frame
        One row per trial.
    measures
        Columns of numbers; of truth values, the mean is the share of the true ones.
    by
        Columns that tell conditions apart. The rows of a group are its replicates.
    confidence
        Of the interval, between 0 and 1.
    seed
        Of the resampling. A group's interval follows from its values and the seed alone, whatever
        other groups there are and in whatever order rows come.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, measure, mean, low, high, replicates]`, one row per group and measure, in
        order of the groups and, within them, of `measures`. `replicates` counts the trials that
        have a value: missing ones (NaN) are left out. Where all values are equal, `low` and `high`
        equal the mean. Where there is one value, or one is infinite, they are NaN.

    Raises
    ------
    InvalidSetting
        The frame has no such column, or the confidence is not between 0 and 1.
    """
    measures = listed(measures)
    check_columns("measures", measures, frame)
    keys, numbers = numbered(frame, by)
    cells = (numbers[:, None] * len(measures) + np.arange(len(measures))).ravel()
    values = frame[measures].to_numpy(dtype=np.float64).ravel()
    means = _means_of_cells(
        values, cells, len(keys) * len(measures), confidence=confidence, seed=seed
    )
    names = pd.Series(measures * len(keys), name="measure", dtype="str")
    repeated = keys.iloc[np.repeat(np.arange(len(keys)), len(measures))].reset_index(drop=True)
    return pd.concat([repeated, names, means], axis="columns")


def _means_of_cells(
    values: Floats, cells: npt.NDArray[np.int64], size: int, *, confidence: float, seed: int
) -> pd.DataFrame:
    """Mean, interval and number of the values in each of so many cells."""
    known = ~np.isnan(values)
    values, cells = values[known], cells[known]
    values = values[cells.argsort(kind="stable")]
    counts = np.bincount(cells, minlength=size)
    starts = counts.cumsum() - counts
    bounds = np.full((3, size), np.nan)
    # Cells of the same size are rows of one array, which are resampled together.
    for count in np.unique(counts[counts > 0]):
        alike = np.flatnonzero(counts == count)
        rows = values[starts[alike, None] + np.arange(count)]
        bounds[:, alike] = interval_of_means(rows, confidence=confidence, seed=seed)
    mean, low, high = bounds
    return pd.DataFrame({"mean": mean, "low": low, "high": high, "replicates": counts})


def interval_of_means(
    rows: Floats, *, confidence: float, seed: int
) -> tuple[Floats, Floats, Floats]:
    """The mean of each row with its BCa interval: mean, low, high.

    Parameters
    ----------
    rows
        Shape (rows, values), no NaN. Rows are resampled alike, each as if it were alone.
    confidence, seed
        As in `mean_intervals`.

    Raises
    ------
    InvalidSetting
        The confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise InvalidSetting("confidence", confidence, "a number between 0 and 1")
    mean, least = rows.mean(axis=1), rows.min(axis=1)
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, as it should be
        spread = rows.max(axis=1) - least
    low = np.where(spread == 0, mean, np.nan) if rows.shape[1] > 1 else np.full(len(rows), np.nan)
    high = low.copy()
    regular = np.flatnonzero(np.isfinite(spread) & (spread > 0))
    at_once = max(1, _AT_ONCE // (_RESAMPLES * rows.shape[1]))
    for start in range(0, len(regular), at_once):
        some = regular[start : start + at_once]
        # A mean's interval moves and stretches with its values. On a scale of 0 to 1 they do not
        # vanish when they are squared and cubed, be it that they differ by rounding only.
        scaled = (rows[some] - least[some, None]) / spread[some, None]
        found = _bca(np.sort(scaled, axis=1), confidence, seed)
        low[some], high[some] = (least[some] + spread[some] * bound for bound in found)
    return mean, low, high


def _bca(rows: Floats, confidence: float, seed: int) -> tuple[Floats, Floats]:
    # It takes a second to load, which what only measures latencies need not spend.
    from scipy.stats import bootstrap  # noqa: PLC0415

    interval = bootstrap(
        (rows,),
        np.mean,
        axis=-1,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=max(1, _AT_ONCE // rows.shape[1]),
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return interval.low, interval.high


def paired_differences(
    frame: pd.DataFrame,
    measure: str,
    *,
    between: str,
    baseline: object,
    by: Columns = (),
    pair: str = "seed",
    relative: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """By how much each condition differs from a baseline under the same seed, with an interval.

    Trials under one seed share their arrivals and service times, so the differences within pairs
    vary much less than the trials themselves (common random numbers; A. M. Law, "Simulation
    Modeling and Analysis", 5th ed., section 11.2).

    Parameters
    ----------
    frame
        One row per trial.
    measure
        What is compared: a column of numbers.
    between, baseline
        The column whose values are compared, such as `architecture`, and the value of it that the
        others are compared with.
    by
        The other columns that tell conditions apart.
    pair
        The column whose equal values make a pair.
    relative
        Ratios to the baseline, instead of differences. Their mean is the geometric one: as an
        arithmetic mean, "a is twice b" half of the time and "b is twice a" the other half would say
        that each is slower than the other (P. J. Fleming & J. J. Wallace (1986), "How not to lie
        with statistics", Communications of the ACM 29(3), 218-221).
    confidence, seed
        As in `mean_intervals`, of which this is an application to the pairs.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, between, difference, low, high, pairs]`, or `ratio` instead of `difference`;
        a row for each value of `between` but the baseline. A trial without a partner, or whose
        measure or whose partner's is missing (NaN), is left out, and so are pairs of which both are
        infinite, as nobody can say by how much: `pairs` says how many there were.

    Raises
    ------
    InvalidSetting
        The frame has no such column or baseline; two trials of a condition have the same `pair`; a
        ratio is asked for of values that are not all above zero.
    """
    by = listed(by)
    check_columns("measure", [measure], frame)
    check_columns("between", [between], frame)
    check_columns("pair", [pair], frame)
    check_columns("by", by, frame)
    _check_pairs(frame, between=between, baseline=baseline, by=by, pair=pair)
    values = frame[[*by, between, pair]].assign(_value=frame[measure].astype("float64"))
    if relative:
        for value in values.loc[values["_value"] <= 0, "_value"]:
            raise InvalidSetting(measure, value, "a value above 0, as ratios are asked for")
        values["_value"] = np.log(values["_value"])
    is_baseline = values[between] == baseline
    partners = values[is_baseline].drop(columns=between).rename(columns={"_value": "_partner"})
    pairs = values[~is_baseline].merge(partners, on=[*by, pair], how="left")
    pairs["_difference"] = pairs["_value"] - pairs["_partner"]
    found = mean_intervals(
        pairs, "_difference", by=[*by, between], confidence=confidence, seed=seed
    ).drop(columns="measure")
    if relative:
        found[["mean", "low", "high"]] = np.exp(found[["mean", "low", "high"]])
    return found.rename(
        columns={"mean": "ratio" if relative else "difference", "replicates": "pairs"}
    )


def _check_pairs(
    frame: pd.DataFrame, *, between: str, baseline: object, by: list[str], pair: str
) -> None:
    """Raise `InvalidSetting` unless there is a baseline, with one trial at most to pair with."""
    present = frame[between].unique()
    if baseline not in present:
        raise InvalidSetting("baseline", baseline, " or ".join(map(repr, present)))
    if frame.duplicated([*by, between, pair]).any():
        expected = f"a column that tells the trials of each {(*by, between)} apart"
        raise InvalidSetting("pair", pair, expected)
