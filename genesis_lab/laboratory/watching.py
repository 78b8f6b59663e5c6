"""What stands between a live bus and a component: it keeps what the component's methods raise.

On a bus an exception becomes an outcome, and its record keeps the class's name only; a researcher
at work on a component wants its traceback as well.
"""

import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from inspect import iscoroutinefunction, unwrap
from typing import Any

import trio

from genesis_lab.buses.endings import is_cancellation
from genesis_lab.components import BusFace, Component
from genesis_lab.laboratory.errors import ComponentQuit

_KEPT = 100
"""How many errors are kept with their tracebacks."""
_LONGEST = 300
"""Characters of an error's one line: a message may hold all that its component was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentError:
    """What a component's method raised."""

    at: float
    """When [s since the bus opened]."""
    component: str
    type: str
    """The request type or the event type that it was serving."""
    source: str
    """Who sent that."""
    error: str
    """The exception's class and message, on one line; what is too long is cut off."""
    traceback: str = field(repr=False)
    """As Python prints it."""

    def __str__(self) -> str:
        return (
            f"at {self.at:.3f} s {self.component!r} failed on {self.type!r} "
            f"from {self.source!r}: {self.error}"
        )


class ErrorLog:
    """The last errors of a laboratory's components.

    As text: the exceptions themselves would keep alive whatever their frames hold.
    """

    def __init__(self) -> None:
        self.count = 0
        """How many there have been so far."""
        self._kept: deque[ComponentError] = deque(maxlen=_KEPT)

    def latest(self) -> tuple[ComponentError, ...]:
        """Those kept, in the order in which they happened."""
        return tuple(self._kept)

    def add(self, error: ComponentError) -> None:
        """Keep an error, and forget the oldest one if there are too many."""
        self.count += 1
        self._kept.append(error)


class Watched(Component):
    """A component as its live bus sees it.

    What its methods raise is kept, and goes on to the bus; but what is no `Exception`, such as an
    exit or asyncio's cancellation, would end the bus, and goes on as a plain failure.

    Parameters
    ----------
    component
        Whose methods are called.
    log
        Where errors are kept.
    """

    def __init__(self, component: Component, log: ErrorLog) -> None:
        super().__init__(component.id)
        self.admission = component.admission
        self._component = component
        self._log = log
        # The bus calls methods that never wait in a cheaper way, so each stays what it is.
        for name in ("process_request", "on_event"):
            setattr(self, name, self._watched(name))

    @property
    def bus(self) -> BusFace:
        """The component's own: it is the one that sends."""
        return self._component.bus

    @bus.setter
    def bus(self, bus: BusFace) -> None:
        self._component.bus = bus

    def _watched(self, name: str) -> Callable[..., Any]:
        """Calls the method that then has this name; plain or async as the one that has it now."""
        component = self._component
        method = getattr(component, name)
        if iscoroutinefunction(unwrap(method)):

            @wraps(method)
            async def watched(type: str, data: Any, source: str) -> Any:
                try:
                    return await getattr(component, name)(type, data, source)
                except BaseException as error:
                    self._keep(error, type, source)
                    raise

        else:

            @wraps(method)
            def watched(type: str, data: Any, source: str) -> Any:
                try:
                    return getattr(component, name)(type, data, source)
                except BaseException as error:
                    self._keep(error, type, source)
                    raise

        return watched

    def _keep(self, error: BaseException, type: str, source: str) -> None:
        """Keep an error.

        Raises
        ------
        ComponentQuit
            In place of an error that would end the bus; in a group with the cancellation, if the
            error has one in it.
        """
        if is_cancellation(error):
            return
        frames = error.__traceback__.tb_next if error.__traceback__ else None  # without our own
        self._log.add(
            ComponentError(
                at=self.bus.now(),
                component=self.id,
                type=type,
                source=source,
                error=_in_one_line(error),
                traceback=_printable(
                    "".join(traceback.format_exception(error.__class__, error, frames))
                ),
            )
        )
        if _would_end_the_bus(error):
            raise self._harmless(error) from error

    def _harmless(self, error: BaseException) -> BaseException:
        """What goes on to the bus in place of an error that would end it."""
        quitting = ComponentQuit(self.id, error.__class__.__name__)
        if isinstance(error, BaseExceptionGroup) and (cancelled := error.subgroup(trio.Cancelled)):
            return BaseExceptionGroup(error.message, [cancelled, quitting])
        return quitting


def _in_one_line(error: BaseException) -> str:
    """The class and the message, as far as they fit.

    Not the line that Python prints first: of mistyped code it is the file's.
    """
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in {"builtins", "__main__"}:
        name = f"{kind.__module__}.{name}"
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001  # whatever it is, the error that is kept is another one
        message = "<exception str() failed>"
    line = _printable(" ".join(f"{name}: {message}".split())) if message else name
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _printable(text: str) -> str:
    """The text with half a surrogate pair, which neither a page nor a terminal takes, escaped."""
    return text.encode(errors="backslashreplace").decode()


def _would_end_the_bus(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_would_end_the_bus, error.exceptions))
    return not isinstance(error, Exception | trio.Cancelled)
