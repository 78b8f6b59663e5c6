"""What a cell asks of the bus's thread, and how it waits for it: plainly, or with `await`.

A caller that gives up, because the kernel was interrupted or its task cancelled, takes its call
back, so that the bus records the request as cancelled.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from types import FrameType
from typing import Any, Protocol, TypeVar

import trio

from genesis_lab import interrupts
from genesis_lab.laboratory.errors import LabClosed, NoEventLoop

T = TypeVar("T")

HEARTBEAT = 0.1
"""How long a wait may be deaf to an interrupt [s].

A kernel hands an interrupt to its event loop as a callback, which does not wake the loop from its
sleep; and on Windows an interrupt does not end a plain wait.
"""
_PATIENCE = 0.5
"""How long a caller who takes a call back waits for its record to be closed [s]."""

_COROUTINE = CO_COROUTINE | CO_ASYNC_GENERATOR
_COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}


class Runs(Protocol):
    """Who runs calls: the bus's thread."""

    failure: BaseException | None
    """What ended it, if nobody asked for that."""

    def start(self, call: "Call") -> None:
        """Run a call as soon as the thread gets to it; refuse it if it cannot be run to its end."""

    def soon(self, function: Callable[[], object]) -> None:
        """Call a plain function in the thread, as soon as that gets to it."""


class Call:
    """One call from another thread: the async function that the bus's thread runs, and its end.

    Parameters
    ----------
    runner
        Who runs it.
    function
        What is run.
    lab
        Whose call it is: a laboratory that nobody has any longer is closed, but not before its
        calls have ended.
    """

    def __init__(self, runner: Runs, function: Callable[[], Awaitable[Any]], lab: object) -> None:
        self._runner = runner
        self._function = function
        self._lab = lab
        self._scope = trio.CancelScope()
        self._end: Future[Any] = Future()
        self._end.set_running_or_notify_cancel()  # a waiting asyncio future cannot cancel it then

    # --- on the bus's thread ----------------------------------------------------------------------

    async def run(self) -> None:
        """Run the function; what it raises is raised where the caller waits.

        What ends the thread goes on, and leaves the call to who runs it.
        """
        try:
            with self._scope:
                self._end.set_result(await self._function())
        except Exception as error:  # noqa: BLE001  # see above
            self._end.set_exception(error)
        if not self._end.done():
            self.refuse()

    def refuse(self) -> None:
        """End the call without a result: it was taken back, or the laboratory is closed."""
        refusal = LabClosed()
        refusal.__cause__ = self._runner.failure
        self._end.set_exception(refusal)

    # --- on the caller's --------------------------------------------------------------------------

    def carry_out(self, caller: FrameType) -> Any:
        """The result for a plain caller, who waits for it here; for a coroutine, an awaitable."""
        return self._awaited() if _is_in_coroutine(caller) else self._waited_for()

    def _waited_for(self) -> Any:
        try:
            return begin_and_wait(partial(self._runner.start, self), self._end)
        except BaseException:
            if not self._end.done():
                self._take_back()
                wait([self._end], _PATIENCE)
            raise

    async def _awaited(self) -> Any:
        end = self._end_on_this_loop()
        self._runner.start(self)
        try:
            while not end.done():
                await asyncio.wait([end], timeout=HEARTBEAT)
        except BaseException as interruption:
            self._take_back()
            if isinstance(interruption, asyncio.CancelledError):
                await asyncio.wait([end], timeout=_PATIENCE)
            raise
        return end.result()

    def _end_on_this_loop(self) -> "asyncio.Future[Any]":
        try:
            end = asyncio.wrap_future(self._end, loop=asyncio.get_running_loop())
        except RuntimeError:
            raise NoEventLoop from None
        # Look at its exception whatever happens: one that nobody looked at is printed by asyncio.
        end.add_done_callback(asyncio.Future.exception)
        return end

    def _take_back(self) -> None:
        self._runner.soon(self._scope.cancel)


def begin_and_wait(begin: Callable[[], None], end: Future[T]) -> T:
    """What comes of something that another thread does; an interrupt ends the wait at once."""
    with _hearing_interrupts() as interrupted:
        begin()
        while not end.done():
            wait([end], HEARTBEAT)
            if interrupted.is_set():
                raise asyncio.CancelledError  # as what a cell awaits does
    return end.result()


def _is_in_coroutine(frame: FrameType | None) -> bool:
    """Whether this frame may await what it calls; a comprehension belongs to what it stands in."""
    while frame is not None:
        if frame.f_code.co_flags & _COROUTINE:
            return True
        if frame.f_code.co_name not in _COMPREHENSIONS:
            return False
        frame = frame.f_back
    return False


@contextmanager
def _hearing_interrupts() -> Iterator[threading.Event]:
    """An event that is set by an interrupt which only the loop, blocked here, would hear of.

    So it is in a kernel, for a plain call in a cell that awaits something else; otherwise the
    interrupt raises KeyboardInterrupt, or it is ignored, and that is left to whoever decided it.
    """
    interrupted = threading.Event()
    handler = interrupts.handler_for_the_loop()
    if handler is None:
        yield interrupted
        return

    def hear(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        handler(number, frame)

    with interrupts.handled_by(hear, instead_of=handler):
        yield interrupted
