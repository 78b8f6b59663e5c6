"""Who sends: the message that is served here, its call chain, and the message that waits.

Two different things are known of what a task sends.

*Whose part it is.* The message that caused it and the call chain travel in a context variable, so
that they reach tasks that a handler starts, wherever these run. `bus.serving()` and
`bus.part_of(token)` carry them where no context goes: into a worker, over a wire.

*Who waits for it.* A message waits for another one only while its own handler awaits that, or a
task that lies inside one of the handler's own nurseries does: the handler cannot end before such a
task has. A task in a nursery that was handed to the handler holds up its owner instead, so trio's
tree of tasks answers this question, and the context variable does not.
"""

from dataclasses import dataclass
from typing import Any

import trio

from genesis_lab.buses.inflight import NO_CAUSE, InFlight, contexts, serving
from genesis_lab.waits import Home


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


class Adopted:
    """Another identity, in the place of the message being served: what is sent under it.

    It looks like that message to those who ask whose part something is, and leads to the one that
    is really served here when they ask who waits.
    """

    __slots__ = ("chain", "home", "id", "message", "outer")

    task = None
    """No task runs a service under it."""
    nurseries = 0

    def __init__(self, home: Home, message: InFlight | None, within: Any) -> None:
        self.home = home
        self.message = message
        """Whose part it is; None: no message's."""
        self.outer: Any = within
        """What is served where the identity was taken over."""
        self.id = NO_CAUSE if message is None else message.id
        self.chain = NO_CAUSE if message is None else message.chain

    @property
    def ended(self) -> bool:
        """Whether what is sent begins a call chain of its own."""
        return self.message is None or self.message.ended


def waiter_of(caller: Any) -> InFlight | None:
    """The message whose service cannot go on before what this task sends now has ended.

    Parameters
    ----------
    caller
        What `serving` says in this context.
    """
    task = trio.lowlevel.current_task()
    # Most requests are awaited by the handler itself; the tree is for those of its branches.
    if caller is not None and caller.task is task:
        return None if caller.ended else caller
    return _around(task, caller)


def _around(task: trio.lowlevel.Task, caller: Any) -> InFlight | None:
    """The innermost message served around a task, in the task itself or in a nursery above it."""
    message = None if caller is None else _own(caller, task, len(task.child_nurseries))
    while message is None:
        nursery = task.parent_nursery
        if nursery is None:
            return None
        task = nursery.parent_task
        served = _served_in(task)
        if caller is not None or served is not None:
            number = task.child_nurseries.index(nursery)
            # What was served where the task was started, or else what is served now by the owner of
            # its nursery, who had it started by someone else.
            message = _own(caller, task, number) or _own(served, task, number)
    return message


def _served_in(task: trio.lowlevel.Task) -> Any:
    """The innermost message that is served in a task now."""
    message = task.context.get(serving)
    # An event's handler may run in a context that is not the task's.
    while message in contexts:
        inner = contexts[message].get(serving)
        if inner is message:
            break
        message = inner
    return message


def _own(message: Any, task: trio.lowlevel.Task, nursery: int) -> InFlight | None:
    """From a message outwards, the first whose handler opened a task's nursery of this number."""
    while message is not None and (
        message.ended or message.task is not task or message.nurseries > nursery
    ):
        message = message.outer
    assert message is None or isinstance(message, InFlight), "an identity has no task"
    return message
