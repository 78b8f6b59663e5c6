import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pandas as pd
import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import DamagedTrace, InvalidSetting, NewerSchema, SpoolFailed
from genesis_lab.messages import Failure
from genesis_lab.recording import CutShort
from tests.parts import Part, asks, sleeps
from tests.recording.reports import (
    OpenMessages,
    deadlock,
    frames,
    membership,
    recorder,
    report_delivery,
    report_event,
    report_one_of_each,
    report_request,
    rows,
)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def assert_same(trace: gl.Trace, other: gl.Trace) -> None:
    for name, frame in frames(trace).items():
        pd.testing.assert_frame_equal(getattr(other, name), frame, check_exact=True)


def outcomes(trace: gl.Trace) -> list[tuple[int, str]]:
    return [(row["id"], row["outcome"]) for row in rows(trace.requests)]


# --------------------------------------------------------------------------------- while it goes on


def test_spool_changes_nothing_about_the_trace(spool: Path) -> None:
    traces = []
    for recorded in (recorder(), recorder(spool=spool)):
        standing = deadlock(0.25)
        recorded.deadlock_formed(standing)
        stays = [membership(id) for id in ("bob", "ann", "eve")]
        for stay in stays:
            recorded.component_joined(stay)
        stays[1].left_at = 0.5
        for id in (8, 1, 3, 0, 7, 2, 5):
            report_request(recorded, id, route=id % 2, error=Failure(f"Error{id}", f"no {id}"))
            report_event(recorded, id + 10)
            report_delivery(recorded, id + 20)
            if id in {3, 7}:
                recorded.flush()
        recorded.deadlock_formed(deadlock(0.125, broken_at=1.0, broken_by="cancelled"))
        report_request(recorded, 9)
        report_request(recorded, 4)
        standing.broken_at = 2.0
        stays[0].left_at = 2.5
        traces.append(recorded.trace())
    assert_same(*traces)
    assert traces[0].digest() == traces[1].digest()


def test_trace_of_a_run_is_the_same_with_and_without_a_spool(spool: Path) -> None:
    async def main(recorded: gl.Recorder) -> None:
        async with gl.HybridCoordinator(observer=recorded, grace=0.0) as bus:
            bus.register(Part("ann", asks("bob", after=0.25, timeout=1.0), hear=sleeps(0.5)))
            bus.register(Part("bob", asks("ann", after=0.25), hear=sleeps(9.0)))
            bus.subscribe("ann", "news")
            bus.subscribe("bob", "news")
            await bus.request("ann", "ask", None, "me")
            for _ in range(5):
                await bus.emit_event("news", None, "me")
                await gl.sleep(0.1)

    in_memory, spooled = gl.Recorder(), gl.Recorder(spool=spool, flush_every=1)
    for recorded in (in_memory, spooled):
        gl.run(lambda recorded=recorded: main(recorded))  # type: ignore[misc]  # mypy cannot infer the default's type
    assert len(in_memory.trace().deadlocks) == 1
    assert len(in_memory.trace().deliveries) == 10
    assert_same(in_memory.trace(), spooled.trace())
    assert_same(in_memory.trace(), gl.Trace.recover(spool))
    assert gl.Trace.recover(spool).manifest == spooled.trace().manifest


def test_early_trace_keeps_what_it_knew_when_more_has_been_spooled(spool: Path) -> None:
    recorded = recorder(spool=spool)
    for id in range(3):
        report_request(recorded, id)
    recorded.flush()
    early = recorded.trace()
    for id in range(3, 9):
        report_request(recorded, id)
        recorded.flush()
    assert list(early.requests["id"]) == [0, 1, 2]
    assert list(recorded.trace().requests["id"]) == list(range(9))


@pytest.mark.parametrize("flush_every", [1, 2, 64, 100, 5000])
def test_records_are_on_disk_at_the_end_of_the_step_in_which_there_are_enough(
    flush_every: int, spool: Path
) -> None:
    recovered = []

    async def main() -> None:
        recorded = recorder(spool=spool, flush_every=flush_every)
        for id in range(2 * flush_every):
            report_request(recorded, id)
            if id + 1 in {flush_every - 1, flush_every, 2 * flush_every}:
                await trio.lowlevel.checkpoint()
                recovered.append(len(gl.Trace.recover(spool).requests))

    trio.run(main)
    assert recovered == [0, flush_every, 2 * flush_every][-3 if flush_every > 1 else -2 :]


def test_all_is_on_disk_when_the_bus_is_closed(spool: Path) -> None:
    recorded = recorder(spool=spool)
    report_one_of_each(recorded)
    recorded.bus_closed()
    assert_same(recorded.trace(), gl.Trace.recover(spool))
    assert [len(frame) for frame in frames(recorded.trace()).values()] == [1, 1, 1, 1, 1]


def test_memory_stays_flat_over_a_million_requests(spool: Path) -> None:
    script = """
        import resource, sys
        import genesis_lab as gl
        from genesis_lab.messages import Route

        recorder = gl.Recorder(spool=sys.argv[1])
        recorder.route_opened(Route(0, "ann", "bob", "ask"))
        answered = gl.Outcome.ANSWERED
        for id in range(1_000_000):
            recorder.request_ended(
                id, -1, id, 0, 1, answered, None, 5.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 0.0
            )
            if id % 10_000 == 9_999:
                recorder.flush()
            if id == 100_000:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(after / before)
        print(len(recorder.trace().requests))
    """
    ratio, length = _run(script, spool).split()
    assert int(length) == 1_000_000
    assert float(ratio) < 1.1  # in memory these would be 70 MB, about half of the whole


# ------------------------------------------------------------------------------------ what is left


KILLED = """
    import sys
    import genesis_lab as gl

    class Quick(gl.Component):
        def process_request(self, request_type, data, source):
            return data

    async def main():
        async with gl.HybridCoordinator(observer=recorder) as bus:
            bus.register(Quick("quick"))
            bus.register(Asker("asker"))
            await bus.request("asker", "ask", None, "me", timeout=None)

    class Asker(gl.Component):
        async def process_request(self, request_type, data, source):
            for number in range(50_000):
                await self.bus.request("quick", "ask", number, self.id)
                if number % 1000 == 0:
                    print(number, flush=True)
            sys.stdin.read()  # however slow the other side is, it finds a run to kill

    recorder = gl.Recorder(spool=sys.argv[1], flush_every=500)
    gl.run(main)
"""


def test_killed_run_loses_its_last_flush_at_most(spool: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", dedent(KILLED), str(spool)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        sent = _read_until(25_000, run.stdout)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    trace = gl.Trace.recover(spool)
    answered = trace.requests[trace.requests["outcome"] == "answered"]
    [pending] = rows(trace.requests[trace.requests["outcome"] == "pending"])
    assert sent - 1_500 < len(answered) <= 50_000
    assert trace.requests["id"].is_unique
    assert list(answered["id"]) == list(range(1, len(answered) + 1))
    assert (pending["id"], pending["target"], pending["started_at"]) == (0, "asker", 0.0)
    assert trace.manifest.architecture == "hybrid"


def _read_until(number: int, lines: Iterator[str]) -> int:
    for line in lines:
        if int(line) >= number:
            return int(line)
    raise AssertionError(number)


def test_what_was_in_flight_at_the_last_flush_is_pending(spool: Path) -> None:
    bus = OpenMessages(0, 3)
    recorded = recorder(bus, spool=spool)
    standing = deadlock(0.5)
    recorded.deadlock_formed(standing)
    report_request(recorded, 1)
    report_request(recorded, 2)
    recorded.flush()
    expected = [(0, "pending"), (1, "answered"), (2, "answered"), (3, "pending")]
    assert outcomes(gl.Trace.recover(spool)) == expected
    assert rows(gl.Trace.recover(spool).deadlocks)[0]["broken_at"] is None

    bus.ids.remove(0)
    standing.broken_at, standing.broken_by = 4.0, "cancelled"
    report_request(recorded, 0)
    report_request(recorded, 4)
    recorded.flush()
    expected = [(id, "answered") for id in (0, 1, 2)] + [(3, "pending"), (4, "answered")]
    assert outcomes(gl.Trace.recover(spool)) == expected
    assert [row["broken_at"] for row in rows(gl.Trace.recover(spool).deadlocks)] == [4.0]


def test_run_that_is_killed_within_a_flush_leaves_each_message_once(spool: Path) -> None:
    bus = OpenMessages(1)
    recorded = recorder(bus, spool=spool)
    standing, stay = deadlock(0.5), membership()
    recorded.deadlock_formed(standing)
    recorded.component_joined(stay)
    report_request(recorded, 0)
    recorded.flush()
    as_of_first_flush = (spool / "open.batches").read_bytes()
    bus.ids.clear()
    standing.broken_at = 2.0
    stay.left_at = 3.0
    report_request(recorded, 1)
    recorded.flush()
    (spool / "open.batches").rename(spool / "open.batches.new")
    (spool / "open.batches").write_bytes(as_of_first_flush)
    assert gl.Trace.recover(spool).cut_short is None
    assert outcomes(gl.Trace.recover(spool)) == [(0, "answered"), (1, "answered")]
    assert list(gl.Trace.recover(spool).deadlocks["broken_at"]) == [2.0]
    assert list(gl.Trace.recover(spool).components["left_at"]) == [3.0]


def test_run_that_is_killed_within_a_flush_leaves_what_its_last_messages_refer_to(
    spool: Path,
) -> None:
    recorded = recorder(OpenMessages(0), spool=spool)
    report_request(recorded, 1, cause=0)
    (spool / "open.batches").mkdir()  # so that the flush ends before its last step
    with pytest.raises(SpoolFailed, match=r"open\.batches"):
        recorded.flush()
    (spool / "open.batches").rmdir()
    assert outcomes(gl.Trace.recover(spool)) == [(0, "pending"), (1, "answered")]


def test_recovery_says_how_much_of_an_incomplete_batch_at_the_end_it_left_out(spool: Path) -> None:
    recorded = recorder(spool=spool)
    path = spool / "ended.batches"
    for id in range(4):
        report_request(recorded, id)
        if id in {1, 3}:
            recorded.flush()
            if id == 1:
                first, still_open = path.stat().st_size, (spool / "open.batches").read_bytes()
    (spool / "open.batches").write_bytes(still_open)
    whole = path.read_bytes()
    for length in (first + 1, first + 8, (first + len(whole)) // 2, len(whole) - 100):
        path.write_bytes(whole[:length])
        trace = gl.Trace.recover(spool)
        assert list(trace.requests["id"]) == [0, 1]
        assert trace.cut_short is not None
        assert trace.cut_short.bytes == length - first


def test_batches_after_a_damaged_one_are_read(spool: Path, tmp_path: Path) -> None:
    recorded = recorder(spool=spool)
    sizes = [0]
    for id in range(3):
        report_request(recorded, id)
        recorded.flush()
        sizes.append((spool / "ended.batches").stat().st_size)
    content = bytearray((spool / "ended.batches").read_bytes())
    for damaged in (sizes[1], sizes[1] + 20, sizes[1] + 30, sizes[2] - 9):  # header and stream
        changed = content.copy()
        changed[damaged] ^= 1
        (spool / "ended.batches").write_bytes(changed)
        trace = gl.Trace.recover(spool)
        assert list(trace.requests["id"]) == [0, 2]
        assert trace.cut_short == CutShort(bytes=sizes[2] - sizes[1], batches=1)
    trace.save(tmp_path / "saved")
    assert gl.Trace.load(tmp_path / "saved").cut_short == trace.cut_short


def test_deliveries_whose_events_are_lost_are_left_out(spool: Path) -> None:
    recorded = recorder(spool=spool)
    report_event(recorded, 0)
    report_delivery(recorded, 1, event=0)
    recorded.flush()
    lost = (spool / "ended.batches").stat().st_size
    report_event(recorded, 2)
    report_delivery(recorded, 3, event=2)
    report_delivery(recorded, 4, event=0)
    recorded.flush()
    content = bytearray((spool / "ended.batches").read_bytes())
    content[lost + 100] ^= 64
    (spool / "ended.batches").write_bytes(content)
    trace = gl.Trace.recover(spool)
    assert list(trace.events["id"]) == [0]
    assert list(trace.deliveries["id"]) == [1, 4]
    assert trace.cut_short is not None
    assert (trace.cut_short.batches, trace.cut_short.deliveries) == (1, 1)
    assert str(trace.cut_short) == (
        f"batches of rows that are missing: 1; unreadable bytes: {trace.cut_short.bytes:,}; "
        "deliveries left out without their events: 1"
    )
    assert f"  cut short: {trace.cut_short}\n" in repr(trace)


def test_trace_of_a_spool_that_has_been_changed_is_damaged(spool: Path) -> None:
    recorded = recorder(spool=spool)
    report_request(recorded, 0)
    recorded.flush()
    path = spool / "ended.batches"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedTrace) as damaged:
        assert recorded.trace().requests is None
    assert str(damaged.value) == f"{path}: not a readable trace: it is no longer as it was written"


# ---------------------------------------------------------------------------------- a disk is full


def test_flush_after_one_that_failed_writes_what_both_have_to(spool: Path) -> None:
    recorded = recorder(spool=spool)
    report_request(recorded, 0)
    report_request(recorded, 1)
    (spool / "open.batches.new").mkdir()
    with pytest.raises(SpoolFailed) as failed:
        recorded.flush()
    assert failed.value.folder == str(spool)
    (spool / "ended.batches").write_bytes(b"the beginning of a batch")
    (spool / "open.batches.new").rmdir()
    report_request(recorded, 2)
    recorded.flush()
    assert list(gl.Trace.recover(spool).requests["id"]) == [0, 1, 2]
    assert list(recorded.trace().requests["id"]) == [0, 1, 2]
    assert gl.Trace.recover(spool).cut_short is None


def test_full_disk_disturbs_no_task_and_is_reported_once_and_at_the_end(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="genesis_lab.recording")
    failures = []

    async def main() -> gl.Recorder:
        recorded = recorder(spool=spool, flush_every=2)
        (spool / "open.batches.new").mkdir()
        for id in range(9):
            report_request(recorded, id)
            await trio.lowlevel.checkpoint()
            failures.append(recorded.failure)
        return recorded

    recorded = trio.run(main)
    assert [failure is None for failure in failures] == [True] + 8 * [False]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert list(recorded.trace().requests["id"]) == list(range(9))
    with pytest.raises(SpoolFailed, match="records could not be spooled and stay in memory"):
        recorded.bus_closed()
    (spool / "open.batches.new").rmdir()
    recorded.flush()
    assert recorded.failure is None
    assert list(gl.Trace.recover(spool).requests["id"]) == list(range(9))


def test_run_on_a_full_disk_goes_on_to_its_end_and_then_raises(spool: Path) -> None:
    replies = []
    recorded = gl.Recorder(spool=spool, flush_every=1)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorded) as bus:
            bus.register(Part("ann", sleeps(0.5)))
            (spool / "open.batches.new").mkdir()
            for _ in range(3):
                await bus.call("ann", "ask", None, "me")
                replies.append(bus.now())

    with pytest.raises(SpoolFailed) as failed:
        gl.run(main)
    assert failed.value.folder == str(spool)
    assert replies == [0.5, 1.0, 1.5]
    assert outcomes(recorded.trace()) == [(id, "answered") for id in range(3)]


def test_disk_that_is_full_for_a_while_loses_nothing(spool: Path) -> None:
    async def main() -> None:
        recorded = recorder(spool=spool, flush_every=2)
        (spool / "open.batches.new").mkdir()
        for id in range(9):
            report_request(recorded, id)
            await trio.lowlevel.checkpoint()
            if id == 6:
                (spool / "open.batches.new").rmdir()
        assert recorded.failure is None
        recorded.bus_closed()

    trio.run(main)
    assert list(gl.Trace.recover(spool).requests["id"]) == list(range(9))


def test_spool_of_a_run_that_was_killed_before_its_first_flush_is_empty(spool: Path) -> None:
    recorded = recorder(spool=spool)
    report_one_of_each(recorded)
    trace = gl.Trace.recover(spool)
    assert [len(frame) for frame in frames(trace).values()] == [0, 0, 0, 0, 0]
    assert (trace.manifest.architecture, trace.manifest.seed) == ("hybrid", 7)


def test_recovered_trace_can_be_saved(spool: Path, tmp_path: Path) -> None:
    recorded = recorder(OpenMessages(7), spool=spool)
    report_one_of_each(recorded)
    recorded.flush()
    trace = gl.Trace.recover(spool)
    trace.save(tmp_path / "saved")
    assert_same(trace, gl.Trace.load(tmp_path / "saved"))


# ------------------------------------------------------------------------------------ illegal use


def test_spool_needs_an_empty_folder(spool: Path) -> None:
    spool.mkdir()
    recorder(spool=spool)
    with pytest.raises(InvalidSetting) as refused:
        gl.Recorder(spool=str(spool))
    assert str(refused.value) == f"spool={str(spool)!r}: expected a new or an empty folder"


def test_two_recorders_do_not_get_the_same_folder(spool: Path) -> None:
    first = gl.Recorder(spool=spool)
    with pytest.raises(InvalidSetting) as refused:
        gl.Recorder(spool=spool)
    assert str(refused.value) == (
        f"spool={str(spool)!r}: expected a folder that no other recorder writes to"
    )
    del first
    gl.Recorder(spool=spool)


def test_folder_is_free_when_the_process_that_held_it_is_dead(spool: Path) -> None:
    script = """
        import os, sys
        import genesis_lab as gl

        recorder = gl.Recorder(spool=sys.argv[1])
        os._exit(0)
    """
    _run(script, spool)
    assert [path.name for path in spool.iterdir()] == ["spool.lock"]
    gl.Recorder(spool=spool)


def test_folder_is_not_free_while_another_process_holds_it(spool: Path) -> None:
    script = """
        import sys
        import genesis_lab as gl

        recorder = gl.Recorder(spool=sys.argv[1])
        print("ready", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", dedent(script), str(spool)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(InvalidSetting, match="no other recorder"):
            gl.Recorder(spool=spool)
        other.kill()
    gl.Recorder(spool=spool)


def test_spool_is_not_a_file(spool: Path) -> None:
    spool.write_text("mine", "utf-8")
    with pytest.raises(InvalidSetting):
        gl.Recorder(spool=spool)
    assert spool.read_text("utf-8") == "mine"


def test_trace_is_not_saved_into_a_spool(spool: Path) -> None:
    recorded = recorder(spool=spool)
    report_one_of_each(recorded)
    recorded.flush()
    with pytest.raises(InvalidSetting):
        recorded.trace().save(spool)


def test_folder_without_a_spool_cannot_be_recovered(tmp_path: Path) -> None:
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.recover(tmp_path)
    assert str(damaged.value) == (
        f"{tmp_path}: not a readable trace: there is no spool.json: no run was spooled here"
    )


def test_spool_with_a_newer_schema_asks_for_a_newer_lab(spool: Path) -> None:
    recorder(spool=spool)
    path = spool / "spool.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"schema": 3}), "utf-8")
    with pytest.raises(NewerSchema) as newer:
        gl.Trace.recover(spool)
    assert (newer.value.found, newer.value.supported) == (3, 2)


def _run(script: str, spool: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", dedent(script), str(spool)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
