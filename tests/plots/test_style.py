import subprocess
import sys

import matplotlib as mpl
import pytest

import genesis_lab as gl
from genesis_lab.plots import (
    ARCHITECTURE_LOOKS,
    ONE_COLUMN,
    TWO_COLUMNS,
    architecture_looks,
    new_axes,
    paper,
    series_look,
)
from genesis_lab.plots.style import figure_of, width_of


@pytest.mark.parametrize("channel", ["color", "linestyle", "marker", "hatch"])
def test_each_channel_alone_tells_the_architectures_apart(channel: str) -> None:
    looks = architecture_looks([*ARCHITECTURE_LOOKS, *"abcdef"])
    assert len(looks) == len(ARCHITECTURE_LOOKS) + 6
    assert len({getattr(look, channel) for look in looks.values()}) == len(looks)


def test_architectures_with_a_look_of_their_own_have_it_in_every_figure() -> None:
    looks = architecture_looks(["new", *reversed(ARCHITECTURE_LOOKS)])
    assert {name: looks[name] for name in ARCHITECTURE_LOOKS} == ARCHITECTURE_LOOKS
    assert [*looks] == [*ARCHITECTURE_LOOKS, "new"]


def test_unknown_label_looks_the_same_in_each_figure_with_the_same_ones_before_it() -> None:
    first = architecture_looks(["b", "hybrid", "a"])
    assert architecture_looks(["b", "a", "c"])["a"] == first["a"] != first["b"]
    assert architecture_looks(["a"])["a"] == series_look("a") == first["b"]


def test_more_unknown_labels_than_looks_begin_again() -> None:
    looks = [*architecture_looks(f"label {number}" for number in range(7)).values()]
    assert looks[6] == looks[0]
    assert looks[5] not in looks[:5]


def test_registered_member_of_a_family_has_its_color_and_another_marker_and_line() -> None:
    gl.add_architecture("mine", gl.HybridCoordinator, family="hybrid")
    mine, hybrid = series_look("mine"), series_look("hybrid")
    assert mine.color == hybrid.color
    for channel in ("marker", "linestyle", "hatch"):
        taken = [getattr(look, channel) for look in ARCHITECTURE_LOOKS.values()]
        assert getattr(mine, channel) not in taken


def test_members_of_a_new_family_share_a_color_of_its_own() -> None:
    for name in ("stacked", "stacked-strictly"):
        gl.add_architecture(name, gl.HybridCoordinator, family="stacked")
    one, other = series_look("stacked"), series_look("stacked-strictly")
    assert one.color == other.color
    assert one.color not in {look.color for look in ARCHITECTURE_LOOKS.values()}
    assert one.marker != other.marker
    assert one.linestyle != other.linestyle


def test_registered_architecture_looks_the_same_whatever_else_is_in_the_figure() -> None:
    gl.add_architecture("first", gl.HybridCoordinator)
    gl.add_architecture("second", gl.HybridCoordinator)
    alone = series_look("second")
    assert architecture_looks(["unknown", "second", "first"])["second"] == alone
    assert architecture_looks(["unknown", "second"])["unknown"] != alone


def test_style_lasts_as_long_as_its_context() -> None:
    with mpl.rc_context({"font.size": 20.0}):
        with paper():
            assert mpl.rcParams["font.size"] == 7.0
        assert mpl.rcParams["font.size"] == 20.0


def test_style_does_not_depend_on_whoever_draws() -> None:
    with mpl.rc_context({"axes.facecolor": "black"}), paper():
        assert mpl.rcParams["axes.facecolor"] == "white"


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_new_axes_are_as_wide_as_the_column(width: float) -> None:
    ax = new_axes(width=width, height=50.8)
    assert width_of(ax) == pytest.approx(width)
    assert figure_of(ax).get_figheight() == pytest.approx(2.0)


def test_drawing_changes_no_setting_and_loads_no_pyplot() -> None:
    code = (
        "import matplotlib, sys\n"
        # Reading the backend would choose one, and load pyplot for it.
        "def settings():\n"
        "    return [(name, matplotlib.rcParams[name]) for name in names if name != 'backend']\n"
        "names = list(matplotlib.rcParams)\n"
        "before = settings()\n"
        "from genesis_lab.plots import new_axes\n"
        "new_axes().plot([1, 2])\n"
        "assert settings() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
