"""What every architecture does, and one table of where they differ; each cell is measured."""

from functools import partial

import pytest

import genesis_lab as gl
from tests.buses.conformance import BEHAVIOURS, CHECKS

COLUMNS = (
    "synchronous",
    "synchronous-component",
    "hybrid",
    "hybrid-awaited",
    "hybrid-raise",
    "as-written",
    "layered",
    "dedicated-queues",
)
"""The architectures, in the order of the table's marks."""

TABLE = {
    "a circular call deadlocks": "x x x x . . . x",
    "a circular call is answered": ". . . . . x . .",
    "a circular call stops the system for good": "x x . . . . . .",
    "a wait that would close a deadlock is refused": ". . . . x . . .",
    "a call against the order of registration is refused": ". . . . . . x .",
    "a component that asks itself deadlocks": "x x x x . . . x",
    "a component that asks itself deadlocks under CALL_CHAIN": "x x . . . . . x",
    "the timeout of a call ends its wait": ". . x x x x x .",
    "a call without a timeout may wait forever": "x x x x x x x .",
    "a timeout of zero is enough for a handler that never waits": "x x x x x . x x",
    "a service outlives its caller": ". . . . . . . x",
    "the admission of a component counts": ". . x x x . x .",
    "a serial component takes one message at a time": "x x x x x . x x",
    "callers wait for components that they do not ask": "x . . . . . . .",
    "an event waits while its subscriber serves a request": "x x x x x . x x",
    "an emitter waits for the handlers": "x x . x . x . .",
    "an event comes back to its emitter": "x x . . . . . .",
    "a slow subscriber delays the others": "x x . . . . . .",
    "a subscriber's failure reaches the emitter": ". . . . . x . .",
    "a flood of events is dropped in part": ". . x . x . x .",
    "events that are queued when the bus is left are still handled": "x x x x x x x .",
}
"""What is so (x) and what is not (.) on each architecture."""


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
@pytest.mark.parametrize("check", CHECKS)
def test_every_architecture_does_what_all_must_do(check: str, architecture: str) -> None:
    CHECKS[check](gl.ARCHITECTURES[architecture])


def test_every_architecture_and_every_behaviour_is_in_the_table() -> None:
    assert tuple(gl.ARCHITECTURES) == COLUMNS
    assert tuple(TABLE) == tuple(BEHAVIOURS)


@pytest.mark.parametrize("behaviour", TABLE)
def test_architectures_differ_as_the_table_says(behaviour: str) -> None:
    measured = [BEHAVIOURS[behaviour](gl.ARCHITECTURES[name]) for name in COLUMNS]
    assert " ".join("x" if is_so else "." for is_so in measured) == TABLE[behaviour]


@pytest.mark.parametrize(
    ("trait", "behaviour"),
    [
        ("honours_timeout", "the timeout of a call ends its wait"),
        ("honours_admission", "the admission of a component counts"),
    ],
)
def test_traits_say_what_the_table_says(trait: str, behaviour: str) -> None:
    traits = [getattr(gl.ARCHITECTURES[name], trait) for name in COLUMNS]
    assert traits == [mark == "x" for mark in TABLE[behaviour].split()]


@pytest.mark.parametrize("check", CHECKS)
def test_an_architecture_of_ones_own_is_checked_by_the_same_suite(check: str) -> None:
    factory = partial(gl.HybridCoordinator, inbox_capacity=16, overflow="block")
    CHECKS[check](gl.Architecture(name="mine", factory=factory, family="hybrid"))


def test_suite_finds_what_is_wrong_with_an_architecture() -> None:
    class Forgetful(gl.HybridCoordinator):
        """Handles no event."""

        async def emit_event(self, *_message: object, **_options: object) -> None:
            pass

    mine = gl.Architecture(name="forgetful", factory=Forgetful, family="hybrid")
    with pytest.raises(AssertionError):
        CHECKS["events_reach_each_subscriber_once_and_in_order"](mine)
