"""Every message has exactly one row and one outcome, whatever is cancelled, raised or killed."""

from collections.abc import Callable
from functools import partial
from itertools import count
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.workloads.scripted import System
from tests.properties.performance import (
    Disturbance,
    Performance,
    abandoned,
    cancelled,
    interrupted,
    left,
)
from tests.properties.rough_systems import rough_systems
from tests.properties.small_systems import SMALL_SYSTEMS
from tests.properties.stage import Play
from tests.properties.systems import MOSTLY, Choices, systems
from tests.properties.wide_systems import Wide, wide_systems

pytestmark = pytest.mark.slow

EXAMPLES = 100  # on each bus

hybrid = partial(gl.HybridCoordinator, grace=0.15)  # on leaving, less than most handlers take
cramped = partial(hybrid, inbox_capacity=1)
BUSES: dict[str, Callable[..., gl.Bus]] = {
    **gl.ARCHITECTURES,
    "hybrid-awaited-raise": partial(hybrid, delivery="awaited", on_deadlock="raise"),
    "hybrid-drop-oldest": partial(cramped, overflow="drop_oldest"),
    "hybrid-drop-newest": partial(cramped, overflow="drop_newest"),
    "hybrid-reject": partial(cramped, overflow="reject"),
    "hybrid-block": partial(cramped, overflow="block"),
    "hybrid-block-raise": partial(cramped, overflow="block", on_deadlock="raise"),
}
ENDLESS = {("dedicated-queues", "two buses"): 2.0}
"""Where calls go round in a circle and each is served although its caller has given up, they go on
for good: such runs are cut at this horizon [s]."""
DISTURBANCES = [cancelled, left, abandoned, interrupted]

on_every_bus = pytest.mark.parametrize("bus", BUSES)


def alone(system: System) -> Wide:
    """A system on one bus, without latency."""
    return Wide(Play((system,)), (None,))


SEEDS = st.integers(0, 3)
MAY = Choices(give_up=MOSTLY, stop_listening=MOSTLY, fail=True)
anything = st.one_of(systems(MAY).map(alone), wide_systems(MAY), wide_systems(MAY, buses=2))


@on_every_bus
@given(wide=anything, seed=SEEDS, horizon=st.sampled_from([inf, inf, 0.101, 0.35]))
@settings(max_examples=EXAMPLES)
def test_every_message_has_one_row_and_one_outcome(
    bus: str, wide: Wide, seed: int, horizon: float
) -> None:
    performance = Performance(wide.buses(BUSES[bus]), wide.play)
    performance.run(abandoned, seed=seed, horizon=horizon)
    performance.check()


@on_every_bus
@given(wide=anything, seed=SEEDS, disturbance=st.sampled_from(DISTURBANCES), data=st.data())
@settings(max_examples=EXAMPLES)
def test_every_message_has_one_row_when_the_run_is_disturbed_at_some_step(
    bus: str, wide: Wide, seed: int, disturbance: Disturbance, data: st.DataObject
) -> None:
    check_disturbed(bus, wide, seed, disturbance, data)


@on_every_bus
@given(
    wide=rough_systems().map(alone),
    seed=SEEDS,
    disturbance=st.sampled_from(DISTURBANCES),
    data=st.data(),
)
@settings(max_examples=EXAMPLES)
def test_every_message_has_one_row_when_components_leave_and_clean_up(
    bus: str, wide: Wide, seed: int, disturbance: Disturbance, data: st.DataObject
) -> None:
    check_disturbed(bus, wide, seed, disturbance, data)


def check_disturbed(
    bus: str, wide: Wide, seed: int, disturbance: Disturbance, data: st.DataObject
) -> None:
    """Check a play undisturbed, and again disturbed at one of the steps that it then had."""
    buses = wide.buses(BUSES[bus])
    undisturbed = Performance(buses, wide.play)
    undisturbed.run(disturbance, seed=seed)
    undisturbed.check()
    step = data.draw(st.integers(0, undisturbed.steps - 1))
    performance = Performance(buses, wide.play, step)
    performance.run(disturbance, seed=seed)
    assert performance.is_disturbed
    performance.check()


@pytest.mark.parametrize("system", SMALL_SYSTEMS)
@on_every_bus
@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_every_message_has_one_row_at_whatever_step_the_run_is_disturbed(
    disturbance: Disturbance, bus: str, system: str
) -> None:
    if (bus, system) in ENDLESS and disturbance is abandoned:
        pytest.skip("what this disturbance leaves behind is looked at after the end of the run")
    probes = 0
    for step in count():
        buses = [BUSES[bus]] * len(SMALL_SYSTEMS[system].systems)
        performance = Performance(buses, SMALL_SYSTEMS[system], step)
        try:
            performance.run(disturbance, horizon=ENDLESS.get((bus, system), inf))
            performance.check()
        except BaseException as error:
            error.add_note(f"disturbed at step {step}")
            raise
        probes += len(performance.probes())
        if not performance.is_disturbed:
            break
    assert step > 10, "hardly anything happens in this system"
    assert probes or disturbance is not abandoned, "the components were never asked once more"
