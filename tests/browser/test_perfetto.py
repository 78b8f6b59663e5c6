"""An exported trace in the Perfetto viewer itself: it shows just what the file is read to say."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from playwright.sync_api import BrowserContext, expect

import genesis_lab as gl
from genesis_lab.workloads.scripted import System
from tests.browser.viewer import PerfettoViewer, Seen, Slice, served
from tests.plots.scenes import LISTENING, QUEUE, RING, trace_of
from tests.recording import trace_event_format
from tests.recording.reports import open_routes, report_request
from tests.recording.traces import random_traces

pytestmark = pytest.mark.slow

NUMBERS = count()


@pytest.fixture(scope="module")
def viewer(browser: BrowserContext) -> Iterator[PerfettoViewer]:
    with served() as address, browser.new_page() as page:
        yield PerfettoViewer(page, address)


def check(viewer: PerfettoViewer, trace: gl.Trace, folder: Path) -> Seen:
    """What the viewer shows of a trace; it is to be what our own reader of the format says."""
    path = folder / f"trace{next(NUMBERS)}.json"
    trace.to_perfetto(path)
    viewer.open(path)
    assert viewer.faults() == []
    content = trace_event_format.read(path)
    seen = viewer.seen()
    assert seen == Seen(
        slices=sorted(map(_shown, content.slices)),
        arrows=sorted((_shown(begin), _shown(end)) for begin, end in content.arrows.values()),
        instants=sorted((at, name, process) for at, name, process, _ in content.instants),
    )
    return seen


def _shown(each: trace_event_format.Slice) -> Slice:
    return Slice(
        each.process,
        each.thread,
        each.name,
        each.category,
        each.begin,
        each.end,
        each.args["id"],
    )


def test_a_deadlock_is_seen_with_its_arrows(viewer: PerfettoViewer, tmp_path: Path) -> None:
    seen = check(viewer, trace_of(RING), tmp_path)
    assert {each.process for each in seen.slices} == {"a", "b"}
    assert len(seen.arrows) == 2
    assert [name for _, name, _ in seen.instants] == [
        *("deadlock", "deadlock"),
        *("deadlock broken (timed_out)", "deadlock broken (timed_out)"),
    ]
    for track in ("a 1", "b 2"):
        expect(viewer.page.get_by_text(track, exact=True).first).to_be_visible()


@pytest.mark.parametrize("system", [QUEUE, LISTENING])
def test_messages_that_overlap_and_events_are_seen(
    viewer: PerfettoViewer, tmp_path: Path, system: System
) -> None:
    assert check(viewer, trace_of(system), tmp_path).slices


def test_any_name_is_seen(viewer: PerfettoViewer, tmp_path: Path) -> None:
    name = "\"<a>\" & 'b'\n日本"
    recorded = gl.Recorder()
    open_routes(recorded, (name, name, name))
    report_request(recorded)
    assert {each.process for each in check(viewer, recorded.trace(), tmp_path).slices} == {name}


def test_nothing_can_be_opened(viewer: PerfettoViewer, tmp_path: Path) -> None:
    assert check(viewer, gl.Recorder().trace(), tmp_path) == Seen([], [], [])


@given(random_traces())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_trace_is_seen_as_the_file_says(
    viewer: PerfettoViewer, tmp_path: Path, trace: gl.Trace
) -> None:
    check(viewer, trace, tmp_path)
