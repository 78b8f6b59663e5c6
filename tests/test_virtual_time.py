import itertools
import math
import operator
import random
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import trio
import trio._core._run as trio_run
import trio.testing

import genesis_lab as gl
from genesis_lab import virtual_time
from genesis_lab.errors import (
    HandlerFailed,
    InvalidSetting,
    RealWaitUnderVirtualTime,
    StopRefused,
    UnsupportedTrio,
)

Sleep = Callable[[float], Awaitable[None]]
SLEEPS = pytest.mark.parametrize("sleep", [gl.sleep, trio.sleep], ids=["gl.sleep", "trio.sleep"])


async def waits_for_ever() -> None:
    await trio.sleep_forever()


async def ticks() -> None:
    while True:
        await gl.sleep(1.0)


async def completes() -> None:
    await gl.sleep(1.0)


# --- how a run ends -------------------------------------------------------------------------------


@SLEEPS
def test_a_run_that_completes_has_a_value_and_an_instant(sleep: Sleep) -> None:
    async def main() -> str:
        await sleep(1.5)
        await sleep(0.25)
        return "done"

    assert gl.run(main, seed=3) == gl.RunResult(value="done", ended="completed", at=1.75, seed=3)


def test_a_run_in_which_nothing_happens_takes_no_time() -> None:
    async def main() -> float:
        return trio.current_time()

    assert gl.run(main) == gl.RunResult(value=0.0, ended="completed", at=0.0, seed=0)


@SLEEPS
def test_a_run_stalls_at_the_instant_when_nothing_can_happen_any_more(sleep: Sleep) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits_for_ever)
            nursery.start_soon(sleep, 2.5)
            await sleep(1.0)

    result = gl.run(main)
    assert (result.value, result.ended, result.at, result.seed) == (None, "stalled", 2.5, 0)


def test_waiting_for_ever_in_whatever_way_stalls_a_run() -> None:
    async def for_an_event() -> None:
        await trio.Event().wait()

    async def for_a_lock() -> None:
        lock = trio.Lock()
        async with lock, trio.open_nursery() as nursery:
            nursery.start_soon(lock.acquire)

    async def for_a_message() -> None:
        _sender, receiver = trio.open_memory_channel[None](0)
        await receiver.receive()

    async def for_an_infinite_time() -> None:
        await gl.sleep(math.inf)

    async def until_an_infinite_deadline() -> None:
        with trio.fail_after(math.inf):
            await trio.sleep_forever()

    for main in (
        for_an_event,
        for_a_lock,
        for_a_message,
        for_an_infinite_time,
        until_an_infinite_deadline,
    ):
        assert (gl.run(main).ended, gl.run(main).at) == ("stalled", 0.0)


@SLEEPS
def test_a_run_is_cut_at_its_horizon(sleep: Sleep) -> None:
    async def main() -> None:
        for _ in itertools.count():
            await sleep(0.75)

    assert gl.run(main, horizon=10.0) == gl.RunResult(value=None, ended="horizon", at=10.0, seed=0)


@SLEEPS
def test_what_happens_at_the_very_horizon_still_happens(sleep: Sleep) -> None:
    async def main() -> str:
        await sleep(5.0)
        return "just in time"

    result = gl.run(main, horizon=5.0)
    assert (result.value, result.ended, result.at) == ("just in time", "completed", 5.0)


def test_a_deadline_beyond_the_horizon_is_not_reached() -> None:
    async def main() -> None:
        with trio.fail_after(100.0):
            await trio.sleep_forever()

    result = gl.run(main, horizon=10.0)
    assert (result.ended, result.at) == ("horizon", 10.0)


def test_a_run_with_nothing_pending_stalls_and_does_not_wait_for_its_horizon() -> None:
    async def main() -> None:
        await gl.sleep(1.0)
        await trio.sleep_forever()

    result = gl.run(main, horizon=10.0)
    assert (result.ended, result.at) == ("stalled", 1.0)


def test_tasks_may_clean_up_after_a_cut_and_the_run_ended_when_it_was_cut() -> None:
    cleaned_up_at = []

    async def main() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await gl.sleep(0.5)
                await trio.sleep(0.5)
                cleaned_up_at.append(trio.current_time())

    for horizon, at in ((math.inf, 0.0), (0.25, 0.0)):
        result = gl.run(main, horizon=horizon)
        assert (result.ended, result.at) == ("stalled", at)
    assert cleaned_up_at == [1.0, 1.0]


def test_a_cut_run_has_no_value_even_if_its_main_returns_one() -> None:
    async def main() -> str:
        with trio.CancelScope(shield=True):
            await gl.sleep(3.0)
        return "too late"

    assert gl.run(main, horizon=2.0) == gl.RunResult(value=None, ended="horizon", at=2.0, seed=0)


# --- wrong settings -------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [0, -1.0, math.nan, "60", True, None])
def test_a_horizon_that_is_not_ahead_is_refused(horizon: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.run(waits_for_ever, horizon=horizon)
    assert str(caught.value) == f"horizon={horizon!r}: expected seconds > 0"


@pytest.mark.parametrize("seed", [-1, 1.5, math.nan, "7", True, None, np.True_, np.array([1, 2])])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.run(waits_for_ever, seed=seed)
    assert str(caught.value) == f"seed={seed!r}: expected a whole number >= 0"


def test_numbers_of_numpy_are_numbers() -> None:
    result = gl.run(waits_for_ever, seed=np.int64(3), horizon=np.float32(2.0))  # type: ignore[arg-type]
    assert (result.seed, type(result.seed)) == (3, int)


@pytest.mark.parametrize("livelock_after", [0, 1.5, math.inf, True])
def test_a_livelock_needs_a_number_of_passes(livelock_after: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.run(waits_for_ever, livelock_after=livelock_after)
    assert str(caught.value) == f"livelock_after={livelock_after!r}: expected a whole number >= 1"


def test_an_unknown_clock_is_refused() -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.run(waits_for_ever, clock="lunar")  # type: ignore[arg-type]  # that is the mistake
    assert str(caught.value) == "clock='lunar': expected 'virtual' or 'real'"


def test_an_unknown_treatment_of_failures_is_refused() -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.run(waits_for_ever, on_failure="ignore")  # type: ignore[arg-type]  # that is the mistake
    assert str(caught.value) == "on_failure='ignore': expected 'record' or 'raise'"


def test_a_main_that_was_called_already_is_refused() -> None:
    main: Any = waits_for_ever()
    with pytest.raises(InvalidSetting) as caught:
        gl.run(main)
    assert str(caught.value) == (
        f"main={main!r}: expected an async function itself, without calling it"
    )


def test_a_main_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.run(3)  # type: ignore[arg-type]  # that is the mistake
    assert str(caught.value) == "main=3: expected an async function without arguments"


# --- livelock -------------------------------------------------------------------------------------


async def goes_on() -> None:
    while True:
        await trio.lowlevel.checkpoint()


async def takes_turns() -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(goes_on)


async def sleeps_too_short_to_move_time() -> None:
    await gl.sleep(1.0)
    while True:
        await gl.sleep(1e-20)


async def waits_until_all_are_blocked() -> None:
    while True:
        await trio.testing.wait_all_tasks_blocked()


async def meets_a_deadline_again_and_again() -> None:
    while True:
        with trio.move_on_after(0):
            await trio.sleep_forever()


@pytest.mark.parametrize(
    ("main", "at"),
    [
        (goes_on, 0.0),
        (takes_turns, 0.0),
        (sleeps_too_short_to_move_time, 1.0),
        (waits_until_all_are_blocked, 0.0),
        (meets_a_deadline_again_and_again, 0.0),
    ],
)
def test_a_run_that_goes_on_without_moving_time_ends_as_livelock(
    main: Callable[[], Awaitable[None]], at: float
) -> None:
    result = gl.run(main, horizon=60.0, livelock_after=1000)
    assert (result.value, result.ended, result.at) == (None, "livelock", at)


def passes_until(steps: int, *, after: float = 0.0) -> Callable[[], Awaitable[int]]:
    async def main() -> int:
        if after:
            await gl.sleep(after)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        return steps

    return main


@pytest.mark.parametrize("after", [0.0, 1.0])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_run_may_make_exactly_as_many_passes_at_one_instant_as_it_is_told(
    limit: int, after: float
) -> None:
    # The first pass at an instant runs up to the first checkpoint.
    fits = gl.run(passes_until(limit - 1, after=after), livelock_after=limit)
    assert (fits.value, fits.ended) == (limit - 1, "completed")
    exceeds = gl.run(passes_until(limit, after=after), livelock_after=limit)
    assert (exceeds.value, exceeds.ended, exceeds.at) == (None, "livelock", after)


def test_passes_are_counted_for_each_instant_anew() -> None:
    async def main() -> None:
        for _ in range(100):
            await passes_until(9, after=0.5)()

    assert gl.run(main, livelock_after=10).ended == "completed"
    assert gl.run(main, livelock_after=9).at == 0.5


def test_a_pass_runs_all_tasks_that_are_ready_so_a_crowd_is_no_livelock() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(trio.lowlevel.checkpoint)

    assert gl.run(main, livelock_after=4).ended == "completed"


def test_a_livelock_is_found_by_default() -> None:
    assert gl.run(goes_on).ended == "livelock"


def test_the_real_clock_knows_no_livelock() -> None:
    result = gl.run(goes_on, clock="real", horizon=0.02, livelock_after=1)
    assert result.ended == "horizon"


def test_a_clock_counts_the_passes_of_its_run() -> None:
    async def main() -> list[int]:
        clock: Any = trio.lowlevel.current_clock()
        passes = [clock.passes]
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            passes.append(clock.passes)
        await gl.sleep(1.0)
        return [*passes, clock.passes]

    for clock in ("virtual", "real"):
        first, *later = gl.run(main, clock=clock, horizon=60.0).value or [0]
        assert [count - first for count in later][:3] == [1, 2, 3]
        assert later[3] > later[2]


@pytest.mark.parametrize(("pause", "at"), [(0.0, 1.0), (1.0, 5.0)])
def test_a_task_that_catches_every_cancellation_is_an_error_at_last(
    pause: float, at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual_time, "_PASSES_TO_STOP", 1000)

    async def main() -> None:
        await gl.sleep(1.0)
        while True:
            with suppress(trio.Cancelled):
                await gl.sleep(pause)

    with pytest.raises(StopRefused) as caught:
        gl.run(main, horizon=5.0, livelock_after=1000)
    assert caught.value.at == at


def test_tasks_that_sleep_behind_a_shield_again_and_again_are_an_error_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(virtual_time, "_PASSES_TO_STOP", 1000)

    async def sleeps() -> None:
        with trio.CancelScope(shield=True):
            while True:
                await gl.sleep(1.0)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeps)
            nursery.start_soon(sleeps)
            nursery.start_soon(waits_for_ever)
            await sleeps()

    with pytest.raises(StopRefused) as caught:
        gl.run(main, horizon=5.5)
    assert caught.value.at == 5.5


CATCHES_EVERYTHING = """
import contextlib
import trio
import genesis_lab as gl
from genesis_lab import errors, virtual_time

virtual_time._PASSES_TO_STOP = 1000

async def alone():
    while True:
        with contextlib.suppress(BaseException):
            await gl.sleep(0)

async def in_a_nursery():
    async with gl.HybridCoordinator(), trio.open_nursery() as nursery:
        nursery.start_soon(alone)
        nursery.start_soon(trio.sleep_forever)

async def started_again_and_again():
    while True:
        with contextlib.suppress(BaseException):
            await in_a_nursery()

async def completes():
    await gl.sleep(1.0)

try:
    gl.run({main}, livelock_after=1000)
except errors.StopRefused as refused:
    at = refused.at
print(at, gl.run(completes).ended)
"""


@pytest.mark.parametrize("main", ["alone", "in_a_nursery", "started_again_and_again"])
def test_a_task_that_catches_everything_is_abandoned_with_an_error(main: str) -> None:
    # In a process of its own, which must come to its end although Python closes what it frees.
    script = CATCHES_EVERYTHING.replace("{main}", main)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("0.0 completed\n", "")


# --- failures of handlers, and why a run ended ----------------------------------------------------


def failure(component: str) -> HandlerFailed:
    failed = HandlerFailed(component, "ask", "ValueError: mine")
    failed.__cause__ = ValueError("mine")
    return failed


def lab_clock() -> virtual_time.LabClock:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, virtual_time.LabClock)
    return clock


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_result_counts_the_failures_of_handlers_and_keeps_the_first_message(clock: Any) -> None:
    async def main() -> str:
        for component in "abc":
            lab_clock().handler_failed(failure(component))
        return "done"

    result = gl.run(main, clock=clock)
    assert (result.value, result.ended, result.failures) == ("done", "completed", 3)
    assert result.first_failure == "'a' failed on 'ask': ValueError: mine"


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_run_can_end_with_the_first_failure_of_a_handler(clock: Any) -> None:
    seen = []
    first = failure("a")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits_for_ever)
            lab_clock().on_cut(lambda: seen.append("cut"))
            lab_clock().handler_failed(first)
            lab_clock().handler_failed(failure("b"))
            await trio.lowlevel.checkpoint()
            seen.append("not reached")

    with pytest.raises(HandlerFailed) as caught:
        gl.run(main, on_failure="raise", clock=clock)
    assert caught.value is first
    assert repr(caught.value.__cause__) == "ValueError('mine')"
    assert seen == ["cut"]


async def raises_another() -> None:
    raise ValueError("other")


async def raises_another_in_a_group() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(raises_another)
        nursery.start_soon(waits_for_ever)


async def refuses_to_stop() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


@pytest.mark.parametrize("then", [raises_another, raises_another_in_a_group, refuses_to_stop])
def test_what_comes_of_stopping_the_tasks_does_not_hide_the_failure(
    then: Callable[[], Awaitable[None]],
) -> None:
    async def main() -> None:
        lab_clock().handler_failed(failure("a"))
        await then()

    with pytest.raises(HandlerFailed, match=r"^'a' failed on"):
        gl.run(main, on_failure="raise")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_comes_before_the_failure_of_a_handler(error: type[BaseException]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits_for_ever)
            lab_clock().handler_failed(failure("a"))
            raise error

    with pytest.raises(error) as caught:
        gl.run(main, on_failure="raise")
    assert type(caught.value) is error


def test_a_handler_that_fails_after_the_cut_does_not_count() -> None:
    async def main() -> None:
        try:
            await trio.sleep_forever()
        finally:
            lab_clock().handler_failed(failure("a"))

    for on_failure in ("record", "raise"):
        result = gl.run(main, on_failure=on_failure)
        assert (result.ended, result.failures, result.first_failure) == ("stalled", 0, None)


@pytest.mark.parametrize(
    ("main", "ended"), [(waits_for_ever, "stalled"), (goes_on, "livelock"), (ticks, "horizon")]
)
def test_what_hears_of_the_cut_explains_it_in_order(
    main: Callable[[], Awaitable[None]], ended: str
) -> None:
    async def explained() -> None:
        clock = lab_clock()
        clock.on_cut(lambda: ["one", "two"])
        clock.on_cut(lambda: None)
        take_off = clock.on_cut(lambda: ["taken off"])
        clock.on_cut(lambda: (text for text in ["three"]))
        take_off()
        await main()

    result = gl.run(explained, horizon=5.0, livelock_after=10)
    assert (result.ended, result.explanation) == (ended, ("one", "two", "three"))


def test_a_run_that_completes_needs_no_explanation() -> None:
    async def main() -> None:
        lab_clock().on_cut(lambda: ["pending"])

    assert gl.run(main).explanation == ()


async def waits_for_an_event() -> None:
    await trio.Event().wait()


def test_a_run_that_stalls_without_messages_says_where_its_main_task_waits() -> None:
    assert gl.run(waits_for_an_event).explanation == (
        "no message is pending; 1 task waits in waits_for_an_event > Event.wait",
    )


def test_a_run_that_stalls_without_messages_says_how_many_tasks_wait() -> None:
    async def waits_in_a_nursery() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(waits_for_ever)

    [line] = gl.run(waits_in_a_nursery).explanation
    assert line.startswith("no message is pending; 3 tasks wait, the main one in test_a_run_that_")
    assert line.endswith(".waits_in_a_nursery > NurseryManager.__aexit__")


# --- what comes out of a run ----------------------------------------------------------------------


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_an_exception_comes_out_as_it_is(clock: Any) -> None:
    error = ValueError("mine")

    async def main() -> None:
        raise error

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        gl.run(main, clock=clock)
    assert caught.value is error


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_an_interrupt_comes_out_of_whatever_nurseries_as_keyboard_interrupt(clock: Any) -> None:
    async def interrupts() -> None:
        raise KeyboardInterrupt

    async def nested() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupts)
            nursery.start_soon(waits_for_ever)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nested)
            nursery.start_soon(waits_for_ever)

    with pytest.raises(KeyboardInterrupt) as caught:
        gl.run(main, clock=clock)
    assert type(caught.value) is KeyboardInterrupt


def test_other_groups_stay_groups() -> None:
    async def fails() -> None:
        raise ValueError("mine")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)
            nursery.start_soon(waits_for_ever)

    with pytest.raises(ExceptionGroup) as caught:
        gl.run(main)
    assert caught.group_contains(ValueError, match=r"^mine$")


@pytest.mark.parametrize(("horizon", "at"), [(5.0, 5.0), (math.inf, 6.0)])
def test_a_task_that_shields_itself_and_waits_for_ever_after_a_cut_is_an_error(
    horizon: float, at: float
) -> None:
    async def main() -> None:
        with trio.CancelScope(shield=True):
            await gl.sleep(6.0)
            await trio.sleep_forever()

    with pytest.raises(StopRefused) as caught:
        gl.run(main, horizon=horizon)
    assert str(caught.value) == (
        f"the run was cut at t={at:g} s, but a task does not stop: it waits forever "
        "behind a cancellation shield, or it catches Cancelled and goes on"
    )


def test_several_tasks_that_shield_themselves_are_one_error() -> None:
    async def shields() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(shields)
            async with trio.open_nursery() as inner:
                inner.start_soon(shields)
                inner.start_soon(waits_for_ever)

    with pytest.raises(StopRefused):
        gl.run(main)


# --- sleeping -------------------------------------------------------------------------------------


@SLEEPS
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_sleep_of_zero_lets_others_run_and_takes_no_time(sleep: Sleep, clock: Any) -> None:
    ran = []

    async def other() -> None:
        ran.append("other")

    async def main() -> list[str]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(3):
                await sleep(0)
            return list(ran)

    result = gl.run(main, clock=clock)
    assert result.value == ["other"]
    if clock == "virtual":
        assert result.at == 0.0


@pytest.mark.parametrize("seconds", [-1, -0.001, -math.inf, math.nan])
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_sleeping_for_no_duration_is_refused(seconds: float, clock: Any) -> None:
    async def main() -> None:
        await gl.sleep(seconds)

    with pytest.raises(InvalidSetting) as caught:
        gl.run(main, clock=clock)
    assert str(caught.value) == f"seconds={seconds!r}: expected a number >= 0"


def wake_ups(sleep: Sleep, seed: int) -> list[tuple[str, float]]:
    """Who woke up when, of several tasks with a fixed rhythm each."""
    woken: list[tuple[str, float]] = []

    async def wakes(name: str, rhythm: float) -> None:
        for _ in range(20):
            await sleep(rhythm)
            woken.append((name, trio.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for name, rhythm in (("a", 0.5), ("b", 0.25), ("c", 0.1), ("d", 0.3)):
                nursery.start_soon(wakes, name, rhythm)

    gl.run(main, seed=seed)
    return woken


def test_both_ways_to_sleep_wake_at_the_same_instants() -> None:
    ours = wake_ups(gl.sleep, seed=0)
    assert sorted(ours) == sorted(wake_ups(trio.sleep, seed=0))
    instants = [at for _, at in ours]
    assert instants == sorted(instants)


def test_tasks_that_sleep_in_either_way_meet_at_the_same_instant() -> None:
    async def main() -> set[float]:
        woken = set()

        async def wakes(sleep: Sleep) -> None:
            await sleep(0.25)
            woken.add(trio.current_time())

        async with trio.open_nursery() as nursery:
            for sleep in (gl.sleep, trio.sleep) * 3:
                nursery.start_soon(wakes, sleep)
        return woken

    result = gl.run(main)
    assert (result.value, result.at) == ({0.25}, 0.25)


@SLEEPS
def test_a_deadline_comes_before_a_sleep_that_ends_at_the_same_instant(sleep: Sleep) -> None:
    async def main() -> bool:
        await gl.sleep(0.5)
        with trio.move_on_after(1.0) as scope:
            await sleep(1.0)
        return scope.cancelled_caught

    for seed in range(10):
        assert gl.run(main, seed=seed).value


@SLEEPS
def test_a_sleep_that_is_cancelled_ends_at_once_and_leaves_no_timer(sleep: Sleep) -> None:
    async def main() -> float:
        with trio.move_on_after(1.0):
            await sleep(1000.0)
        return trio.current_time()

    result = gl.run(main)
    assert (result.value, result.at) == (1.0, 1.0)

    async def then_waits_for_ever() -> None:
        await main()
        await trio.sleep_forever()

    stalled = gl.run(then_waits_for_ever)
    assert (stalled.ended, stalled.at) == ("stalled", 1.0)


@SLEEPS
def test_cancelling_before_a_sleep_ends_it_before_it_begins(sleep: Sleep) -> None:
    async def main() -> float:
        for seconds in (0, 5.0, math.inf):
            with trio.CancelScope() as scope:
                scope.cancel()
                await sleep(seconds)
            assert scope.cancelled_caught
        return trio.current_time()

    assert gl.run(main).value == 0.0


def test_sleep_works_outside_a_run_of_ours_too() -> None:
    async def main() -> float:
        started = trio.current_time()
        await gl.sleep(2.5)
        return trio.current_time() - started

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) == 2.5


def test_a_deadline_may_be_moved_while_it_is_waited_for() -> None:
    async def main() -> float:
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = 10.0
            nursery.start_soon(trio.sleep_forever)
            await gl.sleep(1.0)
            nursery.cancel_scope.deadline = 3.0
        return trio.current_time()

    assert gl.run(main).value == 3.0


def test_waiting_until_all_tasks_are_blocked_takes_no_time() -> None:
    async def main() -> list[float]:
        woken = []

        async def sleeps(seconds: float) -> None:
            await gl.sleep(seconds)
            woken.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeps, 1.0)
            nursery.start_soon(trio.sleep, 2.0)
            await trio.testing.wait_all_tasks_blocked()
            woken.append(trio.current_time())
        return woken

    result = gl.run(main)
    assert (result.value, result.at) == ([0.0, 1.0], 2.0)


def test_a_call_that_is_put_in_from_outside_the_tasks_is_made_before_time_moves() -> None:
    async def main() -> float:
        event = trio.Event()
        trio.lowlevel.current_trio_token().run_sync_soon(event.set)
        with trio.move_on_after(5.0):
            await event.wait()
        return trio.current_time()

    assert gl.run(main).value == 0.0


# --- the seed -------------------------------------------------------------------------------------


def order_of_simultaneous_tasks(seed: int, sleep: Sleep) -> tuple[int, ...]:
    order: list[int] = []

    async def notes(number: int) -> None:
        for _ in range(4):
            await sleep(0.5)
            order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(notes, number)

    gl.run(main, seed=seed)
    return tuple(order)


@SLEEPS
def test_the_same_seed_gives_the_same_order_of_simultaneous_tasks(sleep: Sleep) -> None:
    for seed in range(5):
        orders = {order_of_simultaneous_tasks(seed, sleep) for _ in range(5)}
        assert len(orders) == 1


@SLEEPS
def test_different_seeds_give_different_orders_of_simultaneous_tasks(sleep: Sleep) -> None:
    orders = {order_of_simultaneous_tasks(seed, sleep) for seed in range(20)}
    assert len(orders) > 5


def test_a_run_leaves_the_global_random_generator_alone() -> None:
    before = random.getstate()
    order_of_simultaneous_tasks(1, gl.sleep)
    assert random.getstate() == before


# --- what virtual time cannot foresee -------------------------------------------------------------


def refusal(what: str, at: float) -> str:
    return (
        f"at t={at:g} s a task waits for {what}: virtual time would jump past it. "
        'Use gl.run(..., clock="real") for real I/O and threads'
    )


async def reads_a_socket() -> None:
    one, other = trio.socket.socketpair()
    with one, other:
        await one.recv(1)


async def uses_a_thread() -> None:
    await trio.to_thread.run_sync(time.sleep, 0.02)


async def uses_a_thread_under_its_own_limit() -> None:
    await trio.to_thread.run_sync(time.sleep, 0.02, limiter=trio.CapacityLimiter(1))


REAL_WAITS = [
    pytest.param(reads_a_socket, "real I/O", id="socket"),
    pytest.param(uses_a_thread, "a thread", id="thread"),
    pytest.param(uses_a_thread_under_its_own_limit, "a thread", id="thread with its own limiter"),
]


@pytest.mark.parametrize(("wait", "what"), REAL_WAITS)
def test_a_real_wait_is_an_error_that_says_what_to_do(
    wait: Callable[[], Awaitable[None]], what: str
) -> None:
    async def main() -> None:
        await gl.sleep(1.5)
        await wait()

    with pytest.raises(RealWaitUnderVirtualTime) as caught:
        gl.run(main)
    assert str(caught.value) == refusal(what, 1.5)


@pytest.mark.parametrize(
    ("wait", "what"),
    [
        *REAL_WAITS[:2],
        pytest.param(
            uses_a_thread_under_its_own_limit,
            "a thread",
            id="thread with its own limiter",
        ),
    ],
)
def test_a_real_wait_is_an_error_even_while_timers_are_pending(
    wait: Callable[[], Awaitable[None]], what: str
) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ticks)
            await gl.sleep(1.5)
            await wait()
            nursery.cancel_scope.cancel()

    with pytest.raises(RealWaitUnderVirtualTime) as caught:
        gl.run(main, horizon=1e4)
    assert str(caught.value) == refusal(what, 1.5)


@pytest.mark.parametrize("wait", [uses_a_thread, uses_a_thread_under_its_own_limit])
def test_threads_work_under_the_real_clock(wait: Callable[[], Awaitable[None]]) -> None:
    assert gl.run(wait, clock="real").ended == "completed"


def test_sockets_work_under_the_real_clock() -> None:
    async def main() -> bytes:
        one, other = trio.socket.socketpair()
        with one, other:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(other.send, b"x")
                received: bytes = await one.recv(1)
                return received

    assert gl.run(main, clock="real").value == b"x"


# --- the real clock -------------------------------------------------------------------------------


def test_the_real_clock_begins_at_zero_and_moves_by_itself() -> None:
    async def main() -> tuple[bool, bool]:
        started = trio.current_time()
        await gl.sleep(0.01)
        return started < 0.01, trio.current_time() >= 0.01

    result = gl.run(main, seed=5, clock="real")
    assert (result.value, result.ended, result.seed) == ((True, True), "completed", 5)


@SLEEPS
@pytest.mark.parametrize("seconds", [60.0, math.inf])
def test_the_real_clock_has_a_horizon_and_never_stalls(sleep: Sleep, seconds: float) -> None:
    async def main() -> None:
        await sleep(seconds)

    result = gl.run(main, horizon=0.02, clock="real")
    assert (result.value, result.ended) == (None, "horizon")
    assert result.at >= 0.02


def test_the_real_clock_cuts_a_run_that_never_waits() -> None:
    async def main() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    assert gl.run(main, horizon=0.02, clock="real").ended == "horizon"


def test_the_seed_orders_tasks_under_the_real_clock_too() -> None:
    def order(seed: int) -> tuple[int, ...]:
        ran: list[int] = []

        async def notes(number: int) -> None:
            for _ in range(4):
                await trio.lowlevel.checkpoint()
                ran.append(number)

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(4):
                    nursery.start_soon(notes, number)

        gl.run(main, seed=seed, clock="real")
        return tuple(ran)

    assert order(1) == order(1)
    assert len({order(seed) for seed in range(20)}) > 5


# --- trio's private switches ----------------------------------------------------------------------

SWITCHES = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")


def switches() -> tuple[Any, ...]:
    return tuple(getattr(trio_run, name) for name in SWITCHES)


async def fails() -> None:
    raise ValueError


async def is_interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("main", "clock"),
    [
        (completes, "virtual"),
        (completes, "real"),
        (waits_for_ever, "virtual"),
        (waits_for_ever, "real"),
        (fails, "virtual"),
        (is_interrupted, "virtual"),
        (refuses_to_stop, "virtual"),
        (reads_a_socket, "virtual"),
    ],
)
def test_switches_of_trio_are_as_before_after_a_run(
    main: Callable[[], Awaitable[None]], clock: Any
) -> None:
    before = switches()
    with suppress(ValueError, KeyboardInterrupt, StopRefused, RealWaitUnderVirtualTime):
        gl.run(main, horizon=0.02, clock=clock)
    assert all(now is was for now, was in zip(switches(), before, strict=True))


def test_switches_of_trio_are_as_before_after_runs_that_overlap_in_two_threads() -> None:
    before = switches()
    both_run, first_is_done = threading.Barrier(2), threading.Event()
    results: dict[str, gl.RunResult[str]] = {}
    in_between: list[tuple[Any, ...]] = []

    async def first() -> str:
        both_run.wait()
        return "first"

    async def second() -> str:
        both_run.wait()
        first_is_done.wait()
        in_between.append(switches())
        return "second"

    def run_first() -> None:
        results["first"] = gl.run(first)
        first_is_done.set()

    def run_second() -> None:
        results["second"] = gl.run(second)

    threads = [threading.Thread(target=target) for target in (run_first, run_second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: result.value for name, result in results.items()} == {
        "first": "first",
        "second": "second",
    }
    [(flag, generator)] = in_between
    assert flag is True
    assert generator is not before[1]
    assert all(now is was for now, was in zip(switches(), before, strict=True))


def test_runs_in_two_threads_follow_each_its_own_seed() -> None:
    alone = {seed: order_of_simultaneous_tasks(seed, gl.sleep) for seed in range(8)}
    together: dict[int, tuple[int, ...]] = {}
    start = threading.Barrier(len(alone))

    def run(seed: int) -> None:
        start.wait()
        together[seed] = order_of_simultaneous_tasks(seed, gl.sleep)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_a_run_inside_a_run_is_refused_by_trio_and_disturbs_nothing() -> None:
    def order(*, with_inner: bool) -> tuple[int, ...]:
        ran: list[int] = []

        async def notes(number: int) -> None:
            for _ in range(8):
                await trio.lowlevel.checkpoint()
                ran.append(number)

        async def main() -> None:
            if with_inner:
                with pytest.raises(RuntimeError):
                    gl.run(completes, seed=99)
            async with trio.open_nursery() as nursery:
                for number in range(4):
                    nursery.start_soon(notes, number)

        gl.run(main, seed=1)
        return tuple(ran)

    assert order(with_inner=True) == order(with_inner=False)


@pytest.mark.parametrize("name", virtual_time._PRIVATE_NAMES)
def test_this_trio_keeps_its_private_names_where_they_are_looked_for(name: str) -> None:
    operator.attrgetter(name)(trio_run)


@pytest.mark.parametrize("name", [*SWITCHES, "Task._next_send_fn", "Task._attempt_abort"])
def test_a_trio_that_keeps_them_elsewhere_is_refused_by_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(f"trio._core._run.{name}")
    with pytest.raises(UnsupportedTrio) as caught:
        gl.run(completes)
    assert str(caught.value) == (
        f"trio {trio.__version__} has no trio._core._run.{name}: "
        "genesis_lab.virtual_time needs it for a deterministic order of tasks"
    )


def test_trio_asks_its_random_generator_once_in_each_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    begin_pass = virtual_time.VirtualClock.begin_pass

    def noted(clock: virtual_time.VirtualClock, ready: list[trio.lowlevel.Task]) -> None:
        sizes.append(len(ready))
        begin_pass(clock, ready)

    async def main() -> list[int]:
        del sizes[:]
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(trio.lowlevel.checkpoint)
        return list(sizes)

    monkeypatch.setattr(virtual_time.VirtualClock, "begin_pass", noted)
    assert gl.run(main).value == [1, 3, 3, 1]


def test_trios_random_generator_stays_what_it_was_for_other_runs_beside_ours() -> None:
    ours: Any = None

    async def beside() -> None:
        await trio.lowlevel.checkpoint()

    async def main() -> float:
        nonlocal ours
        ours = trio_run._r
        thread = threading.Thread(target=trio.run, args=(beside,))
        thread.start()
        thread.join()
        drawn: float = ours.random()
        return drawn

    before = trio_run._r.getstate()
    assert 0 <= (gl.run(main).value or -1) < 1
    assert ours is not trio_run._r
    assert trio_run._r.getstate() != before


# --- polls ----------------------------------------------------------------------------------------


def polls_of(main: Callable[[], Awaitable[None]]) -> list[float]:
    """The timeouts with which a run asks the system for events."""
    timeouts: list[float] = []

    async def watched() -> None:
        manager: Any = trio_run.GLOBAL_RUN_CONTEXT.runner.io_manager
        poll = manager._poll

        def noted(timeout: float) -> Any:
            timeouts.append(timeout)
            return poll(timeout)

        manager._poll = noted
        await main()
        manager._poll = poll

    gl.run(watched)
    return timeouts


def test_virtual_run_without_io_does_not_poll() -> None:
    async def main() -> None:
        for _ in range(100):
            await gl.sleep(1.0)
            await trio.lowlevel.checkpoint()

    assert polls_of(main) == []


def test_call_from_another_thread_is_made_while_tasks_go_on() -> None:
    called = threading.Event()

    async def main() -> None:
        token = trio.lowlevel.current_trio_token()
        thread = threading.Thread(target=token.run_sync_soon, args=(called.set,))
        thread.start()
        thread.join()
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        assert called.is_set()

    assert polls_of(main) == [0]


def test_descriptor_that_becomes_ready_wakes_its_task_while_tasks_go_on() -> None:
    async def main() -> None:
        one, other = trio.socket.socketpair()
        with one, other:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(other.recv, 1)
                await trio.lowlevel.checkpoint()
                await one.send(b"x")
                for _ in range(5):  # time stands still, so nothing is refused
                    await trio.lowlevel.checkpoint()

    assert polls_of(main) == [0]


def test_waiting_until_all_tasks_are_blocked_polls_as_trio_does() -> None:
    async def main() -> None:
        await trio.testing.wait_all_tasks_blocked(0.01)

    assert polls_of(main) == [0.01]
