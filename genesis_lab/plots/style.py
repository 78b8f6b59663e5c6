"""One look for every figure: made for print, safe for colour-blind readers, and in grey as well.

The colours are those of Okabe and Ito (2008), which stay apart under every kind of colour
blindness. Whatever a colour says, a line style, a marker or a hatch says too. Importing this
changes no setting of matplotlib's.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.style import context
from matplotlib.transforms import ScaledTranslation

from genesis_lab.buses import ARCHITECTURES
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
# For further architectures: all but the last from Tol's muted scheme, which is as safe.
TEAL = "#44AA99"
INDIGO = "#332288"
ROSE = "#CC6677"
WINE = "#882255"
OLIVE = "#999933"
BROWN = "#664422"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one architecture, or one series of it, is drawn, in whatever kind of figure."""

    color: str
    linestyle: str | tuple[int, tuple[float, ...]]
    marker: str
    hatch: str
    fill: Literal["full", "none", "left", "right", "bottom"] = "full"
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
"""How the architectures look that have a look of their own, in every figure."""

FAMILY_COLORS = {"synchronous": VERMILLION, "hybrid": BLUE}
"""The colour of a family's other members."""

_SPARE_LOOKS = (
    Look(color=TEAL, linestyle=(0, (3, 1)), marker="P", hatch="+++"),
    Look(color=INDIGO, linestyle=(0, (8, 2)), marker="X", hatch="ooo"),
    Look(color=ROSE, linestyle=(0, (1, 2.5)), marker="<", hatch="---"),
    Look(color=WINE, linestyle=(0, (6, 1.5, 1.5, 1.5)), marker=">", hatch="|||"),
    Look(color=OLIVE, linestyle=(0, (3, 3)), marker="p", hatch="***"),
    Look(color=BROWN, linestyle=(0, (10, 2, 2, 2, 2, 2)), marker="h", hatch="OO"),
)
"""How further architectures look, in turn."""

ADMISSION_FILLS: dict[str, Literal["full", "none", "left", "right", "bottom"]] = {
    "serial": "full",
    "call_chain": "none",
    "re_entrant": "left",
    "interleaved": "right",
    "pool": "bottom",
}
_LEGEND_BELOW = 4.0
"""From the label of the x axis down to the legend [pt]."""


def architecture_looks(labels: Iterable[str]) -> dict[str, Look]:
    """How each of these labels looks in one figure that shows all of them.

    A label that `ARCHITECTURE_LOOKS` lacks gets a spare look: one that is registered always the
    same, any other by its place among those of the figure. Registered ones have the colour of their
    family. Beyond the spare looks, looks come again.

    Parameters
    ----------
    labels
        Names in `genesis_lab.ARCHITECTURES`, and any others, as of recorded data.

    Returns
    -------
    dict
        Each label once, in the order in which figures draw them: those with a look of their own,
        those that are registered, and the others as they come.
    """
    shown = dict.fromkeys(labels)
    every = dict.fromkeys([*ARCHITECTURE_LOOKS, *ARCHITECTURES, *shown])
    colors, spare = dict(FAMILY_COLORS), cycle(_SPARE_LOOKS)
    looks = {}
    for label in every:
        look = ARCHITECTURE_LOOKS.get(label)
        if look is None:
            look = next(spare)
            if label in ARCHITECTURES:
                color = colors.setdefault(ARCHITECTURES[label].family, look.color)
                look = replace(look, color=color)
        looks[label] = look
    return {label: look for label, look in looks.items() if label in shown}


def series_look(architecture: str, admission: str = "serial") -> Look:
    """How the measurements of one architecture, with components of one admission, are drawn.

    All of it comes from the architecture, but the part of the marker that is filled.

    Parameters
    ----------
    architecture
        As of `architecture_looks`, for a figure that shows one architecture.
    admission
        "serial", "call_chain", "interleaved", "re_entrant" or "pool(n)"; all pools look alike.

    Raises
    ------
    InvalidSetting
        The admission is none of these.
    """
    return filled(architecture_looks([architecture])[architecture], admission)


def filled(look: Look, admission: str) -> Look:
    """The look of an architecture with components of this admission."""
    kind = admission.partition("(")[0]
    check_choice("admission", kind, tuple(ADMISSION_FILLS))
    return replace(look, fill=ADMISSION_FILLS[kind])


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
