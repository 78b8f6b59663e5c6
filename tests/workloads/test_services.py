from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.workloads.durations import Constant, Duration, Exponential, LogNormal
from genesis_lab.workloads.services import Service


def ask_together(service: Service, count: int, *, seed: int = 0) -> gl.RunResult[list[Any]]:
    """The replies to so many requests sent at the same instant, in the order they came."""

    async def main() -> list[Any]:
        replies = []

        async def ask() -> None:
            replies.append(await bus.request(service.id, "work", None, "test", None))

        async with gl.HybridCoordinator() as bus:
            bus.register(service)
            async with trio.open_nursery() as nursery:
                for _ in range(count):
                    nursery.start_soon(ask)
        return replies

    return gl.run(main, seed=seed)


def service_times(
    service_time: Duration, *, id: str = "service", count: int = 5, seed: int = 0
) -> list[Any]:
    replies = ask_together(Service(id, service_time), count, seed=seed).value
    assert replies is not None
    return replies


def test_service_takes_its_time_and_replies_how_long_it_was() -> None:
    result = ask_together(Service("service", Constant(0.5)), 1)
    assert (result.value, result.at) == ([0.5], 0.5)


def test_serial_service_takes_one_request_after_another() -> None:
    assert ask_together(Service("service", Constant(0.5)), 4).at == 2.0


def test_service_with_two_workers_takes_two_requests_at_once() -> None:
    assert ask_together(Service("service", Constant(0.5), admission=gl.pool(2)), 4).at == 1.0


def test_drawn_service_times_take_as_long_as_they_say() -> None:
    result = ask_together(Service("service", LogNormal(1.0, 2.0)), 20)
    assert result.value is not None
    assert result.at == pytest.approx(sum(result.value))


def test_services_of_one_id_on_two_buses_of_a_run_draw_independently() -> None:
    async def main() -> list[Any]:
        replies = []
        async with gl.HybridCoordinator() as first, gl.SynchronousBus() as second:
            for bus in (first, second):
                bus.register(Service("service", Exponential(1.0)))
                replies.append(await bus.request("service", "work", None, "test", None))
        return replies

    on_first, on_second = gl.run(main, seed=7).value or []
    assert on_first == service_times(Exponential(1.0), count=1, seed=7)[0]
    assert on_first != on_second


def test_service_times_are_the_same_under_the_same_seed() -> None:
    assert service_times(Exponential(1.0), seed=7) == service_times(Exponential(1.0), seed=7)


def test_service_times_differ_under_another_seed_and_at_another_service() -> None:
    drawn = service_times(Exponential(1.0), seed=7)
    assert service_times(Exponential(1.0), seed=8) != drawn
    assert service_times(Exponential(1.0), seed=7, id="other") != drawn


def test_service_on_another_architecture_draws_the_same() -> None:
    async def main() -> list[Any]:
        async with gl.SynchronousBus() as bus:
            bus.register(Service("service", Exponential(1.0)))
            return [await bus.request("service", "work", None, "test") for _ in range(5)]

    assert gl.run(main).value == service_times(Exponential(1.0))


def test_service_takes_its_time_for_an_event() -> None:
    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Service("service", Constant(0.5)))
            bus.subscribe("service", "tick")
            for _ in range(3):
                await bus.emit_event("tick", None, "test")
            await bus.drain()

    assert gl.run(main).at == 1.5


def test_service_shows_how_it_is_made() -> None:
    service = Service("a", Exponential(0.5), admission=gl.pool(2))
    assert repr(service) == "Service('a', Exponential(mean=0.5), admission=pool(2))"
