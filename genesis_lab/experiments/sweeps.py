"""Many trials: conditions times replicates, over any executor, none of them computed twice."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from genesis_lab.buses import ARCHITECTURES
from genesis_lab.errors import InvalidSetting, LabError
from genesis_lab.experiments.experiment import Experiment
from genesis_lab.experiments.fingerprint import Fingerprints, definitions_in
from genesis_lab.experiments.progress import progress_bar
from genesis_lab.experiments.sending import Incoming, Outgoing
from genesis_lab.experiments.storage import (
    Store,
    check_storable,
    content_hashes,
    frame_of,
    row_of,
)
from genesis_lab.experiments.trials import Condition, Scenario, TrialResult, run_trial
from genesis_lab.experiments.workers import CallTimedOut, WorkerDied, Workers

log = logging.getLogger("genesis_lab.experiments")
T = TypeVar("T")


class TrialFailed(LabError):
    """A trial raised; the original exception is the `__cause__`."""

    def __init__(self, trial: str, error: str) -> None:
        super().__init__(trial, error)
        self.trial = trial
        self.error = error

    def __str__(self) -> str:
        return f"{self.trial}: {self.error}"


class OtherCode(LabError):
    """A worker has loaded other code than the process that sweeps: a file has changed since."""

    def __str__(self) -> str:
        return (
            "its process has loaded other code than this one, as a file has changed since: "
            "restart, or load the changed module again"
        )


class UnfinishedTrials(LabError):
    """Trials that hung, or that ended their process twice; all others are finished."""

    def __init__(self, hung: tuple[str, ...], died: tuple[str, ...]) -> None:
        super().__init__(hung, died)
        self.hung = hung
        self.died = died

    def __str__(self) -> str:
        return "; ".join(
            f"{len(trials)} of the trials {what}: {', '.join(trials)}"
            for trials, what in [
                (self.hung, "did not return in time"),
                (self.died, "ended their process, alone as well"),
            ]
            if trials
        )


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
        values = known | dict(measured)
        check_storable(values)
        return values

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
    trial_timeout: float | None = None,
) -> dict[str, pd.DataFrame]:
    """Run the trials that are not stored yet: a frame per experiment, one row per trial.

    However it ends, what has been finished is stored, and the next sweep does the rest. Ctrl-C ends
    it at once, and what its processes are running is lost; an executor of your own is waited for
    until it has finished what it is running, or until the next Ctrl-C.

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
    trial_timeout
        How long a trial may take [s of wall time]; None: as long as it does. One that takes longer
        is ended. The others are run, and then an error names it.

    Raises
    ------
    TrialFailed
        A trial raised, or measured what cannot be stored, or a worker cannot import the factory of
        its architecture, or has loaded other code than this process.
    UnfinishedTrials
        Trials hung or ended their process; all others are finished. A trial whose process dies is
        run again after the others, and alone: what killed it may have been its neighbours.
    DamagedResult
        A stored trial is not readable.
    InvalidSetting
        There are no workers; the timeout is no number of seconds, or the executor cannot end what
        it runs; or a trial is to be stored, and its functions reach something that
        cannot be hashed.
    """
    check_timeout(trial_timeout, executor)
    files = _Files(store, trials)
    rows = files.finished()
    missing = [number for number in range(len(trials)) if number not in rows]
    with progress_bar(total=len(trials), done=len(rows), unit="trial") as bar:

        def keep(number: int, values: Mapping[str, Any]) -> None:
            rows[number] = row = row_of(values)
            files.keep(number, row)
            bar.update()

        if missing:
            with _own_or_given(executor, workers) as pool:
                _run(trials, files.places, missing, pool, trial_timeout, keep)
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
        self.places = [] if self._store is None else trial_paths(self._store, trials)

    def finished(self) -> dict[int, pa.Table]:
        """The rows that are stored, by the trial's number."""
        if self._store is None:
            return {}
        stored = ((number, path) for number, path in enumerate(self.places) if path.is_file())
        return {number: self._store.read(path) for number, path in stored}

    def keep(self, number: int, row: pa.Table) -> None:
        """Store a row."""
        if self._store is not None:
            self._store.write(self.places[number], row)


def trial_paths(store: Store, trials: Iterable[Trial]) -> list[Path]:
    """The file of each trial, which is there once the trial is finished.

    Raises
    ------
    InvalidSetting
        An experiment's functions reach something that cannot be hashed.
    """
    # Made for this call: by the next one, other code may be loaded.
    return list(map(_Places(store).of, trials))


class _Places:
    """Where trials are stored, by the code that is loaded when it is made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fingerprints = Fingerprints(aside=[ARCHITECTURES])
        self._lab = self._fingerprints.of(
            trial=Trial.run, buses=list(definitions_in("genesis_lab.buses"))
        )
        self._of_architecture = cache(self._fingerprint_of_architecture)
        self._of_experiment = cache(self._fingerprints_of_experiment)

    def of(self, trial: Trial) -> Path:
        experiment, condition = trial.experiment, trial.condition
        return self._store.path(
            experiment.name,
            condition,
            seed=trial.seed,
            horizon=experiment.horizon,
            depends_on=[
                self._lab,
                self._of_architecture(condition.architecture),
                *self._of_experiment(experiment.scenario, experiment.measure, experiment.reads),
            ],
        )

    def _fingerprint_of_architecture(self, name: str) -> str:
        return self._fingerprints.of(architecture=ARCHITECTURES[name])

    def _fingerprints_of_experiment(
        self,
        scenario: Callable[..., Scenario],
        measure: Callable[[TrialResult], Mapping[str, Any]],
        reads: Callable[[], Sequence[Path]],
    ) -> list[str]:
        code = self._fingerprints.of(scenario=scenario, measure=measure)
        return [code, *content_hashes(reads())]


def check_timeout(timeout: float | None, executor: Executor | None = None) -> None:
    """Check how long a trial may take, and that what runs it can be ended then.

    Raises
    ------
    InvalidSetting
        It is no number of seconds, or the executor has no processes that can be ended.
    """
    if timeout is None:
        return
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not (is_number and 0 < timeout < math.inf):
        raise InvalidSetting("trial_timeout", timeout, "seconds > 0, or None")
    if not isinstance(executor, Workers | None):
        raise InvalidSetting("trial_timeout", timeout, "None with an executor of your own")


def _run(
    trials: Sequence[Trial],
    places: Sequence[Path],
    missing: Sequence[int],
    pool: Executor,
    timeout: float | None,
    keep: Callable[[int, Mapping[str, Any]], None],
) -> None:
    """Run the missing trials, and have each of them kept as soon as it is finished."""
    batch = _Batch(trials, places, pool, timeout, keep)
    batch.run(missing)
    suspects, batch.died = batch.died, []
    for number in suspects:
        batch.run([number])
    if batch.hung or batch.died:
        hung, died = (
            tuple(str(trials[number]) for number in numbers) for numbers in (batch.hung, batch.died)
        )
        raise UnfinishedTrials(hung, died)


class _Batch:
    """Runs trials on an executor, and sorts out those that cannot be finished."""

    def __init__(
        self,
        trials: Sequence[Trial],
        places: Sequence[Path],
        pool: Executor,
        timeout: float | None,
        keep: Callable[[int, Mapping[str, Any]], None],
    ) -> None:
        self._trials = trials
        self._places = places
        self._pool = pool
        self._timeout = timeout
        self._keep = keep
        self._finished: SimpleQueue[int] = SimpleQueue()
        self._not_kept: dict[int, Future[dict[str, Any]]] = {}
        self.hung: list[int] = []
        self.died: list[int] = []

    def run(self, numbers: Sequence[int]) -> None:
        """Run trials, and keep each as soon as it is finished."""
        try:
            for number in numbers:
                self._not_kept[number] = self._submit(number)
                self._not_kept[number].add_done_callback(partial(_put, self._finished, number))
                # Some executors are done at once: each trial is kept before the next one is run.
                while not self._finished.empty():
                    self._keep_next()
            while self._not_kept:
                self._keep_next()
        except BaseException as error:
            self._give_up(at_once=not isinstance(error, Exception))
            raise

    def _submit(self, number: int) -> "Future[dict[str, Any]]":
        trial = self._trials[number]
        sent = Outgoing(ARCHITECTURES[trial.condition.architecture])
        if isinstance(self._pool, Workers):
            place = self._places[number] if self._places else None
            return self._pool.submit_within(self._timeout, _run_there, trial, sent, place)
        return self._pool.submit(_run_there, trial, sent)

    def _keep_next(self) -> None:
        number = self._finished.get()
        trial = self._trials[number]
        try:
            self._keep(number, self._not_kept[number].result())
        except CallTimedOut as error:
            log.warning("%s: %s", trial, error)
            self.hung.append(number)
        except WorkerDied as error:
            log.warning("%s: %s", trial, error)
            self.died.append(number)
        except Exception as error:
            raise TrialFailed(str(trial), f"{type(error).__name__}: {error}") from error
        del self._not_kept[number]

    def _give_up(self, *, at_once: bool) -> None:
        """Begin no more, and keep what is finished: also what was interrupted while being kept."""
        left = list(self._not_kept.values())
        if at_once and isinstance(self._pool, Workers):
            self._pool.abandon(left)
        else:
            wait([future for future in left if not future.cancel()])
        for number, future in self._not_kept.items():
            if not future.cancelled() and future.exception() is None:
                self._keep(number, future.result())


def _run_there(
    trial: Trial, architecture: Outgoing | Incoming, place: Path | None = None
) -> dict[str, Any]:
    """Run a trial in whichever process this is; if it is to be stored, by the code it is named by.

    Raises
    ------
    OtherCode
        This process has loaded other code than the one that sweeps.
    """
    architecture.register()
    if place is not None and _places_here().of(trial).name != place.name:
        raise OtherCode
    return trial.run()


@cache
def _places_here() -> _Places:
    """As a worker has them, which loads nothing again."""
    return _Places(Store(Path()))


def _put(finished: "SimpleQueue[int]", number: int, _future: "Future[dict[str, Any]]") -> None:
    finished.put(number)


@contextmanager
def _own_or_given(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    if executor is not None:
        yield executor
    else:
        with processes(workers) as pool:
            yield pool


@contextmanager
def processes(workers: int | None = None) -> Iterator[Workers]:
    """Processes of this machine to run trials in; one per processor, unless told.

    What they are at when the context is left is let finish, and nothing more is begun; after an
    exception they are ended at once.

    Raises
    ------
    InvalidSetting
        There are no workers.
    """
    if workers is not None and workers < 1:
        raise InvalidSetting("workers", workers, "a whole number >= 1")
    pool = Workers(workers)
    try:
        yield pool
    except BaseException:
        pool.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _frames(trials: Sequence[Trial], rows: Mapping[int, pa.Table]) -> dict[str, pd.DataFrame]:
    by_experiment: dict[str, list[pa.Table]] = {}
    for number, trial in enumerate(trials):
        by_experiment.setdefault(trial.experiment.name, []).append(rows[number])
    return {name: frame_of(rows) for name, rows in by_experiment.items()}
