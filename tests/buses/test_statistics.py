"""What a bus says that it is doing, at exact instants of virtual time."""

from dataclasses import FrozenInstanceError
from math import inf, isnan
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.buses import BusStatistics, ComponentStatistics, MessageStatistics
from genesis_lab.errors import BusNotOpen
from tests.parts import Part, asking, asks, sleeps


def in_flight(statistics: BusStatistics) -> list[tuple[Any, ...]]:
    return [
        (each.kind, each.source, each.target, each.sent_at, None if isnan(each.started_at) else 1)
        for each in statistics.in_flight
    ]


def test_statistics_say_who_serves_who_waits_and_since_when() -> None:
    async def main() -> BusStatistics:
        async with gl.HybridCoordinator() as bus, trio.open_nursery() as nursery:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", sleeps(1.0)))
            nursery.start_soon(asking(bus, "a"))
            await gl.sleep(0.25)
            nursery.start_soon(asking(bus, "b"))
            await gl.sleep(0.25)
            return bus.statistics()

    statistics = gl.run(main).value
    assert statistics is not None
    assert statistics.at == 0.5
    assert [(each.id, each.serving, each.waiting) for each in statistics.components] == [
        ("a", 1, 0),
        ("b", 1, 1),
    ]
    assert in_flight(statistics) == [
        ("request", "client", "a", 0.0, 1),
        ("request", "a", "b", 0.0, 1),
        ("request", "client", "b", 0.25, None),
    ]
    assert [each.chain for each in statistics.in_flight] == [0, 0, 2]
    assert statistics.deadlocks == ()


def test_statistics_say_what_is_in_an_inbox_and_who_waits_for_room_there() -> None:
    async def main() -> BusStatistics:
        bus = gl.HybridCoordinator(inbox_capacity=1, overflow="block")
        async with bus, trio.open_nursery() as nursery:
            bus.register(Part("a", hear=sleeps(1.0)))
            bus.subscribe("a", "news")
            for _ in range(3):
                nursery.start_soon(bus.emit_event, "news", None, "feed")
            await gl.sleep(0.25)
            return bus.statistics()

    statistics = gl.run(main).value
    assert statistics is not None
    assert statistics.components == (
        ComponentStatistics(
            id="a",
            places=1,
            serving=1,
            waiting=0,
            inbox=1,
            inbox_capacity=1,
            blocked_emitters=1,
        ),
    )
    assert [each.kind for each in statistics.in_flight] == [
        "delivery",
        "delivery",
        "event",
        "delivery",
    ]


def test_statistics_name_the_deadlocks_that_stand_and_do_not_change_afterwards() -> None:
    async def main() -> BusStatistics:
        async with gl.HybridCoordinator() as bus, trio.open_nursery() as nursery:
            bus.register(Part("a", asks("b", timeout=None)))
            bus.register(Part("b", asks("a", after=0.5, timeout=None)))
            nursery.start_soon(asking(bus, "a", timeout=1.0))
            await gl.sleep(0.75)
            statistics = bus.statistics()
            nursery.start_soon(asking(bus, "a", timeout=1.0))
            await gl.sleep(0.5)
            assert bus.statistics().deadlocks == ()
            return statistics

    statistics = gl.run(main).value
    assert statistics is not None
    [deadlock] = statistics.deadlocks
    assert (deadlock.formed_at, deadlock.components) == (0.5, ("a", "b", "a"))
    assert deadlock.victims == []
    assert isnan(deadlock.broken_at)


def test_a_synchronous_bus_gives_each_component_one_place() -> None:
    async def main() -> BusStatistics:
        async with gl.SynchronousBus() as bus:
            bus.register(Part("a", admission=gl.RE_ENTRANT))
            return bus.statistics()

    statistics = gl.run(main).value
    assert statistics is not None
    [component] = statistics.components
    assert (component.places, component.inbox_capacity) == (1, inf)


def test_statistics_are_values() -> None:
    message = MessageStatistics(
        id=0,
        kind="request",
        chain=0,
        source="a",
        target="b",
        type="ask",
        sent_at=0.0,
        started_at=0.0,
    )
    with pytest.raises(FrozenInstanceError):
        message.id = 1  # type: ignore[misc]


def test_a_bus_that_was_never_opened_has_no_statistics() -> None:
    with pytest.raises(BusNotOpen):
        gl.HybridCoordinator().statistics()
