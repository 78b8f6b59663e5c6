"""Who sends: the message that is served here, its call chain, and the message that waits.

Two different things are known of whatever a task sends.

*Whose part it is.* The message that caused it and the call chain travel in a context variable, so
that they reach tasks that a handler starts, wherever these run. `bus.serving()` and
`bus.part_of(token)` carry them where no context goes: into a worker, over a wire.

*Who waits for it.* A message waits for another one only while its own handler awaits that, or a
task that lies inside one of the handler's own nurseries does: the handler cannot end before such a
task has. A task in a nursery that was handed to the handler holds up its owner instead, so trio's
tree of tasks answers this question, and the context variable does not.
"""

from contextvars import ContextVar
from dataclasses import dataclass

import trio

from genesis_lab.buses.inflight import InFlight, serving


@dataclass(frozen=True, slots=True, eq=False)
class CallToken:
    """The identity of a call: what is sent as a part of it belongs to its call chain."""

    message: InFlight

    @property
    def id(self) -> int:
        """The id of the message that was being served."""
        return self.message.id

    @property
    def chain(self) -> int:
        """The id of the message that its call chain began with."""
        return self.message.chain

    def __repr__(self) -> str:
        return f"<CallToken of message {self.id}, call chain {self.chain}>"


@dataclass(frozen=True, slots=True, eq=False)
class Adopted:
    """Another identity for what is sent in a context, as long as nothing more is served in it."""

    within: InFlight | None
    """What was served where the identity was taken over."""
    message: InFlight | None
    """Whose part it is; None: a new chain."""


adopted: ContextVar[Adopted | None] = ContextVar("adopted", default=None)


def waiter_of(caller: InFlight | None) -> InFlight | None:
    """The message whose service cannot go on before what this task sends now has ended.

    Parameters
    ----------
    caller
        The message that is served in this context.
    """
    if caller is None:
        return None  # no message is served anywhere around: its context would have come along
    task = trio.lowlevel.current_task()
    # Most requests are awaited by the handler itself; the tree is for those of its branches.
    waiter = caller if caller.task is task else _around(task, caller)
    return None if waiter is None or waiter.ended else waiter


def _around(task: trio.lowlevel.Task, caller: InFlight | None) -> InFlight | None:
    """The innermost message served around a task, in the task itself or in a nursery above it."""
    message = _own(caller, task, len(task.child_nurseries))
    while message is None:
        nursery = task.parent_nursery
        if nursery is None:
            return None
        task = nursery.parent_task
        number = task.child_nurseries.index(nursery)
        # What was served where the task was started, or else what is served now by the owner of its
        # nursery, who had it started by someone else.
        message = _own(caller, task, number) or _own(task.context.get(serving), task, number)
    return message


def _own(message: InFlight | None, task: trio.lowlevel.Task, nursery: int) -> InFlight | None:
    """From a message outwards, the first whose handler opened a task's nursery of this number."""
    while message is not None and (message.task is not task or message.nurseries > nursery):
        message = message.outer
    return message
