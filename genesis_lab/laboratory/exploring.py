"""What an explorer shows: from its settings to a trial, to frames, to figures, and to files.

Plain functions, which need no widget: the cell that an explorer writes calls them.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from math import isnan
from pathlib import Path
from textwrap import indent

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments.drawings import draw_timeline
from genesis_lab.experiments.experiment import Drawing
from genesis_lab.experiments.trials import Condition, TrialResult, admission_named, grid, run_trial
from genesis_lab.files import replace_file
from genesis_lab.laboratory.page import as_duration
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.random_calls import Chain, RandomCalls

CLIENTS = 500
"""About how many clients a trial has, so that it takes well under a second however it is set."""
SLOW = "c0"
"""The component that may be slower than the others."""

_ASKS, _LONGEST = 0.3, 3
"""How likely whoever is asked asks another, and how many calls a chain has at most."""
_LEGIBLE = 40
"""How many requests are sent while a timeline lasts; a third of them before a deadlock."""
_WHOLE, _HALF = 84.0, 58.0
"""The heights of a figure across the page, and of those beside each other [mm]."""
_NAMED = 8
"""As many digits of a digest tell one exploration from another."""


# --- what is run ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the sliders of an explorer stand."""

    architecture: str = "hybrid"
    components: int = 5
    load: float = 0.1
    """The utilisation of each component, if nothing ever blocked and none was slow."""
    service_time: float = 0.02
    """How long a component works on a request before it replies or asks, on average [s]."""
    slowness: float = 1.0
    """How many times as long one of them works."""
    timeout: float | None = 1.0
    """Of all requests [s]; None: no limit."""
    admission: str = "serial"
    seed: int = 7

    def condition(self) -> Condition:
        """What the trial is run under: all of them but the seed, and what the bus ignores."""
        values = {name: [value] for name, value in asdict(self).items() if name != "seed"}
        [condition] = grid(**values)
        return condition


@dataclass(frozen=True, kw_only=True)
class OneSlow(RandomCalls):
    """Random calls among components of which one works longer than the others.

    Who asks whom, and when, is the same however slow it is.
    """

    slowness: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.slowness > 0:
            raise InvalidSetting("slowness", self.slowness, "a number > 0")

    def plan(self) -> Iterator[tuple[float, Chain]]:
        """When each client arrives [s since the traffic began], and the chain that it begins."""
        for at, chain in super().plan():
            yield (
                at,
                tuple(
                    replace(hop, work=hop.work * self.slowness) if hop.target == SLOW else hop
                    for hop in chain
                ),
            )


def scenario(
    *,
    components: int,
    load: float,
    service_time: float,
    slowness: float,
    timeout: float | None,
    admission: str,
) -> OneSlow:
    """Components that ask each other at random, and about 500 clients that ask any of them.

    Parameters
    ----------
    components, load, service_time, slowness, timeout, admission
        As in `Settings`.
    """
    calls = OneSlow(
        components=components,
        load=load,
        until=1.0,
        work=Exponential(service_time),
        asks=_ASKS,
        longest=_LONGEST,
        admission=admission_named(admission),
        timeout=timeout,
        slowness=slowness,
    )
    return replace(calls, until=CLIENTS / calls.rate)


def explore(settings: Settings) -> TrialResult:
    """Run the trial."""
    return run_trial(scenario, settings.condition(), seed=settings.seed)


# --- what came of it ------------------------------------------------------------------------------


def say(condition: Condition, result: TrialResult) -> str:
    """What happened, in a line."""
    clients = _of_clients(result)
    latencies = analysis.latencies(clients).dropna()
    p50, p99 = (as_duration(float(latencies.quantile(share))) for share in (0.5, 0.99))
    deadlocks = len(result.trace.deadlocks)
    ending = "stalled for ever" if result.run.ended == "stalled" else result.run.ended
    return (
        f"{condition.architecture} under seed {result.trace.manifest.seed}: {ending} after "
        f"{as_duration(result.run.at)}, with {deadlocks:,} deadlock{'s' * (deadlocks != 1)}. "
        f"Of {len(clients):,} clients' requests, {_counts(clients)}; "
        f"those that ended took {p50} (p50) and {p99} (p99)."
    )


def draw(condition: Condition, result: TrialResult) -> Iterator[Drawing]:
    """The figures: `timeline`, `latency` and `outcomes`, each drawn as it is asked for."""
    yield _timeline(result)
    yield _latency(condition, result)
    yield _outcomes(result)


def _timeline(result: TrialResult) -> Drawing:
    """What components did around the first deadlock, or else when the first clients came."""
    trace = result.trace
    formed = trace.deadlocks["formed_at"].min()
    start, end = _legible(trace.requests["sent_at"], 0.0 if isnan(formed) else formed)
    return draw_timeline(
        trace,
        start=start,
        end=end,
        ax=plots.new_axes(width=plots.TWO_COLUMNS, height=_WHOLE),
        name="timeline",
        caption="What each component did "
        + ("when the first clients came." if isnan(formed) else "around the first deadlock."),
    )


def _legible(sent_at: "pd.Series[float]", about: float) -> tuple[float, float]:
    """From when to when a timeline is about an instant, and can still be read."""
    sent = sent_at.to_numpy()
    first = max(0, int(sent.searchsorted(about)) - _LEGIBLE // 3)
    last = min(first + _LEGIBLE, len(sent) - 1)
    return (float(sent[first]) if first else 0.0), float(sent[last])


def _latency(condition: Condition, result: TrialResult) -> Drawing:
    curve = analysis.percentile_curve(_of_clients(result)).assign(
        architecture=condition.architecture, admission=condition.parameters["admission"]
    )
    return Drawing(
        name="latency",
        caption="How long clients' requests took to end, however they did.",
        axes=plots.plot_percentile_curve(curve, ax=plots.new_axes(height=_HALF)),
        data=curve,
    )


def _outcomes(result: TrialResult) -> Drawing:
    requests = result.trace.requests
    is_nested = ~requests.index.isin(_of_clients(result).index)
    senders = pd.Series(is_nested).map({False: "by clients", True: "by components"})
    counts = analysis.outcome_table(requests.assign(condition=senders), by="condition")
    return Drawing(
        name="outcomes",
        caption="How requests ended: those by clients, and those that they led to.",
        axes=plots.plot_outcomes(counts.drop(columns="share"), ax=plots.new_axes(height=_HALF)),
        data=counts,
    )


def _of_clients(result: TrialResult) -> pd.DataFrame:
    """The requests that no other message led to."""
    requests = result.trace.requests
    return requests[requests["cause"] < 0]


def _counts(requests: pd.DataFrame) -> str:
    counts = requests["outcome"].value_counts(sort=False)
    parts = [f"{count:,} {str(name).replace('_', ' ')}" for name, count in counts.items() if count]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


# --- what is kept ---------------------------------------------------------------------------------


def cell(condition: Condition, result: TrialResult) -> str:
    """The code of a notebook's cell that runs the same trial and draws the same figures."""
    parameters = "".join(
        f"{json.dumps(name)}: {json.dumps(value) if isinstance(value, str) else value},\n"
        for name, value in condition.parameters.items()
    )
    return _CELL.format(
        architecture=condition.architecture,
        parameters=indent(parameters, " " * 8),
        seed=result.trace.manifest.seed,
        digest=result.trace.digest(),
    )


_CELL = """\
from genesis_lab.experiments.trials import Condition, run_trial
from genesis_lab.laboratory.exploring import draw, say, scenario

condition = Condition(
    "{architecture}",
    {{
{parameters}    }},
)
result = run_trial(scenario, condition, seed={seed})
assert result.trace.digest() == "{digest}"
print(say(condition, result))
for drawing in draw(condition, result):
    display(drawing.axes.figure)
"""


def export(condition: Condition, result: TrialResult, folder: Path) -> list[Path]:
    """Write the figures with their data, and the cell, into a folder of their own.

    Returns
    -------
    list of Path
        What was written; the first one is the cell.
    """
    name = f"{condition.architecture}-seed-{result.trace.manifest.seed}"
    folder = folder / f"{name}-{result.trace.digest()[:_NAMED]}"
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "cell.py"]
    replace_file(written[0], cell(condition, result).encode())
    provenance = plots.provenance_of(result.trace, **condition.parameters)
    for drawing in draw(condition, result):
        written += plots.save_figure(
            plots.figure_of(drawing.axes),
            folder / drawing.name,
            data=drawing.data,
            provenance=provenance,
        )
    return written
