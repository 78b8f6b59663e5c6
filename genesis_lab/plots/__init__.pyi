from .attribution import plot_attribution
from .deadlocks import plot_deadlock_probability, plot_deadlock_survival
from .export import provenance_of, save_figure, svg_of
from .latency import plot_ecdf, plot_latency_by_utilisation, plot_percentile_curve
from .outcomes import plot_outcomes
from .scaling import plot_fan_out, plot_scaling
from .scoreboard import plot_scoreboard
from .segments import timeline_segments
from .series import Curve, draw_curves, plot_measure
from .style import (
    ARCHITECTURE_LOOKS,
    ONE_COLUMN,
    TWO_COLUMNS,
    Look,
    add_legend,
    architecture_looks,
    figure_of,
    new_axes,
    paper,
    series_label,
    series_look,
)
from .timeline import plot_timeline
from .waiting import plot_wait_for_graph

__all__ = [
    "paper",
    "new_axes",
    "figure_of",
    "add_legend",
    "ONE_COLUMN",
    "TWO_COLUMNS",
    "ARCHITECTURE_LOOKS",
    "Look",
    "architecture_looks",
    "series_look",
    "series_label",
    "plot_timeline",
    "plot_wait_for_graph",
    "Curve",
    "draw_curves",
    "plot_measure",
    "plot_percentile_curve",
    "plot_ecdf",
    "plot_latency_by_utilisation",
    "plot_fan_out",
    "plot_scaling",
    "plot_deadlock_probability",
    "plot_deadlock_survival",
    "plot_attribution",
    "plot_outcomes",
    "plot_scoreboard",
    "timeline_segments",
    "save_figure",
    "svg_of",
    "provenance_of",
]
