"""What figures are held to: texts on the page and apart from each other, the same image twice."""

from collections.abc import Callable
from io import BytesIO
from itertools import combinations

from matplotlib.axes import Axes

from genesis_lab.plots import figure_of


def texts(ax: Axes) -> list[str]:
    """What is written inside of the axes, in the order of writing."""
    return [text.get_text() for text in ax.texts]


def check_page(ax: Axes) -> None:
    """Hold all texts to stay on the page and apart from each other."""
    figure = figure_of(ax)
    figure.draw_without_rendering()
    page = figure.bbox
    written = [*ax.texts, ax.title]
    for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        if ax.axison:
            # Beyond the limits are ticks that are not drawn.
            ticks = [t for t in axis.get_major_ticks() if min(limits) <= t.get_loc() <= max(limits)]
            written += [axis.label, *(tick.label1 for tick in ticks)]
    legend = ax.get_legend()
    if legend is not None:
        written += legend.get_texts()
    placed = [(text.get_text(), text.get_window_extent()) for text in written if text.get_text()]
    for text, box in placed:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, f"{text!r} leaves the page"
        assert page.y0 <= box.y0 < box.y1 <= page.y1, f"{text!r} leaves the page"
    for (text, box), (other, another) in combinations(placed, 2):
        assert not box.overlaps(another), f"{text!r} overlaps {other!r}"


def check_repeats(draw: Callable[[], Axes]) -> None:
    """Hold the figure to be the same image when it is drawn twice."""
    images = [BytesIO(), BytesIO()]
    for image in images:
        figure_of(draw()).savefig(image, format="png")
    assert images[0].getvalue() == images[1].getvalue()
