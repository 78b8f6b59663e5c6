"""What an experiment is: a question, conditions, a workload, measures, and verdicts."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.trials import Condition, Scenario, TrialResult
from genesis_lab.recording import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Traces = Mapping[str, Trace]
"""By the name that `Experiment.showcases` gives them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawing:
    """A figure, with the numbers in it."""

    name: str
    """Of its files, within the experiment."""
    caption: str
    """What the reader should see in it: a sentence or two."""
    axes: "Axes"
    data: pd.DataFrame
    """What it shows."""
    trace: Trace | None = None
    """That of the single trial that it shows; None: it shows the sweep."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Experiment:
    """A question about buses, and how trials answer it.

    All callables are functions of a module, so that workers find them by name.

    Raises
    ------
    InvalidSetting
        The name, or that of a showcase, cannot be the name of a folder.
    """

    name: str
    """Letters, digits, `_`, `-`, `.` and `+`: results are stored in a folder of this name."""
    question: str
    """What it asks, in a sentence; of one that is registered: as in `EXPERIMENTS`."""
    conditions: Callable[[bool], Sequence[Condition]]
    """The conditions; fewer and smaller ones if told True, for a quick look."""
    scenario: Callable[..., Scenario]
    """Makes what is put on the bus, from a condition's parameters."""
    measure: Callable[[TrialResult], Mapping[str, Any]]
    """What is kept of a trial: numbers, words, and lists of numbers, by column."""
    summary: Callable[[pd.DataFrame], pd.DataFrame]
    """From the trials, a row each, to the table of the report: a row per condition, with intervals.

    The trials have the columns `architecture`, one per parameter, `seed`, `ended` and `at` (of the
    run), `digest` (of the trace), and one per measure.
    """
    verdicts: Callable[[pd.DataFrame], Iterable[Verdict]]
    """From the trials to a verdict on each claim that the experiment tests."""
    drawings: Callable[[pd.DataFrame, Traces], Iterable[Drawing]]
    """From the trials, and the traces of the showcases, to figures."""
    showcases: Mapping[str, Condition] = field(default_factory=dict)
    """Single trials worth a look, by name: their whole traces are kept."""
    replicates: int = 20
    """How often each condition is run, each time under another seed, unless told."""
    quick_replicates: int = 4
    horizon: float = math.inf
    """Where a trial is cut [s]."""
    reads: Callable[[], Sequence[Path]] = tuple
    """The files that trials read: if one changes, trials are run anew."""

    def __post_init__(self) -> None:
        for name in (self.name, *self.showcases):
            # It must not lead out of the folder of results.
            if not (isinstance(name, str) and re.fullmatch(r"\w[\w.+-]*", name)):
                raise InvalidSetting("name", name, "a word of letters, digits, '_', '-', '.', '+'")

    def __repr__(self) -> str:
        return f"<Experiment {self.name}: {self.question}>"

    def _repr_html_(self) -> str:
        return f"<strong>{escape(self.name)}</strong>: {escape(self.question)}"
