"""Which names components, types and sources may have: those that a record can be written with."""

from collections.abc import Callable, Coroutine
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from tests.parts import Part


class Kind(Enum):
    ASK = "ask"


class Word(StrEnum):
    ASK = "ask"


async def registers(bus: gl.Bus, name: Any) -> None:
    bus.register(Part(name))


async def subscribes(bus: gl.Bus, name: Any) -> None:
    bus.subscribe("a", name)


async def unsubscribes(bus: gl.Bus, name: Any) -> None:
    bus.unsubscribe("a", name)


async def subscribes_another(bus: gl.Bus, name: Any) -> None:
    bus.subscribe(name, "news")


async def unregisters(bus: gl.Bus, name: Any) -> None:
    bus.unregister(name)


UNUSABLE: Any = [Kind.ASK, 1, None, ("ask", 1), ["ask"], b"ask", "\ud83d", "half a pair: \ude80!"]
USES: dict[str, tuple[str, Callable[[gl.Bus, Any], Coroutine[Any, Any, Any]]]] = {
    "request's type": ("request_type", lambda bus, name: bus.request("a", name, None, "me")),
    "request's target": ("target_id", lambda bus, name: bus.request(name, "ask", None, "me")),
    "request's source": ("source", lambda bus, name: bus.request("a", "ask", None, name)),
    "call's type": ("request_type", lambda bus, name: bus.call("a", name, None, "me")),
    "call's target": ("target_id", lambda bus, name: bus.call(name, "ask", None, "me")),
    "call's source": ("source", lambda bus, name: bus.call("a", "ask", None, name)),
    "event's type": ("event_type", lambda bus, name: bus.emit_event(name, None, "me")),
    "event's source": ("source", lambda bus, name: bus.emit_event("news", None, name)),
    "component's id": ("id", registers),
    "subscription's type": ("event_type", subscribes),
    "subscription's end": ("event_type", unsubscribes),
    "subscriber": ("component_id", subscribes_another),
    "leaving component's id": ("component_id", unregisters),
}


@pytest.mark.parametrize("architecture", ["synchronous", "hybrid", "hybrid-awaited"])
@pytest.mark.parametrize("use", USES)
def test_a_name_that_no_record_can_hold_is_refused_and_leaves_none(
    architecture: str, use: str, tmp_path: Path
) -> None:
    recorder = gl.Recorder(spool=tmp_path / "spool", flush_every=1)
    setting, act = USES[use]

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=recorder) as bus:
            bus.register(Part("a"))
            bus.subscribe("a", "news")
            for name in UNUSABLE:
                with pytest.raises(InvalidSetting) as refused:
                    await act(bus, name)
                assert str(refused.value) == (
                    f"{setting}={name!r}: expected text that can be written as UTF-8"
                )
            assert recorder.routes() == ()
            assert bus.components() == ("a",)
            assert await bus.request("a", "ask", 7, "me") == 7
            await bus.emit_event("news", None, "me")
            await bus.drain()

    gl.run(main)
    trace = recorder.trace()
    trace.to_perfetto(tmp_path / "trace.json")
    assert [list(frame["id"]) for frame in (trace.requests, trace.events, trace.deliveries)] == [
        [0],
        [1],
        [2],
    ]
    assert gl.Trace.recover(tmp_path / "spool").digest() == trace.digest()


@pytest.mark.parametrize("word", ["🚀", "e\u0301", "\x00", "ask\nnews", "\u202e", Word.ASK])
def test_any_text_is_a_name(word: str, tmp_path: Path) -> None:
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus:
            bus.register(Part(word))
            bus.subscribe(word, word)
            assert await bus.request(word, word, 7, "me") == 7
            await bus.emit_event(word, None, "me")
            await bus.drain()

    gl.run(main)
    trace = recorder.trace()
    trace.to_perfetto(tmp_path / "trace.json")
    trace.save(tmp_path / "saved")
    loaded = gl.Trace.load(tmp_path / "saved")
    assert list(loaded.requests["request_type"]) == [word]
    assert list(loaded.deliveries["event_type"]) == [word]
    assert loaded.digest() == trace.digest()
