"""Experiments: the questions that the lab answers, one module per family of them.

From the bottom up:

- `trials`: one scenario on one architecture under one seed
- `compared`: the architectures that experiments compare
- `claims`: what the original design claims, and what a verdict is
- `experiment`: what an experiment consists of
- `fingerprint`, with `ingredients` and `installed`: a hash of the code that is loaded
- `workers`: processes that can be ended one by one
- `storage`: finished trials on disk; `sweeps`: many trials on many processors; `sending`: what
  these have to know of an architecture
- `deadlocks`, `roles`, `effects`, `tables`, `drawings`: what several experiments measure, compare,
  write and draw alike
- one module per experiment, by its name

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
    "circular": "Does A -> B -> A hang, and on a ring of any size?",
    "recursive": "Does an event come back to its emitter, and does publish -> call back hang?",
    "attribution": "What cures a deadlock, and what only masks it?",
    "random-calls": "How likely is a deadlock in a random call graph, and how soon?",
    "slow-component": "Who else pays for a slow component?",
    "load": "What is the latency at each utilisation, beside queueing theory?",
    "fan-out": "What does an event cost its emitter, by the number of subscribers?",
    "scaling": "How does throughput grow with the number of components?",
    "isolation": "Do failing components hurt the others?",
    "timeouts": "Which operations do the recommended timeouts suit?",
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
