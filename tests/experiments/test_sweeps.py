import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module, reload
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import genesis_lab.experiments
from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments.experiment import Experiment
from genesis_lab.experiments.storage import DamagedResult, Store, row_of
from genesis_lab.experiments.sweeps import (
    InThisProcess,
    Trial,
    TrialFailed,
    UnfinishedTrials,
    plan,
    processes,
    sweep,
)
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial
from tests.interrupts import interrupt_at, interruptible, lines_of

pytestmark = pytest.mark.slow

OURS = Path(genesis_lab.experiments.__file__).parent

# Workers find it by this name, whatever `tests` is elsewhere on their path.
HERE = str(Path(__file__).parent)
sys.path.append(HERE)
tiny: Any = import_module("tiny_experiment")
TINY: Experiment = tiny.TINY
trials: Callable[..., list[Trial]] = tiny.trials


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def lines(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def here(planned: list[Trial], store: Path | None = None) -> pd.DataFrame:
    return sweep(planned, store=store, executor=InThisProcess())["tiny"]


def files(store: Path) -> list[Path]:
    return sorted(store.rglob("*.parquet"))


def test_plan_is_each_condition_under_each_seed() -> None:
    planned = plan(TINY, seed=5)
    assert [(trial.condition.architecture, trial.seed) for trial in planned] == [
        (architecture, seed) for seed in (5, 6, 7) for architecture in tiny.ARCHITECTURES
    ]
    assert [trial.seed for trial in plan(TINY, quick=True)] == [0, 0, 1, 1]
    assert len(plan(TINY, replicates=1)) == 2


@pytest.mark.parametrize(("name", "value"), [("replicates", 0), ("replicates", -1), ("seed", -1)])
def test_plan_refuses_what_is_no_number_of_trials(name: str, value: int) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name}={value}: expected a whole number >= "):
        plan(TINY, **{name: value})  # type: ignore[arg-type] # either of two names


def test_row_holds_condition_run_and_measures() -> None:
    frame = here(plan(TINY))
    assert frame.columns.tolist() == [
        *("experiment", "architecture", "mean", "seed", "ended", "at", "digest"),
        *("latency", "each"),
    ]
    result = run_trial(tiny.scenario, Condition("hybrid", {"mean": 0.1}), seed=1)
    row = frame.iloc[3]
    assert row["digest"] == result.trace.digest()
    assert row["at"] == row["latency"] == result.run.at
    assert row["each"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_same_rows_in_the_same_order(workers: int) -> None:
    planned = plan(TINY)
    pd.testing.assert_frame_equal(sweep(planned, workers=workers)["tiny"], here(planned))


def test_stored_trials_come_back_as_they_were(tmp_path: Path, log: Path) -> None:
    planned = trials(4, log=str(log))
    first = here(planned, tmp_path / "store")
    again = here(planned, tmp_path / "store")
    pd.testing.assert_frame_equal(again, first)
    assert lines(log) == 4


def test_only_what_is_missing_is_run(tmp_path: Path, log: Path) -> None:
    planned = trials(5, log=str(log))
    whole = here(planned, tmp_path / "store")
    for path in files(tmp_path / "store")[:2]:
        path.unlink()
    pd.testing.assert_frame_equal(here(planned, tmp_path / "store"), whole)
    assert lines(log) == 7


def test_changed_parameter_or_seed_is_a_trial_of_its_own(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for planned in (trials(1), trials(1, mean=0.2), trials(2)[1:]):
        here(planned, store)
    assert len(files(store)) == 3


def test_changed_code_is_a_trial_of_its_own(tmp_path: Path) -> None:
    store = tmp_path / "store"
    here(trials(1), store)
    # The same question, measured by a function of another file.
    changed = replace(TINY, measure=_measured_here)
    frame = here(trials(1, changed), store)
    assert len(files(store)) == 2
    assert frame["requests"].tolist() == [1]


def test_other_function_of_the_same_file_is_a_trial_of_its_own(tmp_path: Path) -> None:
    store = tmp_path / "store"
    here(trials(1, replace(TINY, measure=_measured_here)), store)
    frame = here(trials(1, replace(TINY, measure=_measured_here_as_well)), store)
    assert frame["events"].tolist() == [0]


def test_other_horizon_is_a_trial_of_its_own(tmp_path: Path) -> None:
    store, whole = tmp_path / "store", here(trials(1))["at"].item()
    for horizon in (math.inf, whole / 2):
        frame = here(trials(1, replace(TINY, horizon=horizon)), store)
        assert frame["at"].tolist() == [min(horizon, whole)]


def test_other_content_of_what_trials_read_makes_them_trials_of_their_own(
    tmp_path: Path, log: Path
) -> None:
    store, data = tmp_path / "store", tmp_path / "data"
    planned = trials(1, replace(TINY, reads=lambda: [data]), log=str(log))
    for content, run in [(b"some", 1), (b"some", 1), (b"other", 2)]:
        data.write_bytes(content)
        here(planned, store)
        assert lines(log) == run


def _measured_here_as_well(result: TrialResult) -> dict[str, Any]:
    return {"events": len(result.trace.events)}


def _measured_here(result: TrialResult) -> dict[str, Any]:
    return {"requests": len(result.trace.requests)}


def _cell(source: str) -> Any:
    """What a notebook's cell defines, in no file."""
    scope: dict[str, Any] = {}
    exec(source, scope)
    return scope["measure"]


def test_function_of_a_notebook_is_stored_by_its_code(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for value in (1, 1, 2):
        measure = _cell(f"def measure(result): return {{'value': {value}}}")
        frame = here(trials(1, replace(TINY, measure=measure)), store)
        assert frame["value"].tolist() == [value]
    assert len(files(store)) == 2


def test_closures_of_one_name_are_trials_of_their_own(tmp_path: Path) -> None:
    def measuring(value: float) -> Callable[[TrialResult], dict[str, Any]]:
        def measure(_result: TrialResult) -> dict[str, Any]:
            return {"value": value}

        return measure

    for value in (0.5, 0.9):
        frame = here(trials(1, replace(TINY, measure=measuring(value))), tmp_path / "store")
        assert frame["value"].tolist() == [value]


def test_module_that_is_changed_and_loaded_again_makes_trials_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    helper, measuring = tmp_path / "helper_of_measure.py", tmp_path / "measure_with_helper.py"
    measuring.write_text(
        "import helper_of_measure\ndef measure(result): return {'value': helper_of_measure.VALUE}"
    )
    helper.write_text("VALUE = 1")
    module = import_module("measure_with_helper")
    for value in (1, 22):
        helper.write_text(f"VALUE = {value}")
        reload(import_module("helper_of_measure"))
        frame = here(trials(1, replace(TINY, measure=module.measure)), tmp_path / "store")
        assert frame["value"].tolist() == [value]
    for value in (333, 4444):
        measuring.write_text(f"def measure(result): return {{'value': {value}}}")
        reload(module)
        frame = here(trials(1, replace(TINY, measure=module.measure)), tmp_path / "store")
        assert frame["value"].tolist() == [value]


def test_file_that_changed_since_it_was_loaded_gives_no_results_under_the_old_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file, store = tmp_path / "measure_that_changes.py", tmp_path / "store"
    file.write_text("def measure(result): return {'value': 1}")
    module = import_module("measure_that_changes")
    experiment = replace(TINY, measure=module.measure)
    assert sweep(trials(1, experiment), store=store, workers=1)["tiny"]["value"].tolist() == [1]
    file.write_text("def measure(result): return {'value': 22}")
    with pytest.raises(TrialFailed, match=r"OtherCode: its process has loaded other code than"):
        sweep(trials(2, experiment), store=store, workers=1)
    assert len(files(store)) == 1
    reload(module)
    experiment = replace(TINY, measure=module.measure)
    assert sweep(trials(1, experiment), store=store, workers=1)["tiny"]["value"].tolist() == [22]


def test_trial_that_reaches_what_cannot_be_hashed_can_be_run_but_not_stored(
    tmp_path: Path,
) -> None:
    experiment = replace(TINY, measure=_measures_under_a_lock)
    assert here(trials(1, experiment))["one"].tolist() == [1]
    with pytest.raises(InvalidSetting, match=r"test_sweeps\.LOCK=.* to be no _thread\.lock"):
        here(trials(1, experiment), tmp_path / "store")


LOCK = threading.Lock()


def _measures_under_a_lock(_result: TrialResult) -> dict[str, Any]:
    with LOCK:
        return {"one": 1}


@pytest.mark.parametrize("name", ["../../../evil", "/evil", "..", "", "a/b", "a b"])
def test_name_of_an_experiment_cannot_lead_out_of_the_store(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^name={name!r}: expected a word of letters"):
        replace(TINY, name=name)
    with pytest.raises(InvalidSetting, match=f"^name={name!r}: expected a word of letters"):
        replace(TINY, showcases={name: Condition("hybrid", {})})


def test_trial_may_be_written_by_many_at_once(tmp_path: Path) -> None:
    store, path = Store(tmp_path), tmp_path / "experiment=a" / "architecture=b" / "row.parquet"
    values = {"experiment": "a", "architecture": "b", "seed": 1, "digest": "d"}
    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(store.write, path, row_of(values)) for _ in range(400)]:
            written.result()
    assert store.read(path).to_pylist() == [values]
    assert [each.name for each in path.parent.iterdir()] == ["row.parquet"]


def test_measure_may_not_hide_what_every_trial_has() -> None:
    experiment = replace(TINY, measure=_measures_a_seed)
    with pytest.raises(TrialFailed, match=r"measure=\['seed'\]: expected names that are none"):
        here(trials(1, experiment))


def _measures_a_seed(_result: TrialResult) -> dict[str, Any]:
    return {"seed": 1}


@pytest.mark.parametrize("executor", [InThisProcess, None])
def test_trial_that_raises_is_named_and_the_others_are_kept(
    executor: Callable[[], Executor] | None, tmp_path: Path, log: Path
) -> None:
    fine = trials(3, log=str(log))
    bad = trials(1, log=str(log), mean=math.inf)
    store = tmp_path / "store"
    with pytest.raises(TrialFailed) as caught:
        sweep([*fine, *bad], store=store, executor=executor() if executor else None)
    assert str(caught.value) == (
        f"tiny on hybrid, mean=inf log={log} seed=0: ValueError: nobody has that long"
    )
    assert isinstance(caught.value.__cause__, ValueError)
    assert len(files(store)) == 3
    here(fine, store)
    assert lines(log) == 4


def test_damaged_file_is_named(tmp_path: Path) -> None:
    here(trials(1), tmp_path / "store")
    (path,) = files(tmp_path / "store")
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(DamagedResult, match=r"not a readable result \(.*\); delete it, and run"):
        here(trials(1), tmp_path / "store")


def test_workers_are_counted_from_one() -> None:
    with pytest.raises(InvalidSetting, match=r"^workers=0: expected a whole number >= 1$"):
        sweep(trials(1), workers=0)


def test_one_pool_does_for_several_sweeps() -> None:
    with processes(1) as pool:
        first, second = (sweep(trials(2), executor=pool)["tiny"] for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_duckdb_reads_the_store_as_one_table(tmp_path: Path) -> None:
    store = tmp_path / "store"
    frame = here(plan(TINY), store)
    table = f"read_parquet('{store}/**/*.parquet', union_by_name = true)"
    rows = duckdb.sql(
        f"SELECT experiment, architecture, count(*), avg(latency) FROM {table} "
        "GROUP BY ALL ORDER BY architecture"
    )
    assert rows is not None
    means = frame.groupby("architecture")["latency"].mean()
    assert rows.fetchall() == [
        ("tiny", architecture, 3, pytest.approx(means[architecture]))
        for architecture in ("hybrid", "synchronous")
    ]


SWEEP = """
import sys
sys.path.append({here!r})
from genesis_lab.experiments.sweeps import sweep
from tiny_experiment import trials

if __name__ == "__main__":
    sweep(trials(12, log={log!r}, takes=0.15), store={store!r}, workers=2)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=lambda how: how.name)
def test_sweep_that_is_killed_or_interrupted_goes_on_where_it_was(
    how: signal.Signals, tmp_path: Path, log: Path
) -> None:
    store, script = tmp_path / "store", tmp_path / "script.py"
    script.write_text(SWEEP.format(here=HERE, log=str(log), store=str(store)))
    with (
        interruptible(),  # and so is what is begun here
        subprocess.Popen(
            [sys.executable, script], start_new_session=True, stderr=subprocess.PIPE
        ) as run,
    ):
        while len(files(store)) < 3:
            assert run.poll() is None, run.communicate()[1]
            time.sleep(0.01)
        if how == signal.SIGINT:
            os.killpg(run.pid, how)  # as a terminal does: to the workers, too
        else:
            run.send_signal(how)
        _, errors = run.communicate(timeout=60)
    assert (b"KeyboardInterrupt" in errors) is (how == signal.SIGINT)
    stored = len(files(store))
    assert 3 <= stored < 12
    before = _lines_when_quiet(log)
    assert before <= stored + 3  # what was at the workers, or on its way to the store
    frame = here(trials(12, log=str(log), takes=0.15), store)
    assert frame["seed"].tolist() == list(range(12))
    assert lines(log) == before + 12 - stored


HANGING = """
import sys
sys.path.append({here!r})
from genesis_lab.experiments.sweeps import sweep
from tiny_experiment import trials

if __name__ == "__main__":
    hanging = trials(1, log={log!r}, takes=3600.0)
    sweep([*hanging, *trials(3, log={log!r})], store={store!r}, workers=2)
"""


def test_one_interrupt_ends_a_sweep_whose_trial_hangs_and_keeps_the_others(
    tmp_path: Path, log: Path
) -> None:
    store, script = tmp_path / "store", tmp_path / "script.py"
    script.write_text(HANGING.format(here=HERE, log=str(log), store=str(store)))
    with (
        interruptible(),
        subprocess.Popen(
            [sys.executable, script], start_new_session=True, stderr=subprocess.PIPE
        ) as run,
    ):
        while len(files(store)) < 3 or lines(log) < 4:
            assert run.poll() is None, run.communicate()[1]
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=300)  # it does not hang for the hour
    assert b"KeyboardInterrupt" in errors
    assert len(files(store)) == 3
    _wait_until_gone(run.pid)


def _wait_until_gone(group: int) -> None:
    """Until no process of the group is left; what serves the workers ends a little after them."""
    with suppress(ProcessLookupError):
        for _ in range(600):
            os.killpg(group, 0)
            time.sleep(0.1)
        pytest.fail("there are processes left")


def test_trial_that_hangs_is_named_and_the_others_are_finished(tmp_path: Path, log: Path) -> None:
    store, fine = tmp_path / "store", trials(3, log=str(log))
    hangs = trials(1, log=str(log), takes=3600.0)
    with pytest.raises(UnfinishedTrials) as caught:
        sweep([*hangs, *fine], store=store, workers=2, trial_timeout=4.0)
    assert str(caught.value) == (
        "1 of the trials did not return in time: "
        f"tiny on hybrid, mean=0.1 log={log} takes=3600.0 seed=0"
    )
    assert len(files(store)) == 3
    here(fine, store)
    assert lines(log) == 4


def test_trial_that_ends_its_process_is_tried_again_alone_and_then_named(
    tmp_path: Path, log: Path
) -> None:
    store, fine = tmp_path / "store", trials(3)
    dies = trials(1, log=str(log), dies=9)
    with pytest.raises(UnfinishedTrials) as caught:
        sweep([*dies, *fine], store=store, workers=2)
    assert str(caught.value) == (
        "1 of the trials ended their process, alone as well: "
        f"tiny on hybrid, mean=0.1 log={log} dies=9 seed=0"
    )
    assert lines(log) == 2
    assert len(files(store)) == 3


def test_trial_whose_process_is_killed_once_is_finished_at_the_second_try(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="genesis_lab.experiments")
    frame = sweep([*trials(1, log=str(log), dies=1), *trials(3)], workers=2)["tiny"]
    assert frame["seed"].tolist() == [0, 0, 1, 2]
    assert lines(log) == 2
    [warning] = caplog.records
    assert warning.getMessage() == (
        f"tiny on hybrid, mean=0.1 log={log} dies=1 seed=0: "
        "its process ended with exit code -9 (below 0: a signal)"
    )


@pytest.mark.parametrize("timeout", [0, -1.0, math.inf, math.nan, "soon"])
def test_timeout_of_a_trial_is_seconds(timeout: Any) -> None:
    with pytest.raises(InvalidSetting, match=r"^trial_timeout=.*: expected seconds > 0, or None$"):
        sweep(trials(1), trial_timeout=timeout)


def test_timeout_of_a_trial_takes_processes_that_can_be_ended() -> None:
    with pytest.raises(InvalidSetting, match=r"^trial_timeout=1\.0: expected None with an execu"):
        sweep(trials(1), executor=InThisProcess(), trial_timeout=1.0)


@pytest.mark.parametrize("executor", [InThisProcess, None])
@pytest.mark.parametrize(
    ("value", "shown"),
    [(1j, "1j"), (2**70, "1180591620717411303424"), ([1, "a"], r"\[1, 'a'\]"), ({}, "{}")],
)
def test_value_that_cannot_be_stored_is_named_with_its_trial_and_column(
    executor: Callable[[], Executor] | None, value: object, shown: str
) -> None:
    experiment = replace(TINY, measure=partial(tiny.measure_as, value))
    with pytest.raises(
        TrialFailed, match=f"^tiny on hybrid, .* seed=0: NotStorable: column 'odd' holds {shown}: "
    ):
        sweep(trials(1, experiment), executor=executor() if executor else None)


def test_interrupt_at_any_line_loses_no_trial_that_was_finished(tmp_path: Path) -> None:
    def run(name: str) -> tuple[int, int]:
        """How many trials were begun, and how many are stored."""
        log, store = tmp_path / f"{name}.log", tmp_path / name
        with ThreadPoolExecutor(1) as pool, suppress(KeyboardInterrupt):
            sweep(trials(2, log=str(log)), store=store, executor=pool)
        return lines(log), len(files(store))

    # What is done before a trial is begun can lose none: it need not be interrupted line by line.
    lines_reached = [
        line
        for name in ("sweeps.py", "storage.py")
        for line in lines_of(str(OURS / name), partial(run, name))
    ]
    assert len(lines_reached) > 50
    lost = []
    with interruptible():
        for file, number in lines_reached:
            name = f"{Path(file).name}-{number}"
            with interrupt_at((file, number)):
                begun, stored = run(name)
            if begun != stored:
                lost.append((name, begun, stored))
    assert lost == []


def _lines_when_quiet(log: Path) -> int:
    """How many trials had begun when the workers were gone."""
    count = -1
    while lines(log) != count:
        count = lines(log)
        time.sleep(0.5)
    return count


CLUSTER = """
import os, signal, sys, threading, time
sys.path.append({here!r})
from distributed import Client, LocalCluster
from genesis_lab.experiments.sweeps import sweep
from tiny_experiment import trials

if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        # A worker has to find this script's modules.
        client.run(lambda: sys.path.append({here!r}))
        victim = next(iter(client.run(os.getpid).values()))

        def kill():
            while len(open({log!r}).readlines() if os.path.exists({log!r}) else []) < 5:
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)

        threading.Thread(target=kill).start()
        frame = sweep(
            trials(10, log={log!r}, takes=0.2),
            store={store!r},
            executor=client.get_executor(pure=False),
        )["tiny"]
        assert victim not in client.run(os.getpid).values()
        frame.to_parquet({out!r})
"""


def test_cluster_that_loses_a_worker_half_way_gives_all_results(tmp_path: Path, log: Path) -> None:
    script, out = tmp_path / "script.py", tmp_path / "frame.parquet"
    store = tmp_path / "store"
    places = {"here": HERE, "log": log, "store": store, "out": out}
    script.write_text(CLUSTER.format(**{name: str(path) for name, path in places.items()}))
    subprocess.run([sys.executable, script], check=True, timeout=120)
    assert lines(log) > 10  # what the dead worker was at was run again
    expected = here(trials(10)).drop(columns="experiment")
    frame = pd.read_parquet(out)
    pd.testing.assert_series_equal(frame["digest"], expected["digest"])
    assert len(files(store)) == 10
