"""The Protocol through which a bus reports facts; the core never analyses them.

Times are seconds since the bus opened; a time that never came is NaN. This module imports neither
pandas nor matplotlib.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from genesis_lab.messages import Deadlock, Failure, Membership, Outcome, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class BusDescription:
    """What a bus says of itself when it opens."""

    architecture: str
    configuration: Mapping[str, Any]
    seed: int | None
    """The run's seed; None outside `gl.run`."""
    clock: str
    """`virtual` or `real`."""


class OpenWork(Protocol):
    """The side of a bus that an observer may ask for what is still open."""

    def report_open(self, observer: "Observer") -> None:
        """Report everything in flight to `observer`, as `PENDING`."""

    def routes(self) -> Iterator[Route]:
        """All routes so far, by number."""


class Observer(Protocol):
    """What whoever wants the facts implements. Every request and delivery is reported once."""

    def bus_opened(self, bus: OpenWork, description: BusDescription) -> None:
        """Say that a bus begins; `bus` answers for what is open at any later time."""

    def bus_closed(self) -> None:
        """Say that nothing more will come."""

    def route_opened(self, route: Route) -> None:
        """Announce a number used from now on for this (source, target, type)."""

    def component_joined(self, membership: Membership) -> None:
        """Hand over a component's stay when it begins; the value stays current until it ends."""

    def request_ended(
        self,
        id: int,
        cause: int,
        chain: int,
        route: int,
        attempt: int,
        outcome: Outcome,
        error: Failure | None,
        timeout: float,
        intended_at: float,
        sent_at: float,
        arrived_at: float,
        started_at: float,
        served_at: float,
        finished_at: float,
        blocked: float,
    ) -> None:
        """Report one request, when its sender knows the outcome and its service has ended.

        `timeout` is in seconds, infinite where there is none.
        """

    def delivery_ended(
        self,
        id: int,
        event: int,
        chain: int,
        route: int,
        outcome: Outcome,
        error: Failure | None,
        intended_at: float,
        sent_at: float,
        arrived_at: float,
        started_at: float,
        served_at: float,
        finished_at: float,
        blocked: float,
    ) -> None:
        """Report one event at one subscriber, when its outcome is known."""

    def event_emitted(
        self,
        id: int,
        cause: int,
        chain: int,
        route: int,
        subscribers: int,
        intended_at: float,
        sent_at: float,
        finished_at: float,
    ) -> None:
        """Report one event, when the emitter goes on."""

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        """Hand over a deadlock when it forms; the value stays current until it is broken."""
