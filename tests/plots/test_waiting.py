from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

import genesis_lab as gl
from genesis_lab.messages import ELSEWHERE
from genesis_lab.messages import Wait as Edge
from genesis_lab.plots import ONE_COLUMN, TWO_COLUMNS, new_axes, plot_wait_for_graph
from genesis_lab.workloads.scripted import Call, Client, Emit, ScriptedComponent, System, Wait
from tests.plots.curves import legend_of
from tests.plots.looks import check_page, check_repeats, texts
from tests.plots.scenes import QUEUE, RING, trace_of
from tests.properties.brute_force import Architecture, History
from tests.properties.plain_record import PlainRecord
from tests.properties.systems import MOSTLY, Choices, systems
from tests.recording.reports import deadlock, recorder, report_request

Arrow = tuple[int, int]
BUSES: dict[str, tuple[Callable[..., gl.Bus], Architecture]] = {
    "hybrid": (partial(gl.HybridCoordinator, overflow="block", inbox_capacity=1), Architecture()),
    "hybrid-awaited": (
        partial(gl.HybridCoordinator, delivery="awaited"),
        Architecture(is_awaited=True),
    ),
}


def ring(size: int, *, victims: int = 0) -> System:
    """Closes when the last of c0, c1, ... asks the first one; then each client makes a victim."""
    return System(
        components=tuple(
            ScriptedComponent(
                f"c{number}", on_request={"pass": (Call(f"c{(number + 1) % size}", "pass"),)}
            )
            for number in range(size)
        ),
        clients=(
            Client((Call("c0", "pass"),)),
            *(Client((Call("c0", "pass"),), start_at=1 + k / 100) for k in range(victims)),
        ),
    )


def draw(trace: gl.Trace, **settings: Any) -> Axes:
    return plot_wait_for_graph(
        trace.deadlocks, trace.requests, trace.deliveries, events=trace.events, **settings
    )


def spots(ax: Axes) -> dict[tuple[float, float], int]:
    """The id of the node at each place."""
    return {
        text.get_position(): int(text.get_text()) for text in ax.texts if text.get_text().isdigit()
    }


def arrows(ax: Axes, linestyle: str | None = None) -> list[Arrow]:
    """From whom to whom they lead."""
    at = spots(ax)
    return [
        (at[tuple(begin)], at[tuple(end)])
        for patch in ax.patches
        if isinstance(patch, FancyArrowPatch) and linestyle in {None, patch.get_linestyle()}
        for begin, end in [patch._posA_posB]  # type: ignore[attr-defined]
    ]


def labels(ax: Axes) -> dict[int, str]:
    """What stands beside each node; both have been written in turn."""
    written = texts(ax)
    return {int(id): label for id, label in zip(written[::2], written[1::2], strict=True)}


def fills(ax: Axes) -> dict[int, str]:
    """The colour of each node."""
    at = spots(ax)
    return {
        at[float(np.asarray(line.get_xdata())[0]), float(np.asarray(line.get_ydata())[0])]: str(
            line.get_markerfacecolor()
        )
        for line in ax.lines
    }


def test_arrows_lead_around_the_cycle() -> None:
    ax = draw(trace_of(RING))
    assert arrows(ax) == [(0, 1), (1, 2), (2, 0)]


def test_arrow_is_solid_to_what_a_message_caused_and_dashed_to_whom_it_waits_its_turn_for() -> None:
    ax = draw(trace_of(RING))
    assert arrows(ax, "-") == [(0, 1), (1, 2)]
    assert legend_of(ax) == ["member", "waits for what it caused", "waits for its turn"]


def test_node_is_labelled_with_type_and_component() -> None:
    assert labels(draw(trace_of(RING))) == {0: "go\nat a", 1: "ask\nat b", 2: "back\nat a"}


@pytest.mark.parametrize("size", range(1, 10))
def test_members_stand_clockwise_on_a_circle(size: int) -> None:
    ax = draw(trace_of(ring(size)))
    rows = ax.get_ylim()[0]
    places = {id: (x, rows / 2 - y) for (x, y), id in spots(ax).items()}
    assert list(places) == list(range(size + 1))
    angles = [np.arctan2(x / ONE_COLUMN, y / rows) % (2 * np.pi) for x, y in places.values()]
    assert angles == sorted(angles)
    radius = ONE_COLUMN / 8
    assert [np.hypot(x / radius, y / (rows / 2)) for x, y in places.values()] == pytest.approx(
        [1.0] * (size + 1), rel=0.05
    )


def test_title_says_when_it_formed_and_how_it_was_broken() -> None:
    assert (
        draw(trace_of(RING)).get_title() == "deadlock formed at 0.5 s, broken at 1.5 s (timed out)"
    )
    old = draw(trace_of(RING, "synchronous"))
    assert old.get_title() == "deadlock formed at 0.5 s, never broken"


def test_victims_are_pale_and_wait_for_what_a_member_holds() -> None:
    ax = draw(trace_of(ring(2, victims=3)))
    assert fills(ax) == {
        0: "#000000",
        1: "#000000",
        2: "#000000",
        3: "white",
        4: "white",
        5: "white",
    }
    assert arrows(ax)[3:] == [(3, 0), (4, 0), (5, 0)]
    assert "victim" in legend_of(ax)


def test_victim_that_is_served_waits_for_what_it_caused() -> None:
    behind = System(
        components=(
            *RING.components,
            ScriptedComponent("c", on_request={"go": (Call("a", "back"),)}),
        ),
        clients=(*RING.clients, Client((Call("c", "go"),), start_at=0.75)),
    )
    ax = draw(trace_of(behind))
    assert arrows(ax)[3:] == [(3, 4), (4, 0)]
    assert arrows(ax, "-")[2:] == [(3, 4)]


def test_deliveries_wait_in_their_inbox_and_the_first_for_its_component() -> None:
    listening = System(
        components=(
            ScriptedComponent("a", on_request={"go": (Call("a", "go"),)}, on_event={"news": ()}),
        ),
        subscriptions=(("a", "news"),),
        clients=(
            Client((Call("a", "go"),)),
            Client((Emit("news"), Emit("news")), start_at=1.0),
        ),
    )
    trace = trace_of(listening)
    first, second = trace.deliveries["id"]
    assert arrows(draw(trace))[2:] == [(first, 0), (second, first)]


def test_all_of_the_old_bus_waits_for_the_chain_that_has_it() -> None:
    elsewhere = System(
        components=(*RING.components, ScriptedComponent("c", on_request={"go": ()})),
        clients=(*RING.clients, Client((Call("c", "go"),), start_at=0.75)),
    )
    assert arrows(draw(trace_of(elsewhere, "synchronous")))[3:] == [(3, 0)]


def test_emitter_that_waits_for_its_own_handler_is_a_node() -> None:
    own = System(
        components=(
            ScriptedComponent("a", on_request={"go": (Emit("news"),)}, on_event={"news": ()}),
        ),
        subscriptions=(("a", "news"),),
        clients=(Client((Call("a", "go"),)),),
    )
    ax = draw(trace_of(own, "synchronous"))
    assert labels(ax) == {0: "go\nat a", 1: "news\nfrom a", 2: "news\nat a"}
    assert arrows(ax) == [(0, 1), (1, 2), (2, 0)]


def test_request_at_a_pool_waits_for_all_its_workers() -> None:
    pool = System(
        components=(
            ScriptedComponent(
                "a",
                admission=gl.pool(2),
                on_request={"go": (Wait(0.5), Call("b", "ask")), "back": ()},
            ),
            ScriptedComponent("b", admission=gl.pool(2), on_request={"ask": (Call("a", "back"),)}),
        ),
        clients=(Client((Call("a", "go"),)), Client((Call("a", "go"),))),
    )
    ax = draw(trace_of(pool))
    text = labels(ax)
    workers = {id for id in text if text[id] == "go\nat a"}
    queued = {id for id in text if text[id] == "back\nat a"}
    assert len(workers) == len(queued) == 2
    assert {arrow for arrow in arrows(ax) if arrow[0] in queued} == {*product(queued, workers)}


def test_only_the_nearest_victims_are_drawn_and_the_others_counted() -> None:
    ax = draw(trace_of(ring(2, victims=20)))
    assert sorted(labels(ax)) == list(range(11))
    assert "victim, and 12 more" in legend_of(ax)


def test_each_deadlock_has_its_number() -> None:
    twice = System(
        components=RING.components,
        clients=(*RING.clients, Client((Call("a", "go"),), start_at=2.0)),
    )
    assert draw(trace_of(twice), number=1).get_title().startswith("deadlock formed at 2.5 s")
    with pytest.raises(gl.LabError, match=r"^number=2: expected the row of one of 2 deadlocks$"):
        draw(trace_of(twice), number=2)


def test_messages_on_another_bus_are_one_node_without_an_id() -> None:
    recorded = recorder()
    report_request(recorded, 0)
    waits = [
        Edge(0, ELSEWHERE, "reply", "eve", 0.25),
        Edge(ELSEWHERE, 0, "event", "bob", 0.5),
    ]
    recorded.deadlock_formed(
        deadlock(members=(0, ELSEWHERE), components=("bob", "eve"), victims=[], waits=waits)
    )
    ax = draw(recorded.trace())
    assert texts(ax) == ["0", "ask\nat bob", "", "elsewhere\non another bus"]
    assert len(ax.patches) == 2
    assert legend_of(ax) == ["member", "waits for what it caused", "waits for an event"]


def test_without_recorded_waits_the_axes_say_so() -> None:
    recorded = recorder()
    recorded.deadlock_formed(deadlock(waits=[]))
    assert texts(draw(recorded.trace())) == ["the trace does not hold who waits for whom"]


def test_without_deadlocks_the_axes_say_so() -> None:
    ax = draw(trace_of(QUEUE))
    assert texts(ax) == ["no deadlock"]


def test_deadlock_of_an_emitter_needs_the_events() -> None:
    own = System(
        components=(ScriptedComponent("a", on_event={"news": (Emit("news"),)}),),
        subscriptions=(("a", "news"),),
        clients=(Client((Emit("news"),)),),
    )
    trace = trace_of(own, "synchronous")
    with pytest.raises(gl.LabError, match=r"^events=None: expected the trace's events: 2 is one$"):
        plot_wait_for_graph(trace.deadlocks, trace.requests, trace.deliveries)


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
@pytest.mark.parametrize("size", [1, 3, 9])
def test_nothing_overlaps_or_leaves_the_page(width: float, size: int) -> None:
    check_page(draw(trace_of(ring(size, victims=3)), ax=new_axes(width=width, height=80)))


def test_long_names_are_cut() -> None:
    long = "a" * 60
    system = System(
        components=(ScriptedComponent(long, on_request={"go": (Call(long, "go"),)}),),
        clients=(Client((Call(long, "go"),)),),
    )
    ax = draw(trace_of(system))
    assert all(label.endswith("…") for label in labels(ax).values())


def test_drawn_twice_it_is_the_same_image() -> None:
    check_repeats(lambda: draw(trace_of(ring(3, victims=3))))


@pytest.mark.parametrize("name", BUSES)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_arrows_between_members_are_those_of_a_brute_force(name: str, data: st.DataObject) -> None:
    make_bus, rules = BUSES[name]
    system = data.draw(systems(Choices(give_up=MOSTLY, fail=True)))
    recorder, record = gl.Recorder(), PlainRecord()
    seed = data.draw(st.integers(0, 3))
    for observer in (recorder, record):

        async def main(observer: gl.Observer = observer) -> None:
            async with make_bus(observer=observer) as bus:
                await system.run_on(bus)

        gl.run(main, seed=seed)
    history = History(record, system, rules)
    trace = recorder.trace()
    for number, row in enumerate(trace.deadlocks.to_dict("records")):
        if row["formed_at"] == row["broken_at"]:
            continue  # the brute force sees the end of each instant only
        members = set(row["members"])
        state = history.at(row["formed_at"])
        drawn = set(arrows(draw(trace, number=number)))
        assert {arrow for arrow in drawn if members.issuperset(arrow)} == {
            (member, holder) for member in members for holder in state.waits_for(member) & members
        }
