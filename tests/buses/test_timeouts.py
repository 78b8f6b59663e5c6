"""The timeouts of requests that give none: 5 s, or what the bus's table says."""

from typing import Any

import pytest

import genesis_lab as gl
from tests.facts import Facts
from tests.parts import Part, sleeps

TABLE = gl.Timeouts(
    {("b", "ask"): 0.5, ("b", None): 1.0, (None, "look"): None, ("c", "look"): 0.25}, default=2.0
)


def timeouts_of(timeouts: gl.Timeouts | None, architecture: str = "hybrid") -> Facts:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts, timeouts=timeouts) as bus:
            for id in ("b", "c"):
                bus.register(Part(id, sleeps(3.0)))
            await bus.request("b", "ask", None, "client")
            await bus.request("b", "other", None, "client")
            await bus.request("c", "other", None, "client")
            await bus.request("b", "look", None, "client")
            await bus.request("c", "look", None, "client")
            await bus.request("b", "ask", None, "client", 0.75)
            await bus.request("b", "ask", None, "client", timeout=None)

    gl.run(main)
    return facts


def test_table_gives_each_request_the_timeout_of_its_most_specific_entry() -> None:
    assert timeouts_of(TABLE).requests("timeout", "outcome") == [
        (0.5, "timed_out"),
        (1.0, "timed_out"),
        (2.0, "timed_out"),
        (1.0, "timed_out"),
        (0.25, "timed_out"),
        (0.75, "timed_out"),
        (float("inf"), "answered"),
    ]


def test_without_a_table_requests_have_five_seconds() -> None:
    assert timeouts_of(None).requests("timeout")[:2] == [(5.0,), (5.0,)]


def test_timeout_in_the_call_wins_even_if_it_is_the_default_of_the_signature() -> None:
    facts = Facts()

    async def main() -> None:
        table = gl.Timeouts({}, default=0.5)
        async with gl.HybridCoordinator(observer=facts, timeouts=table) as bus:
            bus.register(Part("b", sleeps(3.0)))
            await bus.request("b", "ask", None, "client", 5.0)

    gl.run(main)
    assert facts.requests("timeout", "outcome") == [(5.0, "answered")]


def test_old_bus_ignores_the_table() -> None:
    rows = timeouts_of(TABLE, "synchronous").requests("timeout", "outcome")
    assert rows == [(float("inf"), "answered")] * 7


@pytest.mark.parametrize("timeout", ["1", -1, float("nan"), True, 10**400, object])
def test_timeout_that_is_none_burns_no_id(timeout: Any) -> None:
    facts = Facts()

    async def main() -> str:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b"))
            with pytest.raises(gl.LabError) as caught:
                await bus.request("b", "ask", None, "client", timeout)
            await bus.request("b", "ask", None, "client")
            return str(caught.value)

    expected = f"timeout={timeout!r}: expected seconds >= 0, math.inf or None"
    assert gl.run(main).value == expected
    assert facts.requests("id") == [(0,)]


@pytest.mark.parametrize("intended_at", ["soon", float("nan"), float("inf"), True, 10**400, object])
@pytest.mark.parametrize("send", ["request", "emit_event"])
def test_intended_time_that_is_none_burns_no_id(send: str, intended_at: Any) -> None:
    facts = Facts()

    async def main() -> str:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "news")
            message = ("b", "ask", None, "client") if send == "request" else ("news", None, "feed")
            with pytest.raises(gl.LabError) as caught:
                await getattr(bus, send)(*message, intended_at=intended_at)
            await bus.request("b", "ask", None, "client")
            return str(caught.value)

    expected = f"intended_at={intended_at!r}: expected a finite number of seconds"
    assert gl.run(main).value == expected
    assert facts.requests("id") == [(0,)]
    assert facts.events("id") == []
