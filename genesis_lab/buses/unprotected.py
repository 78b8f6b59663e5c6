"""Calling into a researcher's code from the bus's own.

The bus's bookkeeping is protected from KeyboardInterrupt (trio then delivers it at the next
checkpoint), so that an interrupt leaves no half-made record. A component's code is not the bus's:
here the protection ends, so that a handler that never waits can be interrupted.
"""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from types import CoroutineType
from typing import Any

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
def watch_first_step(
    coroutine: Coroutine[Any, Any, Any], on_suspend: Callable[[], None]
) -> Generator[Any, Any, Any]:
    """Await the coroutine; `on_suspend` is called just before it first suspends, if it does."""
    try:
        trap = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    on_suspend()
    # `yield from` cannot take over a coroutine that has begun, so its traps are passed on by hand.
    while True:
        try:
            answer = yield trap
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the coroutine's
            step: Callable[[], Any] = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, answer)
        try:
            trap = step()
        except StopIteration as stop:
            return stop.value
