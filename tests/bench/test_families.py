"""Each family at a tiny size: what it measures exists. How fast it is, no test can say."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.bench.__main__ import FAMILIES, main
from genesis_lab.bench.asyncio_design import AsyncioCoordinator
from genesis_lab.bench.detection import Undetecting
from genesis_lab.bench.measuring import measure
from genesis_lab.bench.table import Reading
from tests.parts import Part, ask, asks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", FAMILIES)
def test_every_contender_of_a_family_costs_something(name: str) -> None:
    family = FAMILIES[name]
    costs, missing = measure(family, size=min(20, family.size // 5), rounds=range(1))
    assert missing == []
    assert list(costs) == list(family.contenders)
    assert all(cost > 0 for cost in costs.values())
    readings = [Reading(claim, costs) for claim in family.claims]
    assert None not in [reading.measured for reading in readings]


@pytest.mark.parametrize("name", FAMILIES)
def test_steps_of_a_family_name_its_contenders(name: str) -> None:
    family = FAMILIES[name]
    named = {contender for claim in family.claims for _, contender in claim.steps}
    assert named <= set(family.contenders)


def test_command_prints_facts_and_a_line_per_claim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instant = replace(FAMILIES["requests"], contenders={"bare": lambda _size: 2.0})
    monkeypatch.setitem(FAMILIES, "requests", instant)
    main(["--quick", "--only", "requests"])
    output = capsys.readouterr().out
    assert output.startswith("processor ")
    assert output.count("not measured") == len(instant.claims)
    assert "--quick: smaller sizes, fewer rounds." in output


def test_command_refuses_a_family_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--only", "nonsense"])
    assert stopped.value.code == 2
    assert "invalid choice: 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("coordinator", "found", "blocked"), [(gl.HybridCoordinator, 1, 2.0), (Undetecting, 0, 0.0)]
)
def test_hybrid_without_detection_sees_no_deadlock_and_no_nesting(
    coordinator: type[gl.HybridCoordinator], found: int, blocked: float
) -> None:
    recorder = gl.Recorder()

    async def main() -> None:
        async with coordinator(observer=recorder) as bus:
            bus.register(Part("a", asks("b", timeout=2.0)))
            bus.register(Part("b", asks("a", timeout=3.0)))
            await ask(bus, "a")

    gl.run(main)
    trace = recorder.trace()
    assert len(trace.deadlocks) == found
    assert trace.requests["blocked"].tolist()[0] == blocked


async def _echo(_type: str, data: Any, _source: str) -> Any:
    return data


async def _fail(_type: str, _data: Any, _source: str) -> Any:
    raise ValueError


async def _hang(_type: str, _data: Any, _source: str) -> Any:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("target", "reply"), [("echo", "hello"), ("fails", None), ("hangs", None), ("nobody", None)]
)
def test_asyncio_design_replies_or_gives_none(target: str, reply: str | None) -> None:
    coordinator = AsyncioCoordinator()
    coordinator.serving |= {"echo": _echo, "fails": _fail, "hangs": _hang}
    timeout = 0.01 if target == "hangs" else 5.0
    request = coordinator.request(target, "work", "hello", "client", timeout)
    assert asyncio.run(request) == reply


def test_asyncio_design_waits_for_every_subscriber() -> None:
    heard: list[str] = []

    async def hear(_type: str, data: str, _source: str) -> None:
        await asyncio.sleep(0)
        heard.append(data)

    coordinator = AsyncioCoordinator()
    coordinator.subscribers["tick"] = [hear, hear]
    asyncio.run(coordinator.emit_event("tick", "up", "market"))
    assert heard == ["up", "up"]
