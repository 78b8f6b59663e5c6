"""The thread that a bus lives on: trio's loop in real time, and the way in from other threads.

It is a daemon, for which Python does not wait: so the hook below can end it in order first.
"""

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TypeVar

import trio

from genesis_lab.buses import Bus
from genesis_lab.laboratory.calls import Call, begin_and_wait

T = TypeVar("T")

_AT_EXIT = 1.0
"""How long the end of Python waits for components that do not give way [s]."""


class BusThread:
    """A bus that is open from now on, until it is closed.

    Parameters
    ----------
    bus
        A bus that has not been opened.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.failure: BaseException | None = None
        """What ended the bus, if it was not closed."""
        self.is_abandoned = False
        """Python ends, and nobody is to hear of what becomes of this."""
        self._ended_at: float | None = None
        self._unfinished: set[Call] = set()
        self._opened: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="genesis_lab live bus", daemon=True)
        self._thread.start()
        self._opened.result()
        _threads.add(self)

    @property
    def is_open(self) -> bool:
        """Whether the bus takes new work."""
        return self._thread.is_alive() and not self._closing.is_set()

    @property
    def is_current(self) -> bool:
        """Whether this is the bus's thread."""
        return threading.current_thread() is self._thread

    def now(self) -> float:
        """Seconds since the bus opened, until it was closed."""
        return self.bus.now() if self._ended_at is None else self._ended_at

    # --- on the bus's thread ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            trio.run(self._keep_open)
        except BaseException as failure:  # noqa: BLE001  # in a thread it would only be printed
            self.failure = failure
            if not self._opened.done():
                self._opened.set_exception(failure)
        if not self.is_abandoned:
            for call in self._unfinished:
                call.refuse()
        self._ended.set_result(None)

    async def _keep_open(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._closing = trio.Event()
        try:
            with trio.CancelScope() as self._scope:
                async with trio.open_nursery() as self._calls, self.bus:
                    self._opened.set_result(None)
                    await self._closing.wait()
        except BaseException as failure:
            self.failure = failure  # known before anybody is refused
            raise
        finally:
            self._closing.set()
            self._ended_at = self.bus.now()

    async def _finish(self, call: Call) -> None:
        await call.run()
        self._unfinished.remove(call)

    # --- on others --------------------------------------------------------------------------------

    def start(self, call: Call) -> None:
        """Run a call as soon as the thread gets to it, or refuse it when the bus is closed."""

        def begin() -> None:
            if self._closing.is_set():
                call.refuse()
            else:
                self._unfinished.add(call)
                self._calls.start_soon(self._finish, call)

        try:
            self._token.run_sync_soon(begin)
        except trio.RunFinishedError:
            call.refuse()

    def soon(self, function: Callable[[], object]) -> None:
        """Call a plain function as soon as the thread gets to it; not at all if it has ended."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)

    def ask(self, function: Callable[[], T]) -> T:
        """What a plain function returns or raises in the thread; here, if that has ended."""
        if self.is_current:
            return function()
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:  # noqa: BLE001  # it is raised where the caller waits
                answer.set_exception(error)

        try:
            return begin_and_wait(partial(self._token.run_sync_soon, call), answer)
        except trio.RunFinishedError:
            self._thread.join()
            return function()

    def close(self) -> None:
        """Close the bus, which gives what is in flight its time to end; returns when it is done."""
        if self.is_current:
            self.ask_to_close()
        else:
            begin_and_wait(self.ask_to_close, self._ended)
            self._thread.join()

    def ask_to_close(self) -> None:
        """Close the bus as soon as the thread gets to it."""
        self.soon(self._closing.set)

    def abandon(self) -> None:
        """Cancel all as soon as the thread gets to it, and let whoever waits for it wait on.

        They are daemons, which end with Python; an error now would only be printed.
        """
        self.is_abandoned = True
        self.soon(self._scope.cancel)

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, but no longer than this [s]."""
        self._thread.join(timeout)


_threads: weakref.WeakSet[BusThread] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End the threads while Python is still whole: killed later, they would leave records open."""
    threads = list(_threads)
    for thread in threads:
        thread.abandon()
    give_up_at = time.monotonic() + _AT_EXIT
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))
