"""Running on a clock that jumps: `run`, `sleep`, and the clock itself.

The only module that touches trio's private names (`trio._core._run`): the switch and the random
generator that decide in which order ready tasks run, and the runner that knows of pending I/O.
It imports neither pandas nor matplotlib.
"""

import heapq
import math
import random
import reprlib
import threading
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any, Generic, Literal, NoReturn, TypeVar

import trio
import trio._core._run as trio_run

# Public as trio.testing.active_thread_count, but trio.testing imports pytest where that is there.
from trio._threads import active_thread_count

from genesis_lab import interrupts
from genesis_lab.errors import (
    InvalidSetting,
    RealWaitUnderVirtualTime,
    StopRefused,
    UnsupportedTrio,
    check_choice,
)

T = TypeVar("T")

Ended = Literal["completed", "stalled", "horizon"]

_WALL_POLL = 60.0
"""How long the loop may block when only something real can wake it [s]; trio blocks as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult(Generic[T]):
    """How a run ended, and with what."""

    value: T | None
    """What `main` returned; None when the run was cut."""
    ended: Ended
    """`completed`; `stalled`: nothing could run and no timer was pending; `horizon`: cut there."""
    at: float
    """When it ended [s since the start]."""
    seed: int

    def __repr__(self) -> str:
        return f"<RunResult {self.ended}{self._circumstances()}>"

    def _repr_html_(self) -> str:
        return f"<strong>{self.ended}</strong>{escape(self._circumstances())}"

    def _circumstances(self) -> str:
        value = "" if self.value is None else f", value {reprlib.repr(self.value)}"
        return f" at {self.at:.6g} s, seed {self.seed}{value}"


def run(
    main: Callable[[], Awaitable[T]],
    *,
    seed: int = 0,
    horizon: float = math.inf,
    clock: Literal["virtual", "real"] = "virtual",
) -> RunResult[T]:
    """Run `main` to its end, to the horizon, or until nothing can happen any more.

    Parameters
    ----------
    main
        An async function without arguments.
    seed
        Fixes the order in which ready tasks run and, through the workloads, all random draws; a
        whole number of at least zero.
    horizon
        When to cut the run [s since its start].
    clock
        `virtual`: time stands while anything can run, then jumps to the next timer. `real`: wall
        time, for real I/O; such a run never ends as `stalled`.

    Raises
    ------
    InvalidSetting
        The seed is negative, the horizon not positive, or there is no such clock.
    RealWaitUnderVirtualTime
        A task waits for a thread or for real I/O while the clock is virtual.
    KeyboardInterrupt, SystemExit
        As such, never inside an exception group.
    StopRefused
        The run was cut, and a task then waits for ever behind a cancellation shield (virtual clock;
        the real one cannot know, and waits as well).
    """
    if seed < 0:
        raise InvalidSetting("seed", seed, "a whole number >= 0")
    if not horizon > 0:
        raise InvalidSetting("horizon", horizon, "seconds > 0")
    check_choice("clock", clock, tuple(_CLOCKS))
    lab_clock = _CLOCKS[clock](seed=seed, horizon=horizon)
    try:
        with _deterministic_scheduling(seed), interrupts.raised():
            return trio.run(_supervise, main, lab_clock, clock=lab_clock)
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt):
            raise KeyboardInterrupt from group
        if exit_request := group.subgroup(SystemExit):
            raise _leaf(exit_request) from group
        if group.subgroup(StopRefused):
            raise StopRefused(lab_clock.ended_at) from group
        raise


def sleep(seconds: float) -> Coroutine[Any, Any, None]:
    """Sleep on the run's clock; several times cheaper than `trio.sleep` when it is virtual.

    Raises
    ------
    InvalidSetting
        `seconds` is negative or not a number.
    """
    if not seconds >= 0:
        raise InvalidSetting("seconds", seconds, "a number >= 0")
    clock = trio.lowlevel.current_clock()
    # Returns the inner coroutine: one of its own would cost at each waking.
    sleep_of = clock.sleep if isinstance(clock, VirtualClock) else trio.sleep
    return sleep_of(seconds)


def time_source() -> Callable[[], float]:
    """The cheapest reading of this run's clock: seconds, up to a constant."""
    clock = trio.lowlevel.current_clock()
    if isinstance(clock, RealClock | trio_run.SystemClock):
        return time.perf_counter
    return clock.current_time


async def _supervise(main: Callable[[], Awaitable[T]], clock: "LabClock") -> RunResult[T]:
    with trio.CancelScope() as scope:
        clock.supervise(scope)
        value = await main()
        if clock.ended is None:
            return RunResult(value=value, ended="completed", at=clock.elapsed(), seed=clock.seed)
    if clock.refusal is not None:
        raise clock.refusal
    assert clock.ended is not None, "only the clock cancels the supervising scope"
    return RunResult(value=None, ended=clock.ended, at=clock.ended_at, seed=clock.seed)


class LabClock(trio.abc.Clock):
    """A trio clock that knows its run: the seed, the horizon, and whether the run has been cut."""

    name: str

    def __init__(self, *, seed: int, horizon: float) -> None:
        self.seed = seed
        self.horizon = horizon
        self.ended: Ended | None = None
        self.ended_at = math.nan
        self.refusal: RealWaitUnderVirtualTime | None = None
        self._on_cut: dict[Callable[[], None], None] = {}
        self._scope: trio.CancelScope | None = None

    @abstractmethod
    def elapsed(self) -> float:
        """Seconds since the run began."""

    def supervise(self, scope: trio.CancelScope) -> None:
        """Take the scope whose cancellation ends the run."""
        self._scope = scope

    def on_cut(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at the cut, before anything is cancelled; the return value takes it off."""
        self._on_cut[callback] = None
        return lambda: self._on_cut.pop(callback, None)

    def _cut(self, ended: Ended) -> None:
        """End the run here: whoever keeps records hears of it before the tasks are cancelled."""
        assert self._scope is not None, "a clock cuts only what it supervises"
        self.ended = ended
        self.ended_at = self.elapsed()
        for callback in list(self._on_cut):
            callback()
        self._scope.cancel()


class VirtualClock(LabClock):
    """Time that stands while anything can run, and then jumps straight to the next timer.

    trio asks `deadline_to_sleep_time` exactly when no task can run, so that is where time moves,
    and where a run that nothing can move any more is recognised. Where a deadline and a sleep end
    at the same instant the deadline comes first, as it does with `trio.sleep`.
    """

    name = "virtual"

    def __init__(self, *, seed: int, horizon: float) -> None:
        super().__init__(seed=seed, horizon=horizon)
        self._now = 0.0
        self._sleepers: list[tuple[float, int, _Sleeper]] = []
        self._order = count()

    def start_clock(self) -> None:
        """Remember the runner: it knows whether anything real is waited for."""
        self._runner = trio_run.GLOBAL_RUN_CONTEXT.runner
        self._calls = self._runner.entry_queue

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
        sleeper = _Sleeper(trio.lowlevel.current_task())
        if seconds < math.inf:
            heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), sleeper))
        await trio.lowlevel.wait_task_rescheduled(sleeper.give_up)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move time to the next timer; 0, since virtual time is never waited for."""
        if self._runner.waiting_for_idle:
            return _WALL_POLL  # trio then wakes wait_all_tasks_blocked() instead of sleeping
        if active_thread_count() or self._waits_for_io():
            return self._refuse_real_wait()
        if self._calls.queue or self._calls.idempotent_queue:
            return 0  # a call from outside the tasks (run_sync_soon) is about to be made
        wake_at = self._next_wake()
        upcoming = min(wake_at, deadline)
        if upcoming == math.inf:
            return self._stall()
        if self.ended is None and upcoming > self.horizon:
            self._now = self.horizon
            self._cut("horizon")
            return 0
        self._now = max(self._now, upcoming)
        if wake_at < deadline:
            self._wake_sleepers()
        return 0

    def _waits_for_io(self) -> bool:
        """Whether any descriptor is waited for but the one that trio itself is woken by."""
        return len(self._runner.io_manager._registered) > 1

    def _next_wake(self) -> float:
        sleepers = self._sleepers
        while sleepers and sleepers[0][2].task is None:
            heapq.heappop(sleepers)
        return sleepers[0][0] if sleepers else math.inf

    def _wake_sleepers(self) -> None:
        sleepers = self._sleepers
        while sleepers and sleepers[0][0] <= self._now:
            task = heapq.heappop(sleepers)[2].task
            if task is not None:
                trio.lowlevel.reschedule(task)

    def _stall(self) -> float:
        """Quiescent: nothing can run and no timer is pending."""
        if self.ended is None:
            self._cut("stalled")
        else:
            self._break_shields()
        return 0

    def _break_shields(self) -> None:
        """The run was cut, yet some tasks still wait for ever: make each give up with an error.

        As trio cancels, by the task's own abort function: woken in any other way it would stay in
        the queue that it waits in, and be woken there a second time.
        """

        def refuse() -> NoReturn:
            raise StopRefused(self.ended_at)

        assert self._runner.main_task is not None, "the run has begun"
        for task in _leaves(self._runner.main_task):
            if task._abort_func is not None:
                task._attempt_abort(refuse)

    def _refuse_real_wait(self) -> float:
        """Cut the run with an error; what is real must still be waited for, in real time."""
        if self.ended is not None:
            return _WALL_POLL
        what = "real I/O" if self._waits_for_io() else "a thread"
        self.refusal = RealWaitUnderVirtualTime(what, self._now)
        self._cut("stalled")
        return 0


class RealClock(LabClock):
    """Wall time since the run began, with a horizon."""

    name = "real"

    def start_clock(self) -> None:
        """Begin at zero."""
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


_CLOCKS: dict[str, type[LabClock]] = {"virtual": VirtualClock, "real": RealClock}


class _Sleeper:
    """One sleeping task; the heap orders by when it wakes, and then by when it fell asleep."""

    __slots__ = ("task",)

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self.task: trio.lowlevel.Task | None = task
        """None once the sleep was cancelled."""

    def give_up(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        """Be cancelled; the heap forgets it when its time comes."""
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


def _leaf(exception: BaseException) -> BaseException:
    """The first exception inside a group."""
    while isinstance(exception, BaseExceptionGroup):
        exception = exception.exceptions[0]
    return exception


def _leaves(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    """The tasks below `task`, itself included, that have no tasks of their own."""
    children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    if not children:
        yield task
    for child in children:
        yield from _leaves(child)


class _SeededPerThread:
    """Takes the place of trio's random generator: each thread's run draws from its own seed."""

    def __init__(self, original: random.Random) -> None:
        self.original = original
        self.of_thread = threading.local()

    def shuffle(self, tasks: list[trio.lowlevel.Task]) -> None:
        """Shuffle what trio runs next: mostly one task, which takes no draw and should no time."""
        if len(tasks) > 1:
            self.__getattr__("shuffle")(tasks)

    def __getattr__(self, name: str) -> Any:
        generator = getattr(self.of_thread, "generator", None) or self.original
        return getattr(generator, name)


class _Switches:
    """trio's two scheduling switches, which are global: the first run sets, the last restores.

    Runs in several threads may overlap (a live laboratory beside a trial), hence the count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0

    def on(self) -> threading.local:
        """Make trio's order of tasks follow each thread's generator, which goes in here."""
        for name in ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r", "GLOBAL_RUN_CONTEXT"):
            if not hasattr(trio_run, name):
                raise UnsupportedTrio(trio.__version__, name)
        with self._lock:
            if self._runs == 0:
                self._before = (trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r)
                self._seeded = _SeededPerThread(trio_run._r)
                self._set(True, self._seeded)
            self._runs += 1
            return self._seeded.of_thread

    def off(self) -> None:
        """Put trio back as it was, unless another run still goes on."""
        with self._lock:
            self._runs -= 1
            if self._runs == 0:
                self._set(*self._before)

    def _set(self, flag: bool, generator: object) -> None:
        vars(trio_run).update(_ALLOW_DETERMINISTIC_SCHEDULING=flag, _r=generator)


_switches = _Switches()


@contextmanager
def _deterministic_scheduling(seed: int) -> Iterator[None]:
    """Let the seed decide the order of ready tasks in this thread; put trio back afterwards."""
    of_thread = _switches.on()
    outer = getattr(of_thread, "generator", None)
    of_thread.generator = random.Random(seed)
    try:
        yield
    finally:
        of_thread.generator = outer
        _switches.off()
