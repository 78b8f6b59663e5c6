from .export import provenance_of, save_figure
from .segments import timeline_segments
from .style import (
    ARCHITECTURE_LOOKS,
    ONE_COLUMN,
    TWO_COLUMNS,
    add_legend,
    figure_of,
    new_axes,
    paper,
    series_label,
    series_look,
)
from .timeline import plot_timeline

__all__ = [
    "paper",
    "new_axes",
    "figure_of",
    "add_legend",
    "ONE_COLUMN",
    "TWO_COLUMNS",
    "ARCHITECTURE_LOOKS",
    "series_look",
    "series_label",
    "plot_timeline",
    "timeline_segments",
    "save_figure",
    "provenance_of",
]
