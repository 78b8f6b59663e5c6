"""How much larger one architecture's measure is than another's: what a verdict rests on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from genesis_lab import analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as large, with a 95 % interval, whose ends are NaN if there is none."""

    size: float
    low: float
    high: float

    @property
    def at_least(self) -> float:
        """The low end of the interval; of a single pair, which has none, its own ratio."""
        return float(np.nanmin([self.size, self.low]))


def paired_ratio(trials: pd.DataFrame, measure: str, *, of: str, to: str) -> Ratio:
    """A measure on one architecture over that on another one, trials of one seed in pairs.

    Parameters
    ----------
    trials
        Columns `architecture`, `seed` and the measure's, which is above zero; one trial per
        architecture and seed.
    measure
        What is compared.
    of, to
        The two architectures.

    Raises
    ------
    InvalidSetting
        As of `analysis.paired_differences`.
    """
    both = trials[trials["architecture"].isin([of, to])]
    [found] = analysis.paired_differences(
        both, measure, between="architecture", baseline=to, relative=True
    ).to_dict("records")
    return Ratio(size=found["ratio"], low=found["low"], high=found["high"])
