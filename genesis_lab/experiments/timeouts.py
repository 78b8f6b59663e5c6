"""Timeouts: whether the recommended ones suit the operations that they are recommended for.

A timeout may err in two ways. It gives up on a healthy request whose answer would have come, only
later; and until it ends a deadlock, it holds all that are part of it. A longer one errs less in the
first way and more in the second.

What is lost depends on the load and on the timeout in mean service times, and on no unit of time.
So that ratio is varied, on a server that takes one message at a time, each for an exponential time;
before that, under the same timeout, two components ask each other.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.buses import Bus
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Judgement, Verdict
from genesis_lab.experiments.compared import HYBRID
from genesis_lab.experiments.deadlocks import measure_deadlocks
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.tables import table_of_means
from genesis_lab.experiments.trials import Condition, TrialResult, grid
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Poisson
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import Call, Client, ScriptedComponent, System
from genesis_lab.workloads.services import Service

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Band:
    """A recommendation: timeouts from the shortest to the longest [s], for operations of a kind."""

    shortest: float
    longest: float
    mean: float
    """How long such an operation takes on average, as assumed here [s]."""


# The original names kinds of operations and does not say how long they take. The means are ours:
# - fast: a look-up within a data centre, with one access to a disk;
# - a connection check: light in glass fibre (200 km per ms) over 10,000 km, as from Europe to
#   Tokyo, and back;
# - complex: three such round trips one after another (place an order, ask for it, settle it).
BANDS = {
    "fast operations": Band(0.5, 1.0, mean=0.01),
    "connection checks": Band(1.0, 2.0, mean=0.1),
    "complex operations": Band(5.0, 10.0, mean=0.3),
}
"""The recommendation that each claim is about."""
TOLERATED = 0.01
"""The share of healthy requests that a timeout may give up on."""
BUSY = 0.6
"""The utilisation at which it has to: what is bought for the peaks is half idle on average."""


_WARM_UP = 0.1
"""The share of the requests that come before the server is as busy as it will be."""


@dataclass(frozen=True, slots=True)
class _Operations:
    """Two components that ask each other, and afterwards traffic for a server."""

    pair: System
    traffic: OpenLoop

    async def run_on(self, bus: Bus) -> None:
        """Let the deadlock be, and then the server be busy."""
        await self.pair.run_on(bus)
        await self.traffic.run_on(bus)


def conditions(quick: bool) -> list[Condition]:
    """Utilisation x timeout in mean service times."""
    return grid(
        architecture=[HYBRID],
        utilisation=[BUSY, 0.8] if quick else [0.3, BUSY, 0.8],
        ratio=[5.0, 10.0, 20.0] if quick else [2.0, 5.0, 8.0, 10.0, 12.0, 15.0, 20.0],
        mean=[1.0],
        requests=[200 if quick else 1_000],
    )


def scenario(*, utilisation: float, ratio: float, mean: float, requests: int) -> _Operations:
    """A server under so much load, and a pair under the same timeout."""
    timeout = ratio * mean
    return _Operations(
        pair=System(
            components=(
                Service("server", Exponential(mean)),
                ScriptedComponent("a", on_request={"ask": (Call("b", "ask", timeout),)}),
                ScriptedComponent("b", on_request={"ask": (Call("a", "ask", timeout),)}),
            ),
            clients=(Client((Call("a", "ask", None),)),),
        ),
        traffic=OpenLoop(
            Ask("server", timeout=timeout), Poisson(rate=utilisation / mean, count=requests)
        ),
    )


def measure(result: TrialResult) -> Mapping[str, Any]:
    """`given_up`, the share of the server's requests; `held`, how long the deadlock held [s]."""
    requests = result.trace.requests
    healthy = requests[requests["target"] == "server"]
    # Not MSER-5: by its rule the busy stretches go first, and these are what timeouts are about.
    healthy = healthy.iloc[int(_WARM_UP * len(healthy)) :]
    return {
        "given_up": float((healthy["outcome"] == "timed_out").mean()),
        "held": measure_deadlocks(result)["held"],
    }


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per utilisation and timeout."""
    by = ["utilisation", "ratio"]
    labels = {"given_up": "share given up", "held": "deadlock held [service times]"}
    return table_of_means(_in_service_times(trials), labels, by=by).rename(
        columns={"ratio": "timeout [service times]"}
    )


def _in_service_times(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.assign(held=trials["held"] / trials["mean"])


@dataclass(frozen=True, slots=True)
class LeastRatio:
    """The shortest timeout tried that gives up on few enough, in mean service times.

    Infinite where none does. From `low`, of which that is possible, to `high`, of which it is sure:
    by the 95 % interval of the share; both are NaN where it has none.
    """

    value: float
    low: float
    high: float


def least_ratio(trials: pd.DataFrame, utilisation: float) -> LeastRatio:
    """The shortest timeout that gives up on less than `TOLERATED` at a utilisation."""
    at_load = trials[trials["utilisation"] == utilisation]
    shares = analysis.mean_intervals(at_load, "given_up", by="ratio")
    value, low, high = (
        min(shares.loc[shares[bound] < TOLERATED, "ratio"], default=math.inf)
        for bound in ("mean", "low", "high")
    )
    if shares["low"].isna().all():
        low = high = math.nan
    return LeastRatio(value, low, high)


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Which operations each recommendation suits, and what a deadlock costs under it."""
    busy = least_ratio(trials, BUSY)
    peak = trials["utilisation"].max()
    at_peak = least_ratio(trials, peak)
    held = float((trials["held"] / (trials["ratio"] * trials["mean"])).max())
    for claim, band in BANDS.items():
        yield Verdict(
            claim=claim,
            judgement=judge(band, busy.value, at_peak.value),
            measured=f"longest mean that {band.shortest:g} s suits at a utilisation of {BUSY}",
            effect=band.shortest / busy.value,
            low=band.shortest / busy.high,
            high=band.shortest / busy.low,
            unit="s",
            sentence=(
                f"At a utilisation of {BUSY}, {_suffices(busy)}; at {peak:g}, "
                f"{_suffices(at_peak)}. So {band.shortest:g} to {band.longest:g} s suits "
                f"{_suited(band, busy)}, and at {peak:g} {_suited(band, at_peak)}; these are "
                f"assumed to take {band.mean:g} s. A deadlock it only masks: its components are "
                f"held for up to {held * band.longest:g} s."
            ),
        )


def _suffices(least: LeastRatio) -> str:
    """Which timeout is long enough, in a few words."""
    few = f"gives up on less than {TOLERATED:.0%} of the healthy requests"
    if math.isinf(least.value):
        return f"no timeout that was tried {few}"
    return f"a timeout of {least.value:g} mean service times {few}"


def _suited(band: Band, least: LeastRatio) -> str:
    """Which operations a recommendation suits, in a few words."""
    if math.isinf(least.value):
        return "none"
    longest = (band.shortest / least.value, band.longest / least.value)
    return "operations that take up to {:.2g} to {:.2g} s on average".format(*longest)


def judge(band: Band, busy: float, peak: float) -> Judgement:
    """Whether a recommendation suits the operations that it is made for.

    It is refuted if even its longest timeout gives up on too many. It holds if its shortest one
    does not, whatever the load; otherwise under conditions, on the load or on the timeout.

    Parameters
    ----------
    band
        The recommendation.
    busy, peak
        The shortest timeouts that do not give up on too many [mean service times], at the usual
        utilisation and at the highest.
    """
    if band.longest < busy * band.mean:
        return "refuted"
    return "holds" if band.shortest >= peak * band.mean else "holds with a condition"


def drawings(trials: pd.DataFrame, _traces: Traces) -> Iterator[Drawing]:
    """What is given up on, against the timeout, at each utilisation."""
    shares = analysis.mean_intervals(trials, "given_up", by=["utilisation", "ratio"])
    yield Drawing(
        name="given-up",
        caption="Healthy requests that a timeout gives up on, against the timeout: the busier the "
        "server, the longer one has to be patient.",
        axes=_plot_shares(shares),
        data=shares,
    )


def _plot_shares(shares: pd.DataFrame) -> "Axes":
    """A curve per utilisation."""
    color = plots.series_look(HYBRID).color
    styles = zip(("-", "--", ":"), ("o", "s", "^"), strict=True)
    curves = [
        plots.Curve(
            label=f"utilisation {utilisation:g}",
            look=plots.Look(color=color, linestyle=linestyle, marker=marker, hatch=""),
            x=rows["ratio"].to_numpy(),
            y=rows["mean"].to_numpy(),
            low=rows["low"].to_numpy(),
            high=rows["high"].to_numpy(),
        )
        for (utilisation, rows), (linestyle, marker) in zip(
            shares.groupby("utilisation"), styles, strict=False
        )
    ]
    return plots.draw_curves(
        curves,
        xlabel="timeout [mean service times]",
        ylabel="share of healthy requests given up",
        yscale="log",
    )


EXPERIMENT = Experiment(
    name="timeouts",
    question=EXPERIMENTS["timeouts"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    replicates=10,
)
