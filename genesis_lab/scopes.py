"""A cancel scope with a deadline, for what has one by the million: the service of a request.

Beside `virtual_time.py` the only module that touches trio's private names.

Why
    `trio.CancelScope` is two thirds of what a bare request under a timeout costs. Entering and
    leaving one runs two generators, reads the clock, and builds and takes down a node with property
    calls at each step; yet all that has to happen is that a node enters trio's tree of cancel
    statuses and an entry its heap of deadlines, and that both are taken out again.

What is built here
    Exactly these two, in exactly the state in which trio's own scope would have left them: a
    `CancelStatus` below the task's present one, with this task in it, and a heap entry counted as
    active. All of trio works on statuses and heap entries, so all of it sees them: nurseries opened
    inside, shields, `trio.current_effective_deadline()`, a cancellation from further out. The node
    needs a scope that answers `deadline`, `shield`, `cancel_called` and `_cancel_reason`; the entry
    one that has `_registered_deadline` and can be cancelled. `DeadlineScope` does.

What is handed over
    Everything but the common course (entered with time left, left in order, without an exception,
    never cancelled). Then a real `trio.CancelScope` adopts the node and the registration, is from
    there on in the state in which it would be had it been entered in the first place, and decides:
    what to catch and how to split a group, how to mend scopes that are misnested, what a second
    cancellation means. This scope then only passes on what it is asked. A scope that cannot be
    light from the start (its deadline has passed or is no number, something around it is cancelled,
    the run is a guest of another loop, which has to be told of deadlines, or there is no run) is
    such a real scope before it is entered.

Why this is sound
    One thread runs all of a trio run, and neither `__enter__` nor `__exit__` awaits: no other task,
    no deadline and no cancellation comes between their steps. An interrupt could, so both are
    protected from it, as trio's are: it waits until the next checkpoint. Between the two, trio
    reads the node and the heap entry, and changes the node's set of tasks, its children, its parent
    (when a nursery's `start` moves a task) and whether it is effectively cancelled; therefore
    `__exit__` trusts nothing that it remembers but looks: the node must be the task's present one,
    hold this task only, have no children and not be cancelled. If so, trio's own exit would undo
    what the entry did and nothing else, and so does this one. An exception that passes through
    is never judged here.

    The heap is a list with the smallest deadline first; what has left it in spirit stays in it as a
    stale entry until trio comes across it or has counted too many. An entry is stale when its scope
    no longer has the deadline registered. So `_registered_deadline` and the count of active entries
    always change together. An entry that is still the last one of the list is taken out, which
    keeps a heap a heap: requests that follow one another leave no stale entries behind.

If trio moves one of the names, `MOVED` tells which, and each scope is trio's own: slower, as right.
"""

import inspect
from collections.abc import Callable, Iterator
from heapq import heappush
from math import inf
from types import TracebackType
from typing import Any, ClassVar, Self

import trio
import trio._core._run as trio_run
from trio.lowlevel import enable_ki_protection

_FIELDS = {
    "CancelStatus": [
        "_scope",
        "effectively_cancelled",
        "_parent",
        "_children",
        "_tasks",
        "abandoned_by_misnesting",
    ],
    "CancelScope": [
        "_cancel_status",
        "_has_been_entered",
        "_registered_deadline",
        "_cancel_called",
        "cancelled_caught",
        "_cancel_reason",
        "_relative_deadline",
        "_deadline",
        "_shield",
    ],
    "Deadlines": ["_heap", "_active"],
}
"""All fields of the classes whose state is built here: one more would have to be built, too."""

_NOT_YET = ["_cancel_reason"]
"""The fields that the oldest trio that we support does without."""

_METHODS = {
    "CancelStatus.close": ["self"],
    "CancelStatus.effective_deadline": ["self"],
    "CancelStatus.encloses": ["self", "other"],
    "CancelStatus.recalculate": ["self"],
    "CancelScope.__exit__": ["self", "etype", "exc", "tb"],
    "CancelScope._close": ["self", "exc"],
    "CancelScope._might_change_registered_deadline": ["self"],
    "Deadlines._prune": ["self"],
    "Deadlines.add": ["self", "deadline", "cancel_scope"],
    "Deadlines.expire": ["self", "now"],
    "Deadlines.next_deadline": ["self"],
    "Deadlines.remove": ["self", "deadline", "cancel_scope"],
    "Task._activate_cancel_status": ["self", "cancel_status"],
    "Task._attempt_delivery_of_any_pending_cancel": ["self"],
}
"""The parameters of the methods that read or change what is built here."""

_ATTRIBUTES = [
    "GLOBAL_RUN_CONTEXT",
    "Runner.clock",
    "Runner.deadlines",
    "Runner.is_guest",
    "Task._cancel_status",
]


def _moved() -> Iterator[str]:
    """The private names of trio that are not where, or what, this module takes them for."""
    for name, expected in _FIELDS.items():
        fields = [each.name for each in getattr(_found(name), "__attrs_attrs__", ())]
        known = [field for field in expected if field in fields or field not in _NOT_YET]
        if fields != known:
            yield name
    for name, parameters in _METHODS.items():
        method = _found(name)
        if not (
            inspect.isfunction(method) and [*inspect.signature(method).parameters] == parameters
        ):
            yield name
    yield from (name for name in _ATTRIBUTES if _found(name) is None)
    if not _entries_are_as_expected():
        yield "Deadlines._heap"


def _found(name: str) -> Any:
    place: Any = trio_run
    for part in name.split("."):
        place = getattr(place, part, None)
    return place


def _entries_are_as_expected() -> bool:
    """Whether the heap's entries are what this module pushes, and are counted as it counts."""
    try:
        deadlines, scope = trio_run.Deadlines(), trio.CancelScope(deadline=1.0)
        deadlines.add(1.0, scope)
        return deadlines._heap == [(1.0, id(scope), scope)] and deadlines._active == 1
    except (AttributeError, TypeError):
        return False


MOVED = tuple(_moved())
"""What of trio is not as this module knows it; if there is anything, each scope is trio's own."""


class DeadlineScope:
    """`trio.CancelScope(deadline=...)`, at a fraction of its cost as long as all goes well.

    A context manager for one `with` block inside a trio task. What is not offered: a shield, and a
    deadline relative to the time of entry.

    Parameters
    ----------
    deadline
        When the scope becomes cancelled, on the run's clock [s]; `inf`: by itself, never.
    """

    __slots__ = (
        "_cancel_reason",
        "_deadline",
        "_deadlines",
        "_has_been_entered",
        "_node",
        "_real",
        "_registered_deadline",
        "cancelled_caught",
    )

    shield: ClassVar = False
    """trio asks the scope of each node."""

    def __init__(self, deadline: float) -> None:
        self.cancelled_caught = False
        """Whether the block was cut short by this scope's cancellation."""
        self._deadline = deadline
        self._has_been_entered = False
        self._node: trio_run.CancelStatus | None = None
        """While the block is running, unless a real scope has it."""
        self._registered_deadline = inf  # as trio's: `inf` makes the heap's entry a stale one
        self._deadlines: trio_run.Deadlines | None = None
        """Where the deadline is registered, if it is; an abandoned block may be left elsewhere."""
        self._real: trio.CancelScope | None = None
        """trio's own scope, once it has taken over."""
        self._cancel_reason: Any = None  # trio notes here why something further out was cancelled

    @enable_ki_protection
    def __enter__(self) -> Self:
        deadline = self._deadline
        context = trio_run.GLOBAL_RUN_CONTEXT
        task = getattr(context, "task", None)
        if MOVED or task is None or self._has_been_entered or self._real is not None:
            return self._enter_for_real()
        runner = context.runner
        parent = task._cancel_status
        # Written so that a deadline that is not a number counts as passed: trio then refuses it.
        has_time = runner.clock.current_time() < deadline
        if not has_time or parent.effectively_cancelled or runner.is_guest:
            return self._enter_for_real()
        self._has_been_entered = True
        self._node = node = _new(trio_run.CancelStatus)
        node._scope = self
        node.effectively_cancelled = False
        node._parent = parent
        node._children = set()
        node._tasks = {task}
        node.abandoned_by_misnesting = False
        parent._children.add(node)
        parent._tasks.remove(task)
        task._cancel_status = node
        if deadline != inf:
            self._deadlines = deadlines = runner.deadlines
            self._registered_deadline = deadline
            heap: list[Any] = deadlines._heap
            heappush(heap, (deadline, id(self), self))
            deadlines._active += 1
        return self

    @enable_ki_protection
    def __exit__(
        self,
        etype: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> bool:
        node = self._node
        if etype is not None or node is None or node.effectively_cancelled or node._children:
            return self._exit_for_real(etype, exc, tb)
        task = getattr(trio_run.GLOBAL_RUN_CONTEXT, "task", None)
        tasks = node._tasks
        if task is None or task._cancel_status is not node or len(tasks) > 1:
            return self._exit_for_real(etype, exc, tb)
        parent = node._parent
        tasks.remove(task)
        task._cancel_status = parent
        parent._tasks.add(task)
        parent._children.remove(node)
        node._parent = self._node = None
        deadlines = self._deadlines
        if deadlines is not None:
            self._deadlines = None
            self._registered_deadline = inf
            deadlines._active -= 1
            heap: list[Any] = deadlines._heap
            if heap and heap[-1][2] is self:
                heap.pop()
        return False

    def __repr__(self) -> str:
        return repr(self._real) if self._real is not None else f"<DeadlineScope {self._deadline}>"

    @property
    def deadline(self) -> float:
        """When the scope becomes cancelled, on the run's clock [s]; it can be moved."""
        return self._deadline if self._real is None else self._real.deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._become_real().deadline = deadline

    @property
    def cancel_called(self) -> bool:
        """Whether the scope was cancelled, by a call or because its deadline has passed."""
        if self._real is None:
            is_over = self._has_been_entered and self._node is None
            if is_over or trio.current_time() < self._deadline:
                return False
        return self._become_real().cancel_called

    @enable_ki_protection
    def cancel(self, *reason: Any, **named_reason: Any) -> None:
        """Cancel the block; trio takes a `reason` from version 0.31 on."""
        self._become_real().cancel(*reason, **named_reason)

    @enable_ki_protection
    def _cancel(self, reason: Any) -> None:
        """Be cancelled by trio, at the deadline."""
        self._become_real()._cancel(reason)

    def _enter_for_real(self) -> Self:
        self._become_real().__enter__()
        return self

    def _exit_for_real(
        self,
        etype: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> bool:
        real = self._become_real()
        try:
            return real.__exit__(etype, exc, tb)
        finally:
            self.cancelled_caught = real.cancelled_caught
            del exc, tb  # the traceback of what is raised here refers to this frame

    def _become_real(self) -> trio.CancelScope:
        """A scope of trio's, in the state that it would be in had it been used from the start."""
        if self._real is not None:
            return self._real
        self._real = real = trio.CancelScope(deadline=self._deadline)
        if not self._has_been_entered:
            return real
        real._has_been_entered = True
        if self._cancel_reason is not None:
            real._cancel_reason = self._cancel_reason
        if self._node is not None:
            real._cancel_status, self._node = self._node, None
            real._cancel_status._scope = real
        if self._deadlines is not None:
            deadlines, self._deadlines = self._deadlines, None
            deadlines.remove(self._deadline, real)
            self._registered_deadline = inf
            runner = getattr(trio_run.GLOBAL_RUN_CONTEXT, "runner", None)
            # A block that a broken-off run left behind may be collected as garbage in a later run,
            # in whose heap trio would then take off a deadline that was never there.
            if runner is not None and runner.deadlines is deadlines:
                deadlines.add(self._deadline, real)
                real._registered_deadline = self._deadline
        return real


_new: Callable[[Any], Any] = object.__new__
"""Makes a node without trio's constructor, which takes as long as all else that is done here."""
