"""What it costs to look at a live laboratory: by its dashboard all the time, and once late on."""

from time import process_time
from typing import Any

import genesis_lab as gl
from genesis_lab.bench.claims import AtMost, Claim, ratio, total
from genesis_lab.bench.measuring import Family
from genesis_lab.laboratory.dashboard import dashboard
from genesis_lab.observers import Observer

_LOOKS = 20


class _Echo(gl.Component):
    async def process_request(self, request_type: str, data: Any, source: str) -> Any:
        return data


class _Asker(gl.Component):
    """Asks the echo as many times as it is told, one after another."""

    async def process_request(self, request_type: str, data: int, source: str) -> None:
        for _ in range(data):
            await self.bus.request("echo", "ask", None, self.id)


def _laboratory() -> gl.LiveLab:
    lab = gl.live()
    lab.register(_Echo("echo"))
    lab.register(_Asker("asker"))
    return lab


def _requests(lab: gl.LiveLab, size: int) -> float:
    began = process_time()
    lab.request("asker", "ask so many times", size, timeout=None)
    return (process_time() - began) / size


def alone(size: int) -> float:
    """One request in a laboratory that nobody looks at."""
    with _laboratory() as lab:
        return _requests(lab, size)


def watched(size: int) -> float:
    """One request, and its part in a dashboard that is refreshed meanwhile."""
    with _laboratory() as lab:
        shown = dashboard(lab)
        try:
            return _requests(lab, size)
        finally:
            shown.close()


def look(size: int) -> float:
    """One snapshot of a laboratory that has so many requests on record."""
    observers: list[Observer] = []

    def bus(*, observer: Observer) -> gl.Bus:
        observers.append(observer)
        return gl.HybridCoordinator(observer=observer)

    with gl.live(bus) as lab:
        [observer] = observers
        answered = gl.Outcome.ANSWERED
        for id in range(10 * size):
            observer.request_ended(
                id, -1, id, 0, 1, answered, None, 5.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 0.0
            )
        lab.snapshot()
        began = process_time()
        for _ in range(_LOOKS):
            lab.snapshot()
        return (process_time() - began) / _LOOKS


FAMILY = Family(
    contenders={"alone": alone, "watched": watched, "look": look},
    size=100_000,
    claims=(
        Claim(
            work="one request in a live laboratory with its dashboard / without",
            measured=ratio("watched", "alone"),
            bar=AtMost(1.05),
        ),
        Claim(
            work="one snapshot of a laboratory with 1,000,000 requests on record",
            measured=total("look", scale=1e3),
            unit="ms",
            bar=AtMost(1.0),
        ),
    ),
)
