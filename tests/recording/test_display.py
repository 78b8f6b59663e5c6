"""The report on a deadlock; how a trace shows itself is in `test_trace`."""

import re

import pytest
from hypothesis import given, settings

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.messages import ELSEWHERE, Wait
from genesis_lab.workloads import scripted
from genesis_lab.workloads.scripted import Call, Client, Emit, ScriptedComponent, System
from tests.plots.scenes import QUEUE, RING, trace_of
from tests.recording.reports import (
    OpenMessages,
    deadlock,
    open_routes,
    recorder,
    report_delivery,
    report_event,
    report_request,
)
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
        ScriptedComponent("a", on_request={"go": (scripted.Wait(0.25), Emit("news"))}),
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
        (
            "  At a, request 0 (go from client) has waited since 0.5 s "
            "for the reply of request 1 at b."
        ),
        "  At b, request 1 (ask from a) has waited since 0.5 s for the reply of request 2 at a.",
        (
            "  At a, request 2 (back from b) has waited since 0.5 s "
            "for admission to a, which request 0 holds."
        ),
        (
            "  Behind them, at a, request 3 (back from client) has waited since 0.75 s "
            "for admission to a, which request 0 holds."
        ),
        (
            "  Behind them, at b, request 4 (ask from client) has waited since 0.875 s "
            "for admission to b, which request 1 holds."
        ),
        (
            "  It was broken at 1.5 s, after 1 s, because a wait timed out; in the end: "
            "request 0 answered, request 1 timed_out, request 2 cancelled."
        ),
    ]


def test_report_on_a_deadlock_that_nothing_breaks_says_that_it_holds() -> None:
    report = trace_of(RING, "synchronous").deadlock_report()
    assert report.sentences[-1] == "It holds to the end of the record."
    assert [each.message and each.message.outcome for each in report.members] == ["pending"] * 3


def test_report_on_a_refused_deadlock_says_that_it_was_refused() -> None:
    assert trace_of(RING, "hybrid-raise").deadlock_report().sentences[-1] == (
        "It was broken at 0.5 s, after 0 s, because the wait that closed it was refused; "
        "in the end: request 0 answered, request 1 answered, request 2 deadlocked."
    )


def test_report_tells_of_an_emitter_and_of_deliveries_that_wait_for_their_turn() -> None:
    assert trace_of(EVENT_TO_ONESELF, "synchronous").deadlock_report().sentences == (
        "At a, request 0 (go from client) has waited since 0.25 s for the delivery of event 1.",
        (
            "At a, event 1 (news from a) has waited since 0.25 s for the handling of delivery 2 "
            "at a and for the handling of delivery 3 at b."
        ),
        (
            "At a, delivery 2 (news from a) has waited since 0.25 s for admission to a, "
            "which request 0 holds."
        ),
        (
            "At b, delivery 3 (news from a) has waited since 0.25 s for its turn among the "
            "deliveries of its event, behind delivery 2 at a."
        ),
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
    assert trace_of(listening).deadlock_report().sentences[2:4] == (
        (
            "Behind them, at a, delivery 3 (news from client) has waited since 1 s "
            "for admission to a, which request 0 holds."
        ),
        (
            "Behind them, at a, delivery 5 (news from client) has waited since 1 s "
            "for its turn in the inbox of a, behind delivery 3."
        ),
    )


def test_report_tells_who_has_the_old_bus_to_itself() -> None:
    elsewhere = System(
        components=(*RING.components, ScriptedComponent("c", on_request={"go": ()})),
        clients=(*RING.clients, Client((Call("c", "go"),), start_at=0.75)),
    )
    assert trace_of(elsewhere, "synchronous").deadlock_report().sentences[3] == (
        "Behind them, at c, request 3 (go from client) has waited since 0.75 s "
        "for the bus, which request 0 at a holds."
    )


def test_report_tells_all_that_have_the_places_of_a_pool() -> None:
    recorded = recorder()
    for id in range(3):
        report_request(recorded, id)
    waits = [
        Wait(0, 2, "reply", "bob", 0.25),
        Wait(2, 0, "admission", "bob", 0.5),
        Wait(2, 1, "admission", "bob", 0.5),
    ]
    recorded.deadlock_formed(
        deadlock(members=(0, 2), components=("bob", "bob"), victims=[], waits=waits)
    )
    assert recorded.trace().deadlock_report().sentences[1] == (
        "At bob, request 2 (ask from ann) has waited since 0.5 s for admission to bob, "
        "which request 0 and message 1 hold."
    )


def test_report_tells_of_messages_on_another_bus() -> None:
    recorded = recorder()
    report_request(recorded, 0)
    waits = [
        Wait(0, ELSEWHERE, "reply", "eve", 0.25),
        Wait(ELSEWHERE, 0, "admission", "bob", 0.5),
    ]
    recorded.deadlock_formed(
        deadlock(members=(0, ELSEWHERE), components=("bob", "eve"), victims=[], waits=waits)
    )
    assert recorded.trace().deadlock_report().sentences[:2] == (
        (
            "At bob, request 0 (ask from ann) has waited since 0.25 s "
            "for the reply of a message on another bus at eve."
        ),
        (
            "At eve, a message on another bus has waited since 0.5 s "
            "for admission to bob, which request 0 holds."
        ),
    )


def test_report_tells_of_a_handler_that_waits_for_an_event_in_its_own_inbox() -> None:
    recorded = recorder()
    report_request(recorded, 0)
    report_delivery(recorded, 1)
    waits = [
        Wait(0, 1, "event", "bob", 0.25),
        Wait(1, 0, "admission", "bob", 0.5),
    ]
    recorded.deadlock_formed(
        deadlock(members=(0, 1), components=("bob", "bob"), victims=[], waits=waits)
    )
    assert recorded.trace().deadlock_report().sentences[0] == (
        "At bob, request 0 (ask from ann) has waited since 0.25 s for the event of delivery 1 "
        "at bob."
    )


def test_report_of_a_deadlock_whose_messages_were_lost_gives_their_numbers() -> None:
    recorded = recorder()
    recorded.deadlock_formed(deadlock(broken_at=2.0, broken_by="cancelled"))
    assert recorded.trace().deadlock_report().sentences == (
        "At ann, message 1 has waited since 0.25 s for the reply of message 2 at bob.",
        "At bob, message 2 has waited since 0.25 s for the reply of message 3 at ann.",
        "At ann, message 3 has waited since 0.5 s for admission to ann, which message 1 holds.",
        (
            "Behind them, at an unknown place, message 4 has waited since 0.75 s "
            "for admission to ann, which message 1 holds."
        ),
        "It was broken at 2 s, after 1.5 s, because a message was cancelled.",
    )


def test_report_names_five_victims() -> None:
    recorded = recorder()
    for id in range(1_010):
        report_request(recorded, id, cause=id - 1 if id < 2 else -1)
    victims = list(range(2, 1_010))
    recorded.deadlock_formed(
        deadlock(
            members=(0, 1),
            components=("bob", "bob"),
            victims=victims,
            waits=[Wait(id, 0, "admission", "bob", 1.25) for id in range(1_010)],
        )
    )
    report = recorded.trace().deadlock_report()
    assert len(report.victims) == 1_008
    *_, last, more, _ = report.sentences
    assert last == (
        "Behind them, at bob, request 6 (ask from ann) has waited since 1.25 s "
        "for admission to bob, which request 0 holds."
    )
    assert more == "Behind them, 1,003 more as well."
    assert report._repr_html_().count(">victim</th>") == 5
    assert ">1,003 more</td>" in report._repr_html_()


@pytest.mark.parametrize("number", [1, -1])
def test_report_on_a_deadlock_that_is_not_in_the_trace_is_refused(number: int) -> None:
    with pytest.raises(InvalidSetting) as caught:
        trace_of(RING).deadlock_report(number)
    assert str(caught.value) == f"number={number}: expected the row of one of 1 deadlocks"


def test_report_on_a_given_deadlock_in_a_trace_without_any_is_refused() -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.Recorder().trace().deadlock_report(3)
    assert str(caught.value) == "number=3: expected a trace with a deadlock"


def test_report_on_a_healthy_run_says_that_no_deadlock_formed() -> None:
    report = trace_of(QUEUE).deadlock_report()
    assert repr(report) == "No deadlock formed."
    assert report._repr_html_() == "<table><caption>No deadlock formed.</caption></table>"


def test_report_without_a_deadlock_says_how_many_messages_are_pending() -> None:
    recorded = recorder(OpenMessages(0, 3))
    assert repr(recorded.trace().deadlock_report()) == (
        "No deadlock formed.\n  2 messages are pending."
    )
    report_event(recorded, 7, finished_at=float("nan"))
    html = recorded.trace().deadlock_report()._repr_html_()
    assert ">3 messages are pending.</td>" in html


@pytest.mark.slow
@given(random_traces())
@settings(max_examples=100)
def test_every_member_waits_for_a_member_since_the_deadlock_formed_or_before(
    trace: gl.Trace,
) -> None:
    for number, row in enumerate(trace.deadlocks.to_dict("records")):
        report = trace.deadlock_report(number)
        for each, id, component in zip(
            report.members, row["members"], row["components"], strict=True
        ):
            assert (each.id, each.place) == (id, component)
            assert {wait.holder for wait in each.waits} & set(row["members"])
            assert max(wait.since for wait in each.waits) <= row["formed_at"]
        assert tuple(each.id for each in report.victims) == row["victims"]
        assert all(each.waits for each in report.victims)


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
            "the reply of request 1 at b",
            "0.5 s",
            "answered at 1.5 s",
        ],
        [
            "member",
            "request 1: ask from a",
            "b",
            "the reply of request 2 at a",
            "0.5 s",
            "timed_out at 1.5 s",
        ],
        [
            "member",
            "request 2: back from b",
            "a",
            "admission to a, which request 0 holds",
            "0.5 s",
            "cancelled at 1.5 s",
        ],
        [
            "victim",
            "request 3: back from client",
            "a",
            "admission to a, which request 0 holds",
            "0.75 s",
            "answered at 1.5 s",
        ],
        [
            "victim",
            "request 4: ask from client",
            "b",
            "admission to b, which request 1 holds",
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
