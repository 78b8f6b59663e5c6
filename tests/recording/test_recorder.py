import gc
import tracemalloc
from math import inf, nan
from typing import Any

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting, RecorderInUse
from genesis_lab.messages import Failure, Wait
from tests.parts import Part, asks, raises, sleeps
from tests.recording.reports import (
    HYBRID,
    OpenMessages,
    deadlock,
    membership,
    open_routes,
    recorder,
    report_delivery,
    report_event,
    report_one_of_each,
    report_request,
    rows,
)

# ----------------------------------------------------------------------------------- the values


def test_request_is_a_row_of_what_was_reported() -> None:
    recorded = recorder()
    failed = Failure("ValueError", "no such thing")
    recorded.request_ended(
        9, 4, 2, 1, 3, gl.Outcome.FAILED, failed, 5.0, 0.1, 0.2, 0.25, 0.3, 0.6, 0.7, 0.25
    )
    assert rows(recorded.trace().requests) == [
        {
            "id": 9,
            "cause": 4,
            "chain": 2,
            "attempt": 3,
            "source": "bob",
            "target": "ann",
            "request_type": "ask",
            "outcome": "failed",
            "error": "ValueError",
            "error_message": "no such thing",
            "timeout": 5.0,
            "intended_at": 0.1,
            "sent_at": 0.2,
            "arrived_at": 0.25,
            "started_at": 0.3,
            "served_at": 0.6,
            "finished_at": 0.7,
            "blocked": 0.25,
        }
    ]


def test_delivery_is_a_row_of_what_was_reported() -> None:
    recorded = recorder()
    full = Failure("InboxFull", "no room")
    recorded.delivery_ended(
        9, 4, 2, 3, gl.Outcome.DROPPED, full, 0.1, 0.2, 0.25, nan, nan, 0.7, 0.0
    )
    assert rows(recorded.trace().deliveries) == [
        {
            "id": 9,
            "event": 4,
            "chain": 2,
            "source": "ann",
            "target": "bob",
            "event_type": "news",
            "outcome": "dropped",
            "error": "InboxFull",
            "error_message": "no room",
            "intended_at": 0.1,
            "sent_at": 0.2,
            "arrived_at": 0.25,
            "started_at": None,
            "served_at": None,
            "finished_at": 0.7,
            "blocked": 0.0,
        }
    ]


def test_event_is_a_row_of_what_was_reported() -> None:
    recorded = recorder()
    recorded.event_emitted(9, 4, 2, 2, 5, 0.1, 0.2, 0.7)
    assert rows(recorded.trace().events) == [
        {
            "id": 9,
            "cause": 4,
            "chain": 2,
            "source": "ann",
            "event_type": "news",
            "subscribers": 5,
            "intended_at": 0.1,
            "sent_at": 0.2,
            "finished_at": 0.7,
        }
    ]


def test_deadlock_is_a_row_of_what_it_has_become() -> None:
    recorded = recorder()
    closing = Wait(2, 1, "admission", "ann", 0.5)
    standing = deadlock(members=(1, 2), components=("ann", "bob"), waits=[closing])
    recorded.deadlock_formed(standing)
    as_formed = {
        "formed_at": 0.5,
        "members": (1, 2),
        "components": ("ann", "bob"),
        "victims": (4,),
        "waits": (closing,),
        "broken_at": None,
        "broken_by": None,
    }
    assert rows(recorded.trace().deadlocks) == [as_formed]
    standing.victims.append(5)
    standing.waits.append(Wait(5, 2, "reply", "bob", 0.75))
    standing.broken_at, standing.broken_by = 2.5, "timed_out"
    assert rows(recorded.trace().deadlocks) == [
        as_formed
        | {
            "victims": (4, 5),
            "waits": (closing, Wait(5, 2, "reply", "bob", 0.75)),
            "broken_at": 2.5,
            "broken_by": "timed_out",
        }
    ]


def test_component_is_a_row_from_when_it_joined_until_it_left() -> None:
    recorded = recorder()
    stays = [membership("bob", capacity=inf), membership("ann"), membership("bob", joined_at=0.5)]
    recorded.component_joined(stays[0])
    recorded.component_joined(stays[1])
    early = recorded.trace()
    stays[0].left_at = 0.5
    recorded.component_joined(stays[2])
    assert list(early.components["left_at"].isna()) == [True, True]
    assert rows(recorded.trace().components) == [
        {
            "number": 0,
            "id": "bob",
            "admission": "SERIAL",
            "capacity": inf,
            "joined_at": 0.25,
            "left_at": 0.5,
        },
        {
            "number": 1,
            "id": "ann",
            "admission": "SERIAL",
            "capacity": 1.0,
            "joined_at": 0.25,
            "left_at": None,
        },
        {
            "number": 2,
            "id": "bob",
            "admission": "SERIAL",
            "capacity": 1.0,
            "joined_at": 0.5,
            "left_at": None,
        },
    ]


def test_component_that_comes_and_goes_within_an_instant_has_a_row_per_stay() -> None:
    recorded = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorded) as bus:
            for _ in range(3):
                bus.register(Part("ann", sleeps(1.0)))
                bus.unregister("ann")

    gl.run(main)
    assert (
        _columns(recorded.trace().components, "id", "joined_at", "left_at")
        == [("ann", 0.0, 0.0)] * 3
    )


def test_failures_keep_their_first_lines_until_there_are_4096_different_ones() -> None:
    recorded = recorder()
    for id in range(5_000):
        report_request(recorded, id, error=Failure("ValueError", f"no {id}"))
    report_request(recorded, 5_000, error=Failure("KeyError", "'new'"))
    report_request(recorded, 5_001, error=Failure("ValueError", "no 7"))
    requests = recorded.trace().requests
    assert list(requests["error"]) == ["ValueError"] * 5_000 + ["KeyError", "ValueError"]
    assert list(requests["error_message"].iloc[:4_096]) == [f"no {id}" for id in range(4_096)]
    assert requests["error_message"].iloc[4_096:5_001].isna().all()
    assert requests["error_message"].iloc[5_001] == "no 7"


def test_outcome_of_every_kind_is_recorded_under_its_own_word() -> None:
    recorded = recorder()
    for id, outcome in enumerate(gl.Outcome):
        report = report_delivery if outcome.label in {"handled", "dropped"} else report_request
        report(recorded, id, outcome=outcome)
    trace = recorded.trace()
    assert list(trace.requests["outcome"]) == list(trace.requests["outcome"].cat.categories)
    assert list(trace.deliveries["outcome"]) == ["handled", "dropped"]


def test_extreme_numbers_come_out_as_they_went_in() -> None:
    recorded = recorder()
    report_request(recorded, 2**62, attempt=2**32 - 1, sent_at=inf, started_at=-0.0, blocked=5e-324)
    [row] = rows(recorded.trace().requests)
    assert (row["id"], row["attempt"], row["sent_at"]) == (2**62, 2**32 - 1, inf)
    assert (str(row["started_at"]), row["blocked"]) == ("-0.0", 5e-324)


def test_rows_are_in_order_of_id_whatever_ended_first() -> None:
    recorded = recorder()
    for id in (5, 3, 8, 0):
        report_request(recorded, id, sent_at=float(id))
        report_event(recorded, id + 10)
        report_delivery(recorded, id + 20)
    trace = recorded.trace()
    assert list(trace.requests["id"]) == [0, 3, 5, 8]
    assert list(trace.requests["sent_at"]) == [0.0, 3.0, 5.0, 8.0]
    assert list(trace.events["id"]) == [10, 13, 15, 18]
    assert list(trace.deliveries["id"]) == [20, 23, 25, 28]


def test_deadlocks_are_in_the_order_in_which_they_formed() -> None:
    recorded = recorder()
    for formed_at, members in ((2.0, (7, 8)), (1.0, (5, 9)), (1.0, (5, 6, 4)), (1.0, (3, 10))):
        recorded.deadlock_formed(deadlock(formed_at, members=members))
    assert list(recorded.trace().deadlocks["members"]) == [(3, 10), (5, 6, 4), (5, 9), (7, 8)]


def test_names_that_occur_are_the_categories_in_alphabetical_order() -> None:
    recorded = gl.Recorder()
    open_routes(recorded, ("zoe", "bob", "b"), ("ann", "bob", "a"), ("eve", "never", "used"))
    for id, route, error in ((0, 0, "ValueError"), (1, 1, None), (2, 0, "KeyError")):
        report_request(recorded, id, route=route, error=error and Failure(error, f"{error} here"))
    report_delivery(recorded, 3, route=2, error=Failure("OSError", ""))
    requests = recorded.trace().requests
    assert {
        name: list(requests[name].cat.categories)
        for name in ("source", "target", "request_type", "error", "error_message")
    } == {
        "source": ["ann", "zoe"],
        "target": ["bob"],
        "request_type": ["a", "b"],
        "error": ["KeyError", "ValueError"],
        "error_message": ["KeyError here", "ValueError here"],
    }
    assert [row["error"] for row in rows(requests)] == ["ValueError", None, "KeyError"]


def test_many_names_and_many_rows_keep_together() -> None:
    recorded = gl.Recorder()
    open_routes(recorded, *((f"from{n}", f"to{n % 300}", "ask") for n in range(1000)))
    for id in reversed(range(20_000)):
        report_request(recorded, id, route=id % 1000, finished_at=float(id))
    requests = recorded.trace().requests
    assert list(requests["id"]) == list(range(20_000))
    assert list(requests["finished_at"]) == [float(id) for id in range(20_000)]
    assert list(requests["source"]) == [f"from{id % 1000}" for id in range(20_000)]
    assert list(requests["target"]) == [f"to{id % 1000 % 300}" for id in range(20_000)]


def test_hundred_thousand_records_take_112_bytes_each_at_most() -> None:
    recorded = recorder()
    gc.collect()
    tracemalloc.start()
    try:
        for id in range(100_000):
            report_request(recorded, id)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 100_000 <= 112


# --------------------------------------------------------------------------- traces of a live bus


def test_trace_and_its_frames_are_the_same_until_something_is_recorded() -> None:
    recorded = recorder()
    report_one_of_each(recorded)
    before = recorded.trace()
    requests, deadlocks = before.requests, before.deadlocks
    assert recorded.trace() is before
    assert before.requests is requests
    assert before.deadlocks is deadlocks
    report_request(recorded, 9)
    assert recorded.trace() is not before
    assert list(recorded.trace().requests["id"]) == [0, 9]


def test_trace_is_another_when_a_message_is_sent_or_a_deadlock_is_broken() -> None:
    bus = OpenMessages()
    recorded = recorder(bus)
    standing = deadlock()
    recorded.deadlock_formed(standing)
    traces = [recorded.trace()]
    bus.ids.append(3)
    traces.append(recorded.trace())
    standing.broken_at = 4.0
    traces.append(recorded.trace())
    assert [len(trace.requests) for trace in traces] == [0, 1, 1]
    assert [list(trace.deadlocks["broken_at"].dropna()) for trace in traces] == [[], [], [4.0]]


def test_trace_keeps_what_it_knew_even_if_its_frames_are_made_later() -> None:
    recorded = recorder()
    report_request(recorded, 5)
    early = recorded.trace()
    for id in range(6, 300):
        report_request(recorded, id)
    assert list(early.requests["id"]) == [5]
    assert len(recorded.trace().requests) == 295


def test_messages_in_flight_are_pending_in_order_of_id() -> None:
    recorded = recorder(OpenMessages(1, 4))
    report_request(recorded, 2)
    assert [(row["id"], row["outcome"]) for row in rows(recorded.trace().requests)] == [
        (1, "pending"),
        (2, "answered"),
        (4, "pending"),
    ]


def test_trace_in_the_middle_of_a_run_shows_what_is_open_then() -> None:
    recorded = gl.Recorder()
    middle: list[gl.Trace] = []

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorded) as bus:
            bus.register(Part("slow", sleeps(1.0), hear=sleeps(3.0)))
            bus.register(Part("asker", asks("slow", after=0.5)))
            bus.register(Part("onlooker", _looks(recorded, middle, after=0.75)))
            bus.subscribe("slow", "news")
            await bus.request("slow", "ask", None, "me")
            await bus.emit_event("news", None, "me")
            await bus.request("asker", "ask", None, "me", timeout=0.6)
            await bus.request("onlooker", "ask", None, "me")

    gl.run(main)
    [trace] = middle
    assert _columns(trace.requests, "target", "outcome", "started_at", "finished_at") == [
        ("slow", "answered", 0.0, 1.0),
        ("asker", "timed_out", 1.0, 1.6),
        ("slow", "cancelled", None, 1.6),
        ("onlooker", "pending", 1.6, None),
    ]
    assert _columns(trace.deliveries, "outcome", "sent_at", "started_at") == [("pending", 1.0, 1.0)]
    assert _columns(recorded.trace().deliveries, "outcome", "finished_at") == [("cancelled", 3.35)]


def test_run_that_is_cut_leaves_each_open_message_pending_once() -> None:
    recorded = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorded) as bus:
            bus.register(Part("slow", sleeps(9.0)))
            bus.register(Part("asker", asks("slow", after=0.25)))
            await bus.request("asker", "ask", None, "me")

    assert gl.run(main, horizon=2.0).ended == "horizon"
    assert _columns(recorded.trace().requests, "target", "outcome", "finished_at", "blocked") == [
        ("asker", "pending", None, 1.75),
        ("slow", "pending", None, 0.0),
    ]


def test_exception_is_recorded_by_its_class_and_the_first_line_of_its_text() -> None:
    recorded = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorded) as bus:
            bus.register(
                Part("broken", raises(ZeroDivisionError("so\nlong")), hear=raises(KeyError()))
            )
            bus.subscribe("broken", "news")
            await bus.request("broken", "ask", None, "me")
            await bus.emit_event("news", None, "me")
            await bus.drain()

    gl.run(main)
    assert _columns(recorded.trace().requests, "outcome", "error", "error_message") == [
        ("failed", "ZeroDivisionError", "so")
    ]
    assert _columns(recorded.trace().deliveries, "outcome", "error", "error_message") == [
        ("failed", "KeyError", "")
    ]


def test_manifest_says_which_bus_it_was_and_under_which_seed() -> None:
    recorded = gl.Recorder()

    async def main() -> None:
        async with gl.SynchronousBus(scope="component", observer=recorded):
            pass

    gl.run(main, seed=11)
    manifest = recorded.trace().manifest
    assert (manifest.architecture, manifest.configuration) == (
        "synchronous",
        {"scope": "component"},
    )
    assert (manifest.seed, manifest.clock, manifest.digest) == (11, "virtual", None)
    assert manifest.versions["genesis_lab"] == gl.__version__
    assert manifest.versions["pandas"] == pd.__version__


def test_recorder_without_a_bus_gives_a_trace_of_nothing() -> None:
    trace = gl.Recorder().trace()
    assert (trace.manifest.architecture, trace.manifest.seed, trace.manifest.clock) == (
        None,
        None,
        None,
    )
    assert len(trace.requests) == len(trace.events) == len(trace.deliveries) == 0


def test_recorder_refuses_a_second_bus() -> None:
    recorded = recorder()
    recorded.bus_closed()
    with pytest.raises(RecorderInUse) as refused:
        recorded.bus_opened(OpenMessages(), HYBRID)
    assert str(refused.value) == (
        "this Recorder already belongs to a bus: make a new one for each bus"
    )


@pytest.mark.parametrize("flush_every", [0, -1, 2.5, None, "10"])
def test_number_of_records_between_flushes_is_a_whole_one(flush_every: Any) -> None:
    with pytest.raises(InvalidSetting) as refused:
        gl.Recorder(flush_every=flush_every)
    assert str(refused.value) == f"flush_every={flush_every!r}: expected a whole number >= 1"


def _looks(recorded: gl.Recorder, traces: list[gl.Trace], *, after: float) -> Any:
    async def behave(_part: Part, _data: Any) -> None:
        await gl.sleep(after)
        traces.append(recorded.trace())

    return behave


def _columns(frame: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows(frame)]
