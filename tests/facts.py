"""What a run left behind, as plain rows: easier to compare with what should be than frames are."""

from collections.abc import Iterator
from math import isnan
from typing import Any

from genesis_lab import Deadlock, Outcome
from genesis_lab.observers import BusDescription, OpenWork, Route

Row = tuple[Any, ...]


class Facts:
    """An observer that keeps every record; a time that never came is None in its rows."""

    def __init__(self) -> None:
        self.description: BusDescription | None = None
        self.closed = 0
        self._routes: dict[int, Route] = {}
        self._requests: list[dict[str, Any]] = []
        self._deliveries: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._deadlocks: list[Deadlock] = []

    # --- what tests ask ---------------------------------------------------------------------------

    def requests(self, *columns: str) -> list[Row]:
        return list(_rows(self._requests, columns))

    def deliveries(self, *columns: str) -> list[Row]:
        return list(_rows(self._deliveries, columns))

    def events(self, *columns: str) -> list[Row]:
        return list(_rows(self._events, columns))

    def deadlocks(self, *columns: str) -> list[Row]:
        return [
            tuple(_plain(getattr(deadlock, column)) for column in columns)
            for deadlock in self._deadlocks
        ]

    # --- what the bus reports ---------------------------------------------------------------------

    def bus_opened(self, bus: OpenWork, description: BusDescription) -> None:
        self.description = description

    def bus_closed(self) -> None:
        self.closed += 1

    def route_opened(self, route: Route) -> None:
        self._routes[route.number] = route

    def request_ended(
        self,
        id: int,
        cause: int,
        chain: int,
        route: int,
        attempt: int,
        outcome: Outcome,
        error: str | None,
        intended_at: float,
        sent_at: float,
        started_at: float,
        finished_at: float,
        blocked: float,
    ) -> None:
        way = self._routes[route]
        self._requests.append(
            {
                "id": id,
                "cause": cause,
                "chain": chain,
                "source": way.source,
                "target": way.target,
                "request_type": way.type,
                "attempt": attempt,
                "outcome": outcome.label,
                "error": error,
                "intended_at": intended_at,
                "sent_at": sent_at,
                "started_at": started_at,
                "finished_at": finished_at,
                "blocked": blocked,
            }
        )

    def delivery_ended(
        self,
        id: int,
        event: int,
        chain: int,
        route: int,
        outcome: Outcome,
        error: str | None,
        intended_at: float,
        sent_at: float,
        started_at: float,
        finished_at: float,
        blocked: float,
    ) -> None:
        way = self._routes[route]
        self._deliveries.append(
            {
                "id": id,
                "event": event,
                "chain": chain,
                "source": way.source,
                "target": way.target,
                "event_type": way.type,
                "outcome": outcome.label,
                "error": error,
                "intended_at": intended_at,
                "sent_at": sent_at,
                "started_at": started_at,
                "finished_at": finished_at,
                "blocked": blocked,
            }
        )

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
        way = self._routes[route]
        self._events.append(
            {
                "id": id,
                "cause": cause,
                "chain": chain,
                "source": way.source,
                "event_type": way.type,
                "subscribers": subscribers,
                "intended_at": intended_at,
                "sent_at": sent_at,
                "finished_at": finished_at,
            }
        )

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        self._deadlocks.append(deadlock)


def _rows(records: list[dict[str, Any]], columns: tuple[str, ...]) -> Iterator[Row]:
    """The columns of the records, in order of sending."""
    for record in sorted(records, key=lambda record: int(record["id"])):
        yield tuple(_plain(record[column]) for column in columns)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value
