"""The same seed gives the same bytes: in any process, on any Python, whatever is imported."""

import json
import os
import random
import subprocess
import sys
from hashlib import sha256
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.workloads.scripted import Call, Client, ScriptedComponent, System, Wait
from tests.parts import all_but
from tests.properties.one_digest import digests, trace_of
from tests.properties.plain_record import PlainRecord
from tests.pythons import ROOT, VERSIONS, CannotMake, environment, find, running

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("one_digest.py")
SEED = 7

Digests = dict[str, str]


def digests_in_a_fresh_process(python: str | Path, hash_seed: int, *modules: str) -> Digests:
    result = subprocess.run(
        [python, SCRIPT, str(SEED), *modules],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: Digests = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def here() -> Digests:
    """The digests in this process, in which much has been imported and has happened."""
    return digests(SEED)


def test_system_that_is_run_is_full_of_chances_to_differ() -> None:
    trace = trace_of(SEED)
    outcomes = trace.requests["outcome"].value_counts()
    assert min(outcomes["answered"], outcomes["timed_out"], outcomes["cancelled"]) > 10
    assert len(trace.deadlocks) > 5


@pytest.mark.parametrize("hash_seed", range(10))
def test_fresh_process_with_another_hash_seed_agrees(here: Digests, hash_seed: int) -> None:
    assert digests_in_a_fresh_process(sys.executable, hash_seed) == here


def test_importing_hypothesis_changes_nothing(here: Digests) -> None:
    assert digests_in_a_fresh_process(sys.executable, 1, "hypothesis", "pytest") == here


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != running()])
def test_every_python_of_the_machine_agrees(
    here: Digests, version: str, pytestconfig: pytest.Config
) -> None:
    python = find(version)
    if python is None:
        pytest.skip(f"no Python {version} that starts on this machine")
    key = sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    try:
        inside = environment(python, pytestconfig.cache.mkdir(f"python-{version}-{key}"))
    except CannotMake as error:
        pytest.skip(f"no environment for {python}: {error}")
    for hash_seed in range(3):
        assert digests_in_a_fresh_process(inside, hash_seed) == here


@given(number=st.integers())
@settings(max_examples=5)
def test_neither_hypothesis_at_work_nor_the_global_generator_changes_anything(
    here: Digests, number: int
) -> None:
    random.seed(number)
    assert trace_of(SEED).digest() == here["hybrid"]


# --- another seed is another interleaving ---------------------------------------------------------

AT_ONCE = System(
    components=(ScriptedComponent("a", on_request={"ask": (Wait(1.0),)}),),
    clients=tuple(Client((Call("a", "ask", None),), source=source) for source in "xyz"),
)
"""Nothing in it is random but the order of what happens at the same time."""


def order_of_service(architecture: str, seed: int) -> str:
    """The clients, in the order in which the component served them."""
    record = PlainRecord()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=record) as bus:
            await AT_ONCE.run_on(bus)

    gl.run(main, seed=seed)
    started = {row.started_at: record.routes[row.route].source for row in record.requests}
    assert sorted(started) == [0.0, 1.0, 2.0]
    return "".join(started[at] for at in sorted(started))


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_seeds_reach_every_order_of_simultaneous_tasks(architecture: str) -> None:
    orders = {order_of_service(architecture, seed) for seed in range(50)}
    assert orders == set(map("".join, permutations("xyz")))


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_each_seed_keeps_its_order(architecture: str) -> None:
    first, again = ([order_of_service(architecture, seed) for seed in range(20)] for _ in "12")
    assert first == again


def test_different_seeds_have_different_digests() -> None:
    assert len({trace_of(seed).digest() for seed in range(10)}) == 10
