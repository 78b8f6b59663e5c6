"""What a laboratory says of itself at one moment: for its display, and for a dashboard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from genesis_lab.buses import BusStatistics
from genesis_lab.laboratory.latencies import Latency
from genesis_lab.laboratory.watching import ComponentError
from genesis_lab.messages import Outcome

State = Literal["open", "closed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSnapshot:
    """A live laboratory at one moment."""

    architecture: str
    configuration: Mapping[str, Any]
    state: State
    """`failed`: the bus itself has, which is a defect of the lab."""
    bus: BusStatistics
    """Components with their queues, messages in flight, deadlocks that stand, and when this was."""
    requests: Mapping[Outcome, int]
    """How many requests have ended, by outcome."""
    deliveries: Mapping[Outcome, int]
    """How many deliveries have ended, by outcome."""
    events: int
    """How many events have been emitted."""
    deadlocks: int
    """How many deadlocks have formed, those broken since among them."""
    routes: Sequence[tuple[str, str, str]]
    """Who has sent what to whom so far: source, target (empty for an event) and type."""
    latencies: tuple[Latency, ...]
    """Of the last answered requests, in the order in which they ended."""
    errors: int
    """How many errors components have raised."""
    latest_errors: tuple[ComponentError, ...]
    """The last ones, in the order in which they happened."""
    took: float = field(compare=False)
    """How long the bus was kept from its work to say all this [s of a processor]."""


class Snapshots(Protocol):
    """A live laboratory, as far as what shows it needs to know."""

    def snapshot(self) -> LabSnapshot:
        """What it is doing now."""
