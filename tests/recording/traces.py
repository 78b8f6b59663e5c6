"""Traces of random systems on every kind of bus, for what has to cope with anything recorded."""

from collections.abc import Callable
from functools import partial
from math import inf

from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.workloads.scripted import System
from tests.properties.systems import MOSTLY, Choices, systems

BUSES: dict[str, Callable[..., gl.Bus]] = {
    **gl.ARCHITECTURES,
    "hybrid-block": partial(gl.HybridCoordinator, inbox_capacity=1, overflow="block"),
    "hybrid-drop": partial(gl.HybridCoordinator, inbox_capacity=1, grace=0.15),
}


def random_traces() -> st.SearchStrategy[gl.Trace]:
    return st.builds(
        _run,
        systems(Choices(give_up=MOSTLY, fail=True)),
        bus=st.sampled_from(sorted(BUSES)),
        seed=st.integers(0, 3),
        horizon=st.sampled_from([inf, inf, 0.35]),
    )


def _run(system: System, *, bus: str, seed: int, horizon: float) -> gl.Trace:
    recorder = gl.Recorder()

    async def main() -> None:
        async with BUSES[bus](observer=recorder) as opened:
            await system.run_on(opened)

    gl.run(main, seed=seed, horizon=horizon)
    return recorder.trace()
