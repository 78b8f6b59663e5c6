"""How messages ended, and how much work was done for nobody."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesis_lab.analysis.grouping import Columns, check_columns, listed, per_group, require_columns
from genesis_lab.messages import Outcome

_WORK = ("id", "cause", "target", "outcome", "started_at", "finished_at", "blocked")
"""The columns from which work is told."""


def outcome_table(frame: pd.DataFrame, *, by: Columns = ("target",)) -> pd.DataFrame:
    """How often each outcome occurred in each group, those that never did included.

    Parameters
    ----------
    frame
        Columns `outcome`, as categorical, and those of `by`; requests or deliveries of a `Trace`.
    by
        Columns that tell groups apart.

    Returns
    -------
    pandas.DataFrame
        Columns `[*by, outcome, count, share]`: a row per group and outcome, in the order of the
        closed set of outcomes; the shares of a group add up to 1.

    Raises
    ------
    InvalidSetting
        The frame has no such column.
    """

    def of_group(group: pd.DataFrame) -> pd.DataFrame:
        outcomes = group["outcome"].cat
        counts = np.bincount(outcomes.codes, minlength=len(outcomes.categories))
        labels = pd.Categorical.from_codes(range(len(counts)), outcomes.categories)
        shares = counts / (len(group) or np.nan)
        return pd.DataFrame({"outcome": labels, "count": counts, "share": shares})

    require_columns(frame, "frame", ["outcome"])
    check_columns("by", listed(by), frame)
    return per_group(frame[[*listed(by), "outcome"]], by, of_group)


def wasted_work(requests: pd.DataFrame) -> pd.DataFrame:
    """The time that components spent on requests nobody got an answer from.

    The work on a request is its service time less the time it was blocked: `finished_at` -
    `started_at` - `blocked`. It ends at a deadline, since handlers are cancelled then. It was
    useful if the request was answered, and the request that it was nested in was answered, and so
    on up to the client. All else is waste: the work on a request that timed out, failed or was
    cancelled, and the work on answers given to a request that came to nothing itself.

    Two things the frame cannot tell. How far a pending request got is not on record: its own work
    is in neither column, and what was done for it counts as wasted, since no answer came of it. And
    what is nested in a delivery is judged up to that delivery, as if it had been handled.

    Parameters
    ----------
    requests
        Columns `id`, `cause`, `target`, `outcome`, `started_at`, `finished_at`, `blocked`: all
        requests of one `Trace`, in which ids are unique.

    Returns
    -------
    pandas.DataFrame
        Columns `[target, useful, wasted, wasted_share]`: seconds, and wasted / (useful + wasted);
        NaN where there was no work.
    """
    require_columns(requests, "requests", _WORK)
    service = requests["finished_at"] - requests["started_at"]
    # Of a request that was blocked throughout, rounding may leave less than nothing.
    work = (service - requests["blocked"]).clip(lower=0).fillna(0.0)
    useful = work.where(_came_of_something(requests), 0.0)
    table = (
        pd.DataFrame({"target": requests["target"], "useful": useful, "wasted": work - useful})
        .groupby("target", observed=True)
        .sum()
        .reset_index()
    )
    total = table["useful"] + table["wasted"]
    return table.assign(wasted_share=table["wasted"] / total.where(total > 0))


def _came_of_something(requests: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether a request was answered, and all requests that it is nested in."""
    nobody = len(requests)
    parents = pd.Index(requests["id"]).get_indexer(requests["cause"])
    above = np.append(np.where(parents < 0, nobody, parents), nobody)
    answered = np.append(requests["outcome"] == Outcome.ANSWERED.label, True)
    # Each round looks twice as far up as the one before.
    while (above < nobody).any():
        answered &= answered[above]
        above = above[above]
    return answered[:-1]
