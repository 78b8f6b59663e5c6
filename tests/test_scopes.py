import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio._core._run as trio_run
from hypothesis import given, settings

import genesis_lab as gl
from genesis_lab import scopes
from genesis_lab.scopes import DeadlineScope
from tests.scope_programs import Performance, Step, described, programs

MakeScope = Callable[[float], Any]


def trios(deadline: float) -> trio.CancelScope:
    return trio.CancelScope(deadline=deadline)


def is_light(scope: Any) -> bool:
    return isinstance(scope, DeadlineScope) and scope._real is None


BOTH = pytest.mark.parametrize("scope_until", [trios, DeadlineScope])
"""What trio's scope does is what ours has to do."""


# --- what trio must be like -----------------------------------------------------------------------


def test_private_names_of_trio_are_where_the_light_scope_takes_them_for() -> None:
    assert scopes.MOVED == ()


@pytest.mark.parametrize(
    ("owner", "name", "moved"),
    [
        (trio_run, "GLOBAL_RUN_CONTEXT", "GLOBAL_RUN_CONTEXT"),
        (trio_run, "CancelStatus", "CancelStatus"),
        (trio_run.Deadlines, "expire", "Deadlines.expire"),
        (trio_run.Task, "_activate_cancel_status", "Task._activate_cancel_status"),
        (trio_run.Runner, "is_guest", "Runner.is_guest"),
    ],
)
def test_a_private_name_that_has_moved_is_named(
    owner: Any, name: str, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner, name)
    assert moved in [*scopes._moved()]


def test_a_method_with_other_parameters_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio_run.Deadlines, "_prune", trio_run.Deadlines.expire)
    assert [*scopes._moved()] == ["Deadlines._prune"]


def test_a_class_with_another_field_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio_run, "CancelStatus", trio_run.Deadlines)
    assert "CancelStatus" in [*scopes._moved()]


def test_a_heap_with_other_entries_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(self: trio_run.Deadlines, deadline: float, cancel_scope: trio.CancelScope) -> None:
        self._active += 1
        self._heap.append((deadline, 0, cancel_scope))

    monkeypatch.setattr(trio_run.Deadlines, "add", add)
    assert [*scopes._moved()] == ["Deadlines._heap"]


def test_where_a_name_has_moved_each_scope_is_trios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MOVED", ("CancelStatus",))

    async def main() -> tuple[bool, bool, float]:
        with DeadlineScope(1.0) as scope:
            before = is_light(scope)
            await trio.sleep(5)
        return before, scope.cancelled_caught, trio.current_time()

    assert gl.run(main).value == (False, True, 1.0)


# --- the common course ----------------------------------------------------------------------------


def test_scope_left_in_time_is_light_and_leaves_no_trace() -> None:
    async def main() -> None:
        task = trio.lowlevel.current_task()
        outer = task._cancel_status
        deadlines = trio_run.GLOBAL_RUN_CONTEXT.runner.deadlines
        with DeadlineScope(2.0) as scope:
            assert trio.current_effective_deadline() == 2.0
            await trio.sleep(1)
            assert is_light(scope)
        assert is_light(scope)
        assert (scope.cancelled_caught, scope.cancel_called) == (False, False)
        assert task._cancel_status is outer
        assert not outer.children
        assert outer.tasks == {task}
        assert (deadlines._heap, deadlines._active) == ([], 0)

    assert gl.run(main).at == 1.0


def test_scope_without_a_deadline_registers_none() -> None:
    async def main() -> None:
        with DeadlineScope(math.inf) as scope:
            await trio.sleep(1)
            assert trio_run.GLOBAL_RUN_CONTEXT.runner.deadlines._heap == []
            assert trio.current_effective_deadline() == math.inf
        assert is_light(scope)

    assert gl.run(main).at == 1.0


def test_stale_entries_of_the_heap_are_pruned() -> None:
    """Deadlines that come ever nearer are never the last in the heap."""

    async def main() -> int:
        for number in range(5000):
            with DeadlineScope(1e6 - number), DeadlineScope(2e6 - number):
                await trio.lowlevel.checkpoint()
        return len(trio_run.GLOBAL_RUN_CONTEXT.runner.deadlines._heap)

    entries = gl.run(main).value
    assert entries is not None
    assert entries < 1010


def test_interrupts_wait_while_a_scope_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    async def main() -> None:
        clock = trio.lowlevel.current_clock()

        def current_time() -> float:
            seen.append(trio.lowlevel.currently_ki_protected())
            return 0.0

        monkeypatch.setattr(clock, "current_time", current_time)
        with DeadlineScope(1.0):
            pass
        monkeypatch.undo()

    gl.run(main)
    assert seen == [True]


# --- as trio's ------------------------------------------------------------------------------------


@given(program=programs())
@settings(max_examples=200)
def test_any_program_goes_as_with_trios_scopes(program: tuple[Step, ...]) -> None:
    assert Performance(DeadlineScope).run(program) == Performance(trios).run(program)


@BOTH
def test_scope_is_cancelled_at_its_deadline(scope_until: MakeScope) -> None:
    async def main() -> tuple[float, bool, bool]:
        with scope_until(1.5) as scope:
            await trio.sleep(5)
        return trio.current_time(), scope.cancelled_caught, scope.cancel_called

    assert gl.run(main).value == (1.5, True, True)


@BOTH
def test_deadline_passes_while_the_task_is_inside_a_nursery(scope_until: MakeScope) -> None:
    async def main() -> tuple[float, bool]:
        with scope_until(1.0) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 5)
                nursery.start_soon(trio.sleep, 7)
        return trio.current_time(), scope.cancelled_caught

    assert gl.run(main).value == (1.0, True)


@BOTH
def test_the_scope_of_a_cancellation_alone_catches_it(scope_until: MakeScope) -> None:
    async def main() -> list[bool]:
        with scope_until(9.0) as outer, scope_until(1.0) as middle, scope_until(9.0) as inner:
            await trio.sleep(5)
        return [each.cancelled_caught for each in (outer, middle, inner)]

    assert gl.run(main).value == [False, True, False]


@BOTH
def test_an_error_beside_a_cancellation_comes_out_alone(scope_until: MakeScope) -> None:
    async def fails() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)
        raise KeyError("late")

    async def main() -> tuple[Any, bool]:
        try:
            with scope_until(1.0) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(fails)
                    nursery.start_soon(trio.sleep, 9)
        except ExceptionGroup as group:
            came_out = described(group)
        return came_out[:3], scope.cancelled_caught

    message = "Exceptions from Trio nursery"
    assert gl.run(main).value == (
        (ExceptionGroup, message, [(KeyError, "'late'", None)]),
        True,
    )


@BOTH
def test_another_task_cancels_with_a_reason(scope_until: MakeScope) -> None:
    async def cancels(scope: Any) -> None:
        await trio.sleep(1)
        if hasattr(trio_run, "CancelReason"):
            scope.cancel(reason="enough")
        else:
            scope.cancel()

    async def main() -> tuple[str, float]:
        async with trio.open_nursery() as nursery:
            with scope_until(9.0) as scope:
                nursery.start_soon(cancels, scope)
                try:
                    await trio.sleep(5)
                except trio.Cancelled as error:
                    text = str(error)
                    raise
        return text, trio.current_time()

    result = gl.run(main).value
    assert result is not None
    assert result[1] == 1.0
    assert ("enough" in result[0]) == hasattr(trio_run, "CancelReason")


@BOTH
def test_scope_cancelled_before_its_block_cuts_it_at_once(scope_until: MakeScope) -> None:
    async def main() -> tuple[bool, bool, float]:
        scope = scope_until(9.0)
        scope.cancel()
        called = scope.cancel_called
        with scope:
            await trio.sleep(1)
        return called, scope.cancelled_caught, trio.current_time()

    assert gl.run(main).value == (True, True, 0.0)


@BOTH
def test_cancel_after_the_block_is_only_noted(scope_until: MakeScope) -> None:
    async def main() -> tuple[bool, bool]:
        with scope_until(9.0) as scope:
            pass
        scope.cancel()
        return scope.cancel_called, scope.cancelled_caught

    assert gl.run(main).value == (True, False)


@BOTH
def test_deadline_that_passes_without_a_checkpoint_counts_as_cancelled(
    scope_until: MakeScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> tuple[bool, bool, bool]:
        with scope_until(1.0) as scope:
            before = scope.cancel_called
            monkeypatch.setattr(trio.lowlevel.current_clock(), "_now", 2.0)
            after = scope.cancel_called
        return before, after, scope.cancelled_caught

    assert gl.run(main).value == (False, True, False)


@BOTH
def test_a_moved_deadline_counts(scope_until: MakeScope) -> None:
    async def main() -> tuple[float, float, bool]:
        with scope_until(1.0) as scope:
            scope.deadline += 2
            deadline = trio.current_effective_deadline()
            await trio.sleep(9)
        return deadline, trio.current_time(), scope.cancelled_caught

    assert gl.run(main).value == (3.0, 3.0, True)


@BOTH
def test_a_second_block_is_refused(scope_until: MakeScope) -> None:
    async def main() -> None:
        scope = scope_until(9.0)
        with scope:
            await trio.sleep(1)
        with scope:
            await trio.sleep(1)

    with pytest.raises(
        RuntimeError, match=r"^Each CancelScope may only be used for a single 'with'"
    ):
        gl.run(main)


@BOTH
def test_a_deadline_that_is_no_number_is_refused(scope_until: MakeScope) -> None:
    async def main() -> None:
        with scope_until(math.nan):
            pass

    with pytest.raises(ValueError, match=re.escape("deadline must not be NaN")):
        gl.run(main)


@BOTH
def test_outside_of_a_run_there_is_nothing_to_cancel(scope_until: MakeScope) -> None:
    with pytest.raises(RuntimeError, match=r"^must be called from async context$"):
        scope_until(1.0).__enter__()


# --- misnested, abandoned -------------------------------------------------------------------------


def misnested(scope_until: MakeScope) -> Iterator[Any]:
    """Leave an outer scope before an inner one, and one twice: what comes of it."""
    outer, inner = scope_until(5.0), scope_until(6.0)
    outer.__enter__()
    inner.__enter__()
    for scope in (outer, inner, inner):
        try:
            scope.__exit__(None, None, None)
        except RuntimeError as error:
            yield described(error)
        else:
            yield None
        yield trio.current_effective_deadline()


def test_misnested_scopes_are_reported_as_trios_are() -> None:
    async def main() -> list[list[Any]]:
        return [[*misnested(trios)], [*misnested(DeadlineScope)]]

    theirs, ours = gl.run(main).value or ([], [1])
    assert "that's still within its child" in str(theirs[0])
    light = r"<DeadlineScope [\d.]+>"  # in the middle of a message of trio's
    shown = r"<trio.CancelScope at \.\.\., \w+, deadline is [\d.]+ seconds from now>"
    assert re.sub(light, "scope", re.sub(shown, "scope", repr(ours))) == re.sub(
        shown, "scope", repr(theirs)
    )


@BOTH
def test_a_scope_that_another_task_tries_to_leave_goes_on(scope_until: MakeScope) -> None:
    async def leaves(scope: Any) -> None:
        with pytest.raises(RuntimeError, match="from unrelated"):
            scope.__exit__(None, None, None)

    async def main() -> tuple[float, bool]:
        async with trio.open_nursery() as nursery:
            with scope_until(1.0) as scope:
                nursery.start_soon(leaves, scope)
                await trio.sleep(9)
        return trio.current_time(), scope.cancelled_caught

    assert gl.run(main).value == (1.0, True)


def test_a_block_abandoned_in_one_run_leaves_the_next_alone() -> None:
    left_over = []

    async def wait_inside() -> None:
        with DeadlineScope(trio.current_time() + 5):
            await trio.lowlevel.checkpoint()

    async def abandons() -> None:
        coroutine = wait_inside()
        coroutine.send(None)
        left_over.append(coroutine)

    async def goes_on() -> float:
        with DeadlineScope(3.0) as scope:
            left_over.pop().close()
            trio_run.GLOBAL_RUN_CONTEXT.runner.deadlines._prune()  # asserts that the count is right
            await trio.sleep(9)
        assert scope.cancelled_caught
        return trio.current_time()

    trio.run(abandons)
    assert gl.run(goes_on).value == 3.0


def test_a_guest_of_another_loop_uses_trios_scopes() -> None:
    """The host has to be told of deadlines; trio's scope does so."""
    import asyncio  # noqa: PLC0415

    async def guest() -> tuple[bool, bool]:
        with DeadlineScope(trio.current_time() + 0.01) as scope:
            before = is_light(scope)
            await trio.sleep(30)
        return before, scope.cancelled_caught

    async def host() -> Any:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done.set_result,
        )
        return (await done).unwrap()

    assert asyncio.run(host()) == (False, True)
