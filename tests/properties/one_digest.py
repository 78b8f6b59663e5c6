"""Runs on every architecture, printed as digests: `python one_digest.py SEED [MODULE ...]`.

The modules are imported first, to see whether that changes anything.
"""

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import genesis_lab as gl
from genesis_lab.workloads.durations import Exponential, LogNormal
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Concurrent,
    Emit,
    ScriptedComponent,
    System,
    WaitRandom,
)
from genesis_lab.workloads.ticks import read_ticks
from genesis_lab.workloads.trading_day import trading_day

TICKS = Path(__file__).parents[2] / "data" / "btcusdt_synthetic.csv.gz"

WORK = WaitRandom(Exponential(0.1))


def asks(target: str) -> Call:
    return Call(target, "ask", timeout=0.5)


SYSTEM = System(
    components=(
        ScriptedComponent("a", on_request={"ask": (WORK, asks("b"))}, on_event={"news": (WORK,)}),
        ScriptedComponent(
            "b",
            on_request={"ask": (Concurrent((WORK, asks("c")), (Emit("news"),)),)},
            on_event={"news": (asks("c"),)},
        ),
        ScriptedComponent(
            "c",
            on_request={
                "ask": (WaitRandom(LogNormal(0.05, 2.0)),),
                "close the ring": (WORK, asks("a")),
            },
            on_event={"news": (WORK, Emit("more"))},
        ),
    ),
    subscriptions=(("a", "news"), ("b", "news"), ("c", "news"), ("a", "more")),
    clients=(
        *(Client((asks(target), WORK, asks(target)) * 10) for target in "abcabc"),
        Client((Call("c", "close the ring", timeout=1.0), WORK) * 10),
    ),
)


def trace_of(seed: int, architecture: str = "hybrid") -> gl.Trace:
    """A few hundred messages of simultaneous clients, with random waits and deadlocks."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=recorder) as bus:
            await SYSTEM.run_on(bus)

    gl.run(main, seed=seed)
    return recorder.trace()


def trace_of_a_day(seed: int) -> gl.Trace:
    """The first minute of a trading day."""
    ticks = read_ticks(TICKS)
    minute = ticks.frame[ticks.frame["time"] < 60.0]
    return trading_day(replace(ticks, frame=minute), seed=seed).trace


def digests(seed: int) -> dict[str, str]:
    """The digest of the system on each architecture, and of the trading day."""
    found = {name: trace_of(seed, name).digest() for name in gl.ARCHITECTURES}
    return {**found, "trading day": trace_of_a_day(seed).digest()}


if __name__ == "__main__":
    for module in sys.argv[2:]:
        import_module(module)
    print(json.dumps(digests(int(sys.argv[1]))))  # noqa: T201  # for whoever started this process
