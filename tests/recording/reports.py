"""What a bus would report to a recorder, with a default for all that a test does not care about."""

from math import inf
from typing import Any

import genesis_lab as gl
from genesis_lab.messages import Failure, Membership, Route, Wait
from genesis_lab.observers import BusDescription, Observer, OpenWork

TABLES = ("requests", "events", "deliveries", "deadlocks", "components")

ROUTES = [("ann", "bob", "ask"), ("bob", "ann", "ask"), ("ann", "", "news"), ("ann", "bob", "news")]
"""By number: two of requests, one of events, one of deliveries."""

HYBRID = BusDescription(
    architecture="hybrid", configuration={"overflow": "block"}, seed=7, clock="virtual"
)


class OpenMessages:
    """A bus on which these requests are in flight."""

    def __init__(self, *ids: int) -> None:
        self.ids = list(ids)

    def report_open(self, observer: Observer) -> None:
        for id in self.ids:
            report_request(observer, id, outcome=gl.Outcome.PENDING, finished_at=float("nan"))

    def routes(self) -> Any:
        raise NotImplementedError


def recorder(bus: OpenWork | None = None, **settings: Any) -> gl.Recorder:
    """A recorder to which a bus has been opened, with the routes above."""
    made = gl.Recorder(**settings)
    made.bus_opened(bus or OpenMessages(), HYBRID)
    open_routes(made, *ROUTES)
    return made


def open_routes(observer: Observer, *routes: tuple[str, str, str]) -> None:
    for number, (source, target, type) in enumerate(routes):
        observer.route_opened(Route(number, source, target, type))


def report_request(observer: Observer, id: int = 0, **changed: Any) -> None:
    record: dict[str, Any] = {
        "cause": -1,
        "chain": id,
        "route": 0,
        "attempt": 1,
        "outcome": gl.Outcome.ANSWERED,
        "error": None,
        "timeout": inf,
        "intended_at": 1.0,
        "sent_at": 1.25,
        "arrived_at": 1.25,
        "started_at": 1.5,
        "served_at": changed.get("finished_at", 2.0),
        "finished_at": 2.0,
        "blocked": 0.125,
    }
    observer.request_ended(id, *(record | changed).values())


def report_delivery(observer: Observer, id: int = 0, **changed: Any) -> None:
    record: dict[str, Any] = {
        "event": 0,
        "chain": id,
        "route": 3,
        "outcome": gl.Outcome.HANDLED,
        "error": None,
        "intended_at": 1.0,
        "sent_at": 1.25,
        "arrived_at": 1.25,
        "started_at": 1.5,
        "served_at": changed.get("finished_at", 2.0),
        "finished_at": 2.0,
        "blocked": 0.125,
    }
    observer.delivery_ended(id, *(record | changed).values())


def failure(kind: str = "ValueError", line: str = "no such thing") -> Failure:
    return Failure(kind, line)


def report_event(observer: Observer, id: int = 0, **changed: Any) -> None:
    record: dict[str, Any] = {
        "cause": -1,
        "chain": id,
        "route": 2,
        "subscribers": 1,
        "intended_at": 1.0,
        "sent_at": 1.25,
        "finished_at": 1.5,
    }
    observer.event_emitted(id, *(record | changed).values())


def deadlock(formed_at: float = 0.5, **changed: Any) -> gl.Deadlock:
    return gl.Deadlock(
        **{
            "formed_at": formed_at,
            "members": (1, 2, 3),
            "components": ("ann", "bob", "ann"),
            "victims": [4],
            "waits": [
                Wait(1, 2, "reply", "bob", 0.25),
                Wait(2, 3, "reply", "ann", 0.25),
                Wait(3, 1, "admission", "ann", 0.5),
                Wait(4, 1, "admission", "ann", 0.75),
            ],
            **changed,
        }
    )


def membership(id: str = "ann", **changed: Any) -> Membership:
    return Membership(
        **{"id": id, "admission": "SERIAL", "capacity": 1.0, "joined_at": 0.25, **changed}
    )


def report_one_of_each(observer: Observer) -> None:
    report_request(observer, 0)
    report_event(observer, 1)
    report_delivery(observer, 2, event=1)
    observer.deadlock_formed(deadlock())
    observer.component_joined(membership())


def frames(trace: gl.Trace) -> dict[str, Any]:
    return {name: getattr(trace, name) for name in TABLES}


def rows(frame: Any) -> list[dict[str, Any]]:
    """The rows of a frame; what is missing is None."""
    cells = frame.astype(object).where(frame.notna(), None)
    records: list[dict[str, Any]] = cells.to_dict("records")
    return records
