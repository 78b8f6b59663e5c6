import importlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest

from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments.fingerprint import Fingerprints


def of(function: object) -> str:
    return Fingerprints().of(measure=function)


class Write(Protocol):
    def __call__(self, **sources: str) -> ModuleType: ...


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules, and import the last one anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written: set[str] = set()

    def write_modules(**sources: str) -> ModuleType:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        written.update(sources)
        for name in written:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(list(sources)[-1])

    yield write_modules
    for name in written:
        sys.modules.pop(name, None)


def test_same_functions_have_the_same_fingerprint(write: Write) -> None:
    source = "import math\nRATE = 2.5\ndef measure(result): return math.floor(RATE * result)"
    first = of(write(measured=source).measure)
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert of(write(measured=f"# a comment\n\n{source}").measure) == first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def measure(result): return 1", "def measure(result): return 2"),
        ("def measure(result, at=1): return at", "def measure(result, at=2): return at"),
        ("def measure(result, *, at=1): return at", "def measure(result, *, at=2): return at"),
        ("R = 1\ndef measure(result): return R", "R = 2\ndef measure(result): return R"),
        ("R = [1]\ndef measure(result): return R", "R = [2]\ndef measure(result): return R"),
        (
            "def f(): return 1\nT = {'f': f}\ndef measure(result): return T['f']()",
            "def f(): return 2\nT = {'f': f}\ndef measure(result): return T['f']()",
        ),
        (
            "class A:\n  x = 1\nclass B(A): pass\ndef measure(result): return B.x",
            "class A:\n  x = 2\nclass B(A): pass\ndef measure(result): return B.x",
        ),
        (
            "class A:\n  @property\n  def x(self): return 1\ndef measure(result): return A().x",
            "class A:\n  @property\n  def x(self): return 2\ndef measure(result): return A().x",
        ),
        (
            "class A: pass\na = A()\na.x = 1\ndef measure(result): return a.x",
            "class A: pass\na = A()\na.x = 2\ndef measure(result): return a.x",
        ),
        (
            "import functools\n@functools.cache\ndef f(): return 1\nmeasure = f",
            "import functools\n@functools.cache\ndef f(): return 2\nmeasure = f",
        ),
        (
            "import re\nP = re.compile('a')\ndef measure(result): return P",
            "import re\nP = re.compile('b')\ndef measure(result): return P",
        ),
        (
            "import functools\ndef f(a): return a\nmeasure = functools.partial(f, 1)",
            "import functools\ndef f(a): return a\nmeasure = functools.partial(f, 2)",
        ),
        ("def measure(result): return {1, 2}", "def measure(result): return {1, 3}"),
        (
            "def measure(result): return [x for x in result if x > 1]",
            "def measure(result): return [x for x in result if x > 2]",
        ),
        (
            "def wrap(f):\n  def g(r): return f(r)\n  return g\n@wrap\ndef measure(r): return 1",
            "def wrap(f):\n  def g(r): return f(r)\n  return g\n@wrap\ndef measure(r): return 2",
        ),
    ],
)
def test_all_that_a_function_reaches_counts(write: Write, before: str, after: str) -> None:
    first = of(write(measured=before).measure)
    assert of(write(measured=before).measure) == first
    assert of(write(measured=after).measure) != first


@pytest.mark.parametrize(
    "measured",
    [
        "import helper\ndef measure(result): return helper.double(result)",
        "from helper import double\ndef measure(result): return double(result)",
        "def measure(result):\n  import helper\n  return helper.double(result)",
        "def measure(result):\n  from helper import double\n  return double(result)",
        "import helper\ndef measure(result): return getattr(helper, 'double')(result)",
        "import helper\nT = [helper]\ndef measure(result): return T[0].double(result)",
        "import helper\nclass A(helper.Base): pass\ndef measure(result): return A().double(result)",
    ],
)
def test_module_that_is_imported_counts(write: Write, measured: str) -> None:
    helper = (
        "FACTOR = {}\ndef double(x): return FACTOR * x\n"
        "class Base:\n  def double(self, x): return FACTOR * x"
    )
    first = of(write(helper=helper.format(2), measured=measured).measure)
    assert of(write(helper=helper.format(2), measured=measured).measure) == first
    assert of(write(helper=helper.format(3), measured=measured).measure) != first


def test_closures_of_the_same_name_differ_by_what_they_hold() -> None:
    def measuring(share: float) -> Callable[[Any], float]:
        def measure(_result: object) -> float:
            return share

        return measure

    assert measuring(0.5).__qualname__ == measuring(0.9).__qualname__
    assert of(measuring(0.5)) == of(measuring(0.5)) != of(measuring(0.9))


def test_partials_and_methods_count_with_what_is_bound() -> None:
    assert of(partial(max, 1)) == of(partial(max, 1)) != of(partial(max, 2))
    assert of("a".join) == of("a".join) != of("b".join)


def test_reloaded_module_counts_as_it_is_loaded_not_as_its_file_is(write: Write) -> None:
    module = write(measured="def measure(result): return 1")
    file = Path(str(module.__file__))
    first = of(module.measure)
    file.write_text("def measure(result): return 22")
    assert of(module.measure) == first
    importlib.reload(module)
    assert of(module.measure) != first


def test_function_of_a_class_with_slots_a_cycle_and_a_dispatch_is_hashed(write: Write) -> None:
    module = write(
        measured="""
import dataclasses, enum, functools, logging, typing
log = logging.getLogger("x")
class Colour(enum.Enum):
    RED = 1
@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int = 0
    colours: list = dataclasses.field(default_factory=lambda: [Colour.RED])
class Shape(typing.Protocol):
    def area(self) -> float: ...
class Square(Shape):
    def area(self): return 1.0
@functools.singledispatch
def show(value): return str(value)
@show.register
def _(value: int): return "int"
cycle = []
cycle.append(cycle)
def measure(result):
    log.info("m")
    return measure, cycle, Point(), Square().area(), show(1), {Colour.RED}
"""
    )
    first = of(module.measure)
    module.measure(None)  # fills caches, and changes what `typing` does to a Protocol
    assert of(module.measure) == first


LOCK = threading.Lock()
GENERATOR = (each for each in "ab")


def _locked(_result: object) -> bool:
    return LOCK.locked()


def _of_a_generator(_result: object) -> object:
    return GENERATOR


@pytest.mark.parametrize(
    ("function", "named"),
    [(_locked, r"LOCK=<unlocked _thread\.lock"), (_of_a_generator, "GENERATOR=<generator")],
)
def test_what_cannot_be_hashed_is_refused_by_name(
    function: Callable[[object], object], named: str
) -> None:
    with pytest.raises(InvalidSetting, match=named) as caught:
        of(function)
    assert "what a stored trial reaches to be no " in str(caught.value)


def test_what_is_set_aside_counts_by_its_class() -> None:
    registry = {"a": 1}

    def measure(_result: object) -> int:
        return registry["a"]

    first = Fingerprints(aside=[registry]).of(measure=measure)
    registry["a"] = 2
    assert Fingerprints(aside=[registry]).of(measure=measure) == first


EVERY_EXPERIMENT = """
import sys
from pathlib import Path
from genesis_lab.experiments import EXPERIMENTS, load_experiment
from genesis_lab.experiments.storage import Store
from genesis_lab.experiments.sweeps import plan, trial_paths

names = list(EXPERIMENTS)[:: int(sys.argv[1])]
trials = [trial for name in names for trial in plan(load_experiment(name), quick=True)]
if sys.argv[1] == "-1":
    import IPython, trio.testing, duckdb  # and other names of what is installed

    trials[0].run()
print(*sorted(map(str, trial_paths(Store(Path("store")), trials))), sep="\\n")
"""


def test_fingerprints_are_the_same_in_each_process_and_under_each_hash_seed() -> None:
    def paths(order: str, seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", EVERY_EXPERIMENT, order],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    first = paths("1", "0")
    assert len(set(first.split())) > 100
    assert paths("-1", "1") == first  # in reverse, and after a trial
