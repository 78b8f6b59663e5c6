"""What is stored is read as it was written, or not at all, whichever bit of it has flipped.

Each kind of file is changed 400 times, each time in one bit, spread over its whole length, and then
it is cut off, emptied and lengthened. The same places are taken in each run of the test.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import genesis_lab as gl
from genesis_lab.errors import LabError
from genesis_lab.messages import Failure
from tests.recording.reports import (
    OpenMessages,
    deadlock,
    frames,
    membership,
    recorder,
    report_delivery,
    report_event,
    report_request,
    rows,
)

FLIPS = 400
TABLES_SAVED = ("requests", "events", "deliveries", "deadlocks", "components")
OF_TRACES = [*(f"{table}.parquet" for table in TABLES_SAVED), "manifest.json"]
OF_SPOOLS = ["ended.batches", "open.batches", "open.batches.new", "spool.json"]


def _record(spool: Path | None = None) -> gl.Recorder:
    """Three flushes of all tables; the last one is interrupted at its end."""
    bus = OpenMessages(90, 91)
    recorded = recorder(bus, spool=spool)
    recorded.component_joined(membership("bob"))
    for flush in range(3):
        for id in range(20 * flush, 20 * flush + 15, 5):
            report_request(recorded, id, error=Failure("ValueError", f"no {id}"), sent_at=id / 7)
            report_request(recorded, id + 1, blocked=id / 11)
            report_event(recorded, id + 2)
            report_delivery(recorded, id + 3, event=id + 2)
        recorded.deadlock_formed(deadlock(flush / 3, broken_at=2.0, broken_by="timed_out"))
        recorded.deadlock_formed(deadlock(flush / 3 + 0.1))
        stay = membership(f"ann{flush}")
        stay.left_at = 4.0
        recorded.component_joined(stay)
        if spool is not None and flush == 2:
            before = (spool / "open.batches").read_bytes()
        recorded.flush()
    if spool is not None:
        (spool / "open.batches").rename(spool / "open.batches.new")
        (spool / "open.batches").write_bytes(before)
    return recorded


def _changes(content: bytes, flips: int = FLIPS) -> Iterator[bytes]:
    """The content, each time with another change."""
    draw = Random(7)
    for number in range(flips):
        changed = bytearray(content)
        # One in each stretch of the file, so that every part of it has its turn.
        place = int((number + draw.random()) * len(content) / flips)
        changed[place] ^= 1 << draw.randrange(8)
        yield bytes(changed)
    for length in [0, 1, *draw.sample(range(2, len(content)), 20), len(content) - 1]:
        yield content[:length]
    yield content + content
    yield content + b"\0"
    yield content[: len(content) // 3] + content


@pytest.mark.parametrize("name", OF_TRACES)
def test_changed_file_of_a_trace_is_damaged_or_says_the_same(name: str, tmp_path: Path) -> None:
    trace = _record().trace()
    trace.save(tmp_path)
    path = tmp_path / name
    same = 0
    for content in _changes(path.read_bytes()):
        path.write_bytes(content)
        try:
            loaded = gl.Trace.load(tmp_path)
        except LabError:
            continue
        assert loaded.digest() == trace.digest()
        assert loaded.manifest.configuration == trace.manifest.configuration
        same += 1
    assert same <= 1  # a byte of white space after the manifest


@pytest.mark.parametrize("name", OF_SPOOLS)
def test_changed_file_of_a_spool_is_damaged_or_cut_short_or_says_the_same(
    name: str, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    whole = _record(spool).trace()
    recovered = gl.Trace.recover(spool)
    assert (recovered.digest(), recovered.cut_short) == (whole.digest(), None)
    known = {table: {*map(str, rows(frame))} for table, frame in frames(whole).items()}
    path, expected = spool / name, whole.digest()
    seen = {expected}
    for content in _changes(path.read_bytes()):
        path.write_bytes(content)
        try:
            found = gl.Trace.recover(spool)
        except LabError:
            continue
        digest = found.digest()
        assert digest == expected or found.cut_short is not None
        if digest in seen:
            continue
        seen.add(digest)
        assert found.deliveries["event"].isin(found.events["id"]).all()
        for table, frame in frames(found).items():
            assert known[table].issuperset(map(str, rows(frame)))


@pytest.mark.parametrize("name", ["requests.arrows", "deliveries.arrows", "open.arrows"])
def test_changed_spool_without_checksums_is_read_as_something_or_damaged(
    name: str, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    shutil.copytree(Path(__file__).with_name("schema_1") / "spool", spool)
    outcomes = set()
    for content in _changes((spool / name).read_bytes(), flips=60):
        (spool / name).write_bytes(content)
        try:
            outcomes.add(gl.Trace.recover(spool).digest())
        except LabError:
            outcomes.add("damaged")
    assert len(outcomes) > 1
