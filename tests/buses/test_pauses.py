"""Requests that nothing comes between: after many of them there is a checkpoint."""

from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.parts import Part, all_but, ask


class Plain(gl.Component):
    def process_request(self, request_type: str, data: Any, source: str) -> Any:
        return data


@pytest.mark.parametrize("component", [Part, Plain], ids=["async", "plain"])
@pytest.mark.parametrize("architecture", all_but("dedicated-queues"))
def test_cancellation_gets_in_among_requests_to_a_handler_that_never_waits(
    architecture: str, component: type[gl.Component]
) -> None:
    async def main() -> int:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(component("b"))
            count = 0
            with trio.move_on_after(0):
                for _ in range(100_000):
                    await ask(bus, "b")
                    count += 1
            return count

    count = gl.run(main).value
    assert count is not None
    assert 0 < count <= 2000


def test_another_task_runs_among_requests_to_a_handler_that_never_waits() -> None:
    async def main() -> int:
        async with gl.HybridCoordinator() as bus, trio.open_nursery() as nursery:
            bus.register(Part("b"))
            turns = 0

            async def counts() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(counts)
            for _ in range(10_000):
                await ask(bus, "b")
            nursery.cancel_scope.cancel()
            return turns

    turns = gl.run(main).value
    assert turns is not None
    assert turns >= 8


def test_deadlines_of_answered_requests_do_not_pile_up() -> None:
    async def main() -> int:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b"))
            for _ in range(20_000):
                await ask(bus, "b")
            # trio's own name for it: nothing public tells how many entries its heap has.
            return len(trio._core._run.GLOBAL_RUN_CONTEXT.runner.deadlines._heap)

    entries = gl.run(main).value
    assert entries is not None
    assert entries <= 3000
