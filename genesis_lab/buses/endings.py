"""What an exception that leaves a component's handler means for the message and for its sender."""

import logging

import trio

from genesis_lab.messages import Outcome
from genesis_lab.observers import Route

log = logging.getLogger("genesis_lab.bus")


def ending_of(
    exception: BaseException, route: Route
) -> tuple[Outcome, str | None, BaseException | None]:
    """The outcome, the error's name if it was one, and what has to go on to the sender's task.

    An `Exception` is the component's own and goes nowhere; a cancellation or an interrupt is not,
    and is never swallowed. A handler that fails while it is being cancelled raises both at once.
    """
    outward, failure = _part(exception)
    if failure is not None:
        log.info("%s failed on %s", route.target, route.type, exc_info=failure)
        return Outcome.FAILED, type(failure).__name__, outward
    error = None if is_cancellation(exception) else type(exception).__name__
    return Outcome.CANCELLED, error, outward


def _part(exception: BaseException) -> tuple[BaseException | None, Exception | None]:
    """What is not the component's, and what is."""
    if isinstance(exception, Exception):
        return None, exception
    if isinstance(exception, BaseExceptionGroup):
        failure, outward = exception.split(Exception)
        return outward, failure
    return exception, None


def is_cancellation(exception: BaseException) -> bool:
    """Whether there is nothing but cancellation in it."""
    if isinstance(exception, BaseExceptionGroup):
        return all(map(is_cancellation, exception.exceptions))
    return isinstance(exception, trio.Cancelled)
