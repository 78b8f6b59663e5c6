import math
from collections.abc import Hashable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

import genesis_lab as gl
from genesis_lab.plots import ONE_COLUMN, TWO_COLUMNS, new_axes, plot_attribution
from tests.plots.looks import check_page, check_repeats, texts

ADMISSIONS = ("serial", "call_chain", "re_entrant", "pool(2)")
TIMEOUTS = (None, 5.0, 0.5)


def cell(
    delivery: str = "concurrent",
    admission: str = "serial",
    timeout: float | None = 1.0,
    verdict: str = "masked",
    latency: float = math.nan,
) -> dict[Hashable, object]:
    return {
        "delivery": delivery,
        "admission": admission,
        "timeout": timeout,
        "verdict": verdict,
        "latency": latency,
    }


FACTORIAL = pd.DataFrame(
    [
        cell(delivery, admission, timeout, "masked" if timeout else "neither", timeout or math.nan)
        for delivery in ("concurrent", "awaited")
        for admission in ADMISSIONS
        for timeout in TIMEOUTS
    ]
)


def cells(ax: Axes) -> dict[tuple[float, float], str]:
    """The face of each cell, by its corner."""
    return {
        patch.get_xy(): to_hex(patch.get_facecolor())
        for patch in ax.patches
        if isinstance(patch, Rectangle)
    }


def words(ax: Axes) -> dict[tuple[float, float], str]:
    """What is written into each cell."""
    return {
        (x - 0.5, y - 0.5): text.get_text()
        for text in ax.texts
        for x, y in [text.get_position()]
        if text.get_verticalalignment() == "center"
    }


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("cured", "✓ cured"), ("masked", "◐ masked"), ("neither", "✗ neither")],
)
def test_verdict_is_a_symbol_a_word_and_a_grey(verdict: str, expected: str) -> None:
    ax = plot_attribution(pd.DataFrame([cell(verdict=verdict)]))
    assert words(ax) == {(0.0, 0.0): expected}
    greys = {"cured": "#ffffff", "masked": "#cccccc", "neither": "#4c4c4c"}
    assert cells(ax) == {(0.0, 0.0): greys[verdict]}


def test_latency_paid_is_shown_where_it_is_a_number() -> None:
    ax = plot_attribution(
        pd.DataFrame([cell(timeout=1.0, latency=0.25), cell(timeout=2.0, verdict="neither")])
    )
    assert list(words(ax).values()) == ["◐ masked\n0.25 s", "✗ neither"]
    without = plot_attribution(pd.DataFrame([cell(latency=0.25)]).drop(columns="latency"))
    assert list(words(without).values()) == ["◐ masked"]


def test_timeouts_are_in_order_with_no_limit_last() -> None:
    ax = plot_attribution(FACTORIAL)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "5", "none"]
    assert ax.get_xlabel() == "timeout [s]"


@pytest.mark.parametrize("no_limit", [None, math.nan, math.inf])
def test_no_limit_is_none_or_nan_or_infinite(no_limit: float | None) -> None:
    ax = plot_attribution(pd.DataFrame([cell(timeout=no_limit)]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["none"]


def test_admissions_go_down_in_the_order_of_the_frame() -> None:
    ax = plot_attribution(FACTORIAL[FACTORIAL["delivery"] == "awaited"])
    assert [label.get_text() for label in ax.get_yticklabels()] == list(ADMISSIONS)
    assert ax.yaxis_inverted()


def test_deliveries_are_below_each_other_in_one_column_and_side_by_side_across_two() -> None:
    narrow = plot_attribution(FACTORIAL)
    assert {x for x, _ in cells(narrow)} == {0.0, 1.0, 2.0}
    assert len(cells(narrow)) == len(FACTORIAL)
    wide = plot_attribution(FACTORIAL, ax=new_axes(width=TWO_COLUMNS))
    assert {y for _, y in cells(wide)} == {0.0, 1.0, 2.0, 3.0}
    assert len(cells(wide)) == len(FACTORIAL)
    for ax in (narrow, wide):
        assert texts(ax)[:2] == ["delivery: concurrent", "delivery: awaited"]


def test_combination_that_was_not_tried_has_no_cell() -> None:
    ax = plot_attribution(FACTORIAL.drop(index=0), ax=new_axes(width=TWO_COLUMNS))
    assert len(cells(ax)) == len(FACTORIAL) - 1
    assert (2.0, 0.0) not in cells(ax)


def test_empty_frame_is_said_to_be_so() -> None:
    assert texts(plot_attribution(FACTORIAL.iloc[:0])) == ["no combination was tried"]


def test_verdict_of_another_kind_is_refused() -> None:
    with pytest.raises(
        gl.LabError, match=r"^verdict='solved': expected 'cured' or 'masked' or 'neither'$"
    ):
        plot_attribution(pd.DataFrame([cell(verdict="solved")]))


def test_combination_with_two_verdicts_is_refused() -> None:
    twice = pd.DataFrame([cell(timeout=np.inf), cell(timeout=None, verdict="cured")])
    with pytest.raises(
        gl.LabError, match=r"^combination=\('concurrent', 'serial', inf\): expected one row each$"
    ):
        plot_attribution(twice)


def test_it_fits_the_page() -> None:
    check_page(plot_attribution(FACTORIAL))
    check_page(plot_attribution(FACTORIAL, ax=new_axes(width=TWO_COLUMNS)))
    many = FACTORIAL.assign(timeout=FACTORIAL.groupby(["delivery", "admission"]).cumcount() * 1.0)
    extra = many.assign(timeout=many["timeout"] + 3)
    check_page(plot_attribution(pd.concat([many, extra]), ax=new_axes(width=ONE_COLUMN, height=90)))


def test_drawn_twice_it_is_the_same_image() -> None:
    check_repeats(lambda: plot_attribution(FACTORIAL))
