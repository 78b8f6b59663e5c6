import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.plots import timeline_segments
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Concurrent,
    Emit,
    ScriptedComponent,
    System,
    Wait,
)
from tests.parts import all_but
from tests.plots.scenes import AT_ONCE, LISTENING, QUEUE, RING, trace_of
from tests.recording.reports import recorder, report_request


def segments_of(trace: gl.Trace, start: float = 0.0, end: float = 10.0) -> pd.DataFrame:
    return timeline_segments(
        trace.requests, trace.deliveries, events=trace.events, start=start, end=end
    )


def spans(segments: pd.DataFrame) -> list[tuple[str, int, str, float, float]]:
    columns = ["component", "row", "state", "begin", "end"]
    return list(segments[columns].itertuples(index=False, name=None))


def test_message_waits_until_the_one_before_has_been_served() -> None:
    assert spans(segments_of(trace_of(QUEUE))) == [
        ("a", 0, "serving", 0.0, 1.0),
        ("a", 1, "waiting", 0.25, 1.0),
        ("a", 1, "serving", 1.0, 2.0),
        ("a", 0, "waiting", 1.5, 2.0),
        ("a", 0, "serving", 2.0, 3.0),
    ]


def test_handler_is_blocked_while_it_waits_for_a_nested_request() -> None:
    assert spans(segments_of(trace_of(RING))) == [
        ("a", 0, "serving", 0.0, 0.5),
        ("a", 0, "blocked", 0.5, 1.5),
        ("a", 1, "waiting", 0.5, 1.5),
        ("b", 0, "blocked", 0.5, 1.5),
    ]


def test_what_is_pending_goes_on_to_the_end_of_the_window() -> None:
    segments = segments_of(trace_of(RING, "synchronous"), end=4.0)
    assert spans(segments) == [
        ("a", 0, "serving", 0.0, 0.5),
        ("a", 0, "blocked", 0.5, 4.0),
        ("a", 1, "waiting", 0.5, 4.0),
        ("b", 0, "blocked", 0.5, 4.0),
    ]
    assert set(segments["outcome"]) == {"pending"}


def test_bar_goes_on_until_the_handler_ends() -> None:
    recorded = recorder()
    report_request(recorded, sent_at=1.0, started_at=1.5, finished_at=2.0, served_at=4.0)
    assert spans(segments_of(recorded.trace())) == [
        ("bob", 0, "waiting", 1.0, 1.5),
        ("bob", 0, "serving", 1.5, 4.0),
    ]


def test_window_cuts_what_reaches_beyond_it() -> None:
    assert spans(segments_of(trace_of(QUEUE), start=0.5, end=1.25)) == [
        ("a", 0, "serving", 0.5, 1.0),
        ("a", 1, "waiting", 0.5, 1.0),
        ("a", 1, "serving", 1.0, 1.25),
    ]


def test_message_that_takes_no_time_is_one_segment_of_no_length() -> None:
    segments = segments_of(trace_of(AT_ONCE))
    assert spans(segments) == [("a", 0, "serving", 1.0, 1.0)]
    assert segments.drop(columns=["component", "row", "state", "begin", "end", "id"]).to_dict(
        "records"
    ) == [{"type": "go", "source": "client", "outcome": "answered"}]


def test_request_to_nobody_never_began_to_be_served() -> None:
    nobody = System(components=(), clients=(Client((Call("x", "go"),)),))
    assert spans(segments_of(trace_of(nobody))) == [("x", 0, "waiting", 0.0, 0.0)]


def test_old_bus_blocks_an_emitter_until_its_event_has_been_handled() -> None:
    assert spans(segments_of(trace_of(LISTENING, "synchronous"))) == [
        ("a", 0, "blocked", 0.0, 2.0),
        ("a", 0, "serving", 2.0, 2.5),
        ("b", 0, "serving", 0.0, 2.0),
    ]
    assert spans(segments_of(trace_of(LISTENING, "hybrid"))) == [
        ("a", 0, "serving", 0.0, 0.5),
        ("b", 0, "serving", 0.0, 2.0),
    ]


def test_without_events_an_emitter_that_waits_counts_as_serving() -> None:
    trace = trace_of(LISTENING, "synchronous")
    segments = timeline_segments(trace.requests, trace.deliveries, start=0.0, end=10.0)
    assert spans(segments) == [
        ("a", 0, "serving", 0.0, 2.5),
        ("b", 0, "serving", 0.0, 2.0),
    ]


def test_window_without_messages_has_no_segments() -> None:
    segments = segments_of(trace_of(QUEUE), start=5.0, end=6.0)
    assert segments.empty
    assert list(segments.columns) == [
        "component",
        "row",
        "state",
        "begin",
        "end",
        "id",
        "type",
        "source",
        "outcome",
    ]


BRANCHING = System(
    components=(
        ScriptedComponent(
            "a",
            on_request={
                "go": (
                    Wait(0.125),
                    Concurrent(
                        (Call("b", "ask"), Wait(0.25), Call("c", "ask")),
                        (Wait(0.0625), Call("b", "ask"), Emit("news")),
                    ),
                    Wait(0.5),
                    Call("c", "ask", timeout=0.25),
                )
            },
            on_event={"news": (Call("b", "ask"),)},
        ),
        ScriptedComponent("b", on_request={"ask": (Wait(0.5), Emit("news"))}),
        ScriptedComponent(
            "c",
            on_request={"ask": (Call("b", "ask"), Wait(0.125))},
            on_event={"news": (Wait(0.25),)},
        ),
    ),
    subscriptions=(("a", "news"), ("c", "news")),
    clients=(Client((Call("a", "go"),)), Client((Call("a", "go"),), start_at=0.5)),
)
"""Goes on for ever, since each piece of news leads to another one."""


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_segments_add_up_to_the_times_on_record(architecture: str) -> None:
    trace = trace_of(BRANCHING, architecture, horizon=5.0)
    messages = pd.concat([trace.requests, trace.deliveries]).set_index("id")
    segments = segments_of(trace, end=6.0)
    lengths = (
        segments.assign(length=segments["end"] - segments["begin"])
        .pivot_table(index="id", columns="state", values="length", aggfunc="sum")
        .reindex(messages.index)
        .fillna(0.0)
    )
    assert (lengths[["waiting", "serving", "blocked"]].sum() > 0).all()
    open_times = messages["finished_at"].fillna(6.0) - messages["sent_at"]
    assert lengths.sum(axis="columns").tolist() == pytest.approx(open_times.tolist())
    # What is pending goes on being blocked after the run has ended.
    ended = messages["outcome"] != "pending"
    assert lengths["blocked"][ended].tolist() == pytest.approx(messages["blocked"][ended].tolist())


def test_no_two_messages_are_in_one_row_at_a_time() -> None:
    segments = segments_of(trace_of(BRANCHING, horizon=5.0), end=6.0)
    by_message = segments.groupby(["component", "row", "id"]).agg(
        begin=("begin", "min"), end=("end", "max")
    )
    for _, in_row in by_message.sort_values("begin").groupby(["component", "row"]):
        assert (in_row["begin"].iloc[1:].to_numpy() >= in_row["end"].iloc[:-1].to_numpy()).all()
