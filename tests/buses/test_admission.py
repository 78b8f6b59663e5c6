"""How many messages a component takes at once, and who goes next."""

from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.facts import Facts
from tests.parts import Part, answers, ask, asking, asks, sleeps

HYBRIDS = ("hybrid", "hybrid-awaited", "hybrid-raise")


def run_clients(architecture: str, admission: gl.Admission, clients: int) -> Facts:
    """So many clients ask a component, 0.125 s apart; each request takes a second."""
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0), admission=admission))
            async with trio.open_nursery() as nursery:
                for _ in range(clients):
                    nursery.start_soon(asking(bus, "b", timeout=None))
                    await gl.sleep(0.125)

    gl.run(main)
    return facts


@pytest.mark.parametrize("admission", [gl.SERIAL, gl.CALL_CHAIN, gl.pool(1)], ids=repr)
@pytest.mark.parametrize("architecture", HYBRIDS)
def test_one_at_a_time_in_order_of_arrival(architecture: str, admission: gl.Admission) -> None:
    facts = run_clients(architecture, admission, 4)
    assert facts.requests("sent_at", "started_at", "finished_at") == [
        (0.0, 0.0, 1.0),
        (0.125, 1.0, 2.0),
        (0.25, 2.0, 3.0),
        (0.375, 3.0, 4.0),
    ]


@pytest.mark.parametrize("admission", [gl.RE_ENTRANT, gl.pool(4)], ids=repr)
@pytest.mark.parametrize("architecture", HYBRIDS)
def test_all_at_once(architecture: str, admission: gl.Admission) -> None:
    facts = run_clients(architecture, admission, 4)
    assert facts.requests("sent_at", "started_at", "finished_at") == [
        (0.0, 0.0, 1.0),
        (0.125, 0.125, 1.125),
        (0.25, 0.25, 1.25),
        (0.375, 0.375, 1.375),
    ]


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_pool_serves_as_many_as_it_has_workers(architecture: str) -> None:
    facts = run_clients(architecture, gl.pool(2), 5)
    assert facts.requests("started_at", "finished_at") == [
        (0.0, 1.0),
        (0.125, 1.125),
        (1.0, 2.0),
        (1.125, 2.125),
        (2.0, 3.0),
    ]


@pytest.mark.parametrize("admission", [gl.RE_ENTRANT, gl.CALL_CHAIN, gl.pool(4)], ids=repr)
@pytest.mark.parametrize("architecture", ["synchronous", "synchronous-component"])
def test_old_bus_serves_one_at_a_time_whatever_the_admission(
    architecture: str, admission: gl.Admission
) -> None:
    facts = run_clients(architecture, admission, 3)
    assert facts.requests("started_at", "finished_at") == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


def test_old_bus_serves_one_chain_at_a_time_in_the_whole_system() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.SynchronousBus(observer=facts) as bus:
            bus.register(Part("a", asks("c")))
            bus.register(Part("b", sleeps(1.0)))
            bus.register(Part("c", sleeps(1.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a"))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b"))

    gl.run(main)
    assert facts.requests("target", "sent_at", "started_at", "finished_at") == [
        ("a", 0.0, 0.0, 1.0),
        ("c", 0.0, 0.0, 1.0),
        ("b", 0.25, 1.0, 2.0),
    ]


def test_its_kinder_variant_lets_chains_run_side_by_side_at_different_components() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.SynchronousBus(scope="component", observer=facts) as bus:
            bus.register(Part("a", sleeps(1.0)))
            bus.register(Part("b", sleeps(1.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a"))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b"))
                nursery.start_soon(asking(bus, "a"))

    gl.run(main)
    assert sorted(facts.requests("target", "sent_at", "started_at", "finished_at")) == [
        ("a", 0.0, 0.0, 1.0),
        ("a", 0.25, 1.0, 2.0),
        ("b", 0.25, 0.25, 1.25),
    ]


def test_old_bus_holds_whoever_asks_while_an_event_goes_round() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.SynchronousBus(observer=facts) as bus:
            bus.register(Part("a", hear=sleeps(1.0)))
            bus.register(Part("b"))
            bus.subscribe("a", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bus.emit_event, "news", None, "feed")
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b"))

    gl.run(main)
    assert facts.requests("sent_at", "started_at", "finished_at") == [(0.25, 1.0, 1.0)]


# --- call chains ----------------------------------------------------------------------------------


class Recursive(Part):
    """Asks itself, by way of a relay, as many times as told."""

    async def process_request(self, request_type: str, data: int, source: str) -> int:
        await gl.sleep(0.25)
        if data == 0:
            return 0
        deeper: int = await self.ask("relay", data - 1, None)
        return deeper + 1


def test_messages_of_its_chain_enter_a_component_that_others_wait_for() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Recursive("a", admission=gl.CALL_CHAIN))
            bus.register(Part("relay", asks("a", timeout=None), admission=gl.CALL_CHAIN))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", 2, None))
                await gl.sleep(0.125)
                nursery.start_soon(asking(bus, "a", 0, None))

    gl.run(main)
    rows = facts.requests("source", "target", "outcome", "started_at", "finished_at")
    assert [row for row in rows if row[1] == "a"] == [
        ("client", "a", "answered", 0.0, 0.75),
        ("client", "a", "answered", 0.75, 1.0),
        ("relay", "a", "answered", 0.25, 0.75),
        ("relay", "a", "answered", 0.5, 0.75),
    ]


def test_a_chain_that_waits_enters_with_all_its_messages_at_once() -> None:
    facts = Facts()

    async def asks_twice_at_once(part: Part, _data: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(part.ask, "a", None, None)
            nursery.start_soon(part.ask, "a", None, None)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", sleeps(1.0), admission=gl.CALL_CHAIN))
            bus.register(Part("twice", asks_twice_at_once))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", None, None))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "twice", None, None))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "a", None, None))

    gl.run(main)
    assert facts.requests("source", "target", "sent_at", "started_at") == [
        ("client", "a", 0.0, 0.0),
        ("client", "twice", 0.25, 0.25),
        ("twice", "a", 0.25, 1.0),
        ("twice", "a", 0.25, 1.0),
        ("client", "a", 0.5, 2.0),
    ]


def test_an_event_begins_a_new_chain_so_it_waits_for_the_one_that_emits_it() -> None:
    facts = Facts()

    async def tells_b_and_waits(part: Part, _data: Any) -> None:
        await part.tell("news")
        await gl.sleep(1.0)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", tells_b_and_waits, admission=gl.CALL_CHAIN))
            bus.register(Part("b", hear=asks("a"), admission=gl.CALL_CHAIN))
            bus.subscribe("b", "news")
            await ask(bus, "a")

    gl.run(main, horizon=1.5)
    assert facts.requests("source", "target", "sent_at", "started_at")[1] == ("b", "a", 0.0, 1.0)


def test_a_handler_that_is_awaited_belongs_to_the_chain_of_its_emitter() -> None:
    facts = Facts()

    async def tells_clients_request(part: Part, data: Any) -> Any:
        if data == "tell":
            await part.tell("news", "back")
        return data

    async def main() -> Any:
        async with gl.HybridCoordinator(delivery="awaited", observer=facts) as bus:
            bus.register(Part("a", tells_clients_request, admission=gl.CALL_CHAIN))
            bus.register(Part("b", hear=asks("a")))
            bus.subscribe("b", "news")
            return await ask(bus, "a", "tell")

    assert gl.run(main).value == "tell"
    [chain] = {*facts.requests("chain"), *facts.deliveries("chain"), *facts.events("chain")}
    assert chain == facts.requests("id")[0]


# --- pools and deadlock ---------------------------------------------------------------------------


def test_a_pool_with_a_free_worker_is_no_deadlock() -> None:
    facts = Facts()

    async def asks_once_more(part: Part, data: Any) -> Any:
        if data == "again":
            return await part.ask("a", "answer", None)
        return data

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks_once_more, admission=gl.pool(3)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", "again", None))
                nursery.start_soon(asking(bus, "a", "again", None))

    assert gl.run(main).ended == "completed"
    assert facts.requests("outcome") == [("answered",)] * 4
    assert facts.deadlocks() == []


def test_a_pool_whose_workers_all_wait_for_it_is_a_deadlock() -> None:
    facts = Facts()

    async def waits_then_asks(part: Part, _data: Any) -> Any:
        await gl.sleep(1.0)
        return await part.ask("a", None, None)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", waits_then_asks, admission=gl.pool(2)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", None, None))
                await gl.sleep(0.5)
                nursery.start_soon(asking(bus, "a", None, None))

    result = gl.run(main)
    # At 1.0 the first one waits for a worker, and the other worker still runs: no deadlock yet.
    assert (result.ended, result.at) == ("stalled", 1.5)
    [(formed_at, members, components)] = facts.deadlocks("formed_at", "members", "components")
    assert formed_at == 1.5
    assert set(members) == {0, 1, 2, 3}
    assert components == ("a", "a", "a", "a")


def test_a_pool_with_one_worker_that_only_is_slow_is_no_deadlock() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("pool", pool_behaviour, admission=gl.pool(2)))
            bus.register(Part("a", asks("pool", timeout=None)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "pool", "slow", None))
                nursery.start_soon(asking(bus, "pool", "ask a", None))
                await gl.sleep(0.5)
                assert facts.deadlocks() == []  # a waits for a worker, and the slow one comes free

    async def pool_behaviour(part: Part, data: Any) -> Any:
        if data == "slow":
            await gl.sleep(3.0)
        elif data == "ask a":
            return await part.ask("a", "answer", None)
        return data

    result = gl.run(main)
    assert (result.ended, result.at) == ("completed", 3.0)
    assert facts.requests("outcome") == [("answered",)] * 4
    assert facts.deadlocks() == []


def test_a_place_is_free_again_after_whatever_end() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", as_told))
            await ask(bus, "b", "raise")
            await ask(bus, "b", "wait", timeout=0.5)
            with trio.move_on_after(0.5):
                await ask(bus, "b", "wait", timeout=None)
            await ask(bus, "b", "answer", timeout=0)

    async def as_told(_part: Part, data: str) -> Any:
        if data == "raise":
            raise ValueError(data)
        if data == "wait":
            await trio.sleep_forever()
        return await answers(_part, data)

    gl.run(main)
    assert facts.requests("outcome", "started_at", "finished_at") == [
        ("failed", 0.0, 0.0),
        ("timed_out", 0.0, 0.5),
        ("cancelled", 0.5, 1.0),
        ("answered", 1.0, 1.0),
    ]


def test_one_that_gives_up_waiting_does_not_hold_the_queue() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b", None, None))
                await gl.sleep(0.125)
                nursery.start_soon(asking(bus, "b", None, 0.5))
                await gl.sleep(0.125)
                nursery.start_soon(asking(bus, "b", None, None))

    gl.run(main)
    assert facts.requests("outcome", "started_at", "finished_at") == [
        ("answered", 0.0, 1.0),
        ("timed_out", None, 0.625),
        ("answered", 1.0, 2.0),
    ]
