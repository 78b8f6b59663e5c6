"""How a contender runs on trio: on a clock of the lab, the lab's own code and bare trio alike."""

from collections.abc import Awaitable, Callable

import genesis_lab as gl


def on_real_clock(main: Callable[[], Awaitable[float]]) -> float:
    """What `main` measured, in a run of its own."""
    cost = gl.run(main, clock="real").value
    assert cost is not None, "a run on a real clock without a horizon ends with its value"
    return cost
