"""What a researcher subclasses: the component, how many messages it takes at once, its bus's face.

This module imports neither pandas nor matplotlib.
"""

from dataclasses import dataclass
from html import escape
from math import inf
from typing import Any, Protocol

from genesis_lab.errors import InvalidSetting, NotServed


@dataclass(frozen=True, slots=True)
class Admission:
    """How many messages a component serves at once; the others wait in order of arrival."""

    name: str
    capacity: float
    """Places: 1, n, or infinity."""
    by_chain: bool = False
    """A place is held by a whole call chain, whose further messages may enter at once."""

    def __repr__(self) -> str:
        return self.name


SERIAL = Admission("SERIAL", 1)
"""One message at a time, and it stays that message's while it waits for nested replies."""
CALL_CHAIN = Admission("CALL_CHAIN", 1, by_chain=True)
"""One message at a time, but messages of the same call chain may enter."""
RE_ENTRANT = Admission("RE_ENTRANT", inf)
"""Any number of messages."""


def pool(workers: int) -> Admission:
    """Admission of up to `workers` messages at a time.

    Raises
    ------
    InvalidSetting
        `workers` is not a whole number of at least one.
    """
    if not isinstance(workers, int) or workers < 1:
        raise InvalidSetting("workers", workers, "a whole number >= 1")
    return Admission(f"pool({workers})", workers)


class BusFace(Protocol):
    """The calls that a component may make on its bus, whatever the architecture."""

    def now(self) -> float:
        """Seconds since the bus opened."""

    async def request(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = 5.0,
        *,
        intended_at: float | None = None,
    ) -> Any | None:
        """Ask `target_id`; the reply, or None whatever went wrong."""

    async def call(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = 5.0,
        *,
        intended_at: float | None = None,
    ) -> Any:
        """Ask `target_id`; the reply, or the `RequestError` that says what happened."""

    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event to the subscribers of its type."""

    def unregister(self, component_id: str) -> None:
        """Take a component off the bus; what it serves is cancelled."""


class Component:
    """A part of the system under study: it serves requests and receives events.

    Subclass it and write either method or both, as `async def`, or as plain `def` where it never
    waits: a plain one needs no timeout, so it is several times faster. It is over before anything
    else happens, so tasks that a plain `process_request` starts are caused by its caller.

    Attributes
    ----------
    id : str
        The name under which others reach it.
    bus : BusFace
        The bus that it is registered on.
    admission : Admission
        How many messages it takes at once (class attribute; `SERIAL` unless told).
    """

    admission: Admission = SERIAL
    bus: BusFace

    def __init__(self, id: str) -> None:
        self.id = id

    def process_request(self, request_type: str, data: Any, source: str) -> Any:
        """Serve a request: what it returns, or what its awaitable returns, is the reply."""
        raise NotServed(self.id, request_type)

    def on_event(self, event_type: str, data: Any, source: str) -> Any:
        """Take an event; there is no reply."""
        raise NotServed(self.id, event_type)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r} {self.admission!r}>"

    def _repr_html_(self) -> str:
        kind = escape(f"{type(self).__name__}, {self.admission!r}")
        return f"<strong>{escape(self.id)}</strong>: {kind}"
