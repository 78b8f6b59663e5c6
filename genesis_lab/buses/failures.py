"""What is said of requests that time out and handlers that fail: in the log, and to the run.

A timeout is a warning, a failed handler an error with its traceback. Further ones of the same
component, type and exception class are for debugging only: a component that fails on each of ten
thousand messages says so once.
"""

import logging

from genesis_lab.errors import HandlerFailed, RequestTimedOut
from genesis_lab.messages import Route
from genesis_lab.virtual_time import LabClock

log = logging.getLogger("genesis_lab.bus")


class FailureLog:
    """Tells the log, and the run's clock, of failures on one bus."""

    clock: LabClock | None = None
    """The clock of the run, which counts failed handlers; None outside `gl.run`."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str, type]] = set()

    def handler_failed(self, route: Route, exception: Exception) -> None:
        """A component's handler raised."""
        level = self._level(route, type(exception), logging.ERROR)
        if log.isEnabledFor(level):
            log.log(level, "%s failed on %s", route.target, route.type, exc_info=exception)
        if self.clock is not None:
            self.clock.handler_failed(failed_handler(route, exception))

    def timed_out(self, route: Route, timeout: float) -> None:
        """A request was not answered in time."""
        level = self._level(route, RequestTimedOut, logging.WARNING)
        if log.isEnabledFor(level):
            log.log(level, "%s", RequestTimedOut(route.target, route.type, timeout))

    def _level(self, route: Route, kind: type, at_first: int) -> int:
        key = (route.target, route.type, kind)
        if key in self._said:
            return logging.DEBUG
        self._said.add(key)
        return at_first


def failed_handler(route: Route, exception: BaseException) -> HandlerFailed:
    """The error that tells of a failed handler, with the exception as its cause."""
    error = HandlerFailed(route.target, route.type, text_of(exception))
    error.__cause__ = exception
    return error


def text_of(exception: BaseException) -> str:
    """The class of an exception and its text, however foreign its `__str__` is."""
    try:
        text = str(exception)
    except Exception:  # noqa: BLE001  # it is not the bus's
        return f"{type(exception).__name__}: <its text cannot be made>"
    return f"{type(exception).__name__}: {text}" if text else type(exception).__name__
