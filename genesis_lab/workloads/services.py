"""Components that do nothing but take their time, as the servers of queueing theory do."""

from typing import Any

from genesis_lab.components import SERIAL, Admission, Component
from genesis_lab.streams import Draws
from genesis_lab.virtual_time import sleep
from genesis_lab.workloads.durations import Duration


class Service(Component):
    """A component that takes a drawn time for each request and each event.

    Requests and events draw from one stream, in the order in which they are admitted.

    Parameters
    ----------
    id
        The name under which others reach it.
    service_time
        How long a message takes.
    admission
        How many messages it takes at once: `SERIAL` is one worker, `pool(c)` is c of them.
    """

    def __init__(self, id: str, service_time: Duration, *, admission: Admission = SERIAL) -> None:
        super().__init__(id)
        self.service_time = service_time
        self.admission = admission
        self._draw = Draws(service_time.sample, "service", id)

    async def process_request(self, request_type: str, data: Any, source: str) -> float:
        """Take a drawn time; the reply says how long it was [s]."""
        return await self._serve()

    async def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Take a drawn time."""
        await self._serve()

    async def _serve(self) -> float:
        seconds = self._draw()
        await sleep(seconds)
        return seconds

    def __repr__(self) -> str:
        return f"Service({self.id!r}, {self.service_time!r}, admission={self.admission!r})"
