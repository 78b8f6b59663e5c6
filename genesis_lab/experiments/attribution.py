"""Attribution: which of the three things that the hybrid changes is it that cures a deadlock.

Admission, timeouts and the delivery of events, in each combination, on workloads that deadlock on
the old bus. What becomes of a combination is one word:

- `cured`: no deadlock forms, and every request is answered;
- `masked`: a deadlock forms, and a timeout ends it: the time is spent and an answer is lost;
- `neither`: a deadlock forms, and nothing ends it.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.experiments import EXPERIMENTS, circular, recursive
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.compared import HYBRID, HYBRID_AWAITED, OLD_BUS
from genesis_lab.experiments.deadlocks import measure_deadlocks
from genesis_lab.experiments.drawings import means
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.tables import interval_columns
from genesis_lab.experiments.trials import Condition, grid
from genesis_lab.workloads.scripted import System

CellVerdict = Literal["cured", "masked", "neither"]
"""What becomes of a combination, from the best to the worst."""
CELL_VERDICTS: tuple[CellVerdict, ...] = ("cured", "masked", "neither")
FACTORS = ("admission", "timeout", "delivery")
"""What the hybrid changes."""
WORKLOADS = ("circular", "call back", "call back, ask")
"""A -> B -> A, and the two workloads of `recursive` in which a subscriber calls back."""

_DELIVERIES = {
    OLD_BUS: "one by one",
    HYBRID: "concurrent",
    HYBRID_AWAITED: "awaited",
}
_HEIGHT = 45.0
"""Of a matrix with its panels side by side [mm]."""
_CELL = ["workload", "delivery", "admission", "timeout"]


def conditions(quick: bool) -> list[Condition]:
    """Workload x delivery (as architecture) x admission x timeout, and the old bus."""
    return grid(
        architecture=list(_DELIVERIES),
        workload=WORKLOADS,
        admission=["serial", "call_chain", "re_entrant"],
        timeout=[None, 0.5] if quick else [None, 0.5, 5.0],
    )


def scenario(*, workload: str, admission: str, timeout: float | None) -> System:
    """A ring of two, or a publisher whose subscriber calls it back."""
    if workload == "circular":
        return circular.scenario(ring=2, admission=admission, timeout=timeout)
    return recursive.scenario(shape=workload, admission=admission, timeout=timeout)


def cells(trials: pd.DataFrame) -> pd.DataFrame:
    """What becomes of each combination.

    Returns
    -------
    pandas.DataFrame
        Columns `workload`, `delivery`, `admission`, `timeout` [s] (NaN: none) and `verdict`: the
        worst of the replicates. In the order of the trials, workload by workload.
    """
    is_cured = (trials["fate"] == "none") & (trials["lost"] == 0)
    verdict = is_cured.map({True: "cured", False: "masked"}).mask(
        trials["fate"] == "hangs", "neither"
    )
    combinations = _with_delivery(trials).assign(verdict=verdict)
    by_cell = combinations.groupby(_CELL, dropna=False, sort=False)["verdict"]
    return (
        by_cell.agg(_worst).reset_index().sort_values("workload", kind="stable", ignore_index=True)
    )


def _worst(verdicts: Iterable[CellVerdict]) -> CellVerdict:
    return max(verdicts, key=CELL_VERDICTS.index)


def main_effects(cells: pd.DataFrame) -> pd.DataFrame:
    """How combinations end at each level of each factor.

    Parameters
    ----------
    cells
        As `cells` returns them.

    Returns
    -------
    pandas.DataFrame
        Columns `factor`, `level`, `cured`, `masked`, `neither`: shares of the hybrid's
        combinations at that level.
    """
    factorial = _factorial(cells)
    tables = [
        pd.crosstab(factorial[factor].map(_level), factorial["verdict"], normalize="index")
        .reindex(columns=list(CELL_VERDICTS), fill_value=0.0)
        .rename_axis(index="level", columns=None)
        .reset_index()
        .assign(factor=factor)
        for factor in FACTORS
    ]
    return pd.concat(tables, ignore_index=True)[["factor", "level", *CELL_VERDICTS]]


def single_changes(cells: pd.DataFrame) -> pd.DataFrame:
    """How many of the combinations that deadlock are cured by changing one factor alone.

    Parameters
    ----------
    cells
        As `cells` returns them.

    Returns
    -------
    pandas.DataFrame
        Columns `workload`, `factor`, `deadlocked`, `cured`: counts of the hybrid's combinations
        that deadlock, and of those among them that some other level of the factor would cure.
    """
    factorial = _factorial(cells)
    is_cured = factorial["verdict"] == "cured"

    def curable(factor: str) -> pd.DataFrame:
        others = [factorial[name] for name in _CELL if name != factor]
        by_some = is_cured.groupby(others, dropna=False).transform("any")
        counted = factorial.assign(deadlocked=~is_cured, cured=~is_cured & by_some)
        counts = counted.groupby("workload")[["deadlocked", "cured"]].sum()
        return counts.reset_index().assign(factor=factor)

    found = pd.concat(map(curable, FACTORS), ignore_index=True)
    return found[["workload", "factor", "deadlocked", "cured"]]


def _factorial(cells: pd.DataFrame) -> pd.DataFrame:
    """Without the old bus, which is no combination of the factors."""
    return cells[cells["delivery"] != _DELIVERIES[OLD_BUS]]


def _with_delivery(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.assign(delivery=trials["architecture"].map(_DELIVERIES))


def _level(value: str | float) -> str:
    """A level in words."""
    if isinstance(value, str):
        return value
    return "none" if math.isnan(value) else f"{value:g} s"


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per combination: how it ends, and what is paid.

    `paid` is the time to an answer beyond that of re-entrant components without timeouts whose
    events nobody waits for, under the same seed; that combination itself has none.
    """
    intervals = analysis.mean_intervals(_with_delivery(trials), ["latency", "held"], by=_CELL)
    labels = {"latency": "time to answer [s]", "held": "longest deadlock [s]", "paid": "paid [s]"}
    table = interval_columns(pd.concat([intervals, _paid(trials)]), labels, by=_CELL)
    return cells(trials).merge(table, on=_CELL)


def _paid(trials: pd.DataFrame) -> pd.DataFrame:
    """The differences in latency to the cheapest combination, as `mean_intervals` returns means."""
    named = _with_delivery(trials)
    named["cell"] = named[_CELL[1:]].map(_level).agg("/".join, axis="columns")
    differences = analysis.paired_differences(
        named, "latency", between="cell", baseline="concurrent/re_entrant/none", by="workload"
    )
    keys = named[[*_CELL, "cell"]].drop_duplicates()
    return (
        keys.merge(differences, on=["workload", "cell"])
        .drop(columns="cell")
        .rename(columns={"difference": "mean"})
        .assign(measure="paid")
    )


def verdicts(_trials: pd.DataFrame) -> Iterator[Verdict]:
    """None: it says why the verdicts on circular and recursive calls are as they are."""
    yield from ()


def drawings(trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    """A matrix per workload: how each combination ends."""
    latency = means(_with_delivery(trials), "latency", by=_CELL)
    ended = cells(trials)
    changes = single_changes(ended).set_index(["workload", "factor"])
    cured, deadlocked = changes["cured"].to_dict(), changes["deadlocked"].to_dict()
    old = ended[ended["delivery"] == _DELIVERIES[OLD_BUS]].set_index("workload")["verdict"]
    shown = _factorial(ended).merge(latency, on=_CELL)
    for workload, matrix in shown.groupby("workload"):
        yield Drawing(
            name=f"matrix-{str(workload).replace(', ', '-').replace(' ', '-')}",
            caption=f"How each combination ends on the workload {workload!r} (the old bus: "
            f"{old[workload]}), and the time to an answer. Of "
            f"{deadlocked[workload, 'admission']} that deadlock, a change of the admission alone "
            f"cures {cured[workload, 'admission']}, of the delivery "
            f"{cured[workload, 'delivery']}, of the timeout {cured[workload, 'timeout']}.",
            axes=plots.plot_attribution(
                matrix, ax=plots.new_axes(width=plots.TWO_COLUMNS, height=_HEIGHT)
            ),
            data=matrix[[*_CELL, "verdict", "latency"]],
        )


EXPERIMENT = Experiment(
    name="attribution",
    question=EXPERIMENTS["attribution"],
    conditions=conditions,
    scenario=scenario,
    measure=measure_deadlocks,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    replicates=5,
    quick_replicates=2,
)
