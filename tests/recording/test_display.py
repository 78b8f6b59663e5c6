"""The report on a deadlock; how a trace shows itself is in `test_trace`."""

import re

import pytest
from hypothesis import given, settings

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Emit,
    ScriptedComponent,
    System,
    Wait,
)
from tests.plots.scenes import RING, trace_of
from tests.recording.reports import deadlock, open_routes, recorder, report_request
from tests.recording.traces import random_traces

CROWDED_RING = System(
    components=RING.components,
    clients=(
        *RING.clients,
        Client((Call("a", "back", timeout=9.0),), start_at=0.75),
        Client((Call("b", "ask", timeout=0.5),), start_at=0.875),
    ),
)
"""The ring, which closes at 0.5 s, and two more requests to it."""

EVENT_TO_ONESELF = System(
    components=(
        ScriptedComponent("a", on_request={"go": (Wait(0.25), Emit("news"))}),
        ScriptedComponent("b", on_event={"news": ()}),
    ),
    subscriptions=(("a", "news"), ("b", "news")),
    clients=(Client((Call("a", "go"),)),),
)
"""a emits at 0.25 s what it subscribes to, and so does b."""


# ------------------------------------------------------------------------------------- in sentences


def test_report_says_who_waits_for_whom_since_when_and_how_it_ended() -> None:
    assert repr(trace_of(CROWDED_RING).deadlock_report()).splitlines() == [
        "Deadlock a -> b -> a: formed at 0.5 s, broken at 1.5 s (timed_out)",
        "  At a, request 0 (go from client) has waited since 0.5 s for request 1 at b.",
        "  At b, request 1 (ask from a) has waited since 0.5 s for request 2 at a.",
        "  At a, request 2 (back from b) has waited since 0.5 s behind request 0.",
        (
            "  Behind them, at a, request 3 (back from client) has waited since 0.75 s "
            "behind request 0."
        ),
        (
            "  Behind them, at b, request 4 (ask from client) has waited since 0.875 s "
            "behind request 1."
        ),
        (
            "  It was broken at 1.5 s, after 1 s, because a wait timed out; in the end: "
            "request 0 answered, request 1 timed_out, request 2 cancelled."
        ),
    ]


def test_report_on_a_deadlock_that_nothing_breaks_says_that_it_holds() -> None:
    report = trace_of(RING, "synchronous").deadlock_report()
    assert report.sentences[-1] == "It holds to the end of the record."
    assert [wait.message.outcome for wait in report.members] == ["pending"] * 3


def test_report_on_a_refused_deadlock_says_that_it_was_refused() -> None:
    assert trace_of(RING, "hybrid-raise").deadlock_report().sentences[-1] == (
        "It was broken at 0.5 s, after 0 s, because the wait that closed it was refused; "
        "in the end: request 0 answered, request 1 answered, request 2 deadlocked."
    )


def test_report_tells_of_an_emitter_and_of_deliveries_that_wait_for_their_turn() -> None:
    assert trace_of(EVENT_TO_ONESELF, "synchronous").deadlock_report().sentences == (
        "At a, request 0 (go from client) has waited since 0.25 s for event 1.",
        "At a, event 1 (news from a) has waited since 0.25 s for delivery 2 and delivery 3 at b.",
        "At a, delivery 2 (news from a) has waited since 0.25 s behind request 0.",
        "At b, delivery 3 (news from a) has waited since 0.25 s behind delivery 2 at a.",
        "It holds to the end of the record.",
    )


def test_report_tells_who_is_first_in_an_inbox() -> None:
    listening = System(
        components=(
            ScriptedComponent("a", on_request={"go": (Call("a", "go"),)}, on_event={"news": ()}),
        ),
        subscriptions=(("a", "news"),),
        clients=(
            Client((Call("a", "go", timeout=9.0),)),
            Client((Emit("news"), Emit("news")), start_at=1.0),
        ),
    )
    first, second = trace_of(listening).deadlock_report().victims
    assert [other.name for other in first.behind] == ["request 0"]
    assert second.behind == (first.message,)


def test_report_tells_who_has_the_old_bus_to_itself() -> None:
    elsewhere = System(
        components=(*RING.components, ScriptedComponent("c", on_request={"go": ()})),
        clients=(*RING.clients, Client((Call("c", "go"),), start_at=0.75)),
    )
    assert trace_of(elsewhere, "synchronous").deadlock_report().sentences[3] == (
        "Behind them, at c, request 3 (go from client) has waited since 0.75 s "
        "behind request 0 at a."
    )


def test_report_takes_members_as_they_were_when_the_deadlock_formed() -> None:
    recorded = recorder()
    report_request(recorded, 0, sent_at=0.0, started_at=0.0, finished_at=9.0)
    report_request(recorded, 1, sent_at=0.5, cause=0, started_at=2.0, finished_at=9.0)
    report_request(recorded, 2, sent_at=2.0, cause=1, started_at=float("nan"), finished_at=9.0)
    recorded.deadlock_formed(deadlock(members=(0, 1), components=("bob", "bob"), victims=[2]))
    first, second = recorded.trace().deadlock_report().members
    assert (first.is_handled, first.since, [m.id for m in first.behind]) == (True, 0.5, [1])
    assert (second.is_handled, second.since, [m.id for m in second.behind]) == (False, 0.5, [0])


def test_report_names_five_victims() -> None:
    recorded = recorder()
    for id in range(1_010):
        report_request(recorded, id, cause=id - 1 if id < 2 else -1)
    victims = list(range(2, 1_010))
    recorded.deadlock_formed(deadlock(members=(0, 1), components=("bob", "bob"), victims=victims))
    report = recorded.trace().deadlock_report()
    assert len(report.victims) == 1_008
    *_, last, more, _ = report.sentences
    assert (
        last
        == "Behind them, at bob, request 6 (ask from ann) has waited since 1.25 s behind request 0."
    )
    assert more == "Behind them, 1,003 more as well."
    assert report._repr_html_().count(">victim</th>") == 5
    assert ">1,003 more</td>" in report._repr_html_()


@pytest.mark.parametrize("number", [1, -1])
def test_report_on_a_deadlock_that_is_not_in_the_trace_is_refused(number: int) -> None:
    with pytest.raises(InvalidSetting) as caught:
        trace_of(RING).deadlock_report(number)
    assert str(caught.value) == f"number={number}: expected the row of one of 1 deadlocks"


def test_report_on_a_deadlock_in_a_trace_without_any_says_so() -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.Recorder().trace().deadlock_report()
    assert str(caught.value) == "number=0: expected a trace with a deadlock"


@given(random_traces())
@settings(max_examples=100)
def test_every_member_waits_for_a_member_since_the_deadlock_formed_or_before(
    trace: gl.Trace,
) -> None:
    for number, row in enumerate(trace.deadlocks.to_dict("records")):
        report = trace.deadlock_report(number)
        for wait, id, component in zip(
            report.members, row["members"], row["components"], strict=True
        ):
            assert (wait.message.id, wait.message.place) == (id, component)
            assert {other.id for other in wait.behind} & set(row["members"])
            assert wait.since <= row["formed_at"]
        assert tuple(wait.message.id for wait in report.victims) == row["victims"]


# ------------------------------------------------------------------------------------- as a table


def test_notebook_shows_a_report_as_a_table_without_colours_of_its_own() -> None:
    html = trace_of(CROWDED_RING).deadlock_report()._repr_html_()
    rows = re.findall("<tr>(.*?)</tr>", html)
    assert [re.findall("<t[hd] [^>]*>(.*?)</t[hd]>", row) for row in rows] == [
        ["", "message", "at", "waits for", "since", "outcome"],
        [
            "member",
            "request 0: go from client",
            "a",
            "request 1 at b",
            "0.5 s",
            "answered at 1.5 s",
        ],
        ["member", "request 1: ask from a", "b", "request 2 at a", "0.5 s", "timed_out at 1.5 s"],
        ["member", "request 2: back from b", "a", "request 0 at a", "0.5 s", "cancelled at 1.5 s"],
        [
            "victim",
            "request 3: back from client",
            "a",
            "request 0 at a",
            "0.75 s",
            "answered at 1.5 s",
        ],
        [
            "victim",
            "request 4: ask from client",
            "b",
            "request 1 at b",
            "0.875 s",
            "timed_out at 1.375 s",
        ],
    ]
    assert set(re.findall("<([a-z]+)[^>]*>", html)) == {"table", "caption", "tr", "th", "td"}
    assert "color" not in html
    assert "background" not in html


def test_notebook_shows_names_in_a_report_as_text() -> None:
    recorded = gl.Recorder()
    open_routes(recorded, ('<b>"ann"</b>', "a & b", "<i>"))
    for id in (0, 1):
        report_request(recorded, id, cause=id - 1, sent_at=0.5)
    recorded.deadlock_formed(deadlock(members=(0, 1), components=("a & b", "<x>"), victims=[]))
    html = recorded.trace().deadlock_report()._repr_html_().replace(' style="text-align: left"', "")
    assert "request 1: &lt;i&gt; from &lt;b&gt;&quot;ann&quot;&lt;/b&gt;</td><td>a &amp; b<" in html
    assert "a &amp; b -&gt; &lt;x&gt; -&gt; a &amp; b: formed" in html
