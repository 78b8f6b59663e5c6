"""An observer that keeps what it is told as plain rows: thousands of small runs need no frames."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan
from typing import NamedTuple

from genesis_lab.messages import Deadlock, Failure, Membership, Outcome, Route
from genesis_lab.observers import BusDescription, OpenWork


class RequestRow(NamedTuple):
    id: int
    cause: int
    chain: int
    route: int
    attempt: int
    outcome: Outcome
    error: Failure | None
    timeout: float
    intended_at: float
    sent_at: float
    arrived_at: float
    started_at: float
    served_at: float
    finished_at: float
    blocked: float


class DeliveryRow(NamedTuple):
    id: int
    event: int
    chain: int
    route: int
    outcome: Outcome
    error: Failure | None
    intended_at: float
    sent_at: float
    arrived_at: float
    started_at: float
    served_at: float
    finished_at: float
    blocked: float


class EventRow(NamedTuple):
    id: int
    cause: int
    chain: int
    route: int
    subscribers: int
    intended_at: float
    sent_at: float
    finished_at: float


@dataclass
class PlainRecord:
    """Everything that one bus reported, in order of reporting."""

    routes: list[Route] = field(default_factory=list)
    requests: list[RequestRow] = field(default_factory=list)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    deadlocks: list[Deadlock] = field(default_factory=list)
    components: list[Membership] = field(default_factory=list)

    def bus_opened(self, bus: OpenWork, description: BusDescription) -> None:
        """Begin."""

    def bus_closed(self) -> None:
        """End."""

    def route_opened(self, route: Route) -> None:
        self.routes.append(route)

    def component_joined(self, membership: Membership) -> None:
        self.components.append(membership)

    def request_ended(self, *row: object) -> None:
        self.requests.append(RequestRow(*row))  # type: ignore[arg-type]  # as the Protocol has it

    def delivery_ended(self, *row: object) -> None:
        self.deliveries.append(DeliveryRow(*row))  # type: ignore[arg-type]  # likewise

    def event_emitted(self, *row: object) -> None:
        self.events.append(EventRow(*row))  # type: ignore[arg-type]  # likewise

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        self.deadlocks.append(deadlock)

    def ids(self) -> Iterator[int]:
        """The id of every row, of whatever kind."""
        for rows in (self.requests, self.deliveries, self.events):
            yield from (row.id for row in rows)

    def pending(self) -> set[int]:
        """The messages that were cut by the end of the run."""
        return {
            row.id
            for rows in (self.requests, self.deliveries, self.events)
            for row in rows
            if isnan(row.finished_at)
        }
