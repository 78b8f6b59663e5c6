"""Who is on the bus."""

from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.errors import AlreadyRegistered, InvalidSetting, NotRegistered
from tests.facts import Facts
from tests.parts import Part, ask


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_registered_components_are_listed_in_order_and_know_their_bus(architecture: str) -> None:
    async def main() -> tuple[str, ...]:
        async with gl.ARCHITECTURES[architecture]() as bus:
            parts = [Part("b"), Part("a"), Part("c")]
            for part in parts:
                bus.register(part)
            assert all(part.bus is bus for part in parts)
            bus.unregister("a")
            listed: tuple[str, ...] = bus.components()
            return listed

    assert gl.run(main).value == ("b", "c")


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_an_id_that_is_taken_is_refused_and_its_owner_stays(architecture: str) -> None:
    async def main() -> tuple[str, Any]:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(Part("b"))
            with pytest.raises(AlreadyRegistered) as caught:
                bus.register(gl.Component("b"))
            return str(caught.value), await ask(bus, "b", "served by the first")

    assert gl.run(main).value == (
        "a component 'b' is already registered",
        "served by the first",
    )


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_registering_the_same_component_twice_is_refused(architecture: str) -> None:
    async def main() -> str:
        async with gl.ARCHITECTURES[architecture]() as bus:
            part = Part("b")
            bus.register(part)
            with pytest.raises(AlreadyRegistered) as caught:
                bus.register(part)
            return str(caught.value)

    assert gl.run(main).value == "a component 'b' is already registered"


class Closed:
    """A component of its own kind, with no room for a bus."""

    __slots__ = ("id",)

    def __init__(self, id: str) -> None:
        self.id = id

    def process_request(self, request_type: str, data: Any, source: str) -> Any:
        return data

    def on_event(self, event_type: str, data: Any, source: str) -> Any:
        return None


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_component_that_cannot_know_its_bus_is_refused_and_not_on_it(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            closed: Any = Closed("a")
            with pytest.raises(InvalidSetting, match="expected an object whose `bus` can be set"):
                bus.register(closed)
            assert bus.components() == ()
            bus.register(Part("a"))
            assert await ask(bus, "a", 7) == 7

    gl.run(main)
    assert list(facts.trace().components["id"]) == ["a"]


def test_a_component_belongs_to_one_open_bus() -> None:
    async def main() -> None:
        async with gl.HybridCoordinator() as one, gl.HybridCoordinator() as other:
            part = Part("b")
            one.register(part)
            with pytest.raises(AlreadyRegistered):
                other.register(part)
            one.unregister("b")
            other.register(part)
            assert part.bus is other

    gl.run(main)


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_the_same_component_may_be_used_on_one_bus_after_another(architecture: str) -> None:
    part = Part("b")

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(part)
            return await ask(bus, "b", "again")

    assert [gl.run(main).value for _ in range(3)] == ["again"] * 3


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_an_id_may_be_taken_again_after_its_owner_left(architecture: str) -> None:
    facts = Facts()

    async def main() -> list[Any]:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            replies = []
            for _ in range(2):
                bus.register(Part("b"))
                replies.append(await ask(bus, "b", "here"))
                bus.unregister("b")
                replies.append(await ask(bus, "b", "gone"))
            return replies

    assert gl.run(main).value == ["here", None, "here", None]
    assert facts.requests("outcome") == [("answered",), ("unknown_target",)] * 2


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_whoever_registers_after_a_request_in_vain_is_found_by_the_next_one(
    architecture: str,
) -> None:
    async def main() -> list[Any]:
        async with gl.ARCHITECTURES[architecture]() as bus:
            first = await ask(bus, "b", "sent")
            bus.register(Part("b"))
            return [first, await ask(bus, "b", "sent")]

    assert gl.run(main).value == [None, "sent"]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
@pytest.mark.parametrize("method", ["unregister", "subscribe", "unsubscribe"])
def test_an_unknown_component_is_refused_with_the_names_that_there_are(
    architecture: str, method: str
) -> None:
    arguments = ("x",) if method == "unregister" else ("x", "news")

    async def main() -> list[str]:
        messages = []
        async with gl.ARCHITECTURES[architecture]() as bus:
            for names in ((), ("a", "b")):
                for name in names:
                    bus.register(Part(name))
                with pytest.raises(NotRegistered) as caught:
                    getattr(bus, method)(*arguments)
                messages.append(str(caught.value))
        return messages

    assert gl.run(main).value == [
        "no component 'x' is registered; registered: none",
        "no component 'x' is registered; registered: 'a', 'b'",
    ]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_unregistering_ends_the_subscriptions(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "news")
            bus.unregister("b")
            await bus.emit_event("news", None, "feed")
            bus.register(Part("b"))
            await bus.emit_event("news", None, "feed")

    gl.run(main)
    assert facts.events("subscribers") == [(0,), (0,)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_subscriber_that_leaves_while_it_handles_an_event_misses_the_rest(
    architecture: str,
) -> None:
    facts = Facts()

    async def leaves(part: Part, _data: Any) -> None:
        await gl.sleep(0.25)
        part.bus.unregister(part.id)
        await gl.sleep(9.0)

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", hear=leaves))
            bus.subscribe("b", "news")
            for _ in range(2):
                await bus.emit_event("news", None, "feed")
            await bus.drain()

    assert gl.run(main).at == 0.25
    assert set(facts.deliveries("outcome", "finished_at")) == {("cancelled", 0.25)}
