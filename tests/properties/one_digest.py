"""A run, printed as its digest: `python one_digest.py SEED [MODULE ...]`, in a fresh process.

The modules are imported first, to see whether that changes anything.
"""

import sys
from importlib import import_module

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


def trace_of(seed: int) -> gl.Trace:
    """A few hundred messages of simultaneous clients, with random waits and deadlocks."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus:
            await SYSTEM.run_on(bus)

    gl.run(main, seed=seed)
    return recorder.trace()


if __name__ == "__main__":
    for module in sys.argv[2:]:
        import_module(module)
    print(trace_of(int(sys.argv[1])).digest())  # noqa: T201  # for the process that started this
