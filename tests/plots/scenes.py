"""Small systems whose traces are drawn: a ring that closes, a queue, an event to oneself."""

import math

import genesis_lab as gl
from genesis_lab.workloads.scripted import Call, Client, Emit, ScriptedComponent, System, Wait

RING = System(
    components=(
        ScriptedComponent(
            "a", on_request={"go": (Wait(0.5), Call("b", "ask", timeout=1.0)), "back": ()}
        ),
        ScriptedComponent("b", on_request={"ask": (Call("a", "back", timeout=None),)}),
    ),
    clients=(Client((Call("a", "go", timeout=None),)),),
)
"""a is served from 0 s on, b from 0.5 s on, when the ring closes; the hybrid breaks it at 1.5 s."""

QUEUE = System(
    components=(ScriptedComponent("a", on_request={"go": (Wait(1.0),)}),),
    clients=(
        Client((Call("a", "go"),)),
        Client((Call("a", "go"),), start_at=0.25),
        Client((Call("a", "go"),), start_at=1.5),
    ),
)
"""a serves for 1 s each what comes at 0, 0.25 and 1.5 s."""

LISTENING = System(
    components=(
        ScriptedComponent("a", on_request={"go": (Emit("news"), Wait(0.5))}),
        ScriptedComponent("b", on_event={"news": (Wait(2.0),)}),
    ),
    subscriptions=(("b", "news"),),
    clients=(Client((Call("a", "go"),)),),
)
"""a emits at 0 s and works for 0.5 s; b takes 2 s for the event, and an old bus makes a wait."""

AT_ONCE = System(
    components=(ScriptedComponent("a", on_request={"go": ()}),),
    clients=(Client((Call("a", "go"),), start_at=1.0),),
)
"""a answers at 1 s, in no time."""


def trace_of(
    system: System, architecture: str = "hybrid", *, seed: int = 0, horizon: float = math.inf
) -> gl.Trace:
    """What happens in a system on an architecture."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=recorder) as bus:
            await system.run_on(bus)

    gl.run(main, seed=seed, horizon=horizon)
    return recorder.trace()
