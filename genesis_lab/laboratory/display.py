"""A laboratory at a glance, as HTML."""

from collections.abc import Iterator, Mapping

from genesis_lab.buses import ComponentStatistics
from genesis_lab.errors import as_cycle
from genesis_lab.laboratory.snapshot import LabSnapshot
from genesis_lab.messages import Outcome
from genesis_lab.recording import display
from genesis_lab.recording.counts import in_words

_SHOWN = 3
"""How many of the last errors are shown."""


def as_html(lab: LabSnapshot) -> str:
    """A table of the facts, in whatever colours the page has."""
    rows = [[name, "\n".join(values)] for name, values in _facts(lab)]
    return display.table(f"Live laboratory on {lab.architecture}, {lab.state}", rows)


def _facts(lab: LabSnapshot) -> Iterator[tuple[str, list[str]]]:
    yield "settings", [", ".join(f"{name}={value}" for name, value in lab.configuration.items())]
    yield "open for", [f"{lab.bus.at:,.1f} s"]
    yield "components", list(map(_component, lab.bus.components)) or ["none"]
    yield "requests", [_counts(lab.requests)]
    yield "deliveries", [_counts(lab.deliveries)]
    yield "events", [f"{lab.events:,}"]
    yield "in flight", [f"{len(lab.bus.in_flight):,}"]
    yield "deadlocks", [f"{lab.deadlocks:,}", *_standing(lab)]
    yield "errors", [f"{lab.errors:,}", *map(str, lab.latest_errors[-_SHOWN:])]


def _component(component: ComponentStatistics) -> str:
    return (
        f"{component.id}: {component.serving} served, {component.waiting} waiting, "
        f"{component.inbox} in the inbox"
    )


def _counts(outcomes: Mapping[Outcome, int]) -> str:
    return in_words({outcome.label: count for outcome, count in outcomes.items()})


def _standing(lab: LabSnapshot) -> Iterator[str]:
    for deadlock in lab.bus.deadlocks:
        yield f"{as_cycle(deadlock.components)}: since {deadlock.formed_at:.3f} s"
