"""One look for every figure: made for print, safe for colour-blind readers, and in grey as well.

The colours are those of Okabe and Ito (2008), which stay apart under every kind of colour
blindness. Whatever a colour says, a line style, a marker or a hatch says too. Importing this
changes no setting of matplotlib's.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context

ONE_COLUMN = 85.0
"""The width of a figure in one column of a page [mm]."""
TWO_COLUMNS = 178.0
"""The width of one across the page [mm]."""

_INCH = 25.4  # mm

BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one architecture is drawn, in whatever kind of figure."""

    color: str
    linestyle: str | tuple[int, tuple[int, ...]]
    marker: str
    hatch: str


# Yellow, green and purple are left to the states of a message, so that no figure needs a colour for
# two things.
ARCHITECTURE_LOOKS = {
    "synchronous": Look(color=VERMILLION, linestyle="-", marker="o", hatch=""),
    "synchronous-component": Look(color=ORANGE, linestyle="--", marker="s", hatch="///"),
    "hybrid": Look(color=BLUE, linestyle="-.", marker="^", hatch="..."),
    "hybrid-awaited": Look(color=SKY_BLUE, linestyle=":", marker="D", hatch="\\\\\\"),
    "hybrid-raise": Look(color=BLACK, linestyle=(0, (5, 1, 1, 1, 1, 1)), marker="v", hatch="xxx"),
}
"""How each of `genesis_lab.ARCHITECTURES` looks, in every figure."""


def paper() -> AbstractContextManager[None]:
    """The style for as long as the context lasts; what it was before comes back afterwards.

    It begins from matplotlib's defaults, so that a figure looks the same whoever draws it.
    """
    return context(
        {
            "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
            "font.size": 7,
            "axes.titlesize": 8,
            "axes.linewidth": 0.6,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.formatter.useoffset": False,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "lines.linewidth": 1.0,
            "patch.linewidth": 0.25,
            "hatch.linewidth": 0.4,
            "legend.frameon": False,
            "savefig.dpi": 300,
            "pdf.fonttype": 42,  # TrueType, embedded: journals refuse the default, Type 3
            "svg.fonttype": "path",
            "svg.hashsalt": "genesis_lab",  # otherwise ids in the file are random
        },
        after_reset=True,
    )


def new_axes(*, width: float = ONE_COLUMN, height: float = 60.0) -> Axes:
    """Empty axes, alone on a new figure that makes room for whatever stands around them.

    Parameters
    ----------
    width, height
        Of the figure [mm].
    """
    with paper():
        figure = Figure(figsize=(width / _INCH, height / _INCH), layout="constrained")
        FigureCanvasAgg(figure)
        return figure.add_subplot()


def figure_of(ax: Axes) -> Figure:
    """The whole figure that the axes are on."""
    figure = ax.get_figure(root=True)
    assert figure is not None, "axes are made on a figure"
    return figure


def width_of(ax: Axes) -> float:
    """The width of the figure that the axes are on [mm]."""
    return figure_of(ax).get_figwidth() * _INCH
