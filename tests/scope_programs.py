"""Random programs of nested scopes, and what happens in them: a trace, to be compared with another.

A program is a list of steps. Each task of it has a path, such as `main.0.1`, and a program's scopes
have numbers, so that any task can cancel any of them or move its deadline.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import trio
import trio._core._run as trio_run
from hypothesis import strategies as st

import genesis_lab as gl

MakeScope = Callable[[float], Any]


class Step(NamedTuple):
    kind: str
    number: float = 0
    bodies: tuple[tuple["Step", ...], ...] = ()


LABELS = st.integers(0, 5)
SECONDS = st.sampled_from([0.0, 1.0, 1.0, 2.0, 3.0])
DEADLINES = st.sampled_from([-1.0, 0.0, 1.0, 1.0, 2.0, 3.0, 4.0, math.inf])


def programs() -> st.SearchStrategy[tuple[Step, ...]]:
    leaves = st.one_of(
        st.builds(Step, st.just("sleep"), SECONDS),
        st.builds(Step, st.sampled_from(["cancel", "extend", "shorten", "fail"]), LABELS),
        st.builds(Step, st.sampled_from(["checkpoint", "look"])),
    )
    return _bodies(st.recursive(leaves, _with_bodies, max_leaves=25))


def _bodies(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[tuple[Step, ...]]:
    return st.lists(steps, min_size=1, max_size=4).map(tuple)


def _with_bodies(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    one = st.tuples(_bodies(steps))
    several = st.lists(_bodies(steps), min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Step, st.just("scope"), DEADLINES, one),
        st.builds(Step, st.just("scope"), DEADLINES, one),
        st.builds(Step, st.sampled_from(["shield", "swallow"]), st.just(0), one),
        st.builds(Step, st.sampled_from(["nursery", "start"]), st.just(0), several),
    )


@dataclass
class Performance:
    """One run of a program with one kind of scope."""

    make_scope: MakeScope
    trace: list[Any] = field(default_factory=list)
    scopes: list[Any] = field(default_factory=list)

    def run(self, program: tuple[Step, ...]) -> list[Any]:
        """What happened, in which task, when."""

        async def main() -> None:
            try:
                await self._perform(program, "main")
            except BaseException as error:
                self._note("main", "ends with", described(error))
                if isinstance(error, trio.Cancelled):
                    raise
            deadlines = trio_run.GLOBAL_RUN_CONTEXT.runner.deadlines
            deadlines._prune()  # asserts that as many entries are active as are counted
            self._note("main", "active deadlines", deadlines._active)

        result = gl.run(main, horizon=200.0)
        self.trace += [result.ended, result.at]
        return self.trace

    def _note(self, task: str, *what: Any) -> None:
        self.trace.append((trio.current_time(), task, *what))

    async def _perform(self, steps: tuple[Step, ...], task: str) -> None:
        for step in steps:
            await getattr(self, f"_{step.kind}")(step, task)
            self._note(task, step.kind)

    async def _sleep(self, step: Step, _task: str) -> None:
        await gl.sleep(step.number)

    async def _checkpoint(self, _step: Step, _task: str) -> None:
        await trio.lowlevel.checkpoint()

    async def _fail(self, step: Step, _task: str) -> None:
        raise ValueError(step.number)

    async def _cancel(self, step: Step, task: str) -> None:
        if scope := self._labelled(step.number):
            scope.cancel()
            self._note(task, "cancels", scope.cancel_called)

    async def _extend(self, step: Step, _task: str) -> None:
        if scope := self._labelled(step.number):
            scope.deadline += 2

    async def _shorten(self, step: Step, _task: str) -> None:
        if scope := self._labelled(step.number):
            scope.deadline = trio.current_time() + 1

    def _labelled(self, number: float) -> Any:
        return self.scopes[int(number)] if number < len(self.scopes) else None

    async def _look(self, _step: Step, task: str) -> None:
        states = [(each.deadline, each.cancel_called) for each in self.scopes]
        self._note(task, trio.current_effective_deadline(), states)

    async def _scope(self, step: Step, task: str) -> None:
        scope = self.make_scope(trio.current_time() + step.number)
        label = len(self.scopes)
        self.scopes.append(scope)
        try:
            with scope as entered:
                assert entered is scope
                self._note(task, "enters", label, trio.current_effective_deadline())
                await self._perform(step.bodies[0], task)
        finally:
            self._note(task, "left", label, scope.cancelled_caught, scope.cancel_called)
            self._note(task, "is under", trio.current_effective_deadline())

    async def _shield(self, step: Step, task: str) -> None:
        with trio.CancelScope(shield=True):
            await self._perform(step.bodies[0], task)

    async def _swallow(self, step: Step, task: str) -> None:
        """Catch anything, and go on: cancellation then comes again."""
        try:
            await self._perform(step.bodies[0], task)
        except BaseException as error:  # noqa: BLE001  # any
            self._note(task, "swallows", described(error))

    async def _nursery(self, step: Step, task: str) -> None:
        async with trio.open_nursery() as nursery:
            for number, body in enumerate(step.bodies):
                nursery.start_soon(self._perform, body, f"{task}.{number}")
            await self._perform(step.bodies[0], task)

    async def _start(self, step: Step, task: str) -> None:
        """Start tasks inside a scope that they leave when they have started."""
        async with trio.open_nursery() as nursery:
            for number, body in enumerate(step.bodies):
                with self.make_scope(trio.current_time() + 1):
                    await nursery.start(self._start_up, body, f"{task}.{number}")

    async def _start_up(
        self, steps: tuple[Step, ...], task: str, task_status: trio.TaskStatus[None]
    ) -> None:
        with self.make_scope(trio.current_time() + 2) as scope:
            await self._perform(steps[:1], task)
            task_status.started()
            await self._perform(steps[1:], task)
        self._note(task, "caught", scope.cancelled_caught)


def described(error: BaseException, around: tuple[BaseException, ...] = ()) -> Any:
    """An exception without addresses: its class, its text, what it holds and comes from."""
    if error in around:
        return "itself"
    around = (*around, error)
    context = None if error.__context__ is None else described(error.__context__, around)
    if isinstance(error, BaseExceptionGroup):
        inner = [described(each, around) for each in error.exceptions]
        return (type(error), error.message, inner, context)
    return (type(error), re.sub(r"0x[0-9a-f]+", "...", str(error)), context)
