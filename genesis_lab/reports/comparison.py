"""Run experiments and report on them, or report again on what is stored."""

from collections.abc import Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path

import pandas as pd

from genesis_lab.experiments import load_experiment
from genesis_lab.experiments.claims import CLAIMS, Verdict
from genesis_lab.experiments.progress import progress_bar
from genesis_lab.experiments.storage import Store
from genesis_lab.experiments.sweeps import (
    UnfinishedTrials,
    check_timeout,
    plan,
    processes,
    sweep,
    trial_paths,
)
from genesis_lab.files import replace_file
from genesis_lab.reports.folder import ResultFolder, SweepRecord
from genesis_lab.reports.pages import as_html, as_markdown_page
from genesis_lab.reports.report import Report
from genesis_lab.reports.sections import (
    Section,
    make_section,
    record_showcases,
    save_scoreboard,
)


def compare(
    names: Sequence[str],
    *,
    out: Path | str,
    seed: int = 0,
    replicates: int | None = None,
    quick: bool = False,
    workers: int | None = None,
    trial_timeout: float | None = None,
) -> Report:
    """Run experiments, as far as they are not stored yet, and write the report.

    Where trials hang or end their processes, the report is on the other experiments; it is written
    before the error that names these trials is raised.

    Parameters
    ----------
    names
        Of the experiments, in the order of the report.
    out
        The folder of the results; see `genesis_lab.reports.folder`.
    seed, replicates, quick
        As of `plan`.
    workers
        How many processes; one per processor, unless told.
    trial_timeout
        As of `sweep`.

    Raises
    ------
    InvalidSetting
        There is no such experiment, or a number is out of range.
    OSError
        The folder cannot be written to.
    DamagedResult, TrialFailed, UnfinishedTrials
        As of `sweep`.
    """
    check_timeout(trial_timeout)
    folder = ResultFolder(out)
    trials = {
        name: plan(load_experiment(name), seed=seed, replicates=replicates, quick=quick)
        for name in dict.fromkeys(names)
    }
    store = Store(folder.trials)
    files = {
        name: [path.relative_to(folder.trials).as_posix() for path in trial_paths(store, planned)]
        for name, planned in trials.items()
    }
    record = SweepRecord(seed=seed, replicates=replicates, quick=quick, trials=files)
    with processes(workers) as pool:
        folder.check_writable()
        folder.write_sweep(record)
        unfinished = None
        try:
            sweep(
                [trial for each in trials.values() for trial in each],
                store=store.folder,
                executor=pool,
                trial_timeout=trial_timeout,
            )
        except UnfinishedTrials as error:
            unfinished = error
        finished = trials.keys() - _unfinished(folder, record).keys()
        shown = [pool.submit(record_showcases, folder.root, name, seed) for name in finished]
        for future in shown:
            future.result()
        made = _write(folder, record, pool)
        if unfinished is not None:
            raise unfinished
        return made


def report(root: Path | str) -> Report:
    """Write the report again, from what a comparison has stored; nothing is run.

    Raises
    ------
    NoResults
        There is no comparison in the folder.
    DamagedResult, DamagedTrace
        A file is not readable.
    OSError
        The folder cannot be written to.
    """
    folder = ResultFolder(root)
    record = folder.read_sweep()
    with processes() as pool:
        return _write(folder, record, pool)


def _write(folder: ResultFolder, record: SweepRecord, pool: Executor) -> Report:
    folder.check_writable()
    unfinished = _unfinished(folder, record)
    names = [name for name in record.trials if name not in unfinished]
    sections = _sections(folder, record, names, pool)
    scoreboard = scoreboard_of([verdict for each in sections for verdict in each.verdicts])
    made = Report(record=record, sections=sections, scoreboard=scoreboard, unfinished=unfinished)
    if len(scoreboard):
        # In the pool, too: matplotlib is loaded there, and not in this process.
        pool.submit(save_scoreboard, folder.root, scoreboard, _origin(made)).result()
    replace_file(folder.root / "report.html", as_html(made, folder.root).encode())
    replace_file(folder.root / "report.md", as_markdown_page(made).encode())
    return made


def _unfinished(folder: ResultFolder, record: SweepRecord) -> dict[str, tuple[int, int]]:
    missing = {
        name: sum(not (folder.trials / path).is_file() for path in paths)
        for name, paths in record.trials.items()
    }
    return {name: (count, len(record.trials[name])) for name, count in missing.items() if count}


def _sections(
    folder: ResultFolder, record: SweepRecord, names: Sequence[str], pool: Executor
) -> list[Section]:
    # Those with the most figures first, so that no processor waits long for the last one.
    by_figures = sorted(names, key=lambda name: -len(load_experiment(name).showcases))
    futures = {name: pool.submit(make_section, folder.root, name, record) for name in by_figures}
    with progress_bar(total=len(futures), unit="section", label="report") as bar:
        for _ in as_completed(futures.values()):
            bar.update()
    return [futures[name].result() for name in names]


def scoreboard_of(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """A row per claim that has a verdict, in the order of `CLAIMS`."""
    order = list(CLAIMS)
    rows = [
        {
            "claim": CLAIMS[verdict.claim].statement,
            "experiment": CLAIMS[verdict.claim].experiment,
            "measured": verdict.measured,
            "effect": verdict.effect,
            "low": verdict.low,
            "high": verdict.high,
            "unit": verdict.unit,
            "verdict": verdict.judgement,
            "sentence": verdict.sentence,
        }
        for verdict in sorted(verdicts, key=lambda verdict: order.index(verdict.claim))
    ]
    return pd.DataFrame(rows)


def _origin(made: Report) -> dict[str, object]:
    return {
        "seed": made.record.seed,
        "replicates": made.record.replicates,
        "quick": made.record.quick,
        "digests": {section.name: section.digest for section in made.sections},
    }
