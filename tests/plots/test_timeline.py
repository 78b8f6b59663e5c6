from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.patches import FancyArrowPatch, Rectangle

import genesis_lab as gl
from genesis_lab.plots import ONE_COLUMN, TWO_COLUMNS, new_axes, plot_timeline
from genesis_lab.plots.style import figure_of, width_of
from genesis_lab.workloads.scripted import Call, Client, ScriptedComponent, System, Wait
from tests.plots.scenes import AT_ONCE, LISTENING, QUEUE, RING, trace_of


def draw(trace: gl.Trace, *, start: float = 0.0, end: float = 4.0, **settings: Any) -> Axes:
    return plot_timeline(
        trace.requests,
        trace.deliveries,
        events=trace.events,
        deadlocks=trace.deadlocks,
        start=start,
        end=end,
        **settings,
    )


def bars(ax: Axes) -> dict[str, list[tuple[float, float]]]:
    """From when to when each bar goes, by state."""
    return {
        str(container.get_label()): [
            (bar.get_x(), bar.get_x() + bar.get_width()) for bar in container.patches
        ]
        for container in ax.containers
        if isinstance(container, BarContainer)
    }


def entries(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def dashed(ax: Axes) -> list[float]:
    """Where the lines of the deadlocks are."""
    lines = [line for line in ax.lines if line.get_linestyle() == "--"]
    return [float(np.asarray(line.get_xdata())[0]) for line in lines]


def arrows(ax: Axes) -> list[FancyArrowPatch]:
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def markers(ax: Axes) -> dict[str, list[float]]:
    """When messages that took no time came, by what the marker says."""
    return {
        str(line.get_label()): np.asarray(line.get_xdata()).tolist()
        for line in ax.lines
        if line.get_marker() not in {"None", ""}
    }


def test_each_component_has_a_lane_from_the_top_in_order_of_its_first_message() -> None:
    ax = draw(trace_of(LISTENING))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_yticks().tolist() == [0.5, 1.5]
    assert ax.yaxis_inverted()


def test_axes_show_the_window_in_seconds() -> None:
    ax = draw(trace_of(QUEUE), start=0.5, end=2.5)
    assert ax.get_xlim() == (0.5, 2.5)
    assert ax.get_xlabel() == "time since the bus opened [s]"


def test_each_state_has_its_bars() -> None:
    assert bars(draw(trace_of(QUEUE))) == {
        "waiting": [(0.25, 1.0), (1.5, 2.0)],
        "serving": [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)],
    }


def test_messages_that_overlap_are_stacked_within_their_lane() -> None:
    ax = draw(trace_of(QUEUE))
    rectangles = [bar for bar in ax.patches if isinstance(bar, Rectangle)]
    middles = {bar.get_y() + bar.get_height() / 2 for bar in rectangles}
    assert sorted(middles) == pytest.approx([0.375, 1.125])
    assert all(bar.get_height() < 0.75 for bar in rectangles)


def test_lane_of_a_long_queue_stays_within_its_height() -> None:
    crowd = System(
        components=(ScriptedComponent("a", on_request={"go": (Wait(1.0),)}),),
        clients=tuple(Client((Call("a", "go", timeout=None),)) for _ in range(30)),
    )
    assert draw(trace_of(crowd), end=40.0).get_ylim() == (4.0, 0.0)


def test_deadlock_that_was_broken_is_marked_at_the_instant_it_formed() -> None:
    ax = draw(trace_of(RING, "hybrid"))
    assert dashed(ax) == [0.5]
    assert entries(ax)[-1] == "deadlock, broken after 1 s (timed_out)"
    assert bars(ax)["blocked"] == [(0.5, 1.5), (0.5, 1.5)]


def test_deadlock_that_holds_goes_on_to_the_right_edge() -> None:
    ax = draw(trace_of(RING, "synchronous"))
    assert dashed(ax) == [0.5]
    assert entries(ax)[-1] == "deadlock, never broken"
    assert bars(ax) == {
        "waiting": [(0.5, 4.0)],
        "serving": [(0.0, 0.5)],
        "blocked": [(0.5, 4.0), (0.5, 4.0)],
    }


def test_arrows_lead_from_each_member_to_the_one_it_waits_for() -> None:
    ax = draw(trace_of(RING))
    # Rows of a at 0.375 and 1.125, b's one at 2: a waits for b, b for a, that one for the first.
    ends = [arrow._posA_posB for arrow in arrows(ax)]  # type: ignore[attr-defined]
    assert ends == [
        [(0.5, 0.375), (0.5, 2.0)],
        [(0.5, 2.0), (0.5, 1.125)],
        [(0.5, 1.125), (0.5, 0.375)],
    ]


def test_deadlocks_outside_the_window_are_not_marked() -> None:
    ax = draw(trace_of(RING), start=0.75, end=1.25)
    assert dashed(ax) == []
    assert arrows(ax) == []


def test_several_deadlocks_are_counted_in_one_entry() -> None:
    twice = System(
        components=RING.components,
        clients=(*RING.clients, Client((Call("a", "go"),), start_at=2.0)),
    )
    ax = draw(trace_of(twice))
    assert dashed(ax) == [0.5, 2.5]
    assert entries(ax) == ["waiting", "serving", "blocked", "2 deadlocks"]


def test_emitter_that_waits_for_itself_is_marked_without_an_arrow_for_its_event() -> None:
    own = System(
        components=LISTENING.components,
        subscriptions=(("a", "news"),),
        clients=LISTENING.clients,
    )
    trace = trace_of(own, "synchronous")
    [members] = trace.deadlocks["members"]
    drawn = {*trace.requests["id"], *trace.deliveries["id"]} & set(members)
    ax = draw(trace)
    assert dashed(ax) == [0.0]
    assert len(members) > len(drawn) == len(arrows(ax))


def test_message_that_takes_no_time_is_a_mark() -> None:
    ax = draw(trace_of(AT_ONCE))
    assert markers(ax) == {"served at once": [1.0]}
    assert bars(ax) == {}
    assert entries(ax) == ["served at once"]


def test_request_to_nobody_is_a_mark_of_its_own() -> None:
    nobody = System(components=(), clients=(Client((Call("x", "go"),), start_at=1.0),))
    ax = draw(trace_of(nobody))
    assert markers(ax) == {"never served": [1.0]}


def test_bars_say_what_they_are_about_where_there_is_room() -> None:
    ax = draw(trace_of(RING))
    assert sorted(text.get_text() for text in ax.texts) == ["ask", "back", "go"]
    narrow = draw(trace_of(RING), end=400.0)
    assert list(narrow.texts) == []


def test_empty_window_is_an_empty_figure() -> None:
    ax = draw(trace_of(QUEUE), start=5.0, end=6.0)
    assert (bars(ax), entries(ax), list(ax.get_yticklabels())) == ({}, [], [])


def test_timeline_is_drawn_where_it_is_told() -> None:
    ax = new_axes()
    assert draw(trace_of(QUEUE), ax=ax) is ax
    assert width_of(draw(trace_of(QUEUE))) == pytest.approx(TWO_COLUMNS)


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_legend_is_outside_of_the_axes_and_within_the_figure(width: float) -> None:
    ax = draw(trace_of(RING), ax=new_axes(width=width))
    figure = figure_of(ax)
    figure.draw_without_rendering()
    legend, axes, page = ax.get_legend(), ax.get_window_extent(), figure.bbox
    assert legend is not None
    box, label = legend.get_window_extent(), ax.xaxis.label.get_window_extent()
    assert box.y1 < label.y0 < axes.y0
    assert page.x0 <= box.x0 < box.x1 <= page.x1
    assert page.y0 <= box.y0


def test_window_that_ends_before_it_starts_is_refused() -> None:
    trace = trace_of(QUEUE)
    with pytest.raises(gl.LabError, match=r"^end=1\.0: expected more than start=2\.0$"):
        draw(trace, start=2.0, end=1.0)
