"""Interrupts where asyncio's loop is told of them, as in a notebook's cell that has an `await`.

Whoever blocks the loop has to hear of an interrupt by other means: the loop cannot go on to it.
This module does not load asyncio: it is for those who have it.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


def handler_for_the_loop() -> Handler | None:
    """What handles an interrupt, if that tells this thread's event loop."""
    if threading.current_thread() is not threading.main_thread():
        return None
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or handler is signal.default_int_handler:
        return None
    return handler


@contextmanager
def handled_by(handler: Handler, instead_of: Handler) -> Iterator[None]:
    """Interrupts go to a handler, and after the block to the former one again."""
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, instead_of)


@contextmanager
def raised() -> Iterator[None]:
    """An interrupt raises KeyboardInterrupt, even if only the loop, blocked here, would hear it."""
    handler = handler_for_the_loop()
    if handler is None:
        yield
        return
    with handled_by(signal.default_int_handler, instead_of=handler):
        yield
