"""Causal loops, hand-made and of real runs."""

from collections.abc import Callable
from math import inf
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.recording.loops import find_loops
from tests.parts import Part, asks
from tests.plots.scenes import QUEUE, trace_of
from tests.recording.reports import (
    open_routes,
    recorder,
    report_delivery,
    report_event,
    report_request,
    rows,
)

COLUMNS = [
    "steps",
    "length",
    "count",
    "in_a_row",
    "first_at",
    "last_at",
    "rate",
    "closed_by",
    "chain",
]


def walk(*components: str, apart: float = 1.0) -> gl.Trace:
    """Each component is asked during the handling of the request before."""
    return tree(*((id - 1, component) for id, component in enumerate(components)), apart=apart)


def tree(*caused: tuple[int, str], apart: float = 1.0) -> gl.Trace:
    """A request per pair: the id of its cause, and its target."""
    recorded = gl.Recorder()
    components = sorted({component for _, component in caused})
    open_routes(recorded, *(("someone", component, "ask") for component in components))
    for id, (cause, component) in enumerate(caused):
        route = components.index(component)
        report_request(recorded, id, cause=cause, chain=0, route=route, sent_at=id * apart)
    return recorded.trace()


def closed(trace: gl.Trace) -> dict[str, tuple[int, int]]:
    """How often each loop closed, and how often in a row."""
    return {
        " ".join(step.removesuffix(":ask") for step in row["steps"]): (
            row["count"],
            row["in_a_row"],
        )
        for row in rows(trace.loops)
    }


# --------------------------------------------------------------------------------------- hand-made


def test_request_that_comes_back_closes_a_loop() -> None:
    assert rows(walk("b", "c", "a", "b").loops) == [
        {
            "steps": ("a:ask", "b:ask", "c:ask"),
            "length": 3,
            "count": 1,
            "in_a_row": 1,
            "first_at": 0.0,
            "last_at": 3.0,
            "rate": 1 / 3,
            "closed_by": 3,
            "chain": 0,
        }
    ]


def test_trace_without_loops_has_the_columns_and_dtypes_of_one_with_loops() -> None:
    empty, full = walk("a", "b", "c").loops, walk("a", "a").loops
    assert list(empty.columns) == list(full.columns) == COLUMNS
    assert empty.dtypes.equals(full.dtypes)
    assert len(empty) == 0
    assert len(gl.Recorder().trace().loops) == 0


def test_component_that_asks_itself_is_a_loop_of_one_step() -> None:
    assert closed(walk("a", "a", "a")) == {"a": (2, 2)}


def test_each_round_counts_once_wherever_it_began() -> None:
    assert closed(walk("x", "b", "a", "b", "a", "b", "a")) == {"a b": (2, 2)}


def test_loop_within_a_loop_is_not_a_part_of_it() -> None:
    assert closed(walk("a", "b", "c", "b", "a")) == {"b c": (1, 1), "a b": (1, 1)}
    assert closed(walk("a", "b", "b", "b", "a")) == {"b": (2, 2), "a b": (1, 1)}


def test_rounds_with_another_loop_in_between_are_not_in_a_row() -> None:
    assert closed(walk("a", "b", "a", "c", "a", "b", "a", "b", "a")) == {
        "a b": (3, 2),
        "a c": (1, 1),
    }


def test_each_branch_of_a_tree_closes_a_loop_of_its_own() -> None:
    assert closed(tree((-1, "a"), (0, "b"), (1, "a"), (1, "a"), (0, "c"))) == {"a b": (2, 1)}


def test_calls_of_another_chain_close_no_loop() -> None:
    assert closed(tree((-1, "a"), (-1, "b"), (-1, "a"), (2, "b"))) == {}


def test_loops_in_which_no_time_passes_have_an_infinite_rate() -> None:
    [loop] = rows(walk("a", "b", "a", "b", "a", apart=0.0).loops)
    assert (loop["count"], loop["first_at"], loop["last_at"], loop["rate"]) == (2, 0.0, 0.0, inf)


def test_same_component_with_another_type_is_another_step() -> None:
    recorded = gl.Recorder()
    open_routes(recorded, ("x", "a", "ask"), ("x", "a", "tell"))
    report_request(recorded, 0, route=0)
    report_request(recorded, 1, route=1, cause=0)
    assert len(recorded.trace().loops) == 0
    report_request(recorded, 2, route=0, cause=1)
    assert list(recorded.trace().loops["steps"]) == [("a:ask", "a:tell")]


@pytest.mark.parametrize(
    ("changed", "loops"), [({}, 1), ({"outcome": gl.Outcome.DROPPED, "sent_at": float("nan")}, 0)]
)
def test_delivery_closes_a_loop_if_it_got_into_the_inbox(
    changed: dict[str, Any], loops: int
) -> None:
    recorded = recorder()
    report_event(recorded, 0)
    report_delivery(recorded, 1, event=0)
    report_event(recorded, 2, cause=1)
    report_delivery(recorded, 3, event=2, **changed)
    assert len(recorded.trace().loops) == loops


def test_request_that_was_rejected_closes_no_loop() -> None:
    recorded = recorder()
    report_request(recorded, 0)
    report_request(recorded, 1, cause=0, outcome=gl.Outcome.REJECTED)
    assert len(recorded.trace().loops) == 0


def test_delivery_whose_event_was_lost_has_no_cause() -> None:
    recorded = recorder()
    report_delivery(recorded, 1, event=0)
    report_delivery(recorded, 2, event=0)
    assert len(recorded.trace().loops) == 0


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=30).map(
        lambda drawn: [(-1 if n == 0 else b % n, c) for n, (b, c) in enumerate(drawn)]
    )
)
def test_loops_are_those_of_each_walk_taken_apart_by_itself(caused: list[tuple[int, str]]) -> None:
    assert {loop: count for loop, (count, _) in closed(tree(*caused)).items()} == _by_hand(caused)


def _by_hand(caused: list[tuple[int, str]]) -> dict[str, int]:
    """For each message, whether its whole walk ends with a loop."""
    counts: dict[str, int] = {}
    for last in range(len(caused)):
        walk: list[str] = []
        id = last
        while id >= 0:
            walk.insert(0, caused[id][1])
            id = caused[id][0]
        left: list[str] = []
        for component in walk:
            loop = left[left.index(component) :] if component in left else []
            left = [*left[: len(left) - len(loop)], component]
        if loop:
            turn = loop.index(min(loop))
            name = " ".join(loop[turn:] + loop[:turn])
            counts[name] = counts.get(name, 0) + 1
    return counts


# --------------------------------------------------------------------------------------- real runs


def emits(event_type: str, *, after: float) -> Callable[[Part, Any], Any]:
    async def behave(part: Part, data: Any) -> None:
        await gl.sleep(after)
        if data > 0:
            await part.bus.emit_event(event_type, data - 1, part.id)

    return behave


@pytest.mark.parametrize(("after", "rate"), [(0.25, 2.0), (0.0, inf)])
def test_components_that_make_each_other_emit_are_a_loop(after: float, rate: float) -> None:
    recorded = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorded) as bus:
            bus.register(Part("ann", hear=emits("pong", after=after)))
            bus.register(Part("bob", hear=emits("ping", after=after)))
            bus.subscribe("ann", "ping")
            bus.subscribe("bob", "pong")
            await bus.emit_event("ping", 100, "me")
            await bus.settle()

    gl.run(main)
    [loop] = rows(recorded.trace().loops)
    assert loop["steps"] == ("ann:ping", "bob:pong")
    assert (loop["count"], loop["in_a_row"], loop["rate"]) == (50, 50, rate)


def test_requests_that_go_round_are_a_loop_whether_or_not_they_deadlock() -> None:
    recorded = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorded) as bus:
            bus.register(Part("ann", asks("bob", after=0.5, timeout=1.0)))
            bus.register(Part("bob", asks("ann")))
            await bus.request("ann", "ask", None, "me")

    gl.run(main)
    [loop] = rows(recorded.trace().loops)
    assert (loop["steps"], loop["count"], loop["rate"]) == (("ann:ask", "bob:ask"), 1, 2.0)


def test_queue_of_requests_is_no_loop() -> None:
    assert len(trace_of(QUEUE).loops) == 0


def test_loops_of_many_messages_take_a_few_microseconds_each() -> None:
    number = 300_000
    ids = np.arange(number)
    requests = pd.DataFrame(
        {
            "id": ids,
            "cause": ids - 1,
            "chain": 0,
            "target": pd.Categorical.from_codes(ids % 10, categories=pd.Index([*"abcdefghij"])),
            "request_type": pd.Categorical(["ask"] * number),
            "outcome": pd.Categorical(["answered"] * number),
            "sent_at": ids / 10,
        }
    )
    empty = gl.Recorder().trace()
    began = process_time()
    loops = find_loops(requests, empty.deliveries, empty.events)
    assert (process_time() - began) / number < 10e-6
    assert list(loops["count"]) == [number // 10 - 1]
