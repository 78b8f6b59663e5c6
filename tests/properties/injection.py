"""Something that happens at one chosen step of a run, between two steps of its tasks."""

from collections.abc import Callable

import trio


class AtStep(trio.abc.Instrument):
    """Counts the steps of a run from where it is added on, and acts just before one of them.

    Parameters
    ----------
    step
        Before which step to act, from 0; None: only count.
    act
        What to do there. It must not raise: trio would only log that.
    """

    def __init__(self, step: int | None, act: Callable[[], object]) -> None:
        self._step = step
        self._act = act
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.steps == self._step:
            self._act()
        self.steps += 1
