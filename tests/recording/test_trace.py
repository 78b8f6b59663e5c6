import pickle
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.messages import Failure, Wait
from genesis_lab.observers import BusDescription
from tests.parts import Part, asks, sleeps
from tests.recording.reports import (
    OpenMessages,
    deadlock,
    failure,
    frames,
    membership,
    open_routes,
    recorder,
    report_delivery,
    report_event,
    report_one_of_each,
    report_request,
)

ANOTHER_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]


def trace_of(*reports: Callable[[gl.Recorder], None]) -> gl.Trace:
    recorded = recorder()
    for report in reports:
        report(recorded)
    return recorded.trace()


# ---------------------------------------------------------------------------------------- digest


@pytest.mark.parametrize("backend", ["python", "pyarrow"])
def test_digest_is_the_same_on_every_machine(backend: str) -> None:
    with pd.option_context("mode.string_storage", backend):
        digest = trace_of(report_one_of_each).digest()
    # Another schema may change it, but no other Python, pandas or processor.
    assert digest == "2375575409a2bbbeeb468780c56631f0ee43ebbc5661a5f1244ee61082bc246f"


REQUEST = {
    "id": 5,
    "cause": 5,
    "chain": 5,
    "attempt": 2,
    "route": 1,
    "outcome": gl.Outcome.TIMED_OUT,
    "error": Failure("KeyError", ""),
    "timeout": 1.0,
    "intended_at": 1.0000000000000002,
    "sent_at": float("nan"),
    "arrived_at": 1.5,
    "started_at": 1.25,
    "served_at": 2.25,
    "finished_at": 2.25,
    "blocked": 0.25,
}
DELIVERY = REQUEST | {"event": 5, "outcome": gl.Outcome.FAILED}
EVENT = REQUEST | {"subscribers": 2}
DEADLOCK = {
    "formed_at": 0.25,
    "members": (1, 3, 2),
    "components": ("ann", "bo", "bann"),
    "victims": [],
    "waits": [Wait(1, 2, "reply", "bo", 0.25), Wait(2, 1, "admission", "bann", 0.25)],
    "broken_at": 3.0,
    "broken_by": "refused",
}


@pytest.mark.parametrize(
    ("report", "field", "value"),
    [
        *((report_request, field, value) for field, value in REQUEST.items()),
        *(
            (report_delivery, field, value)
            for field, value in DELIVERY.items()
            if field not in {"cause", "attempt", "timeout"}
        ),
        *(
            (report_event, field, value)
            for field, value in EVENT.items()
            if field not in {"attempt", "outcome", "error", "timeout", "blocked"}
            and field not in {"arrived_at", "started_at", "served_at"}
        ),
    ],
)
def test_digest_changes_with_every_value_of_a_message(
    report: Callable[..., None], field: str, value: Any
) -> None:
    changed = trace_of(partial(report, **{field: value}))
    assert changed.digest() != trace_of(report).digest()


@pytest.mark.parametrize("field", DEADLOCK)
def test_digest_changes_with_every_value_of_a_deadlock(field: str) -> None:
    changed = deadlock()
    setattr(changed, field, DEADLOCK[field])
    digests = {
        trace_of(partial(gl.Recorder.deadlock_formed, deadlock=each)).digest()
        for each in (deadlock(), changed)
    }
    assert len(digests) == 2


WAIT = {"waiter": 3, "holder": 3, "kind": "event", "where": "bo", "since": 0.125}


@pytest.mark.parametrize("field", WAIT)
def test_digest_changes_with_every_value_of_a_wait(field: str) -> None:
    wait = Wait(1, 2, "reply", "bob", 0.25)
    digests = {
        trace_of(partial(gl.Recorder.deadlock_formed, deadlock=deadlock(waits=[each]))).digest()
        for each in (wait, wait._replace(**{field: WAIT[field]}))  # type: ignore[arg-type]  # by name
    }
    assert len(digests) == 2


STAY: dict[str, Any] = {
    "id": "bob",
    "admission": "pool(2)",
    "capacity": 2.0,
    "joined_at": 0.5,
    "left_at": 0.75,
}


@pytest.mark.parametrize("field", STAY)
def test_digest_changes_with_every_value_of_a_component(field: str) -> None:
    digests = {
        trace_of(partial(gl.Recorder.component_joined, membership=each)).digest()
        for each in (membership(), membership(**{field: STAY[field]}))
    }
    assert len(digests) == 2


def test_digest_changes_with_the_text_of_an_error() -> None:
    digests = {
        trace_of(partial(report_request, error=failure("ValueError", line))).digest()
        for line in ("no such thing", "nothing of the kind", "")
    }
    assert len(digests) == 3


def test_digest_tells_the_two_zeros_apart_but_not_one_missing_time_from_another() -> None:
    zero, minus_zero, missing, other_missing = (
        trace_of(partial(report_request, started_at=time)).digest()
        for time in (0.0, -0.0, float("nan"), ANOTHER_NAN)
    )
    assert zero != minus_zero
    assert missing == other_missing


def test_digest_depends_on_what_was_recorded_and_not_on_the_order_of_arrival() -> None:
    digests = set()
    for ids in ((1, 2), (2, 1)):
        recorded = gl.Recorder()
        routes = [("ann", "bob", "ask"), ("bob", "ann", "answer")]
        open_routes(recorded, *(routes if ids == (1, 2) else reversed(routes)))
        for id in ids:
            report_request(recorded, id, route=ids.index(id), error=failure(f"Error{id}"))
        digests.add(recorded.trace().digest())
    assert len(digests) == 1


def test_same_run_has_the_same_digest() -> None:
    def digest() -> str:
        recorded = gl.Recorder()

        async def main() -> None:
            async with gl.HybridCoordinator(observer=recorded) as bus:
                for name in ("ann", "bob", "eve"):
                    bus.register(Part(name, sleeps(0.1), hear=asks("ann")))
                    bus.subscribe(name, "news")
                await bus.emit_event("news", None, "me")
                await bus.drain()

        gl.run(main, seed=3)
        return recorded.trace().digest()

    assert digest() == digest()


def test_trace_survives_pickling() -> None:
    trace = trace_of(report_one_of_each)
    copy = pickle.loads(pickle.dumps(trace))
    assert copy.manifest == trace.manifest
    for name, frame in frames(trace).items():
        pd.testing.assert_frame_equal(getattr(copy, name), frame)


# ----------------------------------------------------------------------------------- at a glance


def a_few_of_all(recorded: gl.Recorder) -> None:
    for id, (outcome, finished_at) in enumerate(
        [("ANSWERED", 2.0), ("TIMED_OUT", 6.0), ("ANSWERED", 1.5), ("PENDING", float("nan"))]
    ):
        report_request(recorded, id, outcome=gl.Outcome[outcome], finished_at=finished_at)
    report_event(recorded, 4)
    report_delivery(recorded, 5)
    recorded.deadlock_formed(deadlock(0.5, broken_at=3.5, broken_by="timed_out"))
    recorded.deadlock_formed(deadlock(1.5, components=("ann", "bob", "bob", "ann")))
    recorded.deadlock_formed(deadlock(2.5, components=("ann", "ann")))


def test_trace_shows_span_counts_slowest_requests_and_deadlocks() -> None:
    assert repr(trace_of(a_few_of_all)) == "\n".join(
        [
            "Trace of hybrid, seed 7, virtual clock",
            "  span: 1 s to 6 s",
            "  requests: 4 (2 answered, 1 timed_out, 1 pending)",
            "  events: 1",
            "  deliveries: 1 (1 handled)",
            "  failed handlers: none",
            "  slowest requests:",
            "    5 s: #1 ann -> bob, ask, timed_out",
            "    1 s: #0 ann -> bob, ask, answered",
            "    0.5 s: #2 ann -> bob, ask, answered",
            "  deadlocks:",
            "    ann -> bob -> ann: formed at 0.5 s, broken at 3.5 s (timed_out)",
            "    ann -> bob -> ann: formed at 1.5 s, holds",
            "    ann -> ann: formed at 2.5 s, holds",
        ]
    )


def test_trace_of_nothing_says_so() -> None:
    assert repr(gl.Recorder().trace()) == "\n".join(
        [
            "Trace of no bus",
            "  span: nothing happened",
            "  requests: 0",
            "  events: 0",
            "  deliveries: 0",
            "  failed handlers: none",
            "  slowest requests: none",
            "  deadlocks: none",
        ]
    )


def test_trace_shows_how_many_handlers_failed_and_the_first_of_them() -> None:
    recorded = recorder()
    failed = gl.Outcome.FAILED
    report_request(recorded, 0, outcome=failed, error=failure(), finished_at=2.0)
    report_delivery(recorded, 1, outcome=failed, error=failure("KeyError", "'x'"), finished_at=1.5)
    report_request(recorded, 2, outcome=gl.Outcome.DEADLOCKED, error=failure(), finished_at=1.0)
    assert "  failed handlers: 2, first bob on news at 1.5 s: KeyError: 'x'" in repr(
        recorded.trace()
    )


def test_trace_shows_a_failure_without_a_text_by_its_class() -> None:
    recorded = recorder()
    report_request(recorded, 0, outcome=gl.Outcome.FAILED, error=failure("KeyError", ""))
    assert repr(recorded.trace()).splitlines()[5] == (
        "  failed handlers: 1, first bob on ask at 2 s: KeyError"
    )


def test_display_names_five_slowest_requests_and_five_deadlocks() -> None:
    recorded = recorder()
    for id in range(1_200):
        report_request(recorded, id)
        recorded.deadlock_formed(deadlock(float(id)))
    lines = repr(recorded.trace()).splitlines()
    assert lines[2] == "  requests: 1,200 (1,200 answered)"
    assert [line for line in lines if line.startswith("    1 s: #")] == [
        f"    1 s: #{id} ann -> bob, ask, answered" for id in range(5)
    ]
    assert lines[-2:] == ["    ann -> bob -> ann: formed at 4 s, holds", "    and 1,195 more"]


def test_notebook_shows_the_same_as_a_table_without_colours_of_its_own() -> None:
    html = trace_of(a_few_of_all)._repr_html_().replace(' style="text-align: left"', "")
    assert html.startswith(
        "<table><caption>Trace of hybrid, seed 7, virtual clock</caption>"
        "<tr><th>span</th><td>1 s to 6 s</td></tr>"
        "<tr><th>requests</th><td>4 (2 answered, 1 timed_out, 1 pending)</td></tr>"
    )
    assert "<br>ann -&gt; ann: formed at 2.5 s, holds</td></tr></table>" in html
    assert "color" not in html
    assert "background" not in html


def test_notebook_shows_names_as_text() -> None:
    recorded = gl.Recorder()
    open_routes(recorded, ("<b>ann</b>", "a & b", "ask"))
    report_request(recorded)
    recorded.deadlock_formed(deadlock(components=("<i>", "x")))
    html = recorded.trace()._repr_html_()
    assert "#0 &lt;b&gt;ann&lt;/b&gt; -&gt; a &amp; b, ask, answered" in html
    assert "&lt;i&gt; -&gt; x -&gt; &lt;i&gt;: formed" in html


def test_trace_of_a_run_outside_the_lab_has_no_seed_to_show() -> None:
    recorded = gl.Recorder()
    recorded.bus_opened(
        OpenMessages(),
        BusDescription(architecture="hybrid", configuration={}, seed=None, clock="real"),
    )
    assert repr(recorded.trace()).splitlines()[0] == "Trace of hybrid, no seed, real clock"
