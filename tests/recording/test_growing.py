from collections.abc import Iterator
from math import nan
from time import process_time

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.messages import Failure
from genesis_lab.recording import growing
from tests.recording.reports import (
    HYBRID,
    OpenMessages,
    open_routes,
    recorder,
    report_delivery,
    report_event,
    report_request,
)

NAMES = [f"part{number % 7}{number}" for number in range(40)]
STEPS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 39), st.booleans()), max_size=6),
        st.sets(st.integers(0, 3)),
    ),
    max_size=8,
)


def _same(frame: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(frame, other, check_exact=True)


def _open(bus: OpenMessages) -> gl.Recorder:
    made = gl.Recorder()
    made.bus_opened(bus, HYBRID)
    open_routes(made, *((name, name[:5], f"to {name}") for name in NAMES))
    return made


@pytest.fixture(autouse=True, scope="module")
def _few_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "FEW", 0)
        yield


@settings(max_examples=30)
@given(STEPS)
def test_frames_along_the_way_are_those_of_a_record_that_is_looked_at_once(
    steps: list[tuple[list[tuple[int, int, bool]], set[int]]],
) -> None:
    bus = OpenMessages()
    recorded, begun = _open(bus), 0
    reports: list[tuple[int, int, Failure | None]] = []
    seen: list[tuple[pd.DataFrame, pd.DataFrame]] = []
    for ended, still_open in steps:
        for back, route, failed in ended:
            # Ids come in some disorder, and each of them once.
            id = begun + back * 10
            while any(id == other for other, *_ in reports):
                id += 1
            begun += 5
            error = Failure("Error", NAMES[route]) if failed else None
            reports.append((id, route, error))
            for report in (report_request, report_delivery):
                report(recorded, id, route=route, error=error, sent_at=id / 7)
            report_event(recorded, id, route=route)
        bus.ids = [begun * 3 + 1000 * (number - 1) - number for number in sorted(still_open)]
        bus.ids = [id for id in bus.ids if all(id != other for other, *_ in reports)]
        once = _open(bus)
        for id, route, error in reports:
            for report in (report_request, report_delivery):
                report(once, id, route=route, error=error, sent_at=id / 7)
            report_event(once, id, route=route)
        trace = recorded.trace()
        for table in ("requests", "deliveries", "events"):
            frame = getattr(trace, table)
            _same(frame, getattr(once.trace(), table))
            seen.append((frame, frame.copy(deep=True)))
        assert trace.digest() == once.trace().digest()
    for frame, as_it_was in seen:
        _same(frame, as_it_was)


def test_what_the_owner_of_a_frame_writes_to_it_is_in_no_other_frame() -> None:
    recorded = recorder()
    for id in range(5):
        report_request(recorded, id)
    first = recorded.trace().requests
    first.loc[0, "sent_at"] = -1.0
    first.loc[1, "outcome"] = "failed"
    first["blocked"] += 1.0
    report_request(recorded, 5)
    second = recorded.trace().requests
    assert list(second["sent_at"]) == [1.25] * 6
    assert list(second["outcome"]) == ["answered"] * 6
    assert list(second["blocked"]) == [0.125] * 6
    assert (first.loc[0, "sent_at"], first.loc[1, "outcome"]) == (-1.0, "failed")


def test_trace_that_is_looked_at_late_has_what_it_knew() -> None:
    recorded = recorder(OpenMessages(7))
    report_request(recorded, 3)
    early = recorded.trace()
    report_request(recorded, 1)
    late = recorded.trace()
    assert list(late.requests["id"]) == [1, 3, 7]
    assert list(early.requests["id"]) == [3, 7]


def test_frame_after_one_more_row_costs_little_of_what_the_whole_does() -> None:
    recorded = recorder()
    for id in range(300_000):
        report_request(recorded, id)
    costs = []
    for id in range(300_000, 300_006):
        began = process_time()
        assert len(recorded.trace().requests) == id
        costs.append(process_time() - began)
        report_request(recorded, id, finished_at=nan)
    assert min(costs[1:]) < costs[0] / 5
