"""What a record costs: to take it, to make a frame of it, and in memory."""

import tracemalloc
from time import process_time

import genesis_lab as gl
from genesis_lab.bench.claims import AtMost, Claim, total
from genesis_lab.bench.measuring import Family
from genesis_lab.messages import Route

RECORDS = 2_000_000


def _recorder(records: int) -> gl.Recorder:
    """A recorder with so many requests."""
    recorder = gl.Recorder()
    recorder.route_opened(Route(0, "client", "server", "work"))
    take, answered = recorder.request_ended, gl.Outcome.ANSWERED
    for id in range(records):
        take(id, -1, id, 0, 1, answered, None, 5.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 0.0)
    return recorder


def append(size: int) -> float:
    """One record taken."""
    began = process_time()
    _recorder(size)
    return (process_time() - began) / size


def frame(size: int) -> float:
    """One record's part in making the frame."""
    recorder = _recorder(size)
    began = process_time()
    frame = recorder.trace().requests
    cost = (process_time() - began) / size
    assert len(frame) == size, "every record is a row"
    return cost


def memory(size: int) -> float:
    """The bytes that a record occupies."""
    records = size // 10  # tracing makes it many times as slow, and no smaller
    tracemalloc.start()
    try:
        recorder = _recorder(records)
        occupied, _ = tracemalloc.get_traced_memory()
        del recorder
    finally:
        tracemalloc.stop()
    return occupied / records


FAMILY = Family(
    contenders={"append": append, "frame": frame, "memory": memory},
    size=RECORDS,
    claims=(
        Claim(
            work="one record, append and frame",
            measured=total("append", "frame", scale=1e6),
            unit="us",
            bar=AtMost(0.6),
        ),
        Claim(
            work="one record in memory",
            measured=total("memory"),
            unit="bytes",
            bar=AtMost(112),
        ),
        Claim(
            work="2,000,000 records to a frame",
            measured=total("frame", scale=RECORDS),
            unit="s",
            bar=AtMost(0.4),
        ),
    ),
)
