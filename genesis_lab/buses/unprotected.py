"""Calling into a researcher's code from the bus's own.

The bus's bookkeeping is protected from KeyboardInterrupt (trio then delivers it at the next
checkpoint), so that an interrupt leaves no half-made record. A component's code is not the bus's:
here the protection ends, so that a handler that never waits can be interrupted.

An event's handler runs in a copy of the context that it is called in, so that what it sets in a
context variable stays its own: the task that calls it goes on to other components. One variable of
the standard library holds a value that is changed in place, `decimal`'s; it is copied as well.
"""

import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from functools import partial
from types import CoroutineType
from typing import Any

from trio.lowlevel import disable_ki_protection

from genesis_lab.buses.inflight import InFlight, serving
from genesis_lab.errors import PlainButAsync

Handler = Callable[[str, Any, str], Any]


def variable_of_decimals() -> ContextVar[Any] | None:
    """Where the `decimal` module keeps its context, if that is loaded; it has no public name."""
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return None
    empty = Context()
    empty.run(decimal.getcontext)
    return next(iter(empty), None)


def context_of_its_own(decimals: ContextVar[Any] | None, base: Context | None = None) -> Context:
    """A copy of a context, for handlers that may change it.

    Parameters
    ----------
    decimals
        What `variable_of_decimals` said when the bus was opened.
    base
        What to copy; by default the present context.
    """
    context = copy_context() if base is None else base.copy()
    if decimals is not None and decimals in context:
        context.run(decimals.set, context[decimals].copy())
    return context


@disable_ki_protection
def call_plain(handler: Handler, type: str, data: Any, source: str) -> Any:
    """Call a handler that never waits."""
    result = handler(type, data, source)
    if result is not None and isinstance(result, CoroutineType):
        result.close()
        raise PlainButAsync(handler)
    return result


@disable_ki_protection
def serve_plain(message: InFlight, handler: Handler, type: str, data: Any, source: str) -> None:
    """Call a message's handler that never waits, in a context of its own."""
    serving.set(message)
    result = handler(type, data, source)
    if result is not None and isinstance(result, CoroutineType):
        result.close()
        raise PlainButAsync(handler)


@disable_ki_protection
async def call_async(
    handler: Callable[[str, Any, str], Awaitable[Any]], type: str, data: Any, source: str
) -> Any:
    """Await a handler."""
    return await handler(type, data, source)


Begun = tuple[Coroutine[Any, Any, Any], Any]
"""A coroutine that has suspended, and the trap that it waits in."""


@disable_ki_protection
def first_step(
    message: InFlight,
    handler: Callable[[str, Any, str], Awaitable[Any]],
    type: str,
    data: Any,
    source: str,
) -> Begun | None:
    """Run a message's handler up to where it first suspends; None if it does not, and is done."""
    serving.set(message)
    awaitable = handler(type, data, source)
    coroutine = awaitable if isinstance(awaitable, CoroutineType) else _awaited(awaitable)
    try:
        return coroutine, coroutine.send(None)
    except StopIteration:
        return None


@disable_ki_protection
async def _awaited(awaitable: Awaitable[Any]) -> Any:
    """What a decorated handler returns may be any awaitable; a coroutine can be driven by hand."""
    return await awaitable


@types.coroutine
@disable_ki_protection
def rest_of(begun: Begun) -> Generator[Any, Any, Any]:
    """Await the rest of a handler that has begun."""
    return (yield from _resume(*begun))


@types.coroutine
def run_in(coroutine: Coroutine[Any, Any, Any], context: Context) -> Generator[Any, Any, Any]:
    """Await a coroutine in a context, step by step; the task's own context stays as it is."""
    try:
        trap = context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    return (yield from _resume(coroutine, trap, context))


def _resume(
    coroutine: Coroutine[Any, Any, Any], trap: Any, context: Context | None = None
) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has begun, which `yield from` cannot take over."""
    while True:
        try:
            answer = yield trap
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the coroutine's
            step: Callable[[], Any] = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, answer)
        try:
            trap = step() if context is None else context.run(step)
        except StopIteration as stop:
            return stop.value
