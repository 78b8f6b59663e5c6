import subprocess
import sys

import matplotlib as mpl
import pytest

import genesis_lab as gl
from genesis_lab.plots import ARCHITECTURE_LOOKS, ONE_COLUMN, TWO_COLUMNS, new_axes, paper
from genesis_lab.plots.style import figure_of, width_of


@pytest.mark.parametrize("channel", ["color", "linestyle", "marker", "hatch"])
def test_each_channel_alone_tells_the_architectures_apart(channel: str) -> None:
    assert set(ARCHITECTURE_LOOKS) == set(gl.ARCHITECTURES)
    values = {getattr(look, channel) for look in ARCHITECTURE_LOOKS.values()}
    assert len(values) == len(ARCHITECTURE_LOOKS)


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
