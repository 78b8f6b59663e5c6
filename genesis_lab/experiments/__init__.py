"""Experiments: the questions that the lab answers, one module per family of them.

From the bottom up:

- `trials`: one scenario on one architecture under one seed
- `claims`: what the original design claims, and what a verdict is
- `experiment`: what an experiment consists of
- `storage`: finished trials on disk; `sweeps`: many trials on many processors
- one module per experiment, by its name; `tables`: how their numbers are written

`EXPERIMENTS` is what can be run, and `load_experiment` gets one by name. A new experiment is one
module with an `EXPERIMENT` and its line in `EXPERIMENTS`. Nothing is imported here: each of them
loads when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from genesis_lab.errors import check_choice

if TYPE_CHECKING:
    from genesis_lab.experiments.experiment import Experiment

EXPERIMENTS = {
    "trading-day": "Where does the old bus stop on recorded ticks, and does the hybrid?",
}
"""The question of each experiment, by the name under which it is run."""


def load_experiment(name: str) -> "Experiment":
    """The experiment of that name.

    Raises
    ------
    InvalidSetting
        There is none.
    """
    check_choice("experiment", name, tuple(EXPERIMENTS))
    experiment: Experiment = import_module(f"{__name__}.{name.replace('-', '_')}").EXPERIMENT
    return experiment
