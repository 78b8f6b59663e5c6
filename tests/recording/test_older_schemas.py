"""What the genesis_lab of schema 1 saved; `schema_1` holds a trace and a spool of its making."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.errors import DamagedTrace
from genesis_lab.recording import SCHEMA
from tests.recording.reports import frames, rows

OLD = Path(__file__).with_name("schema_1")
NEW_COLUMNS = {
    "requests": ["error_message", "timeout", "arrived_at", "served_at"],
    "deliveries": ["error_message", "arrived_at", "served_at"],
}


def test_trace_of_schema_1_loads_with_what_it_knows() -> None:
    trace = gl.Trace.load(OLD / "trace")
    known = ("id", "source", "target", "outcome", "started_at", "finished_at", "blocked")
    assert [tuple(row[name] for name in known) for row in rows(trace.requests)] == [
        (4, "client", "strategy", "answered", 0.0, 1.0, 1.0),
        (5, "strategy", "risk", "timed_out", 0.0, 1.0, 1.0),
        (6, "risk", "strategy", "cancelled", None, 1.0, 0.0),
    ]
    assert list(trace.deliveries["outcome"]) == ["handled", "failed"]
    assert list(trace.deadlocks["members"]) == [(4, 5, 6)]
    assert (trace.manifest.schema, trace.manifest.seed) == (1, 7)


def test_columns_that_schema_1_did_not_have_are_missing_or_empty() -> None:
    trace = gl.Trace.load(OLD / "trace")
    for table, columns in NEW_COLUMNS.items():
        assert frames(trace)[table][columns].isna().all(axis=None), table
    assert list(trace.deadlocks["waits"]) == [()]
    assert len(trace.components) == 0


def test_frames_of_schema_1_have_the_columns_and_dtypes_of_today() -> None:
    loaded, empty = frames(gl.Trace.load(OLD / "trace")), frames(gl.Recorder().trace())
    for table, frame in loaded.items():
        pd.testing.assert_series_equal(
            frame.dtypes.astype(str), empty[table].dtypes.astype(str), check_exact=True
        )


def test_trace_of_schema_1_that_was_changed_is_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "trace"
    shutil.copytree(OLD / "trace", folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"digest": "0"}), "utf-8")
    with pytest.raises(DamagedTrace, match="the frames differ from the digest"):
        gl.Trace.load(folder)


def test_trace_of_schema_1_is_saved_in_the_schema_of_today(tmp_path: Path) -> None:
    trace = gl.Trace.load(OLD / "trace")
    trace.save(tmp_path)
    again = gl.Trace.load(tmp_path)
    assert again.manifest.schema == SCHEMA
    for name, frame in frames(trace).items():
        pd.testing.assert_frame_equal(frames(again)[name], frame, check_exact=True)


def test_spool_of_schema_1_is_recovered() -> None:
    trace = gl.Trace.recover(OLD / "spool")
    assert [(row["id"], row["outcome"]) for row in rows(trace.requests)] == [
        (4, "pending"),
        (5, "pending"),
        (6, "pending"),
    ]
    assert list(trace.deliveries["error"].dropna()) == ["ValueError"]
    assert [row["broken_at"] for row in rows(trace.deadlocks)] == [None]
    assert trace.requests["timeout"].isna().all()


def test_report_on_a_trace_of_schema_1_names_members_but_not_whom_they_wait_for() -> None:
    assert gl.Trace.load(OLD / "trace").deadlock_report().sentences == (
        "The trace does not hold who waits for whom.",
        "At strategy, request 4 (trade from client) waits.",
        "At risk, request 5 (check from strategy) waits.",
        "At strategy, request 6 (exposure from risk) waits.",
        (
            "It was broken at 1 s, after 1 s, because a wait timed out; in the end: "
            "request 4 answered, request 5 timed_out, request 6 cancelled."
        ),
    )


def test_viewers_show_a_trace_of_schema_1(tmp_path: Path) -> None:
    trace = gl.Trace.load(OLD / "trace")
    assert "failed handlers: 1, first strategy on price at 0 s: ValueError" in repr(trace)
    assert "deadlock strategy" in str(trace.sequence_diagram())
    assert list(trace.loops["steps"]) == []
    trace.to_perfetto(tmp_path / "trace.json")
