"""What the experiments on deadlocks share: the word that tells a cure from a mask, and figures."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from genesis_lab import plots
from genesis_lab.experiments.claims import Judgement
from genesis_lab.experiments.experiment import Drawing, Traces
from genesis_lab.experiments.trials import TrialResult
from genesis_lab.recording import Trace

if TYPE_CHECKING:
    import pandas as pd

Fate = Literal["none", "refused", "masked", "hangs"]
"""From the best to the worst; see `fate_of`."""
FATES: tuple[Fate, ...] = ("none", "refused", "masked", "hangs")


_MARGIN = 1.05
"""A timeline ends a little after the last thing that happened."""


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


def longest_held(result: TrialResult) -> float:
    """How long the longest deadlock held [s]: infinitely, if the run stalled with it.

    0 where none formed; one that the horizon cut counts until there.
    """
    deadlocks = result.trace.deadlocks
    end = math.inf if result.run.ended == "stalled" else result.run.at
    held = deadlocks["broken_at"].fillna(end) - deadlocks["formed_at"]
    return float(held.max()) if len(held) else 0.0


def judge_by_admission(deadlocked: "pd.Series[int]") -> Judgement:
    """Whether a claim that deadlocks are gone holds, from how many formed under each admission.

    It holds with a condition if an admission is free of them: who builds the system can choose it.
    """
    if not deadlocked.any():
        return "holds"
    return "refuted" if deadlocked.all() else "holds with a condition"


def drawings_of_deadlocks(traces: Traces) -> Iterator[Drawing]:
    """The timeline of each showcase, and the wait-for graph of its first deadlock."""
    for name, trace in traces.items():
        bus, end = trace.manifest.architecture, _end(trace)
        window = {"start": 0.0, "end": end * _MARGIN}
        yield Drawing(
            name=f"timeline-{name}",
            caption=f"What each component does on the {bus} bus ({name}): {_become_of(trace)}.",
            axes=plots.plot_timeline(
                trace.requests,
                trace.deliveries,
                events=trace.events,
                deadlocks=trace.deadlocks,
                **window,
            ),
            data=plots.timeline_segments(
                trace.requests, trace.deliveries, events=trace.events, **window
            ),
        )
        if not trace.deadlocks.empty:
            yield Drawing(
                name=f"wait-for-{name}",
                caption=f"Who waits for whom on the {bus} bus ({name}).",
                axes=plots.plot_wait_for_graph(
                    trace.deadlocks, trace.requests, trace.deliveries, events=trace.events
                ),
                data=trace.deadlocks.head(1),
            )


def _end(trace: Trace) -> float:
    """When the last thing happened [s]."""
    frames = (trace.requests, trace.events, trace.deliveries)
    return float(
        max(frame[["sent_at", "finished_at"]].max().max() for frame in frames if len(frame))
    )


def _become_of(trace: Trace) -> str:
    match fate_of(trace):
        case "hangs":
            return "the deadlock holds for ever"
        case "masked":
            return "a timeout breaks the deadlock, and the answer is lost"
        case "refused":
            return "the wait that would close the deadlock is refused"
        case _:
            return "no deadlock forms"
