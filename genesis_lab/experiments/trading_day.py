"""The trading day: recorded ticks through the trading system, bus by bus.

Where does the old bus stop and why, and what does the hybrid deliver? The conditions are
architecture and admission; `measure` says what is compared, and `verdict` what became of the
circular call.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import isnan
from pathlib import Path

import pandas as pd

from genesis_lab.buses import ARCHITECTURES, SynchronousBus
from genesis_lab.components import CALL_CHAIN, RE_ENTRANT, SERIAL
from genesis_lab.errors import LabError, check_choice
from genesis_lab.recording import Trace
from genesis_lab.workloads.genesis import GenesisSettings
from genesis_lab.workloads.genesis.messages import CHECK_ORDER, PRICE_UPDATE, STRATEGY
from genesis_lab.workloads.ticks import Ticks
from genesis_lab.workloads.trading_day import TradingDayResult, trading_day

ADMISSIONS = {admission.name.lower(): admission for admission in (SERIAL, CALL_CHAIN, RE_ENTRANT)}
"""The admissions that a condition may name."""
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
_SAMPLE = "btcusdt_synthetic.csv.gz"
_PACKAGE = Path(__file__).parents[1]


class NoSample(LabError):
    """The sample of ticks is not where an installation or a checkout has it."""

    def __str__(self) -> str:
        return "the sample of ticks is not installed: say which ticks to replay (--ticks FILE)"


def sample_ticks() -> Path:
    """The file of the synthetic sample that comes with the lab.

    Raises
    ------
    NoSample
        It is not there.
    """
    # A wheel has it inside of the package, a checkout beside it.
    for folder in (_PACKAGE / "sample", _PACKAGE.parent / "data"):
        if (folder / _SAMPLE).is_file():
            return folder / _SAMPLE
    raise NoSample


@dataclass(frozen=True, slots=True)
class Condition:
    """Under what the ticks are replayed.

    Raises
    ------
    InvalidSetting
        There is no such architecture or admission.
    """

    architecture: str
    """A name in `ARCHITECTURES`."""
    admission: str
    """A name in `ADMISSIONS`."""

    def __post_init__(self) -> None:
        check_choice("architecture", self.architecture, tuple(ARCHITECTURES))
        check_choice("admission", self.admission, tuple(ADMISSIONS))

    @property
    def name(self) -> str:
        """What its column, its folder and its figure are called."""
        is_plain = ADMISSIONS[self.admission] is SERIAL
        return self.architecture if is_plain else f"{self.architecture}-{self.admission}"


def conditions(architectures: Iterable[str], admissions: Iterable[str]) -> list[Condition]:
    """Each architecture with each admission; a synchronous bus once, since it takes no notice."""
    pairs = (Condition(*pair) for pair in product(architectures, admissions))
    return list(dict.fromkeys(map(_effective, pairs)))


def _effective(condition: Condition) -> Condition:
    if isinstance(ARCHITECTURES[condition.architecture](), SynchronousBus):
        return Condition(condition.architecture, "serial")
    return condition


def replay(
    ticks: Ticks,
    condition: Condition,
    *,
    seed: int = 0,
    progress: Callable[[], object] | None = None,
) -> TradingDayResult:
    """The day under a condition; `progress` is called after each tick."""
    settings = GenesisSettings(admission=ADMISSIONS[condition.admission])
    return trading_day(
        ticks,
        architecture=condition.architecture,
        settings=settings,
        seed=seed,
        progress=progress,
    )


def measure(day: TradingDayResult) -> pd.Series:
    """What is compared of a day.

    Returns
    -------
    pandas.Series
        What `TradingDayResult.summary` says, and:

        - `requests`, `deliveries`, `events`: how many; of the first two also how many had each
          outcome, as in `requests_timed_out`
        - `deadlocks_broken_timed_out` and so on: how many deadlocks were broken by what
        - `request_latency_p50`, `request_latency_p99`: from the intended sending to the known
          outcome, pending requests left out [s]
        - `price_age_p99`: of a price when the strategy begins to look at it [s]
        - `digest`: of the trace

        Numbers are NaN where there was nothing to measure.
    """
    trace = day.trace
    requests, deliveries = trace.requests, trace.deliveries
    latency = requests["finished_at"] - requests["intended_at"]
    is_price = (deliveries["event_type"] == PRICE_UPDATE) & (deliveries["target"] == STRATEGY)
    age = (deliveries["started_at"] - deliveries["intended_at"])[is_price]
    further: dict[str, object] = {
        "requests": len(requests),
        **_counts(requests["outcome"], "requests"),
        "request_latency_p50": latency.quantile(0.5),
        "request_latency_p99": latency.quantile(0.99),
        "price_age_p99": age.quantile(0.99),
        "events": len(trace.events),
        "deliveries": len(deliveries),
        **_counts(deliveries["outcome"], "deliveries"),
        **_counts(trace.deadlocks["broken_by"], "deadlocks_broken"),
        "digest": trace.digest(),
    }
    return pd.Series({**day.summary(), **further}, dtype=object)


def _counts(labels: pd.Series, prefix: str) -> dict[str, int]:
    """How often each label of a categorical occurs, those that never do included."""
    counts = labels.value_counts(sort=False)
    return {f"{prefix}_{label}": int(count) for label, count in counts.items()}


def verdict(trace: Trace) -> str:
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
        One row per condition, columns as in `measure`.

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
    return pd.DataFrame(rows, index=pd.Index(labels)).map(_text)


def _rows(measured: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    for column, label in _LABELS.items():
        if column in measured:
            yield label, measured[column]
        if column in _COUNTED:
            for name in measured.columns[measured.columns.str.startswith(f"{column}_")]:
                if measured[name].any() or name in _SHOWN:
                    yield f"- {name.removeprefix(f'{column}_')}", measured[name]


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return "-" if isnan(value) else f"{value:.4g}"
        case _:
            return str(value)
