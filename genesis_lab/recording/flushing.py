"""Finds the moments at which a recorder may write to its disk.

A disk can be full or slow, and pandas needs a deep stack: neither may happen to a request that just
ends when there are enough records. So the recorder is called between two steps of the run's tasks,
by trio itself, where the stack is short and no task hears of an exception. This wakes no task and
takes no virtual time: a run goes on in the same way with a spool and without one.
"""

from collections.abc import Callable
from contextlib import suppress

import trio


class BetweenSteps(trio.abc.Instrument):
    """Calls back after each step of any task, until it is stopped.

    Outside a trio run, where there are no steps, it never does.
    """

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        with suppress(RuntimeError):  # no trio run
            trio.lowlevel.add_instrument(self)

    def after_task_step(self, _task: trio.lowlevel.Task) -> None:
        """Call back. Trio calls this."""
        self._callback()

    def stop(self) -> None:
        """Call back no more."""
        with suppress(RuntimeError, KeyError):  # the run is over, or it never began
            trio.lowlevel.remove_instrument(self)
