"""What a researcher subclasses: the component, how many messages it takes at once, its bus's face.

This module imports neither pandas nor matplotlib.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from math import inf
from typing import Any, Protocol

from genesis_lab.errors import InvalidSetting, NotServed, check_text


@dataclass(frozen=True, slots=True)
class Admission:
    """How many messages a component serves at once; the others wait in order of arrival."""

    name: str
    capacity: float
    """Places: 1, n, or infinity."""
    by_chain: bool = False
    """A place is held by a whole call chain, whose further messages may enter at once."""
    interleaves: bool = False
    """A message gives its place up while it waits for a reply, and queues for it again."""
    queue: float = inf
    """How many messages may wait for a place; a further one is rejected with `QueueFull`."""

    def bounded(self, queue: int) -> "Admission":
        """The same admission with so many waiting messages at most; the next one is rejected.

        >>> SERIAL.bounded(2)
        SERIAL.bounded(2)

        Raises
        ------
        InvalidSetting
            `queue` is not a whole number of at least zero.
        """
        if not _is_whole(queue) or queue < 0:
            raise InvalidSetting("queue", queue, "a whole number >= 0")
        unbounded = self.name.partition(".bounded")[0]
        return replace(self, name=f"{unbounded}.bounded({queue})", queue=queue)

    def __repr__(self) -> str:
        return self.name


SERIAL = Admission("SERIAL", 1)
"""One message at a time, and it stays that message's while it waits for nested replies."""
CALL_CHAIN = Admission("CALL_CHAIN", 1, by_chain=True)
"""One message at a time, but messages of the same call chain may enter."""
INTERLEAVED = Admission("INTERLEAVED", 1, interleaves=True)
"""One message runs at a time; its place is another's while it waits for a reply.

Orleans' reentrant grains, WCF's `ConcurrencyMode.Reentrant`, Ray's `get` and Dask's `secede` do
this. A handler that waits in several tasks of its own has given the place up until the last of them
is back; the others go on beside the message that has it meanwhile, but no two `work` at once.
"""
RE_ENTRANT = Admission("RE_ENTRANT", inf)
"""Any number of messages: an infinite server, unless its handlers `work`."""


def pool(workers: int) -> Admission:
    """Admission of up to `workers` messages at a time.

    Raises
    ------
    InvalidSetting
        `workers` is not a whole number of at least one.
    """
    if not _is_whole(workers) or workers < 1:
        raise InvalidSetting("workers", workers, "a whole number >= 1")
    return Admission(f"pool({workers})", workers)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True, init=False)
class AdmissionByType:
    """Admissions per request type: each type that is named has places of its own.

    All other requests, and all events, share those of the default. An operation that always
    interleaves, as in Orleans, or a callback group, as in ROS 2, is a type with its own admission.

    >>> AdmissionByType({"status": RE_ENTRANT}, default=SERIAL).name
    'SERIAL; status: RE_ENTRANT'

    Parameters
    ----------
    types
        The admission of each named request type.
    default
        The admission of everything else.

    Raises
    ------
    InvalidSetting
        A key is not text, or a value or the default is no `Admission`.
    """

    types: Mapping[str, Admission]
    default: Admission

    def __init__(self, types: Mapping[str, Admission], *, default: Admission = SERIAL) -> None:
        if not isinstance(types, Mapping):
            raise InvalidSetting("types", types, "a mapping from request types to admissions")
        for name, admission in types.items():
            check_text("request_type", name)
            _check_admission(f"types[{name!r}]", admission)
        _check_admission("default", default)
        object.__setattr__(self, "types", dict(types))
        object.__setattr__(self, "default", default)

    @property
    def name(self) -> str:
        """The default's name, and those of the types."""
        return "; ".join(
            [self.default.name, *(f"{type}: {each.name}" for type, each in self.types.items())]
        )

    @property
    def capacity(self) -> float:
        """The places of the default."""
        return self.default.capacity

    def __hash__(self) -> int:
        return hash((tuple(self.types.items()), self.default))

    def __repr__(self) -> str:
        return f"AdmissionByType({self.types!r}, default={self.default!r})"


def _check_admission(name: str, value: object) -> None:
    if not isinstance(value, Admission):
        expected = "SERIAL, CALL_CHAIN, INTERLEAVED, RE_ENTRANT or pool(n)"
        raise InvalidSetting(name, value, expected)


def check_admission(value: object) -> None:
    """Raise `InvalidSetting` unless a component may have this as its `admission`."""
    if not isinstance(value, AdmissionByType):
        _check_admission("admission", value)


class _Default(float):
    """A number that stands for "what the bus says", and is shown as the number it mostly is."""

    __slots__ = ()

    def __reduce__(self) -> str:
        # The one value there is, also where a script comes to another process.
        return "DEFAULT_TIMEOUT"


DEFAULT_TIMEOUT = _Default(5.0)
"""The timeout of a request that gives none: what the bus's `timeouts` say, or 5 s."""


class BusFace(Protocol):
    """The calls that a component may make on its bus, the same on every architecture."""

    def now(self) -> float:
        """Seconds since the bus opened."""

    async def request(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        intended_at: float | None = None,
    ) -> Any | None:
        """Ask `target_id`; the reply, or None if there is none for any reason."""

    async def call(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        intended_at: float | None = None,
    ) -> Any:
        """Ask `target_id`; the reply, or the `RequestError` that says what happened."""

    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event to the subscribers of its type."""

    async def next_event(
        self,
        event_type: str,
        where: Callable[[Any], bool] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Wait, inside a handler, until this component has handled an event; its data."""

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
    admission : Admission or AdmissionByType
        How many messages it takes at once (class attribute; `SERIAL` by default).
    """

    admission: Admission | AdmissionByType = SERIAL
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
