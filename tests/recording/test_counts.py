"""What a recorder can say while a run goes on, without making a frame."""

from pathlib import Path
from typing import Any

import pytest

import genesis_lab as gl
from tests.recording.reports import (
    ROUTES,
    deadlock,
    recorder,
    report_delivery,
    report_event,
    report_request,
)

ANSWERED, FAILED, HANDLED = gl.Outcome.ANSWERED, gl.Outcome.FAILED, gl.Outcome.HANDLED


def report_many(observer: gl.Recorder, number: int) -> None:
    """So many requests, of which every fifth fails."""
    for id in range(number):
        report_request(observer, id, outcome=ANSWERED if id % 5 else FAILED)


def test_a_new_recorder_counts_nothing() -> None:
    counts = gl.Recorder().counts()
    assert (counts.requests, counts.deliveries, counts.events, counts.deadlocks) == ({}, {}, 0, 0)


def test_messages_are_counted_by_outcome_and_deadlocks_however_they_end() -> None:
    recorded = recorder()
    report_many(recorded, 10)
    report_delivery(recorded)
    report_event(recorded)
    report_event(recorded)
    recorded.deadlock_formed(deadlock())
    recorded.deadlock_formed(deadlock(broken_at=2.0, broken_by="timed_out"))
    counts = recorded.counts()
    assert counts.requests == {ANSWERED: 8, FAILED: 2}
    assert counts.deliveries == {HANDLED: 1}
    assert (counts.events, counts.deadlocks) == (2, 2)


@pytest.mark.parametrize(("flush_every", "each"), [(None, 4000), (7, 50), (1500, 4000)])
def test_counts_go_on_over_chunks_and_flushes(
    tmp_path: Path, flush_every: int | None, each: int
) -> None:
    spooling: dict[str, Any] = {"spool": tmp_path / "spool", "flush_every": flush_every}
    recorded = recorder(**spooling if flush_every else {})
    for so_far in range(1, 6):
        report_many(recorded, each)
        report_event(recorded)
        counts = recorded.counts()
        assert counts.requests == {ANSWERED: each * so_far * 4 // 5, FAILED: each * so_far // 5}
        assert counts.events == so_far


@pytest.mark.parametrize(
    ("number", "last"),
    [
        pytest.param(3, range(9997, 10_000), id="of the newest chunk"),
        pytest.param(6000, range(4000, 10_000), id="of several chunks"),
        pytest.param(20_000, range(10_000), id="all there are"),
    ],
)
def test_the_last_requests_are_those_that_ended_last(number: int, last: range) -> None:
    recorded = recorder()
    report_many(recorded, 10_000)
    assert recorded.last_requests(number)["id"].tolist() == [*last]


def test_routes_are_those_that_the_bus_has_opened() -> None:
    assert recorder().routes() == tuple(ROUTES)
