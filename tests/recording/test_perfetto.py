import math
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings

import genesis_lab as gl
from genesis_lab.workloads.scripted import Call, Client, ScriptedComponent, System
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
from tests.recording.trace_event_format import Content, Slice, read
from tests.recording.traces import random_traces

MS = 1_000_000


def content_of(trace: gl.Trace) -> Content:
    with TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        trace.to_perfetto(path)
        return read(path)


def shown(slices: list[Slice]) -> list[tuple[str, str, str, float, float]]:
    """What slices say, in milliseconds."""
    return [
        (each.process, each.name, each.category, each.begin / MS, each.end / MS) for each in slices
    ]


# ----------------------------------------------------------------------------------- what there is


def test_messages_wait_and_are_handled_at_their_component() -> None:
    assert shown(content_of(trace_of(QUEUE)).slices) == [
        ("a", "go", "handling", 0, 1000),
        ("a", "go (waiting)", "waiting", 250, 1000),
        ("a", "go", "handling", 1000, 2000),
        ("a", "go (waiting)", "waiting", 1500, 2000),
        ("a", "go", "handling", 2000, 3000),
    ]


def test_what_overlaps_is_in_another_thread_and_a_free_one_is_used_again() -> None:
    threads = [each.thread for each in content_of(trace_of(QUEUE)).slices]
    first, second = threads[:2]
    assert threads == [first, second, second, first, first]
    assert first != second


def test_arrows_lead_from_a_sending_to_the_message_sent() -> None:
    content = content_of(trace_of(RING))
    assert {id: shown([*arrow]) for id, arrow in content.arrows.items()} == {
        1: [("a", "send ask", "sending", 500, 500), ("b", "ask", "handling", 500, 1500)],
        2: [("b", "send back", "sending", 500, 500), ("a", "back (waiting)", "waiting", 500, 1500)],
    }


def test_an_event_leads_to_each_of_its_deliveries() -> None:
    system = System(
        components=(*LISTENING.components, ScriptedComponent("c", on_event={"news": ()})),
        subscriptions=(*LISTENING.subscriptions, ("c", "news")),
        clients=LISTENING.clients,
    )
    arrows = content_of(trace_of(system)).arrows.values()
    assert [shown([*arrow]) for arrow in arrows] == [
        [("a", "send news", "sending", 0, 0), ("b", "news", "handling", 0, 2000)],
        [("a", "send news", "sending", 0, 0), ("c", "news", "handling", 0, 0)],
    ]


def test_a_delivery_whose_event_is_missing_is_there_without_an_arrow() -> None:
    recorded = recorder()
    report_delivery(recorded, 2, event=1)
    content = content_of(recorded.trace())
    assert [each.name for each in content.slices] == ["news (waiting)", "news"]
    assert not content.arrows


def test_what_a_handler_left_behind_is_sent_at_its_end() -> None:
    recorded = recorder()
    report_request(recorded, 0, started_at=1.25, finished_at=1.5)
    report_request(recorded, 1, route=1, cause=0, sent_at=1.75, started_at=1.75)
    sending, reached = content_of(recorded.trace()).arrows[1]
    assert shown([sending]) == [("bob", "send ask", "sending", 1500, 1500)]
    assert reached.begin == 1750 * MS


def test_deadlocks_are_instants_at_the_components_concerned() -> None:
    args = {"cycle": "a -> b -> a", "members": [0, 1, 2], "victims": []}
    broken = "deadlock broken (timed_out)"
    assert content_of(trace_of(RING)).instants == [
        (500 * MS, "deadlock", "a", args),
        (500 * MS, "deadlock", "b", args),
        (1500 * MS, broken, "a", args),
        (1500 * MS, broken, "b", args),
    ]


def test_a_deadlock_that_holds_has_no_end() -> None:
    instants = content_of(trace_of(RING, "synchronous")).instants
    assert [(at, name) for at, name, *_ in instants] == [(500 * MS, "deadlock")] * 2


def test_an_emitter_in_a_deadlock_has_a_process_of_its_own() -> None:
    recorded = recorder()
    report_request(recorded, 0)
    recorded.deadlock_formed(deadlock(members=(0,), components=("ann",)))
    assert [process for _, _, process, _ in content_of(recorded.trace()).instants] == ["ann"]


def test_what_is_pending_goes_on_to_the_last_instant_of_the_trace() -> None:
    later = Client((Call("a", "back", timeout=0.25),), start_at=1.0)
    system = System(components=RING.components, clients=(*RING.clients, later))
    trace = trace_of(system, "synchronous", horizon=9.0)
    assert set(trace.requests["outcome"]) == {"pending"}
    slices = content_of(trace).slices
    assert {each.end / MS for each in slices if each.category != "sending"} == {1000}


def test_a_slice_has_the_record_as_its_arguments() -> None:
    recorded = recorder()
    report_request(recorded, 3, attempt=2, outcome=gl.Outcome.FAILED, error=failure(), timeout=5.0)
    waiting, handling = content_of(recorded.trace()).slices
    assert waiting.args == handling.args
    assert handling.args == {
        "kind": "request",
        "id": 3,
        "cause": -1,
        "chain": 3,
        "attempt": 2,
        "source": "ann",
        "target": "bob",
        "type": "ask",
        "outcome": "failed",
        "error": "ValueError",
        "error_message": "no such thing",
        "timeout": 5.0,
        "intended_at": 1.0,
        "sent_at": 1.25,
        "arrived_at": 1.25,
        "started_at": 1.5,
        "served_at": 2.0,
        "finished_at": 2.0,
        "blocked": 0.125,
    }


def test_what_is_missing_in_a_record_is_no_argument() -> None:
    recorded = recorder()
    report_event(recorded, 0)
    report_delivery(
        recorded,
        1,
        outcome=gl.Outcome.PENDING,
        started_at=math.nan,
        served_at=math.nan,
        finished_at=math.nan,
    )
    [waiting] = content_of(recorded.trace()).slices
    assert waiting.args["event"] == 0
    assert not {"error", "started_at", "finished_at", "cause"} & set(waiting.args)


def test_a_timeout_without_end_is_no_argument() -> None:
    recorded = recorder()
    report_request(recorded, 0)
    assert "timeout" not in content_of(recorded.trace()).slices[0].args


def test_a_slice_goes_on_until_its_handler_ends() -> None:
    recorded = recorder()
    report_request(recorded, 0, finished_at=1.75, served_at=4.0)
    _, handling = content_of(recorded.trace()).slices
    assert (handling.begin / MS, handling.end / MS) == (1500, 4000)


def test_deliveries_that_never_got_into_an_inbox_are_left_out() -> None:
    recorded = recorder()
    report_event(recorded, 0)
    report_delivery(recorded, 1, outcome=gl.Outcome.DROPPED, sent_at=math.nan, started_at=math.nan)
    assert content_of(recorded.trace()).slices == []


def test_messages_of_no_length_at_one_instant_are_not_nested() -> None:
    twice = Client((Call("a", "go"), Call("a", "go")), start_at=1.0)
    trace = trace_of(System(components=AT_ONCE.components, clients=(twice,)))
    first, second = content_of(trace).slices
    assert first.begin == first.end == second.begin == second.end
    assert first.thread != second.thread


def test_file_names_the_run() -> None:
    assert content_of(trace_of(AT_ONCE, seed=3)).run == {
        "architecture": "hybrid",
        "seed": 3,
        "clock": "virtual",
    }


def test_nothing_is_a_file_too() -> None:
    content = content_of(gl.Recorder().trace())
    assert (content.slices, content.arrows, content.instants) == ([], {}, [])
    assert content.run == {"architecture": None, "seed": None, "clock": None}


def test_any_name_can_be_written() -> None:
    name = "\"<a>\" & 'b'\n日本\x00"
    recorded = gl.Recorder()
    open_routes(recorded, (name, name, name))
    report_request(recorded)
    slices = content_of(recorded.trace()).slices
    assert [(each.process, each.name) for each in slices] == [
        (name, f"{name} (waiting)"),
        (name, name),
    ]


def test_times_are_to_the_nanosecond() -> None:
    recorded = recorder()
    times = [id * 0.001234567 for id in range(1_000)]
    for id, time in enumerate(times):
        report_request(recorded, id, sent_at=time, started_at=time, finished_at=time + 0.5)
    assert [(each.begin, each.end) for each in content_of(recorded.trace()).slices] == [
        (id * 1_234_567, id * 1_234_567 + 500_000_000) for id in range(1_000)
    ]


def test_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(2):
        trace_of(LISTENING).to_perfetto(tmp_path / f"{number}.json")
    first, second = tmp_path.iterdir()
    assert first.read_bytes() == second.read_bytes()


def test_a_saved_trace_gives_the_same_bytes(tmp_path: Path) -> None:
    trace = trace_of(RING)
    trace.to_perfetto(tmp_path / "now.json")
    trace.save(tmp_path / "saved")
    gl.Trace.load(tmp_path / "saved").to_perfetto(str(tmp_path / "later.json"))
    assert (tmp_path / "now.json").read_bytes() == (tmp_path / "later.json").read_bytes()


# ---------------------------------------------------------------------------------------- anything


@given(random_traces())
@settings(max_examples=60)
def test_any_trace_is_a_valid_file_with_all_its_messages_and_all_that_led_to_them(
    trace: gl.Trace,
) -> None:
    content = content_of(trace)
    arrived = trace.deliveries.dropna(subset="sent_at")
    there = {*trace.requests["id"], *arrived["id"]}
    kept = [each for each in content.slices if each.category != "sending"]
    assert {each.args["id"] for each in kept} == there
    handled = [each for each in kept if each.category == "handling"]
    assert len(handled) == trace.requests["started_at"].count() + arrived["started_at"].count()

    senders = dict(zip(trace.requests["id"], trace.requests["cause"], strict=True))
    causes = dict(zip(trace.events["id"], trace.events["cause"], strict=True))
    senders |= {
        id: causes[event] for id, event in zip(arrived["id"], arrived["event"], strict=True)
    }
    expected = {id: sender for id, sender in senders.items() if sender in there}
    assert set(content.arrows) == set(expected)
    for id, (sending, reached) in content.arrows.items():
        assert sending.category == "sending"
        assert reached.args["id"] == id
        assert sending.begin <= reached.begin
        assert any(
            (each.args["id"], each.thread) == (expected[id], sending.thread)
            and each.begin <= sending.begin <= each.end
            for each in handled
        )
    concerned = [len(set(components)) for components in trace.deadlocks["components"]]
    formed = [name for _, name, _, _ in content.instants if name == "deadlock"]
    assert len(formed) == sum(concerned)
