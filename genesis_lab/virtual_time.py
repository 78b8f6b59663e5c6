"""Runs on a clock that jumps: `run`, `sleep`, and the clock itself.

Beside `scopes.py` the only module that touches trio's private names (`trio._core._run`): the switch
and the random generator that decide in which order ready tasks run, the runner that knows of
pending I/O, what a task does next, and the trap by which it waits.
It imports neither pandas nor matplotlib.
"""

import heapq
import inspect
import math
import random
import reprlib
import sys
import threading
import time
import types
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from itertools import count
from numbers import Real
from typing import Any, Generic, Literal, NoReturn, TypeVar, cast

import trio
import trio._core._run as trio_run

# Public are trio.lowlevel.wait_task_rescheduled and trio.testing.active_thread_count, but the first
# takes two coroutines for each wait, and the second an exception where there were no threads yet.
from trio._core._traps import WaitTaskRescheduled
from trio._threads import _active_threads_local

from genesis_lab import interrupts
from genesis_lab.errors import (
    HandlerFailed,
    InvalidSetting,
    RealWaitUnderVirtualTime,
    StopRefused,
    UnsupportedTrio,
    check_choice,
    check_whole_number,
)
from genesis_lab.schedules import Fifo, Lane, Schedule, Seeded, check_schedule

T = TypeVar("T")

Ended = Literal["completed", "stalled", "livelock", "horizon"]

_WALL_POLL = 60.0
"""How long the loop may block when only something real can wake it [s]; trio blocks as long."""

_PASSES_TO_STOP = 100_000
"""How many scheduler passes the tasks of a cut run get to clean up before they are made to stop."""

_LINES_SHOWN = 3
"""How many lines of its explanation a result shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult(Generic[T]):
    """How a run ended, and with what."""

    value: T | None
    """What `main` returned; None when the run was cut."""
    ended: Ended
    """`completed`; `stalled`: nothing could run and no timer was pending; `livelock`: tasks went on
    and on while time stood still; `horizon`: cut there."""
    at: float
    """When it ended [s since the start]."""
    seed: int
    failures: int = 0
    """How many handlers of components failed."""
    first_failure: str | None = None
    """The first of these failures: the component, what it handled and the exception."""
    explanation: tuple[str, ...] = ()
    """Why a run was cut: a line per pending message; empty when the run completed."""

    def __repr__(self) -> str:
        text = f"<RunResult {self.ended}{self._circumstances()}>"
        return "\n  ".join([text, *self._reasons()])

    def _repr_html_(self) -> str:
        text = f"<strong>{self.ended}</strong>{escape(self._circumstances())}"
        return "<br>".join([text, *map(escape, self._reasons())])

    def _circumstances(self) -> str:
        value = "" if self.value is None else f", value {reprlib.repr(self.value)}"
        return f" at {self.at:.6g} s, seed {self.seed}{value}{self._failures()}"

    def _failures(self) -> str:
        if self.failures == 0:
            return ""
        if self.failures == 1:
            return f", 1 handler failure: {self.first_failure}"
        return f", {self.failures} handler failures, the first: {self.first_failure}"

    def _reasons(self) -> list[str]:
        """The beginning of the explanation; a horizon was set on purpose and needs none."""
        if self.ended == "horizon":
            return []
        left_out = len(self.explanation) - _LINES_SHOWN
        more = [f"and {left_out} more in .explanation"] if left_out > 0 else []
        return [*self.explanation[:_LINES_SHOWN], *more]


def run(
    main: Callable[[], Awaitable[T]],
    *,
    seed: int = 0,
    schedule: Schedule | None = None,
    horizon: float = math.inf,
    clock: Literal["virtual", "real"] = "virtual",
    on_failure: Literal["record", "raise"] = "record",
    livelock_after: int = 100_000,
) -> RunResult[T]:
    """Run `main` to its end, to the horizon, or until nothing can happen any more.

    Parameters
    ----------
    main
        An async function without arguments.
    seed
        Fixes all random draws of the workloads and, by default, the order in which ready tasks run;
        a whole number of at least zero.
    schedule
        Decides the order in which ready tasks and deliveries run; by default `Seeded(seed)`.
    horizon
        When to cut the run [s since its start].
    clock
        `virtual`: time stands while anything can run, then jumps to the next timer. `real`: wall
        time, for real I/O; such a run never ends as `stalled` or `livelock`.
    on_failure
        What a component's handler that raises does to the run. `record`: nothing, it is an outcome.
        `raise`: the run is cut, and raises the failure.
    livelock_after
        How many scheduler passes the tasks may make at one instant of virtual time. When they want
        another, the run is cut as `livelock`. A pass runs each ready task once; a subscriber that
        handles a burst of events in no time needs a pass for each.

    Raises
    ------
    InvalidSetting
        An argument is not as described here.
    HandlerFailed
        A handler failed under `on_failure="raise"`; its exception is the `__cause__`.
    ScheduleDiverged
        A replayed run is another one than the recorded one.
    RealWaitUnderVirtualTime
        A task waits for a thread or for real I/O while the clock is virtual.
    KeyboardInterrupt, SystemExit
        As such, never inside an exception group.
    StopRefused
        The run was cut, and a task does not stop: it waits forever behind a cancellation shield, or
        catches each cancellation and goes on (virtual clock; the real one cannot know, and waits).
    """
    _check_main(main)
    _check_horizon(horizon)
    check_choice("clock", clock, tuple(_CLOCKS))
    check_choice("on_failure", on_failure, ("record", "raise"))
    seed = check_whole_number("seed", seed, at_least=0)
    lab_clock = _CLOCKS[clock](
        seed=seed,
        schedule=Seeded(seed) if schedule is None else check_schedule(schedule),
        horizon=horizon,
        on_failure=on_failure,
        livelock_after=check_whole_number("livelock_after", livelock_after, at_least=1),
    )
    try:
        with _passes_go_to(lab_clock), interrupts.raised():
            return trio.run(_supervise, main, lab_clock, clock=lab_clock)
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt):
            raise KeyboardInterrupt from group
        if exit_request := group.subgroup(SystemExit):
            raise _leaf(exit_request) from group
        if group.subgroup(StopRefused):
            raise StopRefused(lab_clock.ended_at) from group
        raise
    except trio.TrioInternalError as error:
        if isinstance(error.__cause__, StopRefused):
            raise error.__cause__ from None
        raise


def _check_main(main: object) -> None:
    if inspect.iscoroutine(main):
        main.close()  # or Python would warn that it was never awaited
        raise InvalidSetting("main", main, "an async function itself, without calling it")
    if not callable(main):
        raise InvalidSetting("main", main, "an async function without arguments")


def _check_horizon(horizon: object) -> None:
    if isinstance(horizon, bool) or not (isinstance(horizon, Real) and float(horizon) > 0):
        raise InvalidSetting("horizon", horizon, "seconds > 0")


def sleep(seconds: float) -> Coroutine[Any, Any, None]:
    """Sleep on the run's clock; several times cheaper than `trio.sleep` when it is virtual.

    Raises
    ------
    InvalidSetting
        `seconds` is negative or not a number.
    """
    if not seconds >= 0:
        raise InvalidSetting("seconds", seconds, "a number >= 0")
    try:
        clock = trio_run.GLOBAL_RUN_CONTEXT.runner.clock  # at half the cost of trio's function
    except AttributeError:
        clock = trio.lowlevel.current_clock()  # which says that this is no run
    # Returns the inner coroutine: one of its own would cost at each waking.
    sleep_of = clock.sleep if isinstance(clock, VirtualClock) else trio.sleep
    return sleep_of(seconds)


def suspend(give_up: Callable[[Any], trio.lowlevel.Abort]) -> Awaitable[None]:
    """Park this task until `wake`, as `trio.lowlevel.wait_task_rescheduled` does, at half the cost.

    Parameters
    ----------
    give_up
        trio's abort function: called if the wait is cancelled, to see to it that `wake` is not.
    """
    return _park(WaitTaskRescheduled(give_up))


def wake(task: trio.lowlevel.Task) -> None:
    """Let a parked task go on in the next pass; once for each time that it parks."""
    trio_run.GLOBAL_RUN_CONTEXT.runner.reschedule(task, _WOKEN)


@types.coroutine
def _park(trap: WaitTaskRescheduled) -> Generator[WaitTaskRescheduled, Any, None]:
    """Hand a trap to trio's loop: that is all there is to waiting."""
    answer = yield trap
    if answer is not _WOKEN:
        answer.unwrap()


def time_source() -> Callable[[], float]:
    """The cheapest reading of this run's clock: seconds, up to a constant."""
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, RealClock | trio_run.SystemClock):
        return time.perf_counter
    return clock.current_time


async def _supervise(main: Callable[[], Awaitable[T]], clock: "LabClock") -> RunResult[T]:
    try:
        with trio.CancelScope() as scope:
            clock.supervise(scope)
            value = await main()
            if clock.ended is None:
                return clock.result(value, "completed", clock.elapsed())
    except Exception:
        # An error that ended the run comes before those of tasks that were stopped because of it.
        if clock.error is None:
            raise
    if clock.error is not None:
        raise clock.error
    assert clock.ended is not None, "only the clock cancels the supervising scope"
    assert clock.ended != "failed", "a run that failed has an error"
    return clock.result(None, clock.ended, clock.ended_at)


class LabClock(trio.abc.Clock):
    """A trio clock that knows its run: its settings, its passes, and whether it has been cut."""

    name: str

    def __init__(
        self,
        *,
        seed: int,
        schedule: Schedule,
        horizon: float,
        on_failure: Literal["record", "raise"],
        livelock_after: int,
    ) -> None:
        self.seed = seed
        self.schedule: Schedule = _Watched(schedule, self._fail)
        """Decides the order of what is ready; the buses ask it, too."""
        self.horizon = horizon
        self.livelock_after = livelock_after
        self.passes = 0
        """How many scheduler passes there have been; each runs all tasks that are ready."""
        self.ended: Ended | Literal["failed"] | None = None
        """How the run was cut, if it was; `failed`: by `error`."""
        self.ended_at = math.nan
        self.error: Exception | None = None
        """What the run raises, if it is to raise."""
        self.explanation: tuple[str, ...] = ()
        self._raises_failures = on_failure == "raise"
        self._failures = 0
        self._first_failure: str | None = None
        self._last_pass = sys.maxsize  # an int: each pass compares with it
        self._on_cut: dict[Callable[[], Iterable[str] | None], None] = {}
        self._scope: trio.CancelScope | None = None

    def start_clock(self) -> None:
        """Begin the run; not earlier, since trio may yet refuse a run inside a run."""
        self.schedule.begin()

    @abstractmethod
    def elapsed(self) -> float:
        """Seconds since the run began."""

    def begin_pass(self, ready: list[trio.lowlevel.Task]) -> None:
        """Put the tasks that trio runs in this pass into order; mostly there is one, or none."""
        self.passes = passes = self.passes + 1
        if passes > self._last_pass:
            self._end_passes(ready)
        if len(ready) > 1:
            self.schedule.order(ready, "tasks")
            ready.reverse()  # trio takes them from the end

    def _end_passes(self, ready: list[trio.lowlevel.Task]) -> None:
        """Do something about a run that has made its last pass."""

    def supervise(self, scope: trio.CancelScope) -> None:
        """Take the scope whose cancellation ends the run."""
        self._scope = scope
        if self.ended is not None:
            scope.cancel()

    def on_cut(self, callback: Callable[[], Iterable[str] | None]) -> Callable[[], None]:
        """Call back at the cut, before anything is cancelled; the return value takes it off.

        Lines that it returns become part of the run's explanation: what is pending, and why.
        """
        self._on_cut[callback] = None
        return lambda: self._on_cut.pop(callback, None)

    def handler_failed(self, failure: HandlerFailed) -> None:
        """Count the failure of a component's handler, which may have to end the run.

        Parameters
        ----------
        failure
            With the handler's own exception as its `__cause__`.
        """
        if self.ended is not None:
            return
        self._failures += 1
        if self._first_failure is None:
            self._first_failure = str(failure)
        if self._raises_failures:
            self._fail(failure)

    def result(self, value: T | None, ended: Ended, at: float) -> RunResult[T]:
        """The run's result."""
        return RunResult(
            value=value,
            ended=ended,
            at=at,
            seed=self.seed,
            failures=self._failures,
            first_failure=self._first_failure,
            explanation=self.explanation,
        )

    def _fail(self, error: Exception) -> None:
        """End the run with an error; the first one counts."""
        if self.error is None:
            self.error = error
        if self.ended is None:
            self._cut("failed")

    def _cut(self, ended: Ended | Literal["failed"]) -> None:
        """End the run here; what keeps records hears of it before the tasks are cancelled."""
        self.ended = ended
        self.ended_at = self.elapsed()
        self.explanation = tuple(
            line for callback in list(self._on_cut) for line in callback() or ()
        )
        if self._scope is not None:
            self._scope.cancel()


class VirtualClock(LabClock):
    """Time that stands while anything can run, and then jumps straight to the next timer.

    trio asks `deadline_to_sleep_time` exactly when no task can run, so that is where time moves,
    and where a run that nothing can move any more is recognised. Where a deadline and a sleep end
    at the same instant the deadline comes first, as it does with `trio.sleep`.
    """

    name = "virtual"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._now = 0.0
        self._sleepers: list[tuple[float, int, _Sleeper]] = []
        self._order = count()
        self._awake: list[_Sleeper] = []  # to be used again
        self._passes_before = 0  # the present instant
        self._rounds = 0  # of stopping tasks that go on after the cut

    def start_clock(self) -> None:
        """Remember the runner: it knows whether anything real is waited for."""
        super().start_clock()
        self._runner = trio_run.GLOBAL_RUN_CONTEXT.runner
        self._calls = self._runner.entry_queue
        self._descriptors = self._runner.io_manager._registered
        self._run_local = self._runner._locals
        if not self._runner.is_guest:  # a guest's host polls, in a thread of its own
            self._runner.io_manager = cast("Any", _Polled(self._runner))

    def current_time(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Sleep without the cancel scope that `trio.sleep` raises and catches each time."""
        if seconds == 0:
            await trio.lowlevel.checkpoint()
            return
        sleeper = self._awake.pop() if self._awake else _Sleeper()
        sleeper.task = trio_run.GLOBAL_RUN_CONTEXT.task
        if seconds < math.inf:
            heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), sleeper))
        await _park(sleeper.trap)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move time to the next timer; 0, since virtual time is never waited for."""
        if self._runner.waiting_for_idle:
            return _WALL_POLL  # trio then wakes wait_all_tasks_blocked() instead of sleeping
        threads: Any = self._run_local.get(_active_threads_local)
        if len(self._descriptors) > 1 or (threads is not None and threads.count):
            return self._refuse_real_wait()
        if self._calls.queue or self._calls.idempotent_queue:
            return 0  # a call from outside the tasks (run_sync_soon) is about to be made
        sleepers = self._sleepers
        while sleepers and sleepers[0][2].task is None:
            self._awake.append(heapq.heappop(sleepers)[2])
        wake_at = sleepers[0][0] if sleepers else math.inf
        upcoming = min(wake_at, deadline)
        if upcoming == math.inf:
            return self._stall()
        if upcoming > self._now:
            if self.ended is None:
                if upcoming > self.horizon:
                    self._now = self.horizon
                    self._cut("horizon")
                    return 0
                self._passes_before = self.passes
            self._now = upcoming
        if wake_at < deadline:
            reschedule = self._runner.reschedule
            while sleepers and sleepers[0][0] <= wake_at:
                sleeper = heapq.heappop(sleepers)[2]
                if sleeper.task is not None:
                    reschedule(sleeper.task, _WOKEN)
                    sleeper.task = None
                self._awake.append(sleeper)
        return 0

    def supervise(self, scope: trio.CancelScope) -> None:
        """Take the scope; the pass that is going on is the first one at the first instant."""
        super().supervise(scope)
        if self.ended is None:
            self._passes_before = self.passes - 1
            self._last_pass = self._passes_before + self.livelock_after

    def _cut(self, ended: Ended | Literal["failed"]) -> None:
        super()._cut(ended)
        self._last_pass = self.passes + _PASSES_TO_STOP

    def _stall(self) -> float:
        """Quiescent: nothing can run and no timer is pending."""
        if self.ended is None:
            self._cut("stalled")
            self.explanation = self.explanation or (self._what_waits(),)
        else:
            self._refuse([])
        return 0

    def _what_waits(self) -> str:
        """All that is known of a stalled run in which no message is pending."""
        assert self._runner.main_task is not None, "the run has begun"
        waiting = sum(1 for _ in _family(self._runner.main_task))
        place = " > ".join(_functions(self._runner.main_task)[1:])
        tasks = "1 task waits" if waiting == 1 else f"{waiting} tasks wait, the main one"
        return f"no message is pending; {tasks} in {place}"

    def _end_passes(self, ready: list[trio.lowlevel.Task]) -> None:
        """Cut a livelock, or stop tasks that go on after the cut, each time by harsher means."""
        if self.ended is None:
            # The limit is moved only when it is reached: that is cheaper than with each instant.
            self._last_pass = self._passes_before + self.livelock_after
            if self.passes > self._last_pass:
                self._cut("livelock")
            return
        if self._rounds == 2:  # noqa: PLR2004  # both have failed: tasks come back again and again
            for task in self._runner.tasks:
                _never_resume(task)
            raise StopRefused(self.ended_at)  # which breaks off trio's loop
        self._last_pass = self.passes + _PASSES_TO_STOP
        self._refuse(ready, gently=self._rounds == 0)
        self._rounds += 1

    def _refuse(self, ready: list[trio.lowlevel.Task], *, gently: bool = True) -> None:
        """The run was cut, yet tasks wait forever or go on: make each give up with an error.

        What waits is woken as trio cancels, by the task's own abort function: woken in any other
        way it would stay in the queue that it waits in, and be woken there a second time. What goes
        on has the error raised in it or, not so gently, is not entered again and counts as ended.
        Tasks with tasks of their own wait for those.
        """

        def refuse(_result: object = None) -> NoReturn:
            raise StopRefused(self.ended_at)

        assert self._runner.main_task is not None, "the run has begun"
        is_ready = frozenset(ready).__contains__
        for task in _family(self._runner.main_task):
            if is_ready(task):
                is_abandoned = not gently and not _children(task)
                task._next_send_fn = refuse if is_abandoned else task.coro.throw
                task._next_send = StopRefused(self.ended_at)
                if is_abandoned:
                    _never_resume(task)
            elif task._abort_func is not None and not _children(task):
                task._attempt_abort(refuse)

    def _refuse_real_wait(self) -> float:
        """Cut the run with an error; what is real must still be waited for, in real time."""
        if self.ended is not None:
            return _WALL_POLL
        what = "real I/O" if len(self._descriptors) > 1 else "a thread"
        self._fail(RealWaitUnderVirtualTime(what, self._now))
        return 0


class RealClock(LabClock):
    """Wall time since the run began, with a horizon."""

    name = "real"

    def start_clock(self) -> None:
        """Begin at zero."""
        super().start_clock()
        self._started = time.perf_counter()

    def elapsed(self) -> float:
        """Wall seconds since the start."""
        return time.perf_counter() - self._started

    def current_time(self) -> float:
        """Wall seconds since the start; trio asks once per pass, which is where the run is cut."""
        now = self.elapsed()
        if now >= self.horizon and self.ended is None:
            self._cut("horizon")
        return now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Seconds until the deadline or the horizon."""
        upcoming = deadline if self.ended else min(deadline, self.horizon)
        return upcoming - self.elapsed()


_PRIVATE_NAMES = (
    "_ALLOW_DETERMINISTIC_SCHEDULING",
    "_r",
    "GLOBAL_RUN_CONTEXT",
    "Runner._locals",
    "Runner.clock",
    "Runner.entry_queue",
    "Runner.io_manager",
    "Runner.is_guest",
    "Runner.main_task",
    "Runner.tasks",
    "Runner.waiting_for_idle",
    "Task._abort_func",
    "Task._attempt_abort",
    "Task._next_send",
    "Task._next_send_fn",
)
"""What this module uses of `trio._core._run`."""

_CLOCKS: dict[str, type[LabClock]] = {"virtual": VirtualClock, "real": RealClock}


class _Sleeper:
    """One sleeping task; the heap orders by when it wakes, and then by when it fell asleep.

    Once out of the heap it serves another sleep: its trap takes longer to make than all else.
    """

    __slots__ = ("task", "trap")

    def __init__(self) -> None:
        self.task: trio.lowlevel.Task | None = None
        """None while it does not sleep: it was woken, or cancelled."""
        self.trap = WaitTaskRescheduled(self._give_up)

    def _give_up(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        """Be cancelled; the heap forgets it when its time comes."""
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class _Woken:
    """What a task gets that is woken: in trio an outcome, which is made anew for each wake."""

    @staticmethod
    def unwrap() -> None:
        """Nothing: where trio's own function waits, this is what it returns."""


_WOKEN: Any = _Woken()


class _Polled:
    """Takes the place of a runner's I/O manager: asks the system only when there may be an event.

    trio polls in each of its passes, and a run in virtual time makes little but passes in which
    there is nothing to wait for. There may be an event if trio is ready to wait for one, if any
    descriptor is registered beside the one by which threads and signals wake trio up, or if
    there is a call in the queue that comes with such a wake-up: trio's task for them waits for that
    descriptor. A signal alone makes no call; it runs its handler between two instructions, as ever,
    and has no need to wake a loop that does not sleep. All else is the manager's own, and a runner
    serves one run only, so that nothing has to be put back.
    """

    def __init__(self, runner: trio_run.Runner) -> None:
        manager = runner.io_manager
        self._manager = manager
        self._registered = manager._registered
        self._queue = runner.entry_queue.queue
        self._idempotent_queue = runner.entry_queue.idempotent_queue
        self._poll = manager.get_events
        self.process_events = manager.process_events

    def get_events(self, timeout: float) -> Any:
        """The events that have happened, after up to so many seconds; none costs no system call."""
        if timeout or len(self._registered) > 1 or self._queue or self._idempotent_queue:
            return self._poll(timeout)
        return ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


def _leaf(exception: BaseException) -> BaseException:
    """The first exception inside a group."""
    while isinstance(exception, BaseExceptionGroup):
        exception = exception.exceptions[0]
    return exception


def _children(task: trio.lowlevel.Task) -> list[trio.lowlevel.Task]:
    return [child for nursery in task.child_nurseries for child in nursery.child_tasks]


def _family(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    """The task and all tasks below it; without recursion, for they may be nested deeply."""
    found = [task]
    while found:
        task = found.pop()
        found += _children(task)
        yield task


def _never_resume(task: trio.lowlevel.Task) -> None:
    """Never free the task's coroutine, for Python would enter it once more to close it.

    One that catches everything would go on from there, outside of any loop and without end.
    """
    import ctypes  # noqa: PLC0415  # hardly any run needs it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task.coro))


def _functions(task: trio.lowlevel.Task) -> list[str]:
    """The functions that a task is in, from its own to the first one of trio."""
    names: list[str] = []
    with suppress(TypeError):  # trio cannot look into every awaitable
        for frame, _line in task.iter_await_frames():
            names.append(frame.f_code.co_qualname)
            if frame.f_globals.get("__name__", "").startswith("trio."):
                break
    return names


class _Watched(Schedule):
    """A run's schedule, whose errors end the run: inside trio's loop they would break trio."""

    def __init__(self, schedule: Schedule, fail: Callable[[Exception], None]) -> None:
        self._schedule = schedule
        self._fail = fail

    def begin(self) -> None:
        self._schedule.begin()

    def order(self, ready: list[Any], lane: Lane) -> None:
        try:
            self._schedule.order(ready, lane)
        except Exception as error:  # noqa: BLE001  # the run raises it
            self._schedule = Fifo()
            self._fail(error)


class _PerThread(threading.local):
    """Takes the place of trio's random generator, which trio asks to shuffle the tasks of a pass.

    In a thread with a run of ours, `shuffle` is that run's `begin_pass`; as the thread's attribute
    it costs no call of its own. All else is the original's, copied: with a `__getattr__` here, each
    pass would take 0.1 us longer.
    """

    shuffle: Callable[[list[trio.lowlevel.Task]], None]

    def __init__(self, original: random.Random) -> None:
        public = [name for name in dir(original) if not name.startswith("_")]
        vars(self).update({name: getattr(original, name) for name in public})


class _Switches:
    """trio's two scheduling switches, which are global: the first run sets, the last restores.

    Runs in several threads may overlap (a live laboratory beside a trial), hence the count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0

    def on(self) -> _PerThread:
        """Make trio's order of tasks follow what goes into the attribute `shuffle`."""
        _check_trio()
        with self._lock:
            if self._runs == 0:
                self._before = (trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r)
                self._per_thread = _PerThread(trio_run._r)
                self._set(True, self._per_thread)
            self._runs += 1
            return self._per_thread

    def off(self) -> None:
        """Put trio back as it was, unless another run still goes on."""
        with self._lock:
            self._runs -= 1
            if self._runs == 0:
                self._set(*self._before)

    def _set(self, flag: bool, generator: object) -> None:
        vars(trio_run).update(_ALLOW_DETERMINISTIC_SCHEDULING=flag, _r=generator)


def _check_trio() -> None:
    """Refuse a trio that keeps its private names elsewhere."""
    for name in _PRIVATE_NAMES:
        place: Any = trio_run
        for part in name.split("."):
            if not hasattr(place, part):
                raise UnsupportedTrio(trio.__version__, name)
            place = getattr(place, part)


_switches = _Switches()


@contextmanager
def _passes_go_to(clock: LabClock) -> Iterator[None]:
    """Let the clock see each pass of a run in this thread; put trio back afterwards."""
    per_thread = _switches.on()
    outer = per_thread.shuffle
    per_thread.shuffle = clock.begin_pass
    try:
        yield
    finally:
        per_thread.shuffle = outer
        _switches.off()
