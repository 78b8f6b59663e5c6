import math
from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.axes import Axes

import genesis_lab as gl
from genesis_lab.plots import TWO_COLUMNS, figure_of, new_axes, plot_scoreboard
from genesis_lab.plots.style import width_of
from tests.plots.looks import check_page, check_repeats, texts

ROW = {
    "claim": "Circular calls no longer deadlock.",
    "experiment": "circular",
    "measured": "runs without a deadlock",
    "effect": 12.345,
    "low": 10.0,
    "high": 14.56,
    "unit": "x",
    "verdict": "refuted",
    "sentence": "The ring of serial components deadlocks in 20 of 20 runs; the timeout ends it.",
}
CLAIMS = pd.DataFrame(
    [
        ROW | {"claim": f"{number}: {ROW['claim']}", "verdict": verdict}
        for number in range(4)
        for verdict in ("holds", "holds with a condition", "refuted")
    ]
)


def rows(ax: Axes) -> list[list[str]]:
    """The texts row by row, lines joined."""
    by_height: dict[float, list[str]] = {}
    for text in ax.texts:
        by_height.setdefault(text.get_position()[1], []).append(text.get_text().replace("\n", " "))
    return [by_height[height] for height in sorted(by_height)]


def row(**changes: object) -> list[str]:
    return rows(plot_scoreboard(pd.DataFrame([ROW | changes])))[1]


def test_claims_are_rows_below_a_header_in_the_order_of_the_frame() -> None:
    header, *claims = rows(plot_scoreboard(CLAIMS))
    assert header == ["claim", "verdict", "measured", "why"]
    assert [claim[0] for claim in claims] == [f"{claim} (circular)" for claim in CLAIMS["claim"]]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("holds", "✓ holds"),
        ("holds with a condition", "◐ holds with a condition"),
        ("refuted", "✗ refuted"),
    ],
)
def test_verdict_is_a_symbol_and_words(verdict: str, expected: str) -> None:
    assert row(verdict=verdict)[1] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "12.3× [10, 14.6] runs without a deadlock"),  # noqa: RUF001  # a ratio
        ({"unit": "s"}, "12.3 s [10, 14.6] runs without a deadlock"),
        ({"unit": ""}, "12.3 [10, 14.6] runs without a deadlock"),
        ({"low": math.nan, "high": math.nan}, "12.3× runs without a deadlock"),  # noqa: RUF001
        ({"effect": math.nan}, "runs without a deadlock"),
    ],
)
def test_effect_has_its_unit_its_interval_and_its_words(
    changes: dict[str, object], expected: str
) -> None:
    assert row(**changes)[2] == expected


@pytest.mark.parametrize("unit", ["", math.nan, None])
def test_share_has_no_unit_also_when_it_comes_from_a_file(unit: object) -> None:
    _, _, measured, *_ = row(effect=0.25, low=0.2, high=0.3, unit=unit)
    assert measured == f"0.25 [0.2, 0.3] {ROW['measured']}"


def test_columns_stand_apart_when_letters_are_made_of_pixels() -> None:
    ax = plot_scoreboard(CLAIMS.assign(claim="A slow component no longer holds up the others."))
    for dpi in (100, 300):
        figure_of(ax).set_dpi(dpi)
        figure_of(ax).draw_without_rendering()
        boxes = [text.get_window_extent() for text in ax.texts]
        edges = sorted({round(box.x0) for box in boxes})
        for left, right in pairwise(edges):
            ends = max(box.x1 for box in boxes if round(box.x0) == left)
            assert (right - ends) / dpi * 25.4 > 1.0  # mm


def test_effect_may_do_without_words() -> None:
    ax = plot_scoreboard(pd.DataFrame([ROW]).drop(columns="measured"))
    assert rows(ax)[1][2] == "12.3× [10, 14.6]"  # noqa: RUF001  # a ratio


def test_sentence_and_experiment_are_there_across_two_columns_only() -> None:
    assert row()[3] == ROW["sentence"]
    narrow = rows(plot_scoreboard(CLAIMS, ax=new_axes(height=140)))
    assert narrow[0] == ["claim", "verdict", "measured"]
    assert narrow[1][0] == CLAIMS["claim"][0]


def test_figure_of_its_own_is_as_high_as_its_texts() -> None:
    short, long = plot_scoreboard(CLAIMS[:3]), plot_scoreboard(CLAIMS)
    assert width_of(short) == pytest.approx(TWO_COLUMNS)
    heights = [figure_of(ax).get_figheight() for ax in (short, long)]
    assert heights[0] < heights[1]


def test_empty_frame_is_said_to_be_so() -> None:
    assert texts(plot_scoreboard(CLAIMS.iloc[:0])) == ["no claim was tested"]


def test_verdict_of_another_kind_is_refused() -> None:
    with pytest.raises(
        gl.LabError,
        match=r"^verdict='proven': expected 'holds' or 'holds with a condition' or 'refuted'$",
    ):
        plot_scoreboard(CLAIMS.assign(verdict="proven"))


def test_it_fits_the_page() -> None:
    check_page(plot_scoreboard(CLAIMS))
    check_page(plot_scoreboard(CLAIMS, ax=new_axes(height=150)))


def test_drawn_twice_it_is_the_same_image() -> None:
    check_repeats(lambda: plot_scoreboard(CLAIMS))
