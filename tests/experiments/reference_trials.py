"""Trials as they once were: each experiment's quick conditions under two seeds, as fingerprints.

`reference_trials.json` was written by the commit before schema 2, by

    PYTHONPATH=. python tests/experiments/reference_trials.py

from the root of the repository. Write it anew only where a change of outcomes is meant, and say so
in the commit. It keeps the conditions themselves, so that an experiment may gain others.

A table's fingerprint has two hexadecimal digits for each row, which find the row that differs, and
sixteen for the whole table, which miss no difference. They are those of the columns of schema 1,
by name, with every bit of a float. This module knows nothing of how a trace is recorded.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from genesis_lab.experiments import EXPERIMENTS, load_experiment
from genesis_lab.experiments.sweeps import plan
from genesis_lab.experiments.trials import Condition, TrialResult, run_trial

FILE = Path(__file__).with_suffix(".json")
SEEDS = 2
COLUMNS = {
    "requests": "id cause chain attempt source target request_type outcome error intended_at "
    "sent_at started_at finished_at blocked",
    "events": "id cause chain source event_type subscribers intended_at sent_at finished_at",
    "deliveries": "id event chain source target event_type outcome error intended_at sent_at "
    "started_at finished_at blocked",
    "deadlocks": "formed_at members components victims broken_at broken_by",
}
"""The columns of schema 1, by table."""
ROW_DIGITS = 2
TABLE_DIGITS = 16

Reference = dict[str, Any]
"""A trial: its `architecture`, `parameters` and `seed`, how it `ended`, and its tables."""


def references() -> dict[str, list[Reference]]:
    """The trials as the file has them, by experiment."""
    trials: dict[str, list[Reference]] = json.loads(FILE.read_text())
    return trials


def run_again(experiment: str, reference: Reference) -> TrialResult:
    """The same trial with today's code."""
    described = load_experiment(experiment)
    condition = Condition(reference["architecture"], reference["parameters"])
    return run_trial(
        described.scenario, condition, seed=reference["seed"], horizon=described.horizon
    )


def ending(result: TrialResult) -> str:
    """How a run ended, and when."""
    return f"{result.run.ended} at {result.run.at.hex()}"


def rows(result: TrialResult, table: str) -> list[str]:
    """Each row of a table as text that tells any two values apart."""
    frame: pd.DataFrame = getattr(result.trace, table)
    columns = (frame[name].tolist() for name in COLUMNS[table].split())
    return [json.dumps([_exact(value) for value in row]) for row in zip(*columns, strict=True)]


def _exact(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Iterable):
        return [_exact(part) for part in value]
    if value is None or value is pd.NA or math.isnan(value):
        return None
    return float(value).hex()


def fingerprint(table: Sequence[str]) -> str:
    """That of the rows."""
    digits = "".join(_digest(row)[:ROW_DIGITS] for row in table)
    return digits + _digest("\n".join(table))[:TABLE_DIGITS]


def first_difference(table: Sequence[str], reference: str) -> str:
    """Where a table differs from the one that has the reference as its fingerprint, in words."""
    before = [
        reference[at : at + ROW_DIGITS]
        for at in range(0, len(reference) - TABLE_DIGITS, ROW_DIGITS)
    ]
    for number, (row, digits) in enumerate(zip(table, before, strict=False)):
        if _digest(row)[:ROW_DIGITS] != digits:
            return f"row {number} is now {row}"
    if len(table) == len(before):
        return f"all {len(table)} rows look alike by {ROW_DIGITS} digits, but one of them differs"
    return f"{len(table)} rows instead of {len(before)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _trials_of(experiment: str) -> Iterator[Reference]:
    for trial in plan(load_experiment(experiment), replicates=SEEDS, quick=True):
        reference: Reference = {
            "architecture": trial.condition.architecture,
            "parameters": dict(trial.condition.parameters),
            "seed": trial.seed,
        }
        result = run_again(experiment, reference)
        tables = {table: fingerprint(rows(result, table)) for table in COLUMNS}
        yield reference | {"ended": ending(result)} | tables


def write() -> None:
    """Make today's trials the reference."""
    experiments = []
    for name in EXPERIMENTS:
        trials = ",\n".join(map(json.dumps, _trials_of(name)))
        experiments.append(f"{json.dumps(name)}: [\n{trials}\n]")
    FILE.write_text("{\n" + ",\n".join(experiments) + "\n}\n")


if __name__ == "__main__":
    write()
