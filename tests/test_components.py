import asyncio
import copy
import pickle
from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.components import DEFAULT_TIMEOUT, INTERLEAVED, AdmissionByType
from genesis_lab.errors import InvalidSetting, NotServed


class Named(gl.Component):
    admission = gl.pool(4)


def test_component_needs_but_its_id_and_is_serial_unless_told() -> None:
    component = gl.Component("a")
    assert component.id == "a"
    assert component.admission is gl.SERIAL


def test_component_shows_its_class_its_id_and_its_admission() -> None:
    assert repr(gl.Component("a")) == "<Component 'a' SERIAL>"
    assert repr(Named("b")) == "<Named 'b' pool(4)>"


@pytest.mark.parametrize("method", ["process_request", "on_event"])
def test_what_a_component_has_no_method_for_is_an_error_that_names_both(method: str) -> None:
    with pytest.raises(NotServed) as caught:
        getattr(gl.Component("a"), method)("execute_trade", None, "b")
    assert str(caught.value) == "'a' has no method for 'execute_trade'"
    assert isinstance(caught.value, NotImplementedError)


@pytest.mark.parametrize("workers", [0, -1, 1.0, 2.5, "2", None])
def test_a_pool_has_a_whole_number_of_workers(workers: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.pool(workers)
    assert str(caught.value) == f"workers={workers!r}: expected a whole number >= 1"


def test_admissions_are_values() -> None:
    assert gl.pool(2) == gl.pool(2)
    assert gl.pool(2) != gl.pool(3)
    assert {gl.SERIAL, gl.CALL_CHAIN, gl.RE_ENTRANT, gl.pool(1), gl.pool(1)} == {
        gl.SERIAL,
        gl.CALL_CHAIN,
        gl.RE_ENTRANT,
        gl.pool(1),
    }
    assert pickle.loads(pickle.dumps(gl.CALL_CHAIN)) == gl.CALL_CHAIN


def test_admissions_are_named_as_they_are_written() -> None:
    by_type = AdmissionByType({"status": gl.RE_ENTRANT}, default=INTERLEAVED)
    admissions = [
        *(gl.SERIAL, gl.CALL_CHAIN, gl.RE_ENTRANT, gl.pool(3)),
        *(gl.SERIAL.bounded(2), gl.pool(3).bounded(2).bounded(0), by_type),
    ]
    assert [repr(admission) for admission in admissions] == [
        "SERIAL",
        "CALL_CHAIN",
        "RE_ENTRANT",
        "pool(3)",
        "SERIAL.bounded(2)",
        "pool(3).bounded(0)",
        "AdmissionByType({'status': RE_ENTRANT}, default=INTERLEAVED)",
    ]
    assert by_type.name == "INTERLEAVED; status: RE_ENTRANT"


def test_default_timeout_stays_itself_when_it_is_copied() -> None:
    for copied in (copy.deepcopy(DEFAULT_TIMEOUT), pickle.loads(pickle.dumps(DEFAULT_TIMEOUT))):
        assert copied is DEFAULT_TIMEOUT


def test_a_component_may_be_tried_without_a_bus() -> None:
    class Doubler(gl.Component):
        async def process_request(self, request_type: str, data: Any, source: str) -> Any:
            return 2 * data

    assert asyncio.run(Doubler("a").process_request("double", 21, "test")) == 42
