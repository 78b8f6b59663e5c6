"""The dashboard: what it says of a laboratory, and how it lives beside it."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import genesis_lab as gl
from genesis_lab.buses import ComponentStatistics, MessageStatistics
from genesis_lab.laboratory import LabSnapshot, Latency
from genesis_lab.laboratory import dashboard as dashboard_module
from genesis_lab.laboratory.network import MOST, Edge, network_of
from genesis_lab.laboratory.page import as_page
from tests.laboratory.kernels import Cell, Kernel
from tests.laboratory.parts import DEADLINE, until_cancelled, wait_until, waiting_request
from tests.parts import Part, asks, raises

NAN = float("nan")


@pytest.fixture
def lab() -> Iterator[gl.LiveLab]:
    with gl.live(grace=0.0) as lab:
        yield lab


# --- reading it -----------------------------------------------------------------------------------


def parsed(html: str) -> ET.Element:
    return ET.fromstring(f"<div>{html}</div>")


def page(lab: LabSnapshot, before: LabSnapshot | None = None) -> ET.Element:
    return parsed(as_page(lab, before or lab))


def texts(root: ET.Element, of_class: str) -> list[str]:
    """What the elements of a class say."""
    found = [each for each in root.iter() if of_class in each.get("class", "").split()]
    return [" ".join(" ".join(each.itertext()).split()) for each in found]


def edges(root: ET.Element) -> dict[str, set[str]]:
    """The classes of each edge, by its title."""
    paths = [each for each in root.iter("path") if "edge" in each.get("class", "").split()]
    return {"".join(each.itertext()): {*each.get("class", "").split()} for each in paths}


# --- making snapshots -----------------------------------------------------------------------------


def component(id: str, **changed: Any) -> ComponentStatistics:
    idle: dict[str, Any] = {
        "places": 1,
        "serving": 0,
        "waiting": 0,
        "inbox": 0,
        "inbox_capacity": 100,
        "blocked_emitters": 0,
    }
    return ComponentStatistics(id=id, **(idle | changed))


def message(source: str, target: str, sent_at: float, started_at: float = NAN) -> MessageStatistics:
    return MessageStatistics(
        id=0,
        kind="request",
        chain=0,
        source=source,
        target=target,
        type="ask",
        sent_at=sent_at,
        started_at=started_at,
    )


@pytest.fixture
def empty(lab: gl.LiveLab) -> LabSnapshot:
    """A laboratory without anything, ten seconds old."""
    snapshot = lab.snapshot()
    return replace(snapshot, bus=replace(snapshot.bus, at=10.0))


def with_components(lab: LabSnapshot, *components: ComponentStatistics) -> LabSnapshot:
    return replace(lab, bus=replace(lab.bus, components=components))


def with_messages(lab: LabSnapshot, *messages: MessageStatistics) -> LabSnapshot:
    return replace(lab, bus=replace(lab.bus, in_flight=messages))


def with_routes(lab: LabSnapshot, *pairs: tuple[str, str]) -> LabSnapshot:
    return replace(lab, routes=[(source, target, "ask") for source, target in pairs])


# --- what it says ---------------------------------------------------------------------------------


def test_each_component_is_a_node_that_says_what_it_is_doing(empty: LabSnapshot) -> None:
    shown = page(
        with_components(
            empty,
            component("idler"),
            component("worker", serving=1, waiting=1200),
            component("listener", serving=1, inbox=25, blocked_emitters=2),
        )
    )
    assert texts(shown, "name") == ["idler", "worker", "listener"]
    assert texts(shown, "state") == [
        "idle",
        "1 serving, 1,200 waiting",
        "1 serving",
        "25 in the inbox, 2 blocked",
    ]
    [bar] = [each for each in shown.iter("rect") if each.get("class") == "inbox"]
    assert bar.get("width") == "40.0"


def test_an_edge_says_how_long_its_oldest_message_has_waited(empty: LabSnapshot) -> None:
    lab = with_routes(
        with_components(empty, *map(component, "abcd")),
        ("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"),
    )  # fmt: skip
    shown = with_messages(
        lab,
        message("a", "b", sent_at=9.95, started_at=9.96),
        message("b", "c", sent_at=9.0),
        message("c", "d", sent_at=9.5, started_at=9.6),
        message("c", "d", sent_at=9.75),
    )
    found = {(edge.source, edge.target): edge for edge in network_of(shown).edges}
    assert [
        (edge.pace, edge.is_served, edge.label)
        for edge in (found["a", "b"], found["b", "c"], found["c", "d"], found["d", "a"])
    ] == [
        ("prompt", True, ""),
        ("stuck", False, "1.0 s"),
        ("slow", True, "2, up to 0.5 s"),
        ("idle", False, ""),
    ]
    assert edges(page(shown)) == {
        "a to b": {"edge", "prompt"},
        "b to c": {"edge", "stuck", "queued"},
        "c to d": {"edge", "slow"},
        "d to a": {"edge", "idle"},
    }


def test_each_pace_has_a_width_of_its_own_beside_its_colour(empty: LabSnapshot) -> None:
    style = "".join(next(page(empty).iter("style")).itertext())
    widths = [
        style.partition(f"svg .{pace} {{")[2].partition("stroke-width: ")[2].partition(";")[0]
        for pace in ("idle", "prompt", "slow", "stuck")
    ]
    assert widths == ["1", "2", "3.5", "6"]


def test_senders_that_are_not_on_the_bus_are_shown_and_merged_when_they_are_many(
    empty: LabSnapshot,
) -> None:
    lab = with_components(empty, component("a"))
    few = with_routes(lab, *((f"s{number}", "a") for number in range(4)))
    assert texts(page(few), "name") == ["a", "s0", "s1", "s2", "s3"]
    many = with_routes(lab, *((f"s{number}", "a") for number in range(9)))
    many = with_messages(many, message("s7", "a", 9.0), message("s8", "a", 8.0))
    assert texts(page(many), "name") == ["a", "s0", "s1", "s2", "6 others"]
    assert texts(page(many), "label") == ["2, up to 2.0 s"]


def test_more_components_than_there_is_room_for_are_counted(empty: LabSnapshot) -> None:
    shown = page(with_components(empty, *(component(f"c{n}") for n in range(MOST + 3))))
    assert len(texts(shown, "name")) == MOST
    assert texts(shown, "picture")[0].endswith("and 3 more components")


@pytest.mark.parametrize("number", range(1, MOST + 5))
def test_no_box_lies_on_another_and_none_beside_the_picture(
    empty: LabSnapshot, number: int
) -> None:
    lab = with_components(empty, *(component(f"c{n}") for n in range(number)))
    network = network_of(with_routes(lab, *((f"s{n}", "c0") for n in range(number % 6))))
    for node in network.nodes:
        assert 82 <= node.x <= 760 - 82
        assert 29 <= node.y <= network.height - 29
    for one, other in combinations(network.nodes, 2):
        assert abs(one.x - other.x) > 164 or abs(one.y - other.y) > 58


def test_an_edge_and_the_one_back_do_not_lie_on_each_other(empty: LabSnapshot) -> None:
    ids = "abcdefgh"
    lab = with_components(empty, *map(component, ids))
    pairs = [(one, other) for one in ids for other in ids]
    found = network_of(with_routes(lab, *pairs)).edges
    assert len(found) == 64
    for one, other in combinations(found, 2):
        assert distance(one, other) > 5 or {one.source, one.target} != {other.source, other.target}


def distance(one: Edge, other: Edge) -> float:
    return max(abs(a - b) for a, b in zip(one.middle, other.middle, strict=True))


def test_totals_and_rates_are_shown(empty: LabSnapshot) -> None:
    before = replace(
        empty, bus=replace(empty.bus, at=8.0), requests={gl.Outcome.ANSWERED: 100}, events=5
    )
    now = replace(
        with_messages(empty, message("a", "b", 9.0)),
        requests={gl.Outcome.ANSWERED: 2000, gl.Outcome.TIMED_OUT: 500},
        deliveries={gl.Outcome.HANDLED: 7},
        events=8,
        deadlocks=3,
        errors=12,
    )
    assert texts(page(now, before), "tile") == [
        "1,200 requests per second",
        "2 events per second",
        "1 in flight",
        "3 deadlocks formed",
        "12 errors",
    ]
    assert texts(page(now), "tile")[0] == "0 requests per second"
    assert texts(page(now), "chart")[1:] == [
        "Requests: 2,500 answered 2,000 timed out 500",
        "Deliveries of events: 7 handled 7",
    ]


def test_latencies_are_those_of_the_last_seconds_and_say_of_how_many(empty: LabSnapshot) -> None:
    slow_before = [Latency(4.0, 60.0)] * 50
    lately = [Latency(6.0 + number / 100, (number + 1) / 1000) for number in range(101)]
    shown = page(replace(empty, latencies=(*slow_before, *lately)))
    assert texts(shown, "chart")[0] == (
        "Latency p50 51 ms p95 96 ms p99 100 ms of the 101 requests answered in the last 4 s"
    )
    nothing = page(replace(empty, latencies=tuple(slow_before)))
    assert "no request answered in the last 5 s" in texts(nothing, "chart")[0]


def test_names_and_errors_are_text_and_nothing_else(lab: gl.LiveLab) -> None:
    lab.register(Part("<b>&", raises(ValueError("<script>'"))))
    lab.request("<b>&", "ask", None)
    shown = page(lab.snapshot())
    assert texts(shown, "name") == ["<b>&", "notebook"]
    assert texts(shown, "chart")[-1].endswith("ValueError: <script>'")


def test_a_deadlock_is_named_while_it_stands_and_its_cycle_is_highlighted(lab: gl.LiveLab) -> None:
    lab.register(Part("strategy", asks("risk", timeout=None)))
    lab.register(Part("risk", asks("strategy", timeout=None)))
    lab.register(Part("onlooker", asks("risk", timeout=None)))
    with waiting_request(lab, "strategy"):
        wait_until(lambda: lab.snapshot().deadlocks == 1)
        with waiting_request(lab, "onlooker"):
            wait_until(lambda: bool(lab.snapshot().bus.deadlocks[0].victims[1:]))
            snapshot = lab.snapshot()
            lab.close()
    deadlock = snapshot.bus.deadlocks[0]
    at = replace(snapshot.bus, at=deadlock.formed_at + 1.2)
    shown = page(replace(snapshot, bus=at))
    behind = len(deadlock.victims)
    assert texts(shown, "alarm") == [
        f"deadlock: strategy -> risk -> strategy, for 1.2 s; {behind} behind it"
    ]
    in_deadlock = {title for title, classes in edges(shown).items() if "in-deadlock" in classes}
    assert in_deadlock == {"strategy to risk", "risk to strategy"}
    assert [text.split()[0] for text in texts(shown, "deadlocked")] == ["strategy:", "risk:"]
    assert texts(page(lab.snapshot()), "alarm") == []


def test_a_component_that_waits_for_itself_has_an_edge_to_itself(lab: gl.LiveLab) -> None:
    lab.register(Part("a", asks("a", timeout=None)))
    with waiting_request(lab, "a"):
        wait_until(lambda: lab.snapshot().deadlocks == 1)
        shown = page(lab.snapshot())
        lab.close()
    assert texts(shown, "alarm")[0].startswith("deadlock: a -> a, for ")
    assert {"in-deadlock", "queued"} <= edges(shown)["a to a"]


# --- how it lives ---------------------------------------------------------------------------------


def test_it_follows_the_laboratory_by_itself(lab: gl.LiveLab) -> None:
    shown = lab.dashboard()
    assert texts(parsed(shown.value), "name") == []
    lab.register(Part("a"))
    lab.register(Part("b", until_cancelled))
    wait_until(lambda: texts(parsed(shown.value), "name") == ["a", "b"])
    lab.request("a", "ask", None)
    wait_until(lambda: "Requests: 1" in shown.value)
    with waiting_request(lab, "b"):
        wait_until(lambda: "1 serving" in texts(parsed(shown.value), "state"))
        lab.close()
    wait_until(lambda: 'data-state="closed"' in shown.value)
    assert "target gone" in shown.value


def test_a_laboratory_has_one_dashboard_until_that_is_closed(lab: gl.LiveLab) -> None:
    shown = gl.dashboard(lab)
    assert lab.dashboard() is shown
    shown.close()
    assert lab.dashboard() is not shown
    with gl.live() as other:
        assert other.dashboard() is not lab.dashboard()


def is_over(shown: Any) -> bool:
    """Whether its thread has ended."""
    shown._thread.join(DEADLINE)
    return not shown._thread.is_alive()


def test_a_closed_dashboard_stops_and_the_laboratory_goes_on(lab: gl.LiveLab) -> None:
    shown = lab.dashboard()
    shown.close()
    assert is_over(shown)
    lab.register(Part("a"))
    assert lab.request("a", "ask", 7) == 7


def test_it_stops_when_the_laboratory_is_closed(lab: gl.LiveLab) -> None:
    shown = lab.dashboard()
    lab.close()
    assert is_over(shown)
    assert " is closed, " in "".join(parsed(shown.value).itertext())


def test_it_does_not_keep_its_laboratory_alive_and_stops_with_it() -> None:
    lab = gl.live()
    lab.register(Part("a"))
    thread = lab._thread
    shown = lab.dashboard()
    del lab
    gc.collect()
    assert is_over(shown)
    wait_until(lambda: not thread.is_open)
    assert 'data-state="closed"' in shown.value


def test_an_error_in_drawing_is_shown_in_its_place_and_does_not_end_it(
    lab: gl.LiveLab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails(*_arguments: Any) -> str:
        raise ValueError("<pen>")

    shown = lab.dashboard()
    with monkeypatch.context() as broken:
        broken.setattr(dashboard_module, "as_page", fails)
        wait_until(lambda: shown.value == "not drawn: ValueError: &lt;pen&gt;")
    wait_until(lambda: shown.value.startswith("<style>"))
    assert capfd.readouterr() == ("", "")


def test_the_lab_starts_without_ipywidgets() -> None:
    code = "import sys, genesis_lab as gl; gl.live().close(); print('ipywidgets' in sys.modules)"
    assert output_of(code) == "False\n"


def test_a_script_that_has_a_dashboard_ends_quietly() -> None:
    code = "import genesis_lab as gl; lab = gl.live(); shown = lab.dashboard(); print(shown)"
    assert output_of(code) == "<Dashboard of a live laboratory: run this cell to see it>\n"


def output_of(code: str) -> str:
    """What a script prints; it must not print anything as an error."""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert ended.stderr == ""
    return ended.stdout


# --- in a notebook --------------------------------------------------------------------------------

OPENING = """
import time
import genesis_lab as gl

class Risk(gl.Component):
    async def process_request(self, request_type, data, source):
        raise ValueError(data)

lab = gl.live()
lab.register(Risk("risk"))
shown = lab.dashboard()

def refreshed():
    before = shown.value
    while shown.value == before:
        time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernel") / "log")
    kernel.run(OPENING)
    yield kernel
    kernel.shut_down()


def test_a_dashboard_is_refreshed_while_a_cell_runs_and_leaves_nothing_in_any_cell(
    kernel: Kernel,
) -> None:
    kernel.run("shown")
    assert kernel.run("lab.request('risk', 'ask', 'no')\nrefreshed()") == Cell()
    assert kernel.run("refreshed()\n1 + 1") == Cell(value="2")
    broken = "from genesis_lab.laboratory import dashboard\ndraw = dashboard.as_page\n"
    assert kernel.run(f"{broken}dashboard.as_page = None\nrefreshed()") == Cell()
    assert kernel.run("dashboard.as_page = draw\nrefreshed()\nrefreshed()") == Cell()
    assert kernel.run("'1 failed' in shown.value or '>failed<' in shown.value").value == "True"


def test_a_notebook_keeps_a_text_in_place_of_the_widget(kernel: Kernel) -> None:
    text = "<Dashboard of a live laboratory: run this cell to see it>"
    assert kernel.run("shown").value == text


def test_a_kernel_with_a_dashboard_says_nothing_as_it_ends(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "log")
    kernel.run(OPENING)
    kernel.shut_down()
    assert "genesis_lab" not in (tmp_path / "log").read_text()
