"""What random systems found: each of these was once a defect of the bus."""

from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.facts import Facts
from tests.parts import Part, ask, asking, tells

every_architecture = pytest.mark.parametrize("architecture", gl.ARCHITECTURES)


async def takes_b_off(part: Part, _data: Any) -> None:
    part.bus.unregister("b")


def test_subscriber_may_take_the_next_one_off_the_bus_without_suspending() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", hear=takes_b_off))
            bus.register(Part("b"))
            for id in ("a", "b"):
                bus.subscribe(id, "news")
            await bus.emit_event("news", None, "feed")
            await bus.drain()

    assert gl.run(main, schedule=gl.Fifo()).ended == "completed"
    assert facts.deliveries("target", "outcome") == [("a", "handled"), ("b", "cancelled")]


async def asks_b_at_last(part: Part, _data: Any) -> None:
    try:
        await gl.sleep(9.0)
    finally:
        with trio.CancelScope(shield=True):
            await part.ask("b", timeout=1.0)


async def tells_at_last(part: Part, data: Any) -> None:
    try:
        await gl.sleep(9.0)
    finally:
        with trio.CancelScope(shield=True):
            await tells("end")(part, data)


@every_architecture
@pytest.mark.parametrize("clean_up", [asks_b_at_last, tells_at_last])
def test_clean_up_that_sends_does_not_keep_a_bus_open_once_its_run_is_cut(
    architecture: str, clean_up: Any
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", clean_up))
            bus.register(Part("b"))
            bus.subscribe("b", "end")
            await ask(bus, "a", timeout=None)

    result = gl.run(main, horizon=1.0)
    assert (result.ended, result.at) == ("horizon", 1.0)
    assert facts.requests("target", "outcome", "finished_at") == [("a", "pending", None)]
    assert facts.deliveries() == facts.events() == []


async def asks_b_behind_a_shield(part: Part, _data: Any) -> None:
    with trio.CancelScope(shield=True):
        await part.ask("b", timeout=None)


async def sleeps_behind_a_shield(_part: Part, _data: Any) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


@pytest.mark.parametrize("seed", range(6))
def test_whoever_waits_in_line_behind_a_shield_is_woken_once(seed: int) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks_b_behind_a_shield, admission=gl.RE_ENTRANT))
            bus.register(Part("b", sleeps_behind_a_shield))
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(asking(bus, "a", timeout=None))

    result = gl.run(main, seed=seed)
    assert (result.ended, result.at) == ("stalled", 0.0)
    assert facts.requests("outcome") == [("pending",)] * 4
