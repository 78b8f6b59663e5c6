import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer

import genesis_lab as gl
from genesis_lab.plots import TWO_COLUMNS, new_axes, plot_outcomes
from tests.plots.curves import legend_of
from tests.plots.looks import check_page, check_repeats, texts

SHARES = pd.DataFrame(
    [
        ("synchronous", "pending", 0.75),
        ("synchronous", "answered", 0.25),
        ("hybrid", "timed_out", 0.125),
        ("hybrid", "answered", 0.5),
        ("hybrid", "failed", 0.375),
    ],
    columns=["condition", "outcome", "share"],
)
ALL = pd.DataFrame(
    {"condition": "all", "outcome": [outcome.label for outcome in gl.Outcome], "count": 100}
)


def bars(ax: Axes) -> list[list[tuple[float, float]]]:
    """From where to where each outcome goes, condition by condition."""
    return [
        [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in container.patches]
        for container in ax.containers
        if isinstance(container, BarContainer)
    ]


def test_outcomes_are_stacked_in_their_order_whatever_that_of_the_frame() -> None:
    ax = plot_outcomes(SHARES)
    assert legend_of(ax) == ["answered", "timed out", "failed", "pending"]
    assert bars(ax) == [
        [(0.0, 0.25), (0.0, 0.5)],
        [(0.25, 0.25), (0.5, 0.625)],
        [(0.25, 0.25), (0.625, 1.0)],
        [(0.25, 1.0), (1.0, 1.0)],
    ]


def test_conditions_go_down_in_the_order_of_the_frame() -> None:
    ax = plot_outcomes(SHARES)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["synchronous", "hybrid"]
    assert ax.yaxis_inverted()


def test_shares_go_up_to_one_and_counts_as_far_as_they_go() -> None:
    ax = plot_outcomes(SHARES)
    assert (ax.get_xlim(), ax.get_xlabel()) == ((0.0, 1.0), "share of messages")
    ax = plot_outcomes(ALL)
    assert ax.get_xlim()[1] >= 100 * len(gl.Outcome)
    assert ax.get_xlabel() == "messages"


def test_numbers_stand_where_there_is_room() -> None:
    assert texts(plot_outcomes(SHARES)) == ["25%", "50%", "12%", "38%", "75%"]
    sliver = pd.DataFrame(
        [("a", "answered", 9_990), ("a", "failed", 10)], columns=["condition", "outcome", "count"]
    )
    assert texts(plot_outcomes(sliver)) == ["9,990"]


def test_rows_of_the_same_condition_and_outcome_add_up() -> None:
    twice = pd.DataFrame({"condition": "a", "outcome": "answered", "count": [3, 4]})
    assert bars(plot_outcomes(twice)) == [[(0.0, 7.0)]]


def test_no_two_outcomes_look_alike_without_colour() -> None:
    ax = plot_outcomes(ALL)
    looks = set()
    for container in ax.containers:
        assert isinstance(container, BarContainer)
        face = to_hex(container.patches[0].get_facecolor())
        assert face[1:3] == face[3:5] == face[5:7], "a grey"
        looks.add((face, container.patches[0].get_hatch()))
    assert len(looks) == len(gl.Outcome)


def test_outcome_looks_the_same_whatever_else_there_is() -> None:
    alone = plot_outcomes(SHARES[SHARES["outcome"] == "pending"]).patches[0]
    among = plot_outcomes(SHARES).patches[-1]
    assert (alone.get_facecolor(), alone.get_hatch()) == (among.get_facecolor(), among.get_hatch())


def test_categories_of_a_trace_are_outcomes_too() -> None:
    words = [outcome.label for outcome in gl.Outcome]
    frame = SHARES.assign(outcome=pd.Categorical(SHARES["outcome"], words))
    assert bars(plot_outcomes(frame)) == bars(plot_outcomes(SHARES))


def test_empty_frame_is_said_to_be_so() -> None:
    assert texts(plot_outcomes(SHARES.iloc[:0])) == ["no messages"]


def test_outcome_that_there_is_not_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^outcome='lost': expected 'answered' or 'handled' or "):
        plot_outcomes(SHARES.assign(outcome="lost"))


def test_it_fits_the_page() -> None:
    long = pd.concat([SHARES, ALL.rename(columns={"count": "share"}).assign(share=1 / 11)])
    long = long.replace({"hybrid": "hybrid, re_entrant, delivery awaited, no limit"})
    check_page(plot_outcomes(long))
    check_page(plot_outcomes(long, ax=new_axes(width=TWO_COLUMNS)))


def test_drawn_twice_it_is_the_same_image() -> None:
    check_repeats(lambda: plot_outcomes(SHARES))
