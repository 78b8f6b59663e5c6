"""What the experiments on deadlocks share: the word that tells a cure from a mask, and figures."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from genesis_lab import plots
from genesis_lab.experiments.claims import Judgement
from genesis_lab.experiments.drawings import draw_timeline
from genesis_lab.experiments.experiment import Drawing, Traces
from genesis_lab.experiments.tables import table_of_means
from genesis_lab.experiments.trials import TrialResult
from genesis_lab.recording import Trace

Fate = Literal["none", "refused", "masked", "hangs"]
"""From the best to the worst; see `fate_of`."""
FATES: tuple[Fate, ...] = ("none", "refused", "masked", "hangs")

_BECAME: dict[Fate, str] = {
    "none": "no deadlock forms",
    "refused": "the wait that would close the deadlock is refused",
    "masked": "a timeout breaks the deadlock, and the answer is lost",
    "hangs": "the deadlock holds for ever",
}
_MARGINS: dict[Fate, float] = {"hangs": 1.5}
_MARGIN = 1.05
"""A timeline ends a little after the last thing that happened; later where waits go on for ever."""


def measure_deadlocks(result: TrialResult) -> Mapping[str, Any]:
    """What became of the question that a client asked first, and of any deadlock.

    Returns
    -------
    dict
        `fate` (see `fate_of`); `deadlocked`, whether a deadlock formed; `held`, how long the
        longest one held [s]: infinitely, if the run stalled with it; `latency` of the client's
        request [s], NaN if it never ended; `lost`, how many requests got no answer.
    """
    requests = result.trace.requests
    asked = requests.iloc[0]
    return {
        "fate": fate_of(result.trace),
        "deadlocked": not result.trace.deadlocks.empty,
        "held": _longest_held(result),
        "latency": float(asked["finished_at"] - asked["intended_at"]),
        "lost": int((requests["outcome"] != "answered").sum()),
    }


def fate_of(trace: Trace) -> Fate:
    """The worst that became of any deadlock.

    Returns
    -------
    str
        `none`: no deadlock formed. `refused`: the wait that would have closed it was refused at
        once. `masked`: it formed, and only a timeout or a cancellation ended it, so the answer is
        lost and the time is spent. `hangs`: it formed and holds.
    """
    deadlocks = trace.deadlocks
    if deadlocks.empty:
        return "none"
    if deadlocks["broken_at"].isna().any():
        return "hangs"
    return "refused" if (deadlocks["broken_by"] == "refused").all() else "masked"


def worst(fates: Iterable[Fate]) -> Fate:
    """The worst of several fates."""
    return max(fates, key=FATES.index)


def _longest_held(result: TrialResult) -> float:
    """0 where none formed; one that the horizon cut counts until there."""
    deadlocks = result.trace.deadlocks
    end = math.inf if result.run.ended == "stalled" else result.run.at
    held = deadlocks["broken_at"].fillna(end) - deadlocks["formed_at"]
    return float(held.max()) if len(held) else 0.0


def under_longest_timeout(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials under the longest timeout, and those of buses that know none."""
    timeout = trials["timeout"]
    shown: pd.DataFrame = trials[timeout.isna() | (timeout == timeout.max())]
    return shown


def table_of_deadlocks(
    trials: pd.DataFrame, labels: Mapping[str, str], *, by: Sequence[str]
) -> pd.DataFrame:
    """A row per condition: the means, as of `table_of_means`, and the worst that became of any.

    Under the longest timeout: what a timeout ends has held for that long, so that one stands for
    the others.
    """
    shown = under_longest_timeout(trials)
    fates = shown.groupby(list(by), sort=False)["fate"].agg(worst).rename("deadlock")
    return table_of_means(shown, labels, by=by).merge(fates.reset_index(), on=list(by))


def judge_by_admission(deadlocked: "pd.Series[int]") -> Judgement:
    """Whether a claim that deadlocks are gone holds, from how many formed under each admission.

    It holds with a condition if an admission is free of them: who builds the system can choose it.
    """
    if not deadlocked.any():
        return "holds"
    return "refuted" if deadlocked.all() else "holds with a condition"


def drawings_of_deadlocks(traces: Traces, *, graph_of: str) -> Iterator[Drawing]:
    """The timeline of each showcase, and the wait-for graph of one."""
    for name, trace in traces.items():
        bus, fate = trace.manifest.architecture, fate_of(trace)
        end = _end(trace) * _MARGINS.get(fate, _MARGIN)
        yield draw_timeline(
            trace,
            start=0.0,
            end=end,
            name=f"timeline-{name}",
            caption=f"What each component does on the {bus} bus ({name}): {_BECAME[fate]}.",
        )
    trace = traces[graph_of]
    yield Drawing(
        name=f"wait-for-{graph_of}",
        caption=f"Who waits for whom on the {trace.manifest.architecture} bus ({graph_of}).",
        axes=plots.plot_wait_for_graph(
            trace.deadlocks, trace.requests, trace.deliveries, events=trace.events
        ),
        data=trace.deadlocks.head(1),
        trace=trace,
    )


def _end(trace: Trace) -> float:
    """When the last thing happened [s]."""
    frames = (trace.requests, trace.events, trace.deliveries)
    return float(
        max(frame[["sent_at", "finished_at"]].max().max() for frame in frames if len(frame))
    )
