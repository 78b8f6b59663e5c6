"""A component for tests of the buses: its two methods are functions, made by those below."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import genesis_lab as gl

Behaviour = Callable[["Part", Any], Awaitable[Any]]
"""What a part does with what it was sent."""


async def answers(_part: "Part", data: Any) -> Any:
    """The reply is what was sent."""
    return data


class Part(gl.Component):
    """A component that serves requests by one behaviour, and events by another."""

    def __init__(
        self,
        id: str,
        serve: Behaviour = answers,
        *,
        hear: Behaviour = answers,
        admission: gl.Admission | gl.AdmissionByType = gl.SERIAL,
    ) -> None:
        super().__init__(id)
        self.admission = admission
        self._serve = serve
        self._hear = hear

    async def process_request(self, request_type: str, data: Any, source: str) -> Any:
        return await self._serve(self, data)

    async def on_event(self, event_type: str, data: Any, source: str) -> Any:
        return await self._hear(self, data)

    async def ask(self, target: str, data: Any = None, timeout: float | None = 5.0) -> Any:
        return await self.bus.request(target, "ask", data, self.id, timeout)

    async def tell(self, event_type: str, data: Any = None) -> None:
        await self.bus.emit_event(event_type, data, self.id)


def sleeps(seconds: float) -> Behaviour:
    async def behave(_part: Part, data: Any) -> Any:
        await gl.sleep(seconds)
        return data

    return behave


async def sleeps_as_told(_part: Part, data: float) -> float:
    """Sleep for as many seconds as were sent."""
    await gl.sleep(data)
    return data


def asks(target: str, *, after: float = 0.0, timeout: float | None = 5.0) -> Behaviour:
    async def behave(part: Part, data: Any) -> Any:
        await gl.sleep(after)
        return await part.ask(target, data, timeout)

    return behave


def tells(event_type: str) -> Behaviour:
    async def behave(part: Part, data: Any) -> Any:
        await part.tell(event_type, data)
        return data

    return behave


def raises(error: BaseException) -> Behaviour:
    async def behave(_part: Part, _data: Any) -> Any:
        raise error

    return behave


async def ask(
    bus: gl.Bus, target: str, data: Any = None, timeout: float | None = 5.0, source: str = "client"
) -> Any:
    """A request from outside the components."""
    return await bus.request(target, "ask", data, source, timeout)


def asking(
    bus: gl.Bus, target: str, data: Any = None, timeout: float | None = 5.0
) -> Callable[[], Awaitable[Any]]:
    """The same, for a nursery to start."""
    return partial(ask, bus, target, data, timeout)


def all_but(*names: str) -> list[str]:
    """The architectures, without those of which something is not so: see test_conformance."""
    return [name for name in gl.ARCHITECTURES if name not in names]
