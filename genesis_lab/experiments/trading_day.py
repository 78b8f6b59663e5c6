"""The trading day: recorded ticks through the trading system, bus by bus.

Where does the old bus stop and why, and what do the hybrids deliver? The components are the same
everywhere; what differs is a setting: the bus, the admission of all components, and with the bus
whether deliveries are awaited and whether a wait that would close a deadlock is refused.

The experiment replays the sample that comes with the lab; `replay` takes any ticks.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.buses import ARCHITECTURES
from genesis_lab.errors import LabError
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Judgement, Verdict
from genesis_lab.experiments.compared import COMPARED, HYBRID, HYBRID_AWAITED, OLD_BUS
from genesis_lab.experiments.deadlocks import fate_of, judge_by_admission, worst
from genesis_lab.experiments.drawings import draw_timeline, means
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.tables import as_text, table_of_means
from genesis_lab.experiments.trials import Condition, TrialResult, admission_named, grid
from genesis_lab.recording import Trace
from genesis_lab.workloads.genesis import GenesisSettings
from genesis_lab.workloads.genesis.messages import CHECK_ORDER, PRICE_UPDATE, STRATEGY
from genesis_lab.workloads.ticks import Ticks, read_ticks
from genesis_lab.workloads.trading_day import TradingDay, TradingDayResult, trading_day

SAMPLE = "btcusdt_synthetic"

_BEGINNING = 30.0
"""How much of the sample is replayed for a quick look [s]; the old bus stops before."""
_BEFORE, _AFTER = 0.1, 0.6
"""What a telling window has on either side of the first signal [s]."""
_LABELS = {
    "ended": "ended",
    "at": "ended at [s]",
    "ticks": "ticks published",
    "largest_lag": "largest lag of a tick [s]",
    "signals": "signals",
    "refusals": "refused by risk manager",
    "rejections": "rejected by exchange",
    "trades": "trades",
    "reconciled": "books agree",
    "requests": "requests",
    "request_latency_p50": "request latency, p50 [s]",
    "request_latency_p99": "request latency, p99 [s]",
    "price_age_p99": "age of price at strategy, p99 [s]",
    "events": "events",
    "deliveries": "deliveries",
    "deadlocks": "deadlocks formed",
    "deadlocks_broken": "deadlocks broken",
    "cpu_time": "CPU time [s]",
    "digest": "digest",
}
"""What a table shows, in its order, of what there is."""
_COUNTED = {"requests", "deliveries", "deadlocks_broken"}
"""What is shown by outcome, too."""
_SHOWN = {"deliveries_dropped"}
"""Outcomes that are shown even if there is none: that nothing was lost is worth a line."""
_SUMMED_UP = [
    "at",
    "largest_lag",
    "signals",
    "trades",
    "request_latency_p99",
    "price_age_p99",
    "deadlocks",
]
"""What the experiment's table shows of it, beside words."""
_BY = ["architecture", "admission"]
_SHARES = [0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995]
"""At which the ages of prices are kept."""
_PACKAGE = Path(__file__).parents[1]


class NoSample(LabError):
    """The sample of ticks is not where an installation or a checkout has it."""

    def __str__(self) -> str:
        return "the sample of ticks is not installed: say which ticks to replay (--ticks FILE)"


def sample_ticks(name: str = SAMPLE) -> Path:
    """The file of a sample that comes with the lab.

    Raises
    ------
    NoSample
        It is not there.
    """
    # A wheel has it inside of the package, a checkout beside it.
    for folder in (_PACKAGE / "sample", _PACKAGE.parent / "data"):
        path = folder / f"{name}.csv.gz"
        if path.is_file():
            return path
    raise NoSample


def conditions(quick: bool) -> list[Condition]:
    """Architecture x admission, on the whole sample or on its first half minute."""
    return grid(
        architecture=COMPARED,
        admission=["serial", "call_chain"],
        sample=[SAMPLE],
        until=[_BEGINNING if quick else None],
    )


def reads() -> list[Path]:
    """The file of the sample."""
    return [sample_ticks()]


def scenario(*, admission: str, sample: str, until: float | None) -> TradingDay:
    """The trading system, and the ticks of a sample until so many seconds after the first."""
    ticks = _read_sample(sample)
    if until is not None:
        ticks = replace(ticks, frame=ticks.frame[ticks.frame["time"] <= until])
    return TradingDay(ticks, _settings(admission))


@cache
def _read_sample(name: str) -> Ticks:
    return read_ticks(sample_ticks(name))


def _settings(admission: str) -> GenesisSettings:
    return GenesisSettings(admission=admission_named(admission))


def replay(
    ticks: Ticks,
    condition: Condition,
    *,
    seed: int = 0,
    progress: Callable[[], object] | None = None,
) -> TradingDayResult:
    """The day of these ticks under a condition, of which the parameter `admission` counts.

    `progress` is called after each tick.
    """
    return trading_day(
        ticks,
        architecture=condition.architecture,
        settings=_settings(str(condition.parameters["admission"])),
        seed=seed,
        progress=progress,
    )


def name_of(condition: Condition) -> str:
    """What a condition's column, its folder and its figure are called."""
    architecture, admission = condition.architecture, condition.parameters["admission"]
    return architecture if admission == "serial" else f"{architecture}-{admission}"


def measure(result: TrialResult) -> Mapping[str, Any]:
    """What `measure_day` says but for how and when the run ended, as that is known.

    Returns
    -------
    dict
        And `fate`, the worst that became of a deadlock, as of `fate_of`; `price_ages`, the ages of
        prices at the strategy at the shares 0.5, 0.75, 0.9, 0.95, 0.98, 0.99 and 0.995 [s].
    """
    assert isinstance(result.scenario, TradingDay), "what `scenario` makes"
    day = TradingDayResult(
        architecture=str(result.trace.manifest.architecture),
        run=result.run,
        trace=result.trace,
        genesis=result.scenario.genesis,
        ticks=len(result.scenario.ticks.frame),
    )
    measured = measure_day(day)
    del measured["ended"], measured["at"]
    return {
        **measured,
        "fate": fate_of(result.trace),
        "price_ages": [_age_of_prices(day, share) for share in _SHARES],
    }


def measure_day(day: TradingDayResult) -> dict[str, Any]:
    """What is compared of a day.

    Returns
    -------
    dict
        What `TradingDayResult.summary` says, and:

        - `requests`, `deliveries`, `events`: how many; of the first two also how many had each
          outcome, as in `requests_timed_out`
        - `deadlocks_broken_timed_out` and so on: how many deadlocks were broken by what
        - `request_latency_p50`, `request_latency_p99`: from the intended sending to the known
          outcome, pending requests left out [s]
        - `price_age_p99`: of a price when the strategy begins to look at it [s]; infinite if it
          never looks at so many, as the run stalled

        Numbers are NaN where there was nothing to measure.
    """
    trace = day.trace
    requests, deliveries = trace.requests, trace.deliveries
    latency = analysis.latencies(requests)
    return {
        **dict(day.summary()),
        "requests": len(requests),
        **_counts(requests["outcome"], "requests"),
        "request_latency_p50": float(latency.quantile(0.5)),
        "request_latency_p99": float(latency.quantile(0.99)),
        "price_age_p99": _age_of_prices(day, 0.99),
        "events": len(trace.events),
        "deliveries": len(deliveries),
        **_counts(deliveries["outcome"], "deliveries"),
        **_counts(trace.deadlocks["broken_by"], "deadlocks_broken"),
    }


def _age_of_prices(day: TradingDayResult, share: float) -> float:
    """What age this share of the prices has at most when the strategy begins to look at them [s].

    Those that it will never look at are infinitely old, be it that they are not even published.
    """
    deliveries = day.trace.deliveries
    is_price = (deliveries["event_type"] == PRICE_UPDATE) & (deliveries["target"] == STRATEGY)
    ages = (deliveries["started_at"] - deliveries["intended_at"])[is_price].dropna()
    prices = day.ticks if day.run.ended == "stalled" else len(ages)
    rank, last = share * (prices - 1), len(ages) - 1
    if rank > last:
        return math.inf if prices else math.nan
    return float(ages.quantile(rank / last if last else 0.0))


def _counts(labels: pd.Series, prefix: str) -> dict[str, int]:
    """How often each label of a categorical occurs, those that never do included."""
    counts = labels.value_counts(sort=False)
    return {f"{prefix}_{label}": int(count) for label, count in counts.items()}


def what_became_of(trace: Trace) -> str:
    """What became of the circular call, in a sentence."""
    deadlocks = trace.deadlocks
    if deadlocks.empty:
        return "no deadlock formed"
    holding = deadlocks[deadlocks["broken_at"].isna()]
    if len(holding):
        at, members, components = holding.iloc[0][["formed_at", "members", "components"]]
        return f"deadlock at {at:.6f} s, for ever: {_cycle(trace, members, components)}"
    lasted = (deadlocks["broken_at"] - deadlocks["formed_at"]).max()
    how = ", ".join(sorted(deadlocks["broken_by"].unique()))
    judgement = "; masked, not cured" if "timed_out" in how else ""
    count = f"{len(deadlocks):,} deadlock{'s' * (len(deadlocks) > 1)}"
    return f"{count}, broken ({how}) after at most {lasted:.3g} s{judgement}"


def _cycle(trace: Trace, members: Iterable[int], components: Iterable[str]) -> str:
    types = {
        **trace.requests.set_index("id")["request_type"],
        **trace.deliveries.set_index("id")["event_type"],
        **trace.events.set_index("id")["event_type"],
    }
    first, *others = (
        f"{component} ({types[member]})"
        for member, component in zip(members, components, strict=True)
    )
    return f"{first} waits for {', which waits for '.join([*others, 'the first'])}"


def telling_window(trace: Trace) -> tuple[float, float]:
    """From just before the first signal until its trade, if there is one, has been notified [s]."""
    checks = trace.requests[trace.requests["request_type"] == CHECK_ORDER]
    signal_at = float(checks["sent_at"].iloc[0]) if len(checks) else _BEFORE
    return signal_at - _BEFORE, signal_at + _AFTER


def table(measured: pd.DataFrame) -> pd.DataFrame:
    """The measures as a reader wants them.

    Parameters
    ----------
    measured
        One row per condition, columns as in `measure_day` and `digest`, that of the trace.

    Returns
    -------
    pandas.DataFrame
        Texts: a row per measure, a column per condition. Of the outcomes, those that a condition
        has.
    """
    short = measured.assign(
        at=measured["at"].map("{:.3f}".format), digest=measured["digest"].str[:12]
    )
    labels, rows = zip(*_rows(short), strict=True)
    return pd.DataFrame(rows, index=pd.Index(labels)).map(as_text)


def _rows(measured: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    for column, label in _LABELS.items():
        if column in measured:
            yield label, measured[column]
        if column in _COUNTED:
            for name in measured.columns[measured.columns.str.startswith(f"{column}_")]:
                if measured[name].any() or name in _SHOWN:
                    yield f"- {name.removeprefix(f'{column}_')}", measured[name]


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per architecture and admission."""
    labels = {name: _LABELS[name] for name in _SUMMED_UP}
    groups = trials.groupby(_BY, sort=False)
    words = pd.DataFrame(
        {
            "deadlock": groups["fate"].agg(worst),
            _LABELS["ticks"]: groups["ticks"].min(),
            _LABELS["ended"]: groups["ended"].agg(lambda ended: ", ".join(ended.unique())),
            _LABELS["reconciled"]: groups["reconciled"].all(),
        }
    )
    return table_of_means(trials, labels, by=_BY).merge(words.reset_index(), on=_BY)


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether the same components run on each hybrid, under each admission, and at what price."""
    hybrids = trials[trials["architecture"].map(_is_hybrid)]
    of = dict(iter(trials.groupby(_BY)))
    old, serial = of[OLD_BUS, "serial"], of[HYBRID, "serial"]
    by_chain, awaited = of[HYBRID, "call_chain"], of[HYBRID_AWAITED, "serial"]
    [older] = analysis.paired_differences(
        trials[trials["architecture"] == HYBRID],
        "price_age_p99",
        between="admission",
        baseline="call_chain",
    ).to_dict("records")
    yield Verdict(
        claim="flexibility",
        judgement=_judge(hybrids),
        measured="how much older prices get with one message at a time, p99 on the hybrid",
        effect=older["difference"],
        low=older["low"],
        high=older["high"],
        unit="s",
        sentence=(
            f"The same components came to the end of the day, with books that agree, in "
            f"{_completed(hybrids).sum()} of {len(hybrids)} trials on "
            f"{hybrids['architecture'].nunique()} hybrids with {hybrids['admission'].nunique()} "
            f"admissions, and in {_completed(old).sum()} of {len(old)} on the old bus, which ended "
            f"at {old['at'].mean():.3g} s. But one message at a time, as it is unless told "
            f"otherwise, {serial['deadlocks'].mean():.3g} deadlocks form on the hybrid and prices "
            f"get {serial['price_age_p99'].mean():.2g} s old (p99), with call-chain admission "
            f"{by_chain['deadlocks'].mean():.3g} and {by_chain['price_age_p99'].mean():.2g} s; "
            f"awaited delivery makes ticks up to {awaited['largest_lag'].max():.2g} s late."
        ),
    )


def _is_hybrid(architecture: str) -> bool:
    return ARCHITECTURES[architecture].family == ARCHITECTURES[HYBRID].family


def _completed(trials: pd.DataFrame) -> "pd.Series[bool]":
    return (trials["ended"] == "completed") & trials["reconciled"]


def _judge(hybrids: pd.DataFrame) -> Judgement:
    """It holds if each choice works, and on a condition if deadlocks come with some admission."""
    if not _completed(hybrids).all():
        return "refuted"
    return judge_by_admission(hybrids.groupby("admission")["deadlocks"].sum())


def drawings(trials: pd.DataFrame, traces: Traces) -> Iterator[Drawing]:
    """The ages of prices, and what happens at the first signal."""
    completed = trials.loc[_completed(trials), [*_BY, "price_ages"]].explode("price_ages")
    completed["probability"] = np.resize(_SHARES, len(completed))
    ages = means(completed, "price_ages", by=[*_BY, "probability"], called="latency")
    axes = plots.plot_percentile_curve(ages)
    axes.set_ylabel("age of price at strategy [s]")
    yield Drawing(
        name="price-ages",
        caption="How old prices are when the strategy looks at them, where the day came to its "
        "end: a deadlock that a timeout breaks holds up the prices behind it, and awaited delivery "
        "makes the next ticks late as well. A refusal saves the time and loses the answer; "
        "call-chain admission saves both.",
        axes=axes,
        data=ages,
    )
    for name, trace in traces.items():
        yield timeline(name, trace)


def timeline(name: str, trace: Trace) -> Drawing:
    """What each component does about the first signal."""
    start, end = telling_window(trace)
    return draw_timeline(
        trace,
        start=start,
        end=end,
        name=f"timeline-{name}",
        caption=f"The first signal on the {trace.manifest.architecture} bus ({name}). In all of "
        f"the trial: {what_became_of(trace)}.",
    )


EXPERIMENT = Experiment(
    name="trading-day",
    question=EXPERIMENTS["trading-day"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    showcases={
        name: Condition(
            architecture, {"admission": admission, "sample": SAMPLE, "until": _BEGINNING}
        )
        for name, architecture, admission in [
            ("old-bus", OLD_BUS, "serial"),
            ("hybrid", HYBRID, "serial"),
            ("call-chain", HYBRID, "call_chain"),
        ]
    },
    reads=reads,
    replicates=3,
    quick_replicates=2,
)
