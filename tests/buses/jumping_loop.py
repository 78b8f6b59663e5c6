"""An asyncio loop in virtual time: when nothing can run, it jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_jumping(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end of `main` and of all tasks that it leaves behind; its result."""
    loop = _JumpingLoop(_JumpingSelector())
    try:
        return loop.run_until_complete(_with_leftovers(main))
    finally:
        loop.close()


async def _with_leftovers(main: Coroutine[Any, Any, T]) -> T:
    result = await main
    while leftovers := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(leftovers)
    return result


class _JumpingSelector(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "all tasks wait, and no timer is pending"
        self.now += max(timeout, 0.0)
        return super().select(0)


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _JumpingSelector) -> None:
        super().__init__(selector)
        self._jumping = selector

    def time(self) -> float:
        return self._jumping.now
