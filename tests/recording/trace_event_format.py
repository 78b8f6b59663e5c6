"""A check of files against the Trace Event Format, as far as a trace uses it, and a reader of them.

Rules are those of the format's documentation ("Trace Event Format", by Nat Duca and Dan Sinclair);
what it leaves open is settled as Perfetto's importer does: times are cut off to nanoseconds, events
of one instant count in the order of the file, or those that last longest first (which is up to the
version, so a file has to say the same in both orders), a slice ends before what begins at its end,
and an arrow is tied to the slice that began last in its thread.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Event = dict[str, Any]
Thread = tuple[int, int]

REQUIRED = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "ts", "dur", "pid", "tid"},
    "i": {"name", "cat", "ts", "pid", "tid", "s"},
    "s": {"name", "cat", "ts", "pid", "tid", "id"},
    "f": {"name", "cat", "ts", "pid", "tid", "id", "bp"},
}
METADATA = {
    "process_name": ("name", str),
    "thread_name": ("name", str),
    "process_sort_index": ("sort_index", int),
    "thread_sort_index": ("sort_index", int),
}


class Slice(NamedTuple):
    """A complete event; times in nanoseconds."""

    name: str
    category: str
    begin: int
    end: int
    process: str
    thread: int
    args: dict[str, Any]


class Content(NamedTuple):
    """What is in a file."""

    slices: list[Slice]
    arrows: dict[int, tuple[Slice, Slice]]
    """From which slice to which, by id."""
    instants: list[tuple[int, str, str, dict[str, Any]]]
    """When [ns], the name, the process, and the arguments."""
    run: dict[str, Any]


def read(path: Path) -> Content:
    """What a valid file says; anything else fails the test."""
    whole = json.loads(path.read_bytes(), parse_constant=lambda word: pytest.fail(f"has {word}"))
    assert set(whole) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert whole["displayTimeUnit"] in {"ms", "ns"}
    events: list[Event] = whole["traceEvents"]
    for event in events:
        _check_fields(event)
    processes = _names(events, "process_name", "pid")
    threads = _names(events, "thread_name", "tid")
    assert len(set(processes.values())) == len(processes), "two processes have the same name"
    timed = sorted((event for event in events if event["ph"] != "M"), key=_at)  # a stable sort
    longest_first = sorted(timed, key=lambda event: (_at(event), -event.get("dur", 0)))
    for event in timed:
        assert event["pid"] in processes
        assert event["tid"] in threads
    slices, arrows = _slices_and_arrows(timed, processes)
    assert _slices_and_arrows(longest_first, processes)[1] == arrows
    return Content(
        slices,
        arrows,
        instants=[
            (_at(event), event["name"], processes[event["pid"]], event["args"])
            for event in timed
            if event["ph"] == "i"
        ],
        run=whole["otherData"],
    )


def _check_fields(event: Event) -> None:
    phase = event["ph"]
    assert set(event) - {"ph", "args"} == REQUIRED[phase] - {"args"}, event
    assert isinstance(event["name"], str)
    assert isinstance(event["pid"], int)
    assert isinstance(event["tid"], int)
    assert event["pid"] > 0
    assert event["tid"] > 0
    match phase:
        case "M":
            key, kind = METADATA[event["name"]]
            assert set(event["args"]) == {key}
            assert isinstance(event["args"][key], kind)
        case "X":
            assert event["dur"] >= 0
        case "i":
            assert event["s"] in {"g", "p", "t"}
        case "f":
            assert event["bp"] == "e"
    assert phase == "M" or event["ts"] >= 0


def _names(events: list[Event], kind: str, number: str) -> dict[int, str]:
    names: dict[int, str] = {}
    for event in events:
        if event["name"] == kind and event["ph"] == "M":
            assert event[number] not in names, "named twice"
            names[event[number]] = event["args"]["name"]
    return names


def _slices_and_arrows(
    timed: list[Event], processes: dict[int, str]
) -> tuple[list[Slice], dict[int, tuple[Slice, Slice]]]:
    slices: list[Slice] = []
    stacks: defaultdict[Thread, list[Slice]] = defaultdict(list)
    starts: dict[int, Slice] = {}
    arrows: dict[int, tuple[Slice, Slice]] = {}
    for event in timed:
        stack = stacks[event["pid"], event["tid"]]
        match event["ph"]:
            case "X":
                new = _slice(event, processes)
                _push(stack, new)
                slices.append(new)
            case "s":
                assert event["id"] not in starts, "begun twice"
                starts[event["id"]] = _holder(stack, event)
            case "f":
                assert event["id"] not in arrows, "ended twice"
                arrows[event["id"]] = (starts[event["id"]], _holder(stack, event))
    assert set(starts) == set(arrows), "begun but not ended"
    return slices, arrows


def _push(stack: list[Slice], new: Slice) -> None:
    """Put a slice on those that it is nested in."""
    while stack:
        top = stack[-1]
        is_over = top.end < new.begin or (
            top.end == new.begin and not (top.begin == top.end and new.begin == new.end)
        )
        if not is_over:
            break
        stack.pop()
    for outer in stack:
        assert outer.begin <= new.begin
        assert new.end <= outer.end, "it begins in a slice and ends after it"
    stack.append(new)


def _holder(stack: list[Slice], event: Event) -> Slice:
    top = stack[-1]
    assert top.begin <= _at(event) <= top.end, "the arrow is not in its slice"
    return top


def _slice(event: Event, processes: dict[int, str]) -> Slice:
    begin = _at(event)
    return Slice(
        name=event["name"],
        category=event["cat"],
        begin=begin,
        end=begin + _nanoseconds(event["dur"]),
        process=processes[event["pid"]],
        thread=event["tid"],
        args=event["args"],
    )


def _at(event: Event) -> int:
    return _nanoseconds(event["ts"])


def _nanoseconds(microseconds: float) -> int:
    return int(microseconds * 1000)
