"""A trace as a file for the Perfetto viewer (https://ui.perfetto.dev), in the Trace Event Format.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

A component is a process, and each of its threads is a lane in which messages do not overlap: slices
of a thread have to nest. A message is a slice while it waits and one while it is handled. What it
sends meanwhile is a slice of no length, from which an arrow leads to the message sent: Perfetto
draws arrows from a slice's end, so one from the handling itself would lead back in time.

Perfetto takes events of the same instant in the order of the file, but newer versions take slices
that last first; and it ties an arrow to the slice that began last in its thread. So events stand
message by message, before they are sorted by time, and no message begins in a thread at the instant
at which another ends there.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf, isfinite, isnan, nextafter
from operator import itemgetter
from typing import Any, NamedTuple

from genesis_lab.errors import as_cycle
from genesis_lab.messages import Deadlock
from genesis_lab.recording.messages import Frames, Message, deadlocks_of, messages_of

Event = dict[str, Any]
Timed = tuple[int, Event]
"""An event and when it is [ns]: whole numbers, so that what touches does not overlap."""


def as_json(trace: Frames) -> str:
    """The file's content, the same for the same trace."""
    manifest = trace.manifest
    run = {"architecture": manifest.architecture, "seed": manifest.seed, "clock": manifest.clock}
    events = ",\n".join(map(_dumps, _events(trace)))
    return f'{{"displayTimeUnit":"ms","otherData":{_dumps(run)},"traceEvents":[\n{events}\n]}}\n'


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _events(trace: Frames) -> Iterator[Event]:
    messages = messages_of(trace.requests, trace.deliveries, trace.events)
    deadlocks = deadlocks_of(trace.deadlocks)
    # From 1 on, as 0 is the idle thread.
    processes: defaultdict[str, _Process] = defaultdict(partial(_Process, count(1)))
    stays = _stays(messages, processes, until=_end(messages, deadlocks))
    timed = [*_of_messages(messages, stays), *_of_deadlocks(deadlocks, processes)]
    yield from _metadata(processes)
    for at, event in sorted(timed, key=itemgetter(0)):
        yield event | {"ts": _microseconds(at)}


# --- where ----------------------------------------------------------------------------------------


class _Process:
    """A component; in each of its threads messages do not overlap.

    Its first thread has its own number. No number is given twice: some versions of Perfetto look
    threads up by theirs alone.
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self.pid = next(numbers)
        self.tids = [self.pid]
        self._free = [0]
        self._busy: list[tuple[int, int]] = []

    def thread(self, begin: int, end: int) -> int:
        """The first thread that is free from `begin` to `end`, if need be a new one."""
        while self._busy and self._busy[0][0] < begin:
            heappush(self._free, heappop(self._busy)[1])
        if not self._free:
            self._free.append(len(self.tids))
            self.tids.append(next(self._numbers))
        row = heappop(self._free)
        heappush(self._busy, (end, row))
        return self.tids[row]


def _metadata(processes: Mapping[str, _Process]) -> Iterator[Event]:
    """The names of processes and threads, and their order."""
    for component, process in processes.items():
        for row, tid in enumerate(process.tids):
            at = {"ph": "M", "pid": process.pid, "tid": tid}
            if row == 0:
                yield {**at, "name": "process_name", "args": {"name": component}}
                yield {**at, "name": "process_sort_index", "args": {"sort_index": process.pid}}
            name = component if row == 0 else f"{component} ({row + 1})"
            yield {**at, "name": "thread_name", "args": {"name": name}}
            yield {**at, "name": "thread_sort_index", "args": {"sort_index": row}}


# --- when -----------------------------------------------------------------------------------------


def _end(messages: Sequence[Message], deadlocks: Sequence[Deadlock]) -> int:
    """The last instant that the trace knows of [ns]."""
    times = [time for each in messages for time in (each.at, each.started_at, each.left_at)]
    times += [time for each in deadlocks for time in (each.formed_at, each.broken_at)]
    return max((_nanoseconds(time) for time in times if not isnan(time)), default=0)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _microseconds(nanoseconds: int) -> float:
    """As the format has it, and so that Perfetto, which cuts off, gets back the nanoseconds."""
    if nanoseconds % 1000 == 0:
        return nanoseconds // 1000
    microseconds = nanoseconds / 1000
    return microseconds if int(microseconds * 1000) == nanoseconds else nextafter(microseconds, inf)


# --- what -----------------------------------------------------------------------------------------


class _Stay(NamedTuple):
    """A message at its component; times in nanoseconds."""

    message: Message
    pid: int
    tid: int
    begin: int
    started: int
    """When its handler began; where it never did, when it ended."""
    end: int

    def slice(self, name: str, category: str, begin: int, end: int, args: Event) -> Timed:
        """A slice in its thread."""
        return begin, {
            "ph": "X",
            "name": name,
            "cat": category,
            "dur": _microseconds(end - begin),
            "pid": self.pid,
            "tid": self.tid,
            "args": args,
        }

    def flow(self, phase: str, at: int, to: Message) -> Timed:
        """An end of the arrow to a message."""
        binding = {"bp": "e"} if phase == "f" else {}
        return at, {
            "ph": phase,
            "name": to.kind,
            "cat": "flow",
            "id": to.id,
            "pid": self.pid,
            "tid": self.tid,
            **binding,
        }


def _stays(
    messages: Sequence[Message], processes: Mapping[str, _Process], *, until: int
) -> dict[int, _Stay]:
    """Where each message was and when, by id; what is pending stays until then.

    Those that never got to their component are not among them.
    """
    stays = {}
    for message in messages:
        if message.kind != "event" and not isnan(message.sent_at):
            begin = _nanoseconds(message.sent_at)
            left = message.left_at
            end = until if isnan(left) else _nanoseconds(left)
            started = end if isnan(message.started_at) else _nanoseconds(message.started_at)
            process = processes[message.target]
            tid = process.thread(begin, end)
            stays[message.id] = _Stay(message, process.pid, tid, begin, started, end)
    return stays


def _of_messages(messages: Sequence[Message], stays: Mapping[int, _Stay]) -> Iterator[Timed]:
    sent_by: defaultdict[int, list[Message]] = defaultdict(list)
    for message in messages:
        sent_by[message.parent].append(message)
    by_id = {message.id: message for message in messages}
    for stay in stays.values():
        first, *rest = _slices(stay)
        yield first
        if _sender(stay.message, by_id) in stays:
            yield stay.flow("f", stay.begin, stay.message)
        yield from rest
        for sent in sent_by[stay.message.id]:
            at = min(_nanoseconds(sent.at), stay.end)  # what it left behind may send later
            yield stay.slice(f"send {sent.type}", "sending", at, at, {"id": sent.id})
            for receiver in sent_by[sent.id] if sent.kind == "event" else [sent]:
                if receiver.id in stays:
                    yield stay.flow("s", at, receiver)


def _sender(message: Message, by_id: Mapping[int, Message]) -> int | None:
    """Id of the message that it was sent in; a delivery comes from there by way of its event.

    A run that was killed may have left a delivery and not its event.
    """
    if message.kind != "delivery":
        return message.parent
    event = by_id.get(message.parent)
    return None if event is None else event.parent


def _slices(stay: _Stay) -> Iterator[Timed]:
    """How long the message waited, and how long it was handled."""
    message, args = stay.message, _args(stay.message)
    is_handled = not isnan(message.started_at)
    if stay.begin < stay.started or not is_handled:
        name = f"{message.type} (waiting)"
        yield stay.slice(name, "waiting", stay.begin, stay.started, args)
    if is_handled:
        yield stay.slice(message.type, "handling", stay.started, stay.end, args)


def _args(message: Message) -> Event:
    """The record, without what is missing or, as a timeout, infinite."""
    record = message._asdict()
    record["event" if message.kind == "delivery" else "cause"] = record.pop("parent")
    del record["at"]
    return {name: value for name, value in record.items() if not _is_missing(value)}


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not isfinite(value))


def _of_deadlocks(
    deadlocks: Sequence[Deadlock], processes: Mapping[str, _Process]
) -> Iterator[Timed]:
    """A deadlock is an instant in the process of each component concerned, and so is its end."""
    for deadlock in deadlocks:
        args = {
            "cycle": as_cycle(deadlock.components),
            "members": [*deadlock.members],
            "victims": deadlock.victims,
        }
        for component in dict.fromkeys(deadlock.components):
            pid = processes[component].pid
            instant = {"ph": "i", "s": "p", "cat": "deadlock", "pid": pid, "tid": pid, "args": args}
            yield _nanoseconds(deadlock.formed_at), {**instant, "name": "deadlock"}
            if deadlock.broken_by is not None:
                end = {**instant, "name": f"deadlock broken ({deadlock.broken_by})"}
                yield _nanoseconds(deadlock.broken_at), end
