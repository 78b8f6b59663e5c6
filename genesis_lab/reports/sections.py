"""An experiment's part of a report: table, verdicts and figures, in files and as values.

A section is made in a process of its own, from what is stored, and is sent back as plain values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd

from genesis_lab import plots
from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.storage import Store, frame_of
from genesis_lab.experiments.tables import as_texts
from genesis_lab.experiments.trials import run_trial
from genesis_lab.files import replace_file
from genesis_lab.recording import Trace
from genesis_lab.reports.folder import ResultFolder, SweepRecord

_SCOREBOARD = "scoreboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureFiles:
    """A figure on disk."""

    stem: str
    """The path of its files without their suffixes, relative to the folder of results."""
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a report says of an experiment."""

    name: str
    question: str
    trials: int
    """How many it is made of."""
    digest: str
    """Of the traces of all of them."""
    table: pd.DataFrame
    """The summary, as texts."""
    verdicts: Sequence[Verdict]
    figures: Sequence[FigureFiles]


def record_showcases(root: Path, name: str, seed: int) -> None:
    """Run an experiment's showcases, and save their traces."""
    folder, experiment = ResultFolder(root), load_experiment(name)
    for showcase, condition in experiment.showcases.items():
        result = run_trial(experiment.scenario, condition, seed=seed, horizon=experiment.horizon)
        result.trace.save(folder.trace(name, showcase))


def make_section(root: Path, name: str, record: SweepRecord) -> Section:
    """The section of an experiment, from stored trials and traces; it writes table and figures.

    Raises
    ------
    DamagedResult, DamagedTrace
        A file is missing or not readable.
    """
    folder, experiment = ResultFolder(root), load_experiment(name)
    store = Store(folder.trials)
    trials = frame_of(store.read(folder.trials / path) for path in record.trials[name])
    traces = {
        showcase: Trace.load(folder.trace(name, showcase)) for showcase in experiment.showcases
    }
    summary = experiment.summary(trials)
    write_csv(folder.tables / f"{name}.csv", summary)
    return Section(
        name=name,
        question=experiment.question,
        trials=len(trials),
        digest=digest_of(trials),
        table=as_texts(summary),
        verdicts=list(experiment.verdicts(trials)),
        figures=list(_saved_drawings(folder, experiment, trials, traces, record)),
    )


def _saved_drawings(
    folder: ResultFolder,
    experiment: Experiment,
    trials: pd.DataFrame,
    traces: Traces,
    record: SweepRecord,
) -> Iterator[FigureFiles]:
    for drawing in experiment.drawings(trials, traces):
        stem = folder.figures / f"{experiment.name}-{drawing.name}"
        origin = _origin(drawing, experiment.name, trials, record)
        figure = plots.figure_of(drawing.axes)
        plots.save_figure(figure, stem, data=drawing.data, provenance=origin)
        relative = stem.relative_to(folder.root).as_posix()
        yield FigureFiles(stem=relative, caption=drawing.caption)


def _origin(
    drawing: Drawing, name: str, trials: pd.DataFrame, record: SweepRecord
) -> Mapping[str, object]:
    """Where a figure comes from: a single trace, or the sweep."""
    if drawing.trace is not None:
        return plots.provenance_of(drawing.trace, experiment=name)
    return {
        "experiment": name,
        "seed": record.seed,
        "replicates": int(trials["seed"].nunique()),
        "quick": record.quick,
        "trials": len(trials),
        "versions": record.versions,
        "digest": digest_of(trials),
    }


def save_scoreboard(root: Path, scoreboard: pd.DataFrame, origin: Mapping[str, object]) -> None:
    """Write the table and the figure of all verdicts."""
    folder = ResultFolder(root)
    write_csv(folder.tables / f"{_SCOREBOARD}.csv", scoreboard)
    figure = plots.figure_of(plots.plot_scoreboard(scoreboard))
    plots.save_figure(figure, folder.figures / _SCOREBOARD, data=scoreboard, provenance=origin)


def digest_of(trials: pd.DataFrame) -> str:
    """One digest of the traces of all trials, in their order."""
    return sha256("".join(trials["digest"]).encode()).hexdigest()


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table in one step, the same bytes for the same numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, table.to_csv(index=False, lineterminator="\n").encode())
