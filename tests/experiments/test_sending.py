import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.experiments.sweeps import InThisProcess, Trial, TrialFailed, sweep
from genesis_lab.experiments.trials import Condition

pytestmark = pytest.mark.slow

# Workers find it by this name, whatever `tests` is elsewhere on their path.
HERE = str(Path(__file__).parent)
sys.path.append(HERE)
tiny: Any = import_module("tiny_experiment")


def trials_on(architecture: str) -> list[Trial]:
    return [Trial(tiny.TINY, Condition(architecture, {"mean": 0.1}), seed) for seed in (0, 1)]


def test_workers_know_an_architecture_that_is_added_before_the_sweep() -> None:
    gl.add_architecture("mine", tiny.Eager, family="hybrid")
    frame = sweep(trials_on("mine"), workers=2)["tiny"]
    assert frame["architecture"].tolist() == ["mine", "mine"]
    here = sweep(trials_on("mine"), executor=InThisProcess())["tiny"]
    assert frame["digest"].tolist() == here["digest"].tolist()


REFUSED = (
    "tiny on mine, mean=0.1 seed=0: InvalidSetting: architecture='mine': expected one whose "
    "factory worker processes can import, such as a class or function of a module; "
    "executor=InThisProcess() needs no workers"
)

SCRIPT = """
import sys
sys.path.append({here!r})
import genesis_lab as gl
from genesis_lab.experiments.sweeps import Trial, sweep
from genesis_lab.experiments.trials import Condition
from tiny_experiment import TINY

class Bus(gl.HybridCoordinator):
    pass

gl.add_architecture("mine", Bus)

if __name__ == "__main__":
    trials = [Trial(TINY, Condition("mine", {{"mean": 0.1}}), seed) for seed in range(2)]
    print(sweep(trials, workers=2)["tiny"]["architecture"].tolist())
"""


def test_workers_know_an_architecture_that_a_script_defines(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(here=HERE))
    done = subprocess.run(
        [sys.executable, script], check=True, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("['mine', 'mine']\n", "")


def test_architecture_that_workers_cannot_import_is_one_clear_error() -> None:
    # As in a notebook: what `__main__` defines is in no file.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(here=HERE)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (1, "")
    # Two workers are asked at once, and either may be the first to answer.
    said = done.stderr.splitlines()[-1].replace("seed=1", "seed=0")
    assert said.endswith(f"TrialFailed: {REFUSED}")


def test_architecture_that_cannot_be_pickled_is_one_clear_error() -> None:
    def make(**settings: Any) -> gl.Bus:
        return gl.HybridCoordinator(**settings)

    gl.add_architecture("mine", make)
    with pytest.raises(TrialFailed) as caught:
        sweep(trials_on("mine"), workers=1)
    assert str(caught.value) == REFUSED
    assert len(sweep(trials_on("mine"), executor=InThisProcess())["tiny"]) == 2
