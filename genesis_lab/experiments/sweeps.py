"""Many trials: conditions times replicates, over any executor, none of them computed twice."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from genesis_lab.buses import ARCHITECTURES
from genesis_lab.errors import InvalidSetting, LabError
from genesis_lab.experiments.experiment import Experiment
from genesis_lab.experiments.progress import progress_bar
from genesis_lab.experiments.sending import Incoming, Outgoing
from genesis_lab.experiments.storage import Store, code_version, frame_of, row_of
from genesis_lab.experiments.trials import Condition, run_trial

T = TypeVar("T")


class TrialFailed(LabError):
    """A trial raised; the original exception is the `__cause__`."""

    def __init__(self, trial: str, error: str) -> None:
        super().__init__(trial, error)
        self.trial = trial
        self.error = error

    def __str__(self) -> str:
        return f"{self.trial}: {self.error}"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One trial of an experiment, to be run anywhere."""

    experiment: Experiment
    condition: Condition
    seed: int

    def run(self) -> dict[str, Any]:
        """Run it: its row of the experiment's frame."""
        experiment, condition = self.experiment, self.condition
        result = run_trial(
            experiment.scenario, condition, seed=self.seed, horizon=experiment.horizon
        )
        known = {
            "experiment": experiment.name,
            "architecture": condition.architecture,
            **condition.parameters,
            "seed": self.seed,
            "ended": result.run.ended,
            "at": result.run.at,
            "digest": result.trace.digest(),
        }
        measured = experiment.measure(result)
        if twice := known.keys() & measured.keys():
            expected = "names that are none of its parameters, nor of the columns of every trial"
            raise InvalidSetting("measure", sorted(twice), expected)
        return known | dict(measured)

    def __str__(self) -> str:
        settings = " ".join(f"{name}={value}" for name, value in self.condition.parameters.items())
        architecture = self.condition.architecture
        return f"{self.experiment.name} on {architecture}, {settings} seed={self.seed}"


def plan(
    experiment: Experiment, *, seed: int = 0, replicates: int | None = None, quick: bool = False
) -> list[Trial]:
    """The trials of an experiment: each of its conditions under each of the seeds.

    Parameters
    ----------
    experiment
        Says which conditions there are.
    seed
        The first replicate's; the others have the ones that follow. All conditions share them, so
        that trials can be compared in pairs.
    replicates
        How many; as many as the experiment says, unless told.
    quick
        Fewer and smaller conditions, and fewer replicates.

    Raises
    ------
    InvalidSetting
        The seed is negative, or there are no replicates.
    """
    if seed < 0:
        raise InvalidSetting("seed", seed, "a whole number >= 0")
    if replicates is None:
        replicates = experiment.quick_replicates if quick else experiment.replicates
    if replicates < 1:
        raise InvalidSetting("replicates", replicates, "a whole number >= 1")
    conditions = experiment.conditions(quick)
    return [
        Trial(experiment, condition, replicate)
        # Replicates outermost: whatever is cut short has some of every condition.
        for replicate in range(seed, seed + replicates)
        for condition in conditions
    ]


def sweep(
    trials: Sequence[Trial],
    *,
    store: Path | str | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
) -> dict[str, pd.DataFrame]:
    """Run the trials that are not stored yet: a frame per experiment, one row per trial.

    However it ends, what has been finished is stored, and the next sweep does the rest.

    Parameters
    ----------
    trials
        Of any number of experiments, as from `plan`; rows come in this order.
    store
        The folder of finished trials; None: nothing is stored or reused.
    executor
        Where the trials are run, such as `distributed.Client.get_executor(pure=False)` for those
        of a cluster, or `InThisProcess()`; processes of this machine, unless told.
    workers
        How many processes, if no executor is given; one per processor, unless told.

    Raises
    ------
    TrialFailed
        A trial raised, or a worker cannot import the factory of its architecture.
    DamagedResult
        A stored trial is not readable.
    InvalidSetting
        There are no workers; or a trial is to be stored, and its functions are in no file.
    """
    files = _Files(store, trials)
    rows = files.finished()
    missing = [number for number in range(len(trials)) if number not in rows]
    with progress_bar(total=len(trials), done=len(rows), unit="trial") as bar:

        def keep(number: int, values: Mapping[str, Any]) -> None:
            rows[number] = row = row_of(values)
            files.keep(number, row)
            bar.update()

        if missing:
            _run(trials, missing, executor, workers, keep)
    return _frames(trials, rows)


class InThisProcess(Executor):
    """An executor that runs each trial at once, for scenarios that only this process knows."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Call the function; the future is done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future


class _Files:
    """Where each trial's row is stored; nowhere, without a store."""

    def __init__(self, store: Path | str | None, trials: Sequence[Trial]) -> None:
        self._store = None if store is None else Store(Path(store))
        self._paths = [] if self._store is None else trial_paths(self._store, trials)

    def finished(self) -> dict[int, pa.Table]:
        """The rows that are stored, by the trial's number."""
        if self._store is None:
            return {}
        stored = ((number, path) for number, path in enumerate(self._paths) if path.is_file())
        return {number: self._store.read(path) for number, path in stored}

    def keep(self, number: int, row: pa.Table) -> None:
        """Store a row."""
        if self._store is not None:
            self._store.write(self._paths[number], row)


def trial_paths(store: Store, trials: Iterable[Trial]) -> list[Path]:
    """The file of each trial, which is there once the trial is finished.

    Raises
    ------
    InvalidSetting
        An experiment's functions are in no file.
    """
    return [
        store.path(
            trial.experiment.name,
            trial.condition,
            seed=trial.seed,
            horizon=trial.experiment.horizon,
            code=code_version(
                trial.experiment.scenario,
                trial.experiment.measure,
                reads=trial.experiment.reads(),
            ),
        )
        for trial in trials
    ]


def _run(
    trials: Sequence[Trial],
    missing: Sequence[int],
    executor: Executor | None,
    workers: int | None,
    keep: Callable[[int, Mapping[str, Any]], None],
) -> None:
    """Run the missing trials, and have each of them kept as soon as it is finished."""
    finished: SimpleQueue[int] = SimpleQueue()
    not_kept: dict[int, Future[dict[str, Any]]] = {}

    def keep_next() -> None:
        number = finished.get()
        keep(number, _values(trials[number], not_kept[number]))
        del not_kept[number]

    try:
        with _own_or_given(executor, workers) as pool:
            for number in missing:
                trial = trials[number]
                sent = Outgoing(ARCHITECTURES[trial.condition.architecture])
                not_kept[number] = pool.submit(_run_there, trial, sent)
                not_kept[number].add_done_callback(partial(_put, finished, number))
                # Some executors are done at once: each trial is kept before the next one is run.
                while not finished.empty():
                    keep_next()
            while not_kept:
                keep_next()
    except BaseException:
        # One may have been interrupted while it was being kept: not the queue says what is left.
        wait([future for future in not_kept.values() if not future.cancel()])
        for number, future in not_kept.items():
            if not future.cancelled() and future.exception() is None:
                keep(number, future.result())
        raise


def _run_there(trial: Trial, architecture: Outgoing | Incoming) -> dict[str, Any]:
    """Run a trial in whichever process this is."""
    architecture.register()
    return trial.run()


def _put(finished: "SimpleQueue[int]", number: int, _future: "Future[dict[str, Any]]") -> None:
    finished.put(number)


def _values(trial: Trial, future: "Future[dict[str, Any]]") -> dict[str, Any]:
    try:
        return future.result()
    except Exception as error:
        raise TrialFailed(str(trial), f"{type(error).__name__}: {error}") from error


@contextmanager
def _own_or_given(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    if executor is not None:
        yield executor
    else:
        with processes(workers) as pool:
            yield pool


@contextmanager
def processes(workers: int | None = None) -> Iterator[Executor]:
    """Processes of this machine to run trials in; one per processor, unless told.

    What they are at when the context is left is let finish, and nothing more is begun.

    Raises
    ------
    InvalidSetting
        There are no workers.
    """
    if workers is not None and workers < 1:
        raise InvalidSetting("workers", workers, "a whole number >= 1")
    # spawn: a worker begins clean, whatever threads or event loops there are here.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the process that sweeps, and end with it, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None, "a worker is started by a process"
    threading.Thread(target=_end_after, args=(parent.join,), daemon=True).start()


def _end_after(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)


def _frames(trials: Sequence[Trial], rows: Mapping[int, pa.Table]) -> dict[str, pd.DataFrame]:
    by_experiment: dict[str, list[pa.Table]] = {}
    for number, trial in enumerate(trials):
        by_experiment.setdefault(trial.experiment.name, []).append(rows[number])
    return {name: frame_of(rows) for name, rows in by_experiment.items()}
