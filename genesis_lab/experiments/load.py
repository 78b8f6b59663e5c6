"""Load: latency against utilisation, beside queueing theory.

Clients send requests at random instants, whatever has been answered by then (an open loop), evenly
to servers that each take one request at a time, for a random time. `utilisation` is the load that
is offered to each server, as a share of what it can do.

By theory each server is a queue of its own (M/M/1), as far as the bus leaves the servers alone. The
old bus has one call chain at a time in the whole system, so that all servers together are one such
queue, to which all the requests come: with four of them it is full when each is used by a quarter.
What no queue can keep up with is called saturated. It has no latency to speak of: that grows for as
long as the run goes on.

Where `sender_waits`, the requests to a server come from one sender who waits for each reply. It
falls behind, and whoever counts latency from the sending does not see that: the naive figure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from genesis_lab import analysis, plots
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Judgement, Verdict
from genesis_lab.experiments.compared import HYBRID, OLD_BUS, OLD_BUS_SIDE_BY_SIDE
from genesis_lab.experiments.drawings import draw_measure, means
from genesis_lab.experiments.effects import Ratio, paired_ratio
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.tables import table_of_means
from genesis_lab.experiments.trials import Condition, TrialResult
from genesis_lab.workloads.arrivals import Ask, OpenLoop, Poisson, Requester
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import System
from genesis_lab.workloads.services import Service

SERVICE = Exponential(0.01)
SERVERS = 4
OVERLOAD = 1.2
"""More than any server can do: what a system answers then is the most that it can."""
SHOWN = 0.2
"""A utilisation at which each bus keeps up, so that single latencies can be compared."""

_DURATIONS = {
    OLD_BUS: {0.1: 15.0, 0.2: 20.0, 0.3: 8.0, 0.5: 6.0},
    OLD_BUS_SIDE_BY_SIDE: {0.1: 15.0, 0.3: 8.0, 0.5: 6.0, 0.7: 8.0},
    HYBRID: {0.1: 15.0, 0.2: 20.0, 0.3: 8.0, 0.5: 6.0, 0.7: 8.0, 0.9: 25.0, 0.95: 30.0},
}
"""How long requests come, by architecture and utilisation [s].

The nearer a queue is to being full, the longer it takes to show what it is. Beyond that point, or
where another bus has shown the same, more trials would tell no more.
"""
_BRIEF_DURATIONS = {name: {0.1: 2.0, 0.2: 4.0, 0.5: 1.0} for name in _DURATIONS}
_SENDERS_WAIT = 0.5
"""The utilisation at which senders wait, too."""
_WARM_UP = 0.2
"""The share of the time that is left out of latencies. The rule MSER-5 would look for the quietest
rest: of a queue that is loaded for seconds, it leaves out the first bursts, and so comes out low.
"""
_KEEPS_UP = 0.95
"""The share of what is offered below which a system is saturated."""
_MORE = 1.05
"""A ratio of throughputs that is more than chance and rounding."""
_SHORTEST = 0.1
"""The share of latencies that a curve of percentiles leaves out."""
_PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_BY = ["architecture", "servers", "utilisation", "sender_waits"]


def conditions(quick: bool) -> list[Condition]:
    """Architecture x utilisation; and what is more than servers can do, and senders that wait."""
    overload = 0.75 if quick else 2.0
    return [
        Condition(
            architecture,
            {
                "servers": servers,
                "utilisation": utilisation,
                "duration": duration,
                "sender_waits": sender_waits,
            },
        )
        for architecture, durations in (_BRIEF_DURATIONS if quick else _DURATIONS).items()
        for servers, utilisation, duration, sender_waits in [
            *(
                (SERVERS, utilisation, duration, False)
                for utilisation, duration in durations.items()
            ),
            (SERVERS, OVERLOAD, overload, False),
            (1, OVERLOAD, overload, False),
            (SERVERS, _SENDERS_WAIT, durations[_SENDERS_WAIT], True),
        ]
    ]


def scenario(*, servers: int, utilisation: float, duration: float, sender_waits: bool) -> System:
    """Servers, and traffic to each of them; nobody gives up, or that would hide a queue."""
    ids = [f"server {number}" for number in range(servers)]
    arrivals = Poisson(rate=utilisation / SERVICE.mean, until=duration)
    send = Requester if sender_waits else OpenLoop
    return System(
        components=tuple(Service(id, SERVICE) for id in ids),
        clients=tuple(send(Ask(id, timeout=None), arrivals) for id in ids),
    )


def measure(result: TrialResult) -> Mapping[str, Any]:
    """Latency and throughput while requests came.

    Returns
    -------
    dict
        `p50`, `p95`, `p99` of latency after the warm-up [s], counted from the intended
        sending; `naive`, the 99th percentile counted from the actual sending [s]; `offered` and
        `throughput`, from the first request until the last one was to be sent [1/s]; `saturated`,
        whether the latter was less than 95 % of the former.
    """
    requests = result.trace.requests
    end = requests["intended_at"].max()
    steady = requests[requests["intended_at"] > _WARM_UP * end]
    latency = analysis.latencies(steady)
    [rates] = analysis.throughput(requests, end=end).to_dict("records")
    return {
        **{name: float(latency.quantile(q)) for name, q in _PERCENTILES.items()},
        "naive": float(analysis.naive_latencies(steady).quantile(0.99)),
        "offered": rates["offered"],
        "throughput": rates["throughput"],
        "saturated": bool(rates["throughput"] < _KEEPS_UP * rates["offered"]),
    }


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per condition: percentiles beside those of theory, and throughput.

    Where a system is saturated, it takes for ever in the long run, and theory says so, too.
    """
    labels = {
        "p50": "p50 [s]",
        "p95": "p95 [s]",
        "p99": "p99 [s]",
        "naive": "p99, naive [s]",
        "offered": "offered [1/s]",
        "throughput": "throughput [1/s]",
    }
    table = table_of_means(_in_the_long_run(trials), labels, by=_BY)
    theory = pd.DataFrame(_theory(*row) for row in table[_BY[:3]].itertuples(index=False))
    for name in _PERCENTILES:
        table.insert(list(table).index(f"{name} [s]"), f"{name}, theory [s]", theory[name])
    saturated = trials.groupby(_BY, sort=False)["saturated"].any().reset_index()
    return table.merge(saturated, on=_BY).rename(columns={"sender_waits": "sender waits"})


def _in_the_long_run(trials: pd.DataFrame) -> pd.DataFrame:
    """What is saturated takes for ever; how long it took depends on how long the run was."""
    is_full = trials["saturated"]
    latency = {name: trials[name].mask(is_full, np.inf) for name in _PERCENTILES}
    # Without senders that wait, the naive figure is no other.
    naive = trials["naive"].mask(is_full & ~trials["sender_waits"], np.inf)
    return trials.assign(**latency, naive=naive)


def _theory(architecture: str, servers: int, utilisation: float) -> dict[str, float]:
    """The percentiles of latency in an M/M/1 queue [s]: of each server, or all of them together."""
    load = utilisation * (servers if architecture == OLD_BUS else 1)
    if load >= 1:
        return dict.fromkeys(_PERCENTILES, np.inf)
    [theory] = analysis.theory_curve(load, mean_service=SERVICE.mean).to_dict("records")
    return {name: theory[name] for name in _PERCENTILES}


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """How much more the hybrid can answer than the old bus, of more than either can."""
    overloaded = trials[trials["utilisation"] == OVERLOAD]
    several, single = (overloaded[overloaded["servers"] == servers] for servers in (SERVERS, 1))
    more, more_alone = (
        paired_ratio(each, "throughput", of=HYBRID, to=OLD_BUS) for each in (several, single)
    )
    most = several.groupby("architecture")["throughput"].mean()
    shown = _in_the_long_run(trials[trials["utilisation"] == SHOWN])
    p99 = shown.groupby("architecture")["p99"].mean()
    yield Verdict(
        claim="scalability",
        judgement=_judge(more, more_alone),
        measured=f"most that {SERVERS} servers answer, hybrid over synchronous",
        effect=more.size,
        low=more.low,
        high=more.high,
        unit="x",
        sentence=(
            f"Offered more than they can do, {SERVERS} servers answer {most[HYBRID]:.0f} "
            f"requests per second on the hybrid and {most[OLD_BUS]:.0f} on the old bus, "
            f"{more.size:.3g} times as many, but a single server {more_alone.size:.3g} times as "
            "many; and a bus that only lets independent call chains run side by side, "
            f"{most[OLD_BUS_SIDE_BY_SIDE]:.0f}. At a utilisation of {SHOWN:g} the p99 latency "
            f"is {p99[HYBRID]:.2g} s on the hybrid and {p99[OLD_BUS]:.2g} s on the old bus."
        ),
    )


def _judge(several: Ratio, single: Ratio) -> Judgement:
    """It holds if the hybrid answers more of one server's load too, on a condition if of more."""
    if single.at_least > _MORE:
        return "holds"
    return "holds with a condition" if several.at_least > _MORE else "refuted"


def drawings(trials: pd.DataFrame, traces: Traces) -> Iterator[Drawing]:
    """Latency and throughput against utilisation, and all percentiles at one utilisation."""
    several = trials[(trials["servers"] == SERVERS) & ~trials["sender_waits"]]
    yield _latency(several)
    yield draw_measure(
        several,
        "throughput",
        against="utilisation",
        xlabel="utilisation offered",
        ylabel="throughput [1/s]",
        name="throughput",
        caption=f"What {SERVERS} servers answer, against what each is offered: the old bus stops "
        f"at what one server can do, which is a utilisation of {1 / SERVERS:g}; the others go on "
        "until every server is busy.",
    )
    requests = pd.concat(
        trace.requests.assign(architecture=architecture) for architecture, trace in traces.items()
    )
    percentiles = analysis.percentile_curve(requests, by="architecture")
    # The very shortest ones, next to nothing, would take up most of a logarithmic axis.
    percentiles = percentiles[percentiles["probability"] >= _SHORTEST]
    yield Drawing(
        name="percentiles",
        caption=f"Latency by percentile at a utilisation of {SHOWN:g}, in one trial each: the old "
        "bus makes all requests wait longer, not just the slowest ones.",
        axes=plots.plot_percentile_curve(percentiles),
        data=percentiles,
    )


def _latency(several: pd.DataFrame) -> Drawing:
    """The 95th percentile of latency, beside theory for both kinds of queues."""
    # Not the 99th one: of a queue that is nearly full, it is made of bursts that come too rarely.
    measured = means(
        several[~several["saturated"]],
        "p95",
        by=["architecture", "utilisation"],
        called="latency",
    )
    theory = analysis.theory_curve(np.linspace(0.02, 0.98, 49), mean_service=SERVICE.mean)
    each = pd.DataFrame({"utilisation": theory["utilisation"], "latency": theory["p95"]})
    together = each.assign(utilisation=each["utilisation"] / SERVERS)
    axes = plots.plot_latency_by_utilisation(measured, theory=each, theory_label="M/M/1 each")
    with plots.paper():
        axes.plot(*together.to_numpy().T, color="black", linestyle=":", label="M/M/1 together")
        axes.set_ylabel("p95 latency [s]")
        plots.add_legend(axes, *axes.get_legend_handles_labels())
    return Drawing(
        name="latency",
        caption="The 95th percentile of latency, from the intended sending, against the "
        f"utilisation of each of {SERVERS} servers, beside theory: on the old bus they are one "
        f"queue together, which is full at {1 / SERVERS:g} and has no latency beyond; on the "
        "others each is a queue of its own. Theory is of an endless run: near a full queue one of "
        "seconds has fewer of the long bursts, and comes out lower.",
        axes=axes,
        data=pd.concat(
            [
                measured,
                each.assign(architecture="M/M/1 each"),
                together.assign(architecture="M/M/1 together"),
            ],
            ignore_index=True,
        ),
    )


EXPERIMENT = Experiment(
    name="load",
    question=EXPERIMENTS["load"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    showcases={
        architecture: Condition(
            architecture,
            {
                "servers": SERVERS,
                "utilisation": SHOWN,
                "duration": _DURATIONS[architecture][SHOWN],
                "sender_waits": False,
            },
        )
        for architecture in (OLD_BUS, HYBRID)
    },
    replicates=10,
    quick_replicates=2,
)
