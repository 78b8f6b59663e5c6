"""Calling into a researcher's code from the bus's own.

The bus's bookkeeping is protected from KeyboardInterrupt (trio then delivers it at the next
checkpoint), so that an interrupt leaves no half-made record. A component's code is not the bus's:
here the protection ends, so that a handler that never waits can be interrupted.

An event's handler runs in a copy of the context that it is called in, so that what it sets in a
context variable stays its own: the task that calls it goes on to other components.
"""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from types import CoroutineType
from typing import Any

import trio
from trio.lowlevel import disable_ki_protection

from genesis_lab.errors import PlainButAsync

Handler = Callable[[str, Any, str], Any]


@disable_ki_protection
def call_plain(handler: Handler, type: str, data: Any, source: str) -> Any:
    """Call a handler that never waits."""
    result = handler(type, data, source)
    if isinstance(result, CoroutineType):
        result.close()
        raise PlainButAsync(handler)
    return result


@disable_ki_protection
async def call_async(
    handler: Callable[[str, Any, str], Awaitable[Any]], type: str, data: Any, source: str
) -> Any:
    """Await a handler."""
    return await handler(type, data, source)


@types.coroutine
def take_over(
    coroutine: Coroutine[Any, Any, Any], context: Context, on_suspend: Callable[[], None]
) -> Generator[Any, Any, Any]:
    """Await a coroutine in a context, which becomes the task's as soon as it suspends, if it does.

    `on_suspend` is called just before that: from then on the task has to be the coroutine's alone.
    """
    try:
        trap = context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value
    on_suspend()
    # trio runs each step of a task in `task.context`, from the next one on in this one.
    trio.lowlevel.current_task().context = context
    return (yield from _resume(coroutine, trap))


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
