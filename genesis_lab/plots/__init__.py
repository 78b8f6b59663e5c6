"""Figures: a frame in, matplotlib Axes out, all in one style.

- `style`: widths, fonts, and how each architecture looks
- `segments`: from records to what a timeline draws
- `timeline`: who waits, serves or is blocked, component by component
- `export`: a figure's files, with the numbers in it and where they come from

Figures are made without pyplot, so that nothing global changes and no window opens.
"""

from genesis_lab.plots.export import provenance_of, save_figure
from genesis_lab.plots.segments import timeline_segments
from genesis_lab.plots.style import (
    ARCHITECTURE_LOOKS,
    ONE_COLUMN,
    TWO_COLUMNS,
    figure_of,
    new_axes,
    paper,
)
from genesis_lab.plots.timeline import plot_timeline

__all__ = [
    "paper",
    "new_axes",
    "figure_of",
    "ONE_COLUMN",
    "TWO_COLUMNS",
    "ARCHITECTURE_LOOKS",
    "plot_timeline",
    "timeline_segments",
    "save_figure",
    "provenance_of",
]
