"""Every exception of the lab: one per situation, each writes its own message from its fields.

The fields are the constructor's arguments, so that exceptions survive pickling on their way back
from a worker. This module imports nothing of the lab.
"""

import operator
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import groupby
from typing import SupportsIndex


class LabError(Exception):
    """The base of every error that the lab raises."""


# --- what `call` raises: how a request ended, when it was not answered ---------------------------


class RequestError(LabError):
    """A request ended without an answer; the subclass says how."""


class UnknownTarget(RequestError):
    """Nobody is registered under the target's id."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target

    def __str__(self) -> str:
        return f"no component {self.target!r} is registered on this bus"


class TargetGone(RequestError):
    """The target was unregistered, or its bus was closed, while the request was open."""

    def __init__(self, target: str, request_type: str) -> None:
        super().__init__(target, request_type)
        self.target = target
        self.request_type = request_type

    def __str__(self) -> str:
        return f"{self.target!r} went away while {self.request_type!r} was open"


class RequestTimedOut(RequestError):
    """No answer came within the timeout."""

    def __init__(self, target: str, request_type: str, timeout: float) -> None:
        super().__init__(target, request_type, timeout)
        self.target = target
        self.request_type = request_type
        self.timeout = timeout

    def __str__(self) -> str:
        return f"{self.target!r} did not answer {self.request_type!r} within {self.timeout:g} s"


class HandlerFailed(RequestError):
    """The target's handler raised; the original exception is the `__cause__`."""

    def __init__(self, target: str, request_type: str, error: str) -> None:
        super().__init__(target, request_type, error)
        self.target = target
        self.request_type = request_type
        self.error = error

    def __str__(self) -> str:
        return f"{self.target!r} failed on {self.request_type!r}: {self.error}"


class DeadlockDetected(RequestError):
    """Waiting would have closed the named cycle, so the wait was refused."""

    def __init__(self, components: tuple[str, ...]) -> None:
        super().__init__(components)
        self.components = components

    def __str__(self) -> str:
        return f"waiting would close a deadlock: {as_cycle(self.components)}"


def as_cycle(components: Sequence[str]) -> str:
    """The members' components as a round trip: each once in a row, back to where it began."""
    path = [name for name, _ in groupby(components)]
    if len(path) == 1 or path[0] != path[-1]:
        path.append(path[0])
    return " -> ".join(path)


class RequestRejected(RequestError):
    """The request was not sent: a policy refused it."""

    def __init__(self, target: str, request_type: str, reason: str) -> None:
        super().__init__(target, request_type, reason)
        self.target = target
        self.request_type = request_type
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.request_type!r} to {self.target!r} was rejected: {self.reason}"


class QueueFull(RequestError):
    """The target takes no more waiting requests: its bounded queue is full."""

    def __init__(self, target: str, request_type: str) -> None:
        super().__init__(target, request_type)
        self.target = target
        self.request_type = request_type

    def __str__(self) -> str:
        return f"{self.target!r} rejected {self.request_type!r}: its queue is full"


class CircularDependency(RequestError):
    """On a layered bus: the request goes against the declared order of the components."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"the request goes against the order of the layers: {' -> '.join(self.path)}"


class EventTimedOut(LabError, TimeoutError):
    """No matching event was handled within the time that a handler would wait."""

    def __init__(self, component: str, event_type: str, timeout: float) -> None:
        super().__init__(component, event_type, timeout)
        self.component = component
        self.event_type = event_type
        self.timeout = timeout

    def __str__(self) -> str:
        return f"{self.component!r} handled no {self.event_type!r} within {self.timeout:g} s"


class NotSubscribed(LabError):
    """A component waits for an event of a type that it does not receive."""

    def __init__(self, component: str, event_type: str) -> None:
        super().__init__(component, event_type)
        self.component = component
        self.event_type = event_type

    def __str__(self) -> str:
        return f"{self.component!r} waits for {self.event_type!r} but does not subscribe to it"


class OutsideHandler(LabError):
    """The call belongs into a component's handler, which is not where it was made."""

    def __init__(self, call: str) -> None:
        super().__init__(call)
        self.call = call

    def __str__(self) -> str:
        return f"{self.call}() works only inside a component's process_request or on_event"


class NotServed(LabError, NotImplementedError):
    """A component received something that it has no method for."""

    def __init__(self, component: str, type: str) -> None:
        super().__init__(component, type)
        self.component = component
        self.type = type

    def __str__(self) -> str:
        return f"{self.component!r} has no method for {self.type!r}"


class PlainButAsync(LabError, TypeError):
    """A method that looks plain returned a coroutine, too late to run it under a timeout."""

    def __init__(self, method: object) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        name = getattr(self.method, "__qualname__", repr(self.method))
        return (
            f"{name} is a plain function but returned a coroutine: make it `async def`, "
            "or wrap it with functools.wraps"
        )


# --- what an emitter may meet ---------------------------------------------------------------------


class InboxFull(LabError):
    """Under the overflow policy `reject`: these subscribers had no room for the event."""

    def __init__(self, event_type: str, subscribers: tuple[str, ...]) -> None:
        super().__init__(event_type, subscribers)
        self.event_type = event_type
        self.subscribers = subscribers

    def __str__(self) -> str:
        full = ", ".join(map(repr, self.subscribers))
        return f"no room for {self.event_type!r} in the inbox of {full}"


# --- a bus used in a way that it does not offer ---------------------------------------------------


class AlreadyRegistered(LabError):
    """The id is taken, or the component already belongs to an open bus."""

    def __init__(self, component: str) -> None:
        super().__init__(component)
        self.component = component

    def __str__(self) -> str:
        return f"a component {self.component!r} is already registered"


class NotRegistered(LabError):
    """The call needs a registered component."""

    def __init__(self, component: str, registered: tuple[str, ...]) -> None:
        super().__init__(component, registered)
        self.component = component
        self.registered = registered

    def __str__(self) -> str:
        known = ", ".join(map(repr, self.registered)) or "none"
        return f"no component {self.component!r} is registered; registered: {known}"


class InvalidTimeout(LabError, ValueError):
    """A timeout is a number of seconds, zero or more, or None for no limit."""

    def __init__(self, timeout: object) -> None:
        super().__init__(timeout)
        self.timeout = timeout

    def __str__(self) -> str:
        return f"timeout={self.timeout!r}: expected seconds >= 0, math.inf or None"


class InvalidSetting(LabError, ValueError):
    """A setting has a value that it cannot take."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(name, value, expected)
        self.name = name
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}: expected {self.expected}"


class UnknownArchitecture(InvalidSetting, KeyError):
    """No architecture is registered under this name."""

    def __init__(self, name: object, registered: tuple[str, ...]) -> None:
        super().__init__("architecture", name, _one_of(registered, name))
        self.args = (name, registered)


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise `InvalidSetting` unless the value is one of the choices."""
    if value not in choices:
        raise InvalidSetting(name, value, _one_of(choices, value))


def _one_of(choices: Sequence[str], value: object) -> str:
    """The choices, and which of them is nearest to a value that is none."""
    expected = " or ".join(map(repr, choices))
    near = get_close_matches(str(value), choices, n=1)
    return f"{expected}; did you mean {near[0]!r}?" if near else expected


def check_whole_number(name: str, value: object, *, at_least: int) -> int:
    """Return the value as an int; raise `InvalidSetting` if it is none, or too small."""
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        with suppress(TypeError):  # numpy's arrays and truth values only look like numbers
            number = operator.index(value)
            if number >= at_least:
                return number
    raise InvalidSetting(name, value, f"a whole number >= {at_least}")


def check_text(name: str, value: object) -> None:
    """Raise `InvalidSetting` unless the value is text that a file can hold."""
    if not (isinstance(value, str) and _is_unicode(value)):
        raise InvalidSetting(name, value, "text that can be written as UTF-8")


def _is_unicode(text: str) -> bool:
    """Whether there are only characters in it: half a surrogate pair is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class BusNotOpen(LabError):
    """The bus is used before `async with` opened it or after it was left."""

    def __init__(self, bus: str) -> None:
        super().__init__(bus)
        self.bus = bus

    def __str__(self) -> str:
        return f"this {self.bus} is not open: use it inside `async with {self.bus}(...) as bus`"


class BusOpenedTwice(LabError):
    """A bus is opened once: its ids and its clock begin then."""

    def __init__(self, bus: str) -> None:
        super().__init__(bus)
        self.bus = bus

    def __str__(self) -> str:
        return f"this {self.bus} has been opened before: make a new one"


class DrainInsideHandler(LabError):
    """`drain()` waits until handlers are done, so a handler that calls it waits for itself."""

    def __str__(self) -> str:
        return "drain() was called inside a handler, which would wait for itself"


class RecorderInUse(LabError):
    """A recorder keeps the record of one bus, whose ids and times are its own."""

    def __str__(self) -> str:
        return "this Recorder already belongs to a bus: make a new one for each bus"


# --- virtual time ---------------------------------------------------------------------------------


class RealWaitUnderVirtualTime(LabError):
    """A task waits for a thread or for real I/O, which virtual time cannot foresee."""

    def __init__(self, what: str, at: float) -> None:
        super().__init__(what, at)
        self.what = what
        self.at = at

    def __str__(self) -> str:
        return (
            f"at t={self.at:g} s a task waits for {self.what}: virtual time would jump past it. "
            'Use gl.run(..., clock="real") for real I/O and threads'
        )


class StopRefused(LabError):
    """The run was cut, but a task does not stop: it shields itself, or it swallows `Cancelled`."""

    def __init__(self, at: float) -> None:
        super().__init__(at)
        self.at = at

    def __str__(self) -> str:
        return (
            f"the run was cut at t={self.at:g} s, but a task does not stop: it waits forever "
            "behind a cancellation shield, or it catches Cancelled and goes on"
        )


class UnsupportedTrio(LabError):
    """The installed trio keeps its scheduler's switches elsewhere than virtual time expects."""

    def __init__(self, version: str, missing: str) -> None:
        super().__init__(version, missing)
        self.version = version
        self.missing = missing

    def __str__(self) -> str:
        return (
            f"trio {self.version} has no trio._core._run.{self.missing}: "
            "genesis_lab.virtual_time needs it for a deterministic order of tasks"
        )


class ScheduleDiverged(LabError):
    """A replayed run offers another choice than the recorded one did: it is not the same run."""

    def __init__(self, step: int, ready: int, lane: str, recorded: int) -> None:
        super().__init__(step, ready, lane, recorded)
        self.step = step
        self.ready = ready
        self.lane = lane
        self.recorded = recorded

    def __str__(self) -> str:
        return (
            f"choice {self.step}: {self.ready} {self.lane} are ready, but {self.recorded} were "
            "when it was recorded: a replay needs the same code, configuration and seed"
        )


# --- recorded runs --------------------------------------------------------------------------------


class DamagedTrace(LabError):
    """A saved trace cannot be read back as it was written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: not a readable trace: {self.reason}"


class SpoolFailed(LabError):
    """Records could not be written to a recorder's spool; they are still in its memory."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.folder}: records could not be spooled and stay in memory: {self.reason}"


class NewerSchema(LabError):
    """The trace was written by a later genesis_lab."""

    def __init__(self, path: str, found: int, supported: int) -> None:
        super().__init__(path, found, supported)
        self.path = path
        self.found = found
        self.supported = supported

    def __str__(self) -> str:
        return (
            f"{self.path}: written with schema {self.found}, this genesis_lab reads up to "
            f"{self.supported}: install a newer one"
        )
