"""The layered bus: requests go down a declared order, or nowhere."""

from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.errors import CircularDependency, InvalidSetting
from tests.facts import Facts
from tests.parts import Part, ask, asks, sleeps, tells

ORDER = ("strategy", "risk", "exchange")


def run_layers(
    *parts: Part, order: tuple[str, ...] | None = ORDER, first: str = "strategy"
) -> tuple[gl.RunResult[Any], Facts]:
    """Ask the first component, from outside."""
    facts = Facts()

    async def main() -> Any:
        async with gl.LayeredBus(order=order, observer=facts) as bus:
            for part in parts:
                bus.register(part)
            return await ask(bus, first, "reply", timeout=None)

    return gl.run(main), facts


def test_requests_go_down_the_layers_and_may_leave_some_out() -> None:
    result, facts = run_layers(
        Part("exchange", sleeps(1.0)), Part("risk"), Part("strategy", asks("exchange"))
    )
    assert (result.value, result.at) == ("reply", 1.0)
    assert facts.requests("target", "outcome") == [
        ("strategy", "answered"),
        ("exchange", "answered"),
    ]


def test_a_request_up_the_layers_is_rejected_and_the_error_names_the_path() -> None:
    result, facts = run_layers(
        Part("strategy", asks("risk")), Part("risk", asks("strategy")), Part("exchange")
    )
    assert (result.value, result.at) == (None, 0.0)
    assert facts.requests("id", "source", "target", "cause", "chain", "outcome", "error") == [
        (0, "client", "strategy", -1, 0, "answered", None),
        (1, "strategy", "risk", 0, 0, "answered", None),
        (2, "risk", "strategy", 1, 0, "rejected", "CircularDependency"),
    ]
    assert facts.requests("started_at")[2] == (None,)
    assert facts.deadlocks() == []


@pytest.mark.parametrize("target", ["strategy", "risk"])
def test_call_raises_the_error_that_names_the_path(target: str) -> None:
    async def calls(part: Part, data: Any) -> Any:
        try:
            return await part.bus.call(target, "ask", data, part.id)
        except CircularDependency as error:
            return error.path, str(error)

    result, _ = run_layers(Part("strategy", asks("risk")), Part("risk", calls))
    path = ("strategy", "risk", target)
    assert result.value == (
        path,
        f"the request goes against the order of the layers: {' -> '.join(path)}",
    )


def test_a_component_that_asks_itself_goes_against_the_order() -> None:
    result, facts = run_layers(Part("strategy", asks("strategy")))
    assert result.value is None
    assert facts.requests("outcome") == [("answered",), ("rejected",)]


def test_clients_may_ask_any_component() -> None:
    result, _ = run_layers(Part("strategy"), Part("exchange"), first="exchange")
    assert result.value == "reply"


def test_a_request_to_nobody_is_unknown_and_not_against_the_order() -> None:
    _, facts = run_layers(Part("risk", asks("strategy")), first="risk")
    assert facts.requests("target", "outcome") == [
        ("risk", "answered"),
        ("strategy", "unknown_target"),
    ]


def test_without_a_declared_order_it_is_that_of_registration() -> None:
    for parts, outcome in [
        ((Part("x", asks("y")), Part("y")), "answered"),
        ((Part("y"), Part("x", asks("y"))), "rejected"),
    ]:
        _, facts = run_layers(*parts, order=None, first="x")
        assert facts.requests("outcome") == [("answered",), (outcome,)]


def test_events_go_up_the_layers_as_well() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.LayeredBus(order=ORDER, observer=facts) as bus:
            bus.register(Part("exchange", tells("trade")))
            bus.register(Part("strategy", hear=asks("risk")))
            bus.register(Part("risk"))
            bus.subscribe("strategy", "trade")
            await ask(bus, "exchange")
            await bus.drain()

    gl.run(main)
    assert facts.deliveries("target", "outcome") == [("strategy", "handled")]
    assert facts.requests("source", "outcome") == [
        ("client", "answered"),
        ("strategy", "answered"),
    ]


def test_the_path_begins_where_the_delivery_was_handled() -> None:
    paths: list[tuple[str, ...]] = []

    async def calls_up(part: Part, data: Any) -> None:
        try:
            await part.bus.call("strategy", "ask", data, part.id)
        except CircularDependency as error:
            paths.append(error.path)

    async def main() -> None:
        async with gl.LayeredBus(order=ORDER) as bus:
            bus.register(Part("strategy"))
            bus.register(Part("risk", hear=calls_up))
            bus.subscribe("risk", "news")
            await bus.emit_event("news", None, "feed")
            await bus.drain()

    gl.run(main)
    assert paths == [("risk", "strategy")]


def test_only_components_of_the_declared_order_are_registered() -> None:
    async def main() -> tuple[str, tuple[str, ...]]:
        async with gl.LayeredBus(order=("a", "b")) as bus:
            bus.register(Part("b"))
            with pytest.raises(InvalidSetting) as refused:
                bus.register(Part("c"))
            return str(refused.value), bus.components()

    assert gl.run(main).value == ("id='c': expected an id in the declared order: 'a', 'b'", ("b",))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (("a", "b", "a"), "order=('a', 'b', 'a'): expected each id once"),
        (("a", 1), "order=1: expected text that can be written as UTF-8"),
        ("ab", "order='ab': expected the ids of the components, or None"),
        (7, "order=7: expected the ids of the components, or None"),
    ],
)
def test_an_order_that_is_none_is_refused(order: Any, message: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        gl.LayeredBus(order=order)
    assert str(refused.value) == message


def test_it_takes_the_settings_of_the_hybrid_and_records_the_order() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.LayeredBus(order=["a"], delivery="awaited", observer=facts):
            pass

    gl.run(main)
    manifest = facts.trace().manifest
    assert manifest.architecture == "layered"
    assert manifest.configuration["delivery"] == "awaited"
    assert [*manifest.configuration["order"]] == ["a"]
