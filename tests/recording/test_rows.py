import struct
from itertools import count
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.messages import Failure
from genesis_lab.recording import rows as module
from tests.recording.reports import recorder, report_delivery, report_event, report_request

REPORTS = {"requests": report_request, "deliveries": report_delivery, "events": report_event}


def _ids(recorded: gl.Recorder, table: str) -> list[int]:
    return list(getattr(recorded.trace(), table)["id"])


@pytest.mark.parametrize("table", REPORTS)
def test_record_is_taken_or_refused_as_a_whole_at_any_depth_of_the_stack(table: str) -> None:
    recorded, ids, taken = recorder(), count(), []

    def report(id: int) -> None:
        error = {} if table == "events" else {"error": Failure("Error", f"no {id}")}
        REPORTS[table](recorded, id, **error)

    def deeper() -> None:
        id = next(ids)
        try:
            report(id)
        except RecursionError:
            pass
        else:
            taken.append(id)
        deeper()

    # Each time the chunk is full at another depth.
    for rows in range(0, 128, 3):
        for _ in range(rows):
            id = next(ids)
            report(id)
            taken.append(id)
        with pytest.raises(RecursionError):
            deeper()
        id = next(ids)
        report(id)
        taken.append(id)
    assert len(taken) < next(ids) - 1  # some were refused
    assert _ids(recorded, table) == taken


@pytest.mark.parametrize("table", REPORTS)
@pytest.mark.parametrize("wrong", ["soon", None, 10**400])
def test_record_with_a_wrong_value_is_refused_as_a_whole(table: str, wrong: Any) -> None:
    recorded = recorder()
    report = REPORTS[table]
    report(recorded, 0)
    with pytest.raises((struct.error, OverflowError)):
        report(recorded, 1, intended_at=wrong)
    report(recorded, 2)
    assert _ids(recorded, table) == [0, 2]


@pytest.mark.parametrize("table", REPORTS)
def test_record_that_found_no_memory_can_be_offered_again(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = recorder()
    report = REPORTS[table]
    for id in range(64):
        report(recorded, id)
    with monkeypatch.context() as patch:
        patch.setattr(module, "bytearray", _no_memory, raising=False)
        for _ in range(3):
            with pytest.raises(MemoryError):
                report(recorded, 64)
    for id in range(64, 70):
        report(recorded, id)
    assert _ids(recorded, table) == list(range(70))


def _no_memory(_size: int) -> bytearray:
    raise MemoryError
