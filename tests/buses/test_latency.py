"""Link latency: requests, replies and deliveries take it, in order per link."""

from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.workloads.durations import Exponential
from tests.facts import Facts
from tests.parts import Part, ask, asking, sleeps

ARCHITECTURES = ["synchronous", "hybrid", "hybrid-awaited"]


def run_with(architecture: str, latency: Any, main: Any, **settings: Any) -> Facts:
    facts = Facts()

    async def opened() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts, latency=latency) as bus:
            await main(bus)

    gl.run(opened, **settings)
    return facts


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_request_and_reply_each_take_the_latency(architecture: str) -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b", sleeps(1.0)))
        await ask(bus, "b")

    facts = run_with(architecture, 0.25, main)
    times = ("sent_at", "arrived_at", "started_at", "served_at", "finished_at")
    assert facts.requests(*times) == [(0.0, 0.25, 0.25, 1.25, 1.5)]


def test_plain_handler_takes_the_latency_too() -> None:
    class Plain(gl.Component):
        def process_request(self, request_type: str, data: Any, source: str) -> str:
            return "done"

    async def main(bus: gl.Bus) -> None:
        bus.register(Plain("b"))
        assert await ask(bus, "b") == "done"

    facts = run_with("hybrid", 0.25, main)
    assert facts.requests("arrived_at", "served_at", "finished_at") == [(0.25, 0.25, 0.5)]


def test_latency_may_differ_by_direction_and_be_missing() -> None:
    async def main(bus: gl.Bus) -> None:
        for id in ("b", "c"):
            bus.register(Part(id))
        await ask(bus, "b")
        await ask(bus, "c")

    facts = run_with("hybrid", {("client", "b"): 1.0, ("b", "client"): 0.25}, main)
    assert facts.requests("sent_at", "arrived_at", "finished_at") == [
        (0.0, 1.0, 1.25),
        (1.25, 1.25, 1.25),
    ]


def test_place_of_a_component_is_free_while_the_reply_is_on_its_way() -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b", sleeps(1.0)))
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(asking(bus, "b"))

    facts = run_with("hybrid", 0.5, main)
    assert facts.requests("started_at", "served_at", "finished_at") == [
        (0.5, 1.5, 2.0),
        (1.5, 2.5, 3.0),
    ]


@pytest.mark.parametrize(("timeout", "served_at"), [(0.125, None), (1.0, None), (1.375, 1.25)])
def test_timeout_counts_the_way_there_and_back(timeout: float, served_at: float | None) -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b", sleeps(1.0)))
        await ask(bus, "b", timeout=timeout)

    facts = run_with("hybrid", 0.25, main)
    [(outcome, finished_at, served)] = facts.requests("outcome", "finished_at", "served_at")
    assert (outcome, finished_at) == ("timed_out", timeout)
    assert served == (served_at if timeout != 1.0 else 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_messages_on_one_link_arrive_in_the_order_in_which_they_were_sent(seed: int) -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b", hear=sleeps(0.0), admission=gl.RE_ENTRANT))
        bus.subscribe("b", "news")
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(asking(bus, "b", timeout=None))
                await bus.emit_event("news", None, "client")
                await gl.sleep(0.125)
        await bus.settle()

    facts = run_with("hybrid", Exponential(1.0), main, seed=seed)
    for arrivals in (facts.requests("arrived_at"), facts.deliveries("arrived_at")):
        assert arrivals == sorted(arrivals)
        assert len(set(arrivals)) > 1


def test_fire_and_forget_does_not_wait_for_the_link() -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b", hear=sleeps(1.0)))
        bus.subscribe("b", "news")
        await bus.emit_event("news", None, "feed")
        assert bus.now() == 0.0
        await bus.drain()
        assert bus.now() == 1.5

    facts = run_with("hybrid", 0.5, main)
    times = ("sent_at", "arrived_at", "started_at", "finished_at")
    assert facts.deliveries(*times) == [(0.0, 0.5, 0.5, 1.5)]
    assert facts.events("finished_at") == [(0.0,)]


def test_emitter_that_waits_for_handlers_waits_for_the_link() -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b", hear=sleeps(1.0)))
        bus.subscribe("b", "news")
        await bus.emit_event("news", None, "feed")
        assert bus.now() == 1.5

    run_with("hybrid-awaited", 0.5, main)


def test_delivery_to_a_component_that_leaves_meanwhile_is_cancelled() -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b"))
        bus.subscribe("b", "news")
        await bus.emit_event("news", None, "feed")
        await gl.sleep(0.25)
        bus.unregister("b")
        await bus.drain()

    facts = run_with("hybrid", 0.5, main)
    assert facts.deliveries("outcome", "arrived_at", "finished_at") == [("cancelled", None, 0.25)]


def test_request_on_its_way_to_a_component_that_leaves_is_gone() -> None:
    async def main(bus: gl.Bus) -> None:
        bus.register(Part("b"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "b"))
            await gl.sleep(0.25)
            bus.unregister("b")

    facts = run_with("hybrid", 0.5, main)
    assert facts.requests("outcome", "arrived_at", "finished_at") == [("target_gone", None, 0.25)]


def test_deadlock_forms_when_the_request_that_closes_it_arrives() -> None:
    async def main(bus: gl.Bus) -> None:
        for name, other in (("a", "b"), ("b", "a")):

            async def passes_on(part: Part, _data: Any, other: str = other) -> Any:
                return await part.ask(other, timeout=None)

            bus.register(Part(name, passes_on))
        await ask(bus, "a", timeout=None)

    facts = run_with("hybrid", 0.5, main)
    assert facts.deadlocks("formed_at", "components") == [(1.5, ("a", "b", "a"))]


@pytest.mark.parametrize(
    "latency", [-1.0, float("nan"), float("inf"), "fast", {"b": 1.0}, {("a", "b"): None}, True]
)
def test_latency_that_is_none_is_refused(latency: Any) -> None:
    with pytest.raises(gl.LabError, match=r"^latency="):
        gl.HybridCoordinator(latency=latency)


def test_manifest_shows_the_latency() -> None:
    async def main(_bus: gl.Bus) -> None:
        pass

    facts = run_with("hybrid", Exponential(0.5), main)
    assert facts.trace().manifest.configuration["latency"] == "Exponential(mean=0.5)"
