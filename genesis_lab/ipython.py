"""What IPython is told when the lab is imported in it: how to show error groups and figures.

This module imports nothing of the lab, nor IPython and matplotlib: it is for those who have them.
"""

from io import BytesIO
from traceback import TracebackException
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shell = Any
"""IPython's `InteractiveShell`, of which some of what is used here has no types."""

_PAGE = 130
"""Pixels of the page per inch: at the web's 96, what is legible on paper is too small."""
_SHARPNESS = 2
"""Pixels of the image per pixel of the page, as screens of high resolution have."""


def set_up(shell: Shell) -> None:
    """Show exception groups as errors, and figures as images, in this shell."""
    _show_groups(shell)
    # By name, so that matplotlib is not loaded. `%matplotlib inline` still takes over.
    png = shell.display_formatter.formatters["image/png"]
    png.for_type_by_name("matplotlib.figure", "Figure", _as_png)


def _show_groups(shell: Shell) -> None:
    """Send an error where IPython prints exception groups, and what has one in its context.

    A group that is only printed is no error to whoever runs the notebook, and any that leaves a
    nursery is one. Not `set_custom_exc`: it picks by class, which says nothing of the context, so
    that it would have to take over every exception, and interrupts and mistyped code with them.
    """
    show = shell.showtraceback

    def showtraceback(exc_tuple: Any = None, *arguments: Any, **settings: Any) -> None:
        try:
            kind, error, traceback = shell._get_exc_info(exc_tuple)  # for %tb the last one
        except ValueError:  # there is none
            error = None
        if _has_group(error):
            shell._showtraceback(kind, error, _lines(shell, error, traceback))
        else:
            show(exc_tuple, *arguments, **settings)

    shell.showtraceback = showtraceback


def _has_group(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            return True
        error = error.__context__
    return False


def _lines(shell: Shell, error: BaseException, traceback: TracebackType | None) -> list[str]:
    """The traceback of a group and of what it holds, without IPython's own frame."""
    story = TracebackException(
        type(error), error, traceback.tb_next if traceback else None, compact=True
    )
    _name_cells(shell, story)
    return "".join(story.format()).splitlines()


def _name_cells(shell: Shell, story: TracebackException) -> None:
    """Say `Cell In[3]` for the temporary file that IPython takes a cell for."""
    for frame in story.stack:
        if name := shell.compile.format_code_name(frame.filename):
            frame.filename = " ".join(name)
    for part in (story.__cause__, story.__context__, *(story.exceptions or ())):
        if part is not None:
            _name_cells(shell, part)


def _as_png(figure: "Figure") -> tuple[bytes, dict[str, int]]:
    """The image, and its size on the page; the same bytes whatever draws it."""
    image = BytesIO()
    figure.savefig(image, format="png", dpi=_SHARPNESS * _PAGE, metadata={"Software": None})
    width, height = figure.get_size_inches() * _PAGE
    return image.getvalue(), {"width": round(width), "height": round(height)}
