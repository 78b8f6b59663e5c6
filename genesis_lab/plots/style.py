"""One look for every figure: made for print, safe for colour-blind readers, and in grey as well.

The colours are those of Okabe and Ito (2008), which stay apart under every kind of colour
blindness. Whatever a colour says, a line style, a marker or a hatch says too. Importing this
changes no setting of matplotlib's.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.style import context
from matplotlib.transforms import ScaledTranslation

from genesis_lab.errors import check_choice

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
GREY = "#666666"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one architecture, or one series of it, is drawn, in whatever kind of figure."""

    color: str
    linestyle: str | tuple[int, tuple[int, ...]]
    marker: str
    hatch: str
    fill: Literal["full", "none", "left", "bottom"] = "full"
    """Which part of the marker is filled: it says the admission."""


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

ADMISSION_FILLS: dict[str, Literal["full", "none", "left", "bottom"]] = {
    "serial": "full",
    "call_chain": "none",
    "re_entrant": "left",
    "pool": "bottom",
}
_LEGEND_BELOW = 4.0
"""From the label of the x axis down to the legend [pt]."""


def series_look(architecture: str, admission: str = "serial") -> Look:
    """How the measurements of one architecture, with components of one admission, are drawn.

    All of it comes from the architecture, but the part of the marker that is filled.

    Parameters
    ----------
    architecture
        A name in `genesis_lab.ARCHITECTURES`.
    admission
        "serial", "call_chain", "re_entrant" or "pool(n)"; pools look alike, whatever their size.

    Raises
    ------
    InvalidSetting
        The architecture or the admission is none of these.
    """
    check_choice("architecture", architecture, tuple(ARCHITECTURE_LOOKS))
    kind = admission.partition("(")[0]
    check_choice("admission", kind, tuple(ADMISSION_FILLS))
    return replace(ARCHITECTURE_LOOKS[architecture], fill=ADMISSION_FILLS[kind])


def series_label(architecture: str, admission: str = "serial", *, is_only: bool = True) -> str:
    """What a legend calls them: the architecture, and the admission.

    The admission is left out if it is serial, and the architecture has no other in the figure.
    """
    return architecture if is_only and admission == "serial" else f"{architecture}, {admission}"


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


def lay_out(figure: Figure) -> None:
    """Give everything on the figure its place; before that, no extent is known."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def width_of(ax: Axes) -> float:
    """The width of the figure that the axes are on [mm]."""
    return figure_of(ax).get_figwidth() * _INCH


def add_legend(ax: Axes, handles: Sequence[Artist], labels: Sequence[str]) -> Legend:
    """A legend below the axes and the label of their x axis, in as many columns as fit there.

    Call it last: how much fits depends on what else is drawn.
    """
    figure = figure_of(ax)
    lay_out(figure)
    whole, x_axis = ax.get_tightbbox(), ax.xaxis.get_tightbbox()
    assert whole is not None, "the axes are visible"
    assert x_axis is not None, "their x axis is, too"
    below = (x_axis.y0 - ax.get_window_extent().y0) / figure.dpi - _LEGEND_BELOW / 72
    for ncols in range(max(len(labels), 1), 0, -1):
        legend = ax.legend(
            handles,
            labels,
            loc="upper right",
            bbox_to_anchor=(1, 0),
            bbox_transform=ax.transAxes + ScaledTranslation(0, below, figure.dpi_scale_trans),
            ncols=ncols,
            borderpad=0,
            borderaxespad=0,
            columnspacing=1.2,
            handlelength=3.6,
        )
        if legend.get_window_extent().width <= whole.width:
            break
    return legend
