"""The same seed gives the same bytes: in any process, on any Python, whatever is imported."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.properties.one_digest import trace_of
from tests.pythons import ROOT, environment, others

SCRIPT = Path(__file__).with_name("one_digest.py")
SEED = 7


def digest_in_a_fresh_process(
    python: str | Path, hash_seed: int, *modules: str, seed: int = SEED
) -> str:
    result = subprocess.run(
        [python, SCRIPT, str(seed), *modules],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.fixture(scope="module")
def digest() -> str:
    trace = trace_of(SEED)
    outcomes = trace.requests["outcome"].value_counts()
    assert min(outcomes["answered"], outcomes["timed_out"], outcomes["cancelled"]) > 10
    assert len(trace.deadlocks) > 5
    return trace.digest()


def test_ten_fresh_processes_with_different_hash_seeds_agree(digest: str) -> None:
    digests = {digest_in_a_fresh_process(sys.executable, number) for number in range(10)}
    assert digests == {digest}


def test_importing_hypothesis_changes_nothing(digest: str) -> None:
    assert digest_in_a_fresh_process(sys.executable, 1, "hypothesis", "pytest") == digest


def test_every_python_of_the_machine_agrees(digest: str, pytestconfig: pytest.Config) -> None:
    key = sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    digests: dict[tuple[str, int], str] = {}
    for version, python in others():
        folder = pytestconfig.cache.mkdir(f"python-{version}-{key}")
        inside = environment(python, folder)
        digests |= {(version, n): digest_in_a_fresh_process(inside, n) for n in range(3)}
    if not digests:
        pytest.skip("no other supported Python on this machine")
    assert digests == dict.fromkeys(digests, digest)


def test_another_seed_gives_other_draws(digest: str) -> None:
    assert digest_in_a_fresh_process(sys.executable, 0, seed=SEED + 1) != digest
