"""A live laboratory as HTML with its picture inside: a function of what it says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from genesis_lab.errors import as_cycle
from genesis_lab.laboratory.network import PACES, WIDTH, network_of
from genesis_lab.laboratory.snapshot import LabSnapshot
from genesis_lab.messages import Deadlock, Outcome

LATELY = 5.0
"""Latencies are of the requests that were answered in the last so many seconds."""
_PERCENTILES = (50, 95, 99)
_MILLI = 1e-3
_AS_IT_SHOULD = {Outcome.ANSWERED, Outcome.HANDLED}
_TEMPLATES = Environment(
    loader=PackageLoader("genesis_lab.laboratory"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Bar(NamedTuple):
    """One line of a chart of bars."""

    name: str
    value: str
    share: float
    """Of the whole length."""
    is_good: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars below each other."""

    title: str
    bars: Sequence[Bar]
    caption: str = ""


def as_page(lab: LabSnapshot, before: LabSnapshot) -> str:
    """The laboratory as HTML.

    Parameters
    ----------
    lab
        What it is now.
    before
        What it was a moment ago, for the rates; what it is now, if nothing older is known.
    """
    return _TEMPLATES.get_template("dashboard.html.jinja").render(
        lab=lab,
        tiles=_tiles(lab, before),
        alarms=[_alarm(deadlock, lab.bus.at) for deadlock in lab.bus.deadlocks],
        charts=[_latencies(lab), _outcomes("Requests", lab.requests), _deliveries(lab)],
        network=network_of(lab),
        width=WIDTH,
        paces=[*PACES],
    )


def as_duration(seconds: float) -> str:
    """A duration to three digits, in the unit that suits it."""
    if isnan(seconds):
        return "none"
    rounded = float(f"{seconds:.3g}")
    return f"{rounded:g} s" if rounded >= 1 else f"{rounded / _MILLI:.3g} ms"


def _tiles(lab: LabSnapshot, before: LabSnapshot) -> Mapping[str, str]:
    """The most important numbers, by name."""
    return {
        "requests per second": _rate(
            sum(lab.requests.values()) - sum(before.requests.values()), lab.bus.at - before.bus.at
        ),
        "events per second": _rate(lab.events - before.events, lab.bus.at - before.bus.at),
        "in flight": f"{len(lab.bus.in_flight):,}",
        "deadlocks formed": f"{lab.deadlocks:,}",
        "errors": f"{lab.errors:,}",
    }


def _rate(number: int, seconds: float) -> str:
    return f"{number / seconds:,.0f}" if seconds else "0"


def _alarm(deadlock: Deadlock, now: float) -> str:
    victims = len(deadlock.victims)
    behind = f"; {victims:,} behind it" if victims else ""
    return (
        f"deadlock: {as_cycle(deadlock.components)}, for {now - deadlock.formed_at:.1f} s{behind}"
    )


def _outcomes(title: str, counts: Mapping[Outcome, int]) -> Chart:
    total = sum(counts.values())
    return Chart(
        title=f"{title}: {total:,}",
        bars=[
            Bar(
                outcome.label.replace("_", " "),
                f"{count:,}",
                count / total,
                is_good=outcome in _AS_IT_SHOULD,
            )
            for outcome, count in counts.items()
        ],
    )


def _deliveries(lab: LabSnapshot) -> Chart:
    return _outcomes("Deliveries of events", lab.deliveries)


def _latencies(lab: LabSnapshot) -> Chart:
    """Percentiles; the caption says of how many requests, and of which time."""
    lately = [each for each in lab.latencies if each.finished_at >= lab.bus.at - LATELY]
    if not lately:
        return Chart(
            title="Latency", bars=[], caption=f"no request answered in the last {LATELY:g} s"
        )
    values = np.percentile([each.seconds for each in lately], _PERCENTILES).tolist()
    span = lab.bus.at - lately[0].finished_at
    return Chart(
        title="Latency",
        bars=[
            Bar(f"p{percentile}", as_duration(value), value / values[-1] if values[-1] else 0.0)
            for percentile, value in zip(_PERCENTILES, values, strict=True)
        ],
        caption=f"of the {len(lately):,} requests answered in the last {as_duration(span)}",
    )
