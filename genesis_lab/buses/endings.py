"""What an exception that leaves a component's handler means for the message and for its sender."""

from typing import NamedTuple

import trio

from genesis_lab.messages import Failure, Outcome

_LONGEST = 200
"""Characters of an exception's text that a record keeps."""


class Ending(NamedTuple):
    """How an exception ends a message."""

    outcome: Outcome
    error: Failure | None
    outward: BaseException | None = None
    """What has to go on to the sender's task."""
    failed: Exception | None = None
    """What the handler failed with; told when the record is written, as it may end the run."""


def ending_of(exception: BaseException) -> Ending:
    """What becomes of a message whose handler raised.

    An `Exception` is the component's own and goes nowhere; a cancellation or an interrupt is not,
    and is never swallowed. A handler that fails while it is being cancelled raises both at once.
    """
    outward, failure = _part(exception)
    if failure is not None:
        return Ending(Outcome.FAILED, failure_of(failure), outward, failure)
    if is_cancellation(exception):
        return Ending(Outcome.CANCELLED, None, _first_of(exception))
    return Ending(Outcome.CANCELLED, failure_of(exception), outward)


def failure_of(exception: BaseException) -> Failure:
    """What a record keeps of an exception; one whose text cannot be made has no line."""
    try:
        text = str(exception)
    except Exception:  # noqa: BLE001  # a foreign `__str__`: its failure is not the bus's
        text = ""
    line = text.strip().partition("\n")[0][:_LONGEST]
    return Failure(type(exception).__name__, line.encode(errors="replace").decode())


def _part(exception: BaseException) -> tuple[BaseException | None, Exception | None]:
    """What is not the component's, and what is."""
    if isinstance(exception, Exception):
        return None, exception
    if isinstance(exception, BaseExceptionGroup):
        failure, outward = exception.split(Exception)
        return outward, failure
    return exception, None


def _first_of(cancellation: BaseException) -> BaseException:
    """One cancellation for all those in a group.

    Each nursery that it leaves wraps it into a group. Along a deep chain of messages these would
    nest so deep that trio, which writes them out, reaches Python's limit of recursion.
    """
    while isinstance(cancellation, BaseExceptionGroup):
        cancellation = cancellation.exceptions[0]
    return cancellation


def is_cancellation(exception: BaseException) -> bool:
    """Whether there is nothing but cancellation in it."""
    if isinstance(exception, BaseExceptionGroup):
        return all(map(is_cancellation, exception.exceptions))
    return isinstance(exception, trio.Cancelled)


def unwrapped(exception: BaseException) -> BaseException:
    """What is inside groups of one, however deep."""
    while isinstance(exception, BaseExceptionGroup) and len(exception.exceptions) == 1:
        exception = exception.exceptions[0]
    return exception
