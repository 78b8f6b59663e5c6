"""Texts inside of figures: how wide they are, and how they are made to fit.

Lengths are in mm on the page, sizes of letters in points.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from genesis_lab.plots.style import figure_of, lay_out, new_axes, paper

POINT = 25.4 / 72
"""A point [mm]."""
LINE = 1.2
"""From one line of text down to the next, in sizes of its letters."""


def room_of(ax: Axes) -> tuple[float, float]:
    """The width and height of the axes as they are laid out now [mm]."""
    figure = figure_of(ax)
    lay_out(figure)
    box = ax.get_window_extent()
    return box.width / figure.dpi * 25.4, box.height / figure.dpi * 25.4


def text_width(text: str, size: float) -> float:
    """How wide a line of text is in the style's font [mm]."""
    with _ruler(size) as width_of:
        return width_of(text)


def cut(text: str, width: float, size: float) -> str:
    """The text, or as many of its first letters as fit, and an ellipsis."""
    with _ruler(size) as width_of:
        return _cut(text, width, width_of)


def wrapped(text: str, width: float, size: float) -> str:
    """The text in lines that fit; a word that is too long for one is cut."""
    lines: list[str] = []
    with _ruler(size) as width_of:
        for word in text.split():
            if lines and width_of(f"{lines[-1]} {word}") <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(_cut(word, width, width_of))
    return "\n".join(lines)


@contextmanager
def _ruler(size: float) -> Iterator[Callable[[str], float]]:
    """Measures lines of text in the style's font: the style is entered once for all of them."""

    def width_of(text: str) -> float:
        width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
        return float(width) * POINT

    with paper():
        font = FontProperties(size=size)
        yield width_of


def _cut(text: str, width: float, width_of: Callable[[str], float]) -> str:
    if width_of(text) <= width:
        return text
    letters = len(text) - 1
    while letters > 1 and width_of(f"{text[:letters]}…") > width:
        letters -= 1
    return f"{text[:letters]}…"


def say(text: str, ax: Axes | None) -> Axes:
    """Axes with nothing but a sentence, where there is nothing to draw."""
    if ax is None:
        ax = new_axes(height=20.0)
    with paper():
        ax.set_axis_off()
        ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center")
    return ax
