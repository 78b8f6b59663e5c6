import logging
import pickle
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.buses.architectures import Architectures
from genesis_lab.errors import InvalidSetting, UnknownArchitecture


class Mine(gl.HybridCoordinator):
    """A bus from outside the package."""


def recorded_name(bus: gl.Bus, recorder: gl.Recorder) -> str | None:
    """What the record of a run on the bus calls its architecture."""

    async def main() -> None:
        async with bus:
            pass

    gl.run(main)
    return recorder.trace().manifest.architecture


@pytest.mark.parametrize("name", gl.ARCHITECTURES)
def test_record_bears_the_name_under_which_the_architecture_is_registered(name: str) -> None:
    recorder = gl.Recorder()
    bus = gl.ARCHITECTURES[name](observer=recorder)
    assert bus.architecture == recorded_name(bus, recorder) == name


def test_bus_that_is_made_from_its_class_has_the_name_of_the_class() -> None:
    gl.ARCHITECTURES["hybrid-raise"]()
    assert gl.HybridCoordinator(on_deadlock="raise").architecture == "hybrid"


def test_settings_reach_the_bus() -> None:
    bus = gl.ARCHITECTURES["hybrid-raise"](inbox_capacity=3)
    assert (bus.configuration["on_deadlock"], bus.configuration["inbox_capacity"]) == ("raise", 3)


def test_registry_is_in_order_of_registration_and_says_what_each_is() -> None:
    before = list(gl.ARCHITECTURES)
    assert before[:3] == ["synchronous", "synchronous-component", "hybrid"]
    gl.add_architecture("mine", Mine, summary="Mine, and no other.")
    assert list(gl.ARCHITECTURES) == [*before, "mine"]
    assert len(gl.ARCHITECTURES) == len(before) + 1
    assert repr(gl.ARCHITECTURES).endswith("\nmine                   Mine, and no other.")


@pytest.mark.parametrize("name", gl.ARCHITECTURES)
def test_architecture_has_a_sentence_and_survives_pickling(name: str) -> None:
    architecture = gl.ARCHITECTURES[name]
    assert re.fullmatch(r"[A-Z][^.]*\.", architecture.summary)
    copy = pickle.loads(pickle.dumps(architecture))
    assert copy().architecture == name


def test_traits_say_what_a_bus_takes_notice_of() -> None:
    takes = {
        name: (architecture.family, architecture.honours_timeout, architecture.honours_admission)
        for name, architecture in gl.ARCHITECTURES.items()
    }
    assert takes["synchronous"] == takes["synchronous-component"] == ("synchronous", False, False)
    assert takes["hybrid"] == takes["hybrid-raise"] == ("hybrid", True, True)


def test_registry_cannot_be_changed_by_assignment() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        gl.ARCHITECTURES["mine"] = Mine  # type: ignore[index]


def test_unknown_name_is_refused_with_the_nearest_one_and_all_there_are() -> None:
    known = " or ".join(map(repr, gl.ARCHITECTURES))
    with pytest.raises(UnknownArchitecture) as caught:
        gl.ARCHITECTURES["hybird"]
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, gl.LabError)
    said = f"architecture='hybird': expected {known}; did you mean 'hybrid'?"
    assert str(caught.value) == said
    assert str(pickle.loads(pickle.dumps(caught.value))) == said


@pytest.mark.parametrize("name", ["bus", 7, None, []])
def test_unknown_name_that_is_near_to_none_gets_no_suggestion(name: Any) -> None:
    known = " or ".join(map(repr, gl.ARCHITECTURES))
    with pytest.raises(UnknownArchitecture) as caught:
        gl.ARCHITECTURES[name]
    assert str(caught.value) == f"architecture={name!r}: expected {known}"
    assert gl.ARCHITECTURES.get(name) is None


def test_added_architecture_can_be_named_like_those_of_the_lab() -> None:
    added = gl.add_architecture("mine", Mine, honours_timeout=False)
    assert gl.ARCHITECTURES["mine"] is added
    assert (added.family, added.honours_timeout, added.honours_admission) == ("mine", False, True)
    recorder = gl.Recorder()
    assert recorded_name(gl.ARCHITECTURES["mine"](observer=recorder), recorder) == "mine"
    with gl.live("mine") as lab:
        assert repr(lab).startswith("<LiveLab on mine, ")


@pytest.mark.parametrize("name", ["", "two words", "a/b", "a=b", "-a", "..", "a\n", 7])
def test_name_that_is_no_word_is_refused(name: Any) -> None:
    expected = "a word of letters, digits, '_', '-', '.' and '+'"
    with pytest.raises(InvalidSetting) as caught:
        gl.add_architecture(name, Mine)
    assert str(caught.value) == f"name={name!r}: expected {expected}"
    with pytest.raises(InvalidSetting) as caught:
        gl.add_architecture("mine", Mine, family=name)
    assert str(caught.value) == f"family={name!r}: expected {expected}"


def test_factory_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"^factory='hybrid': expected a callable that ret"):
        gl.add_architecture("mine", "hybrid")  # type: ignore[arg-type]
    assert "mine" not in gl.ARCHITECTURES


def test_taken_name_is_refused_if_it_is_another_architecture() -> None:
    small = partial(Mine, inbox_capacity=1)
    first = gl.add_architecture("mine", small)
    for other in (Mine, partial(Mine, inbox_capacity=2)):
        with pytest.raises(InvalidSetting, match=r"^name='mine': expected a name that is not tak"):
            gl.add_architecture("mine", other)
    with pytest.raises(InvalidSetting, match=r"^name='mine': expected a name that is not taken$"):
        gl.add_architecture("mine", small, family="hybrid")
    with pytest.raises(InvalidSetting, match=r"^name='hybrid': expected a name that is not taken"):
        gl.add_architecture("hybrid", Mine)
    assert gl.ARCHITECTURES["mine"] is first
    gl.add_architecture("mine", partial(Mine, inbox_capacity=1))


def test_cell_of_a_notebook_can_be_run_again() -> None:
    cell = "class Bus(gl.HybridCoordinator): pass\ngl.add_architecture('mine', Bus)"
    first, second = {"gl": gl, "__name__": "__main__"}, {"gl": gl, "__name__": "__main__"}
    exec(cell, first)
    exec(cell, second)
    assert type(gl.ARCHITECTURES["mine"]()) is second["Bus"]


# --- from other packages --------------------------------------------------------------------------

PACKAGE = """
import genesis_lab as gl

class Plain(gl.HybridCoordinator):
    pass

strict = gl.Architecture(
    name="any", factory=Plain, family="hybrid", honours_timeout=False, summary="From elsewhere."
)
number = 7
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a package with these entry points importable."""

    def with_entry_points(**entries: str) -> None:
        (tmp_path / "brings_buses.py").write_text(PACKAGE)
        about = tmp_path / "brings_buses-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brings-buses\nVersion: 1.0\n")
        lines = (f"{name} = {value}\n" for name, value in entries.items())
        text = f"[genesis_lab.architectures]\n{''.join(lines)}"
        (about / "entry_points.txt").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)

    return with_entry_points


def test_packages_bring_architectures_by_entry_points(install: Any) -> None:
    fresh = Architectures(*gl.ARCHITECTURES.values())
    install(plain="brings_buses:Plain", strict="brings_buses:strict")
    assert list(fresh) == [*gl.ARCHITECTURES, "plain", "strict"]
    assert (fresh["plain"].family, fresh["plain"]().architecture) == ("plain", "plain")
    strict = fresh["strict"]
    assert (strict.name, strict.family, strict.honours_timeout) == ("strict", "hybrid", False)
    assert strict().architecture == "strict"


def test_entry_points_that_are_broken_are_named_in_one_warning(
    install: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="genesis_lab.architectures")
    fresh = Architectures(*gl.ARCHITECTURES.values())
    install(
        gone="brings_nothing:Bus",
        hybrid="brings_buses:Plain",
        number="brings_buses:number",
        plain="brings_buses:Plain",
    )
    assert caplog.messages == []
    assert list(fresh) == [*gl.ARCHITECTURES, "plain"]
    assert "plain" in fresh
    [message] = caplog.messages
    assert message == (
        "architectures that cannot be loaded: "
        "gone (brings_nothing:Bus: ModuleNotFoundError: No module named 'brings_nothing'); "
        "hybrid (brings_buses:Plain: InvalidSetting: name='hybrid': expected a name that is not "
        "taken); "
        "number (brings_buses:number: InvalidSetting: factory=7: expected a callable that returns "
        "a bus)"
    )
