import math
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.workloads.scripted import Call, Client, Emit, Fail, ScriptedComponent, System
from tests.plots.scenes import AT_ONCE, LISTENING, QUEUE, RING, trace_of
from tests.recording.reports import (
    deadlock,
    failure,
    open_routes,
    recorder,
    report_delivery,
    report_event,
    report_request,
)
from tests.recording.traces import random_traces

NEVER = math.nan


def lines_of(trace: gl.Trace, **chosen: Any) -> list[str]:
    return str(trace.sequence_diagram(**chosen)).splitlines()


def steps_of(trace: gl.Trace, **chosen: Any) -> list[str]:
    """The lines but the heading and the participants, unindented."""
    lines = [line.strip() for line in lines_of(trace, **chosen)]
    return [line for line in lines[1:] if not line.startswith("participant")]


# ------------------------------------------------------------------------------- what is drawn how


def test_a_deadlock_is_a_note_between_what_led_to_it_and_what_ended_it() -> None:
    assert lines_of(trace_of(RING)) == [
        "sequenceDiagram",
        "    participant p0 as client",
        "    participant p1 as a",
        "    participant p2 as b",
        "    p0->>p1: go (0 s)",
        "    p1->>p2: ask (0.5 s)",
        "    p2->>p1: back (0.5 s)",
        (
            "    Note over p1,p2: deadlock a -> b -> a<br/>formed at 0.5 s"
            "<br/>broken at 1.5 s (timed_out)"
        ),
        "    p1--xp2: back cancelled (1.5 s)",
        "    p2--xp1: ask timed_out (1.5 s)",
        "    p1-->>p0: go answered (1.5 s)",
    ]


def test_what_is_pending_has_no_reply() -> None:
    assert steps_of(trace_of(RING, "synchronous")) == [
        "p0->>p1: go, pending (0 s)",
        "p1->>p2: ask, pending (0.5 s)",
        "p2->>p1: back, pending (0.5 s)",
        "Note over p1,p2: deadlock a -> b -> a<br/>formed at 0.5 s<br/>holds",
    ]


def test_a_delivery_is_one_open_arrow() -> None:
    assert steps_of(trace_of(LISTENING)) == [
        "p0->>p1: go (0 s)",
        "p1-)p2: news (0 s), handled (2 s)",
        "p1-->>p0: go answered (0.5 s)",
    ]


def test_replies_come_before_what_is_sent_at_the_same_instant_after_them() -> None:
    again = Client((Call("a", "go"), Call("a", "go")), start_at=1.0)
    assert steps_of(trace_of(System(components=AT_ONCE.components, clients=(again,)))) == [
        "p0->>p1: go (1 s)",
        "p1-->>p0: go answered (1 s)",
        "p0->>p1: go (1 s)",
        "p1-->>p0: go answered (1 s)",
    ]


def test_what_is_nested_ends_before_what_it_is_nested_in() -> None:
    nested = System(
        components=(
            ScriptedComponent("a", on_request={"go": (Call("b", "ask"),)}),
            ScriptedComponent("b", on_request={"ask": (Fail(),)}),
        ),
        clients=(Client((Call("a", "go"),)),),
    )
    assert steps_of(trace_of(nested)) == [
        "p0->>p1: go (0 s)",
        "p1->>p2: ask (0 s)",
        "p2-->>p1: ask failed, ScriptFailed (0 s)",
        "p1-->>p0: go answered (0 s)",
    ]


@pytest.mark.parametrize(
    ("outcome", "arrow"),
    [
        (outcome, "-->>" if outcome.label in {"answered", "failed"} else "--x")
        for outcome in gl.Outcome
        if outcome.label not in {"pending", "handled", "dropped"}
    ],
)
def test_any_reply_that_never_came_ends_in_a_cross(outcome: gl.Outcome, arrow: str) -> None:
    recorded = recorder()
    report_request(recorded, outcome=outcome, attempt=2)
    assert steps_of(recorded.trace()) == [
        "p0->>p1: ask, attempt 2 (1.25 s)",
        f"p1{arrow}p0: ask {outcome.label} (2 s)",
    ]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"outcome": gl.Outcome.FAILED, "error": failure("KeyError")},
            "-)p1: news (1.25 s), failed, KeyError (2 s)",
        ),
        ({"outcome": gl.Outcome.CANCELLED}, "-xp1: news (1.25 s), cancelled (2 s)"),
        ({"outcome": gl.Outcome.DROPPED, "sent_at": NEVER}, "-xp1: news (1 s), dropped (2 s)"),
        ({"outcome": gl.Outcome.PENDING, "finished_at": NEVER}, "-)p1: news (1.25 s), pending"),
    ],
)
def test_a_delivery_says_what_came_of_it(changed: dict[str, Any], line: str) -> None:
    recorded = recorder()
    report_event(recorded, 0, sent_at=1.0)
    report_delivery(recorded, 1, event=0, **changed)
    assert steps_of(recorded.trace()) == [f"p0{line}"]


def test_an_event_that_nobody_receives_is_a_note() -> None:
    alone = System(components=(), clients=(Client((Emit("news"),), start_at=0.5),))
    assert lines_of(trace_of(alone)) == [
        "sequenceDiagram",
        "    participant p0 as client",
        "    Note over p0: news (0.5 s), nobody receives it",
    ]


def test_nothing_is_a_diagram_too() -> None:
    assert lines_of(gl.Recorder().trace()) == [
        "sequenceDiagram",
        "    participant p0 as nothing happened",
    ]


# ------------------------------------------------------------------------------- which are shown


def test_a_window_shows_what_was_sent_in_it() -> None:
    assert steps_of(trace_of(QUEUE), start=0.25, end=1.0) == [
        "p0->>p1: go (0.25 s)",
        "p1-->>p0: go answered (2 s)",
    ]


def test_a_chain_is_shown_with_the_deliveries_of_its_events() -> None:
    two = System(
        components=LISTENING.components,
        subscriptions=LISTENING.subscriptions,
        clients=(*LISTENING.clients, Client((Call("a", "go"),), start_at=4.0)),
    )
    trace = trace_of(two)
    assert steps_of(trace, chain=int(trace.requests["chain"].iloc[1])) == [
        "p0->>p1: go (4 s)",
        "p1-)p2: news (4 s), handled (6 s)",
        "p1-->>p0: go answered (4.5 s)",
    ]


def test_a_deadlock_is_shown_with_what_led_to_it_and_without_the_rest() -> None:
    before, after = Client((Call("b", "no"),)), Client((Call("b", "no"),), start_at=3.0)
    system = System(components=RING.components, clients=(before, *RING.clients, after))
    assert len(lines_of(trace_of(system))) > 11
    steps = steps_of(trace_of(system), deadlock=0)
    assert [step for step in steps if "no" not in step.split()] == steps
    assert len(steps) == 7


def test_a_long_trace_says_how_much_is_left_out() -> None:
    assert steps_of(trace_of(QUEUE), limit=2) == [
        "p0->>p1: go (0 s)",
        "p0->>p1: go (0.25 s)",
        "p1-->>p0: go answered (1 s)",
        "p1-->>p0: go answered (2 s)",
        "Note over p0,p1: 1 more left out",
    ]


def test_a_deadlock_of_messages_that_are_left_out_is_left_out_with_them() -> None:
    assert "deadlock" not in str(trace_of(RING).sequence_diagram(start=2.0))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"start": 2.0, "end": 1.0}, "end=1.0: expected at least start=2.0"),
        ({"chain": 7}, "chain=7: expected the id of a call chain of this trace"),
        ({"deadlock": 3}, "number=3: expected the row of one of 1 deadlocks"),
        ({"limit": 0}, "limit=0: expected a whole number >= 1"),
        ({"limit": 2.5}, "limit=2.5: expected a whole number >= 1"),
    ],
)
def test_what_is_not_in_the_trace_cannot_be_shown(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        trace_of(RING).sequence_diagram(**chosen)
    assert str(caught.value) == message


# ---------------------------------------------------------------------------- what Mermaid reads


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("strategy_manager", "strategy_manager"),
        ("prix, 日本 (é)", "prix#44; 日本 (é)"),
        ("a;b#c", "a#59;b#35;c"),
        ("\"a\" 'b'", "#34;a#34; #39;b#39;"),
        ("<b>&amp;</b>", "#60;b#62;#38;amp#59;#60;/b#62;"),
        ("a->>b: c", "a-#62;#62;b#58; c"),
        ("%%{x}%%", "#37;#37;#123;x#125;#37;#37;"),
        ("a\nb\tc\x00d", "a b c d"),
        ("end", "#101;nd"),
        ("The End.", "The #69;nd."),
        ("bend ending end_", "bend ending end_"),
        ("", "#34;#34;"),
        (" ", "#34;#34;"),
    ],
)
def test_names_are_escaped_wherever_they_stand(name: str, written: str) -> None:
    recorded = gl.Recorder()
    open_routes(recorded, (name, "bob", name))
    report_request(recorded, error=failure(name), finished_at=2.0)
    recorded.deadlock_formed(deadlock(members=(0,), components=(name,), victims=[]))
    lines = lines_of(recorded.trace())
    assert lines[1] == f"    participant p0 as {written}"
    assert f"    p0->>p1: {written} (1.25 s)" in lines
    assert f"    p1-->>p0: {written} answered, {written} (2 s)" in lines
    assert f"deadlock {written} -> {written}<br/>formed" in "\n".join(lines)


def test_a_notebook_takes_it_as_mermaid_and_not_as_html() -> None:
    diagram = trace_of(RING).sequence_diagram()
    assert diagram._repr_mimebundle_() == {
        "text/vnd.mermaid": diagram.source,
        "text/plain": diagram.source,
    }
    assert not hasattr(diagram, "_repr_html_")


LINE = re.compile(
    r"    (participant p\d+ as [^;#]+|p\d+(->>|-->>|--x|-\)|-x)p\d+: [^;#]+"
    r"|Note over p\d+(,p\d+)?: [^;#]+)"
)


@given(random_traces())
@settings(max_examples=100)
def test_any_trace_is_a_diagram_of_each_of_its_messages(trace: gl.Trace) -> None:
    assume(len(trace.requests) or len(trace.events))
    first, *lines = lines_of(trace, limit=10_000)
    assert first == "sequenceDiagram"
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    declared = re.findall(r"participant (p\d+)", "\n".join(lines))
    used = set(re.findall(r"p\d+", re.sub("participant.*|: .*", "", "\n".join(lines))))
    assert sorted(used) == sorted(declared)
    requests, deliveries = trace.requests, trace.deliveries
    assert sum("->>" in line and "-->>" not in line for line in lines) == len(requests)
    assert (
        sum(bool(re.search(r"p\d(-->>|--x)p\d", line)) for line in lines)
        == (requests["outcome"] != "pending").sum()
    )
    assert sum(bool(re.search(r"p\d(-\)|-x)p\d", line)) for line in lines) == len(deliveries)
    assert sum(": deadlock " in line for line in lines) == len(trace.deadlocks)
