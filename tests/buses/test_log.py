"""What the log, the run and the trace say of timeouts and failures."""

import logging
from typing import Any

import pytest
import trio

import genesis_lab as gl
from tests.parts import Part, all_but, ask, raises, sleeps

LOG = "genesis_lab.bus"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="genesis_lab")
    return caplog


def said(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in log.records
        if record.name == LOG and not record.getMessage().startswith("bus ")
    ]


def failing_twice(architecture: str = "hybrid", **settings: Any) -> gl.RunResult[None]:
    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(
                Part("b", raises(ValueError("no such\nprice")), hear=raises(KeyError("x")))
            )
            bus.subscribe("b", "news")
            for _ in range(2):
                await ask(bus, "b")
            await gl.sleep(1.0)
            await bus.emit_event("news", None, "feed")
            await bus.settle()

    return gl.run(main, **settings)


def test_failed_handler_is_an_error_with_its_traceback_once_and_then_for_debugging(
    log: pytest.LogCaptureFixture,
) -> None:
    failing_twice()
    assert said(log) == [
        ("ERROR", "b failed on ask"),
        ("DEBUG", "b failed on ask"),
        ("ERROR", "b failed on news"),
    ]
    errors = [record for record in log.records if record.levelno == logging.ERROR]
    assert [type(error.exc_info[1]) for error in errors if error.exc_info] == [ValueError, KeyError]


def test_timed_out_request_is_a_warning_once_per_component_and_type(
    log: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b", sleeps(9.0)))
            for _ in range(2):
                await ask(bus, "b", timeout=0.5)
            await bus.request("b", "other", None, "client", timeout=0.25)

    gl.run(main)
    assert said(log) == [
        ("WARNING", "'b' did not answer 'ask' within 0.5 s"),
        ("DEBUG", "'b' did not answer 'ask' within 0.5 s"),
        ("WARNING", "'b' did not answer 'other' within 0.25 s"),
    ]


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_run_counts_failed_handlers_and_keeps_the_first_message(architecture: str) -> None:
    result = failing_twice(architecture)
    assert result.ended == "completed"
    assert result.failures == 3
    assert result.first_failure == "'b' failed on 'ask': ValueError: no such\nprice"


def test_record_keeps_the_first_line_of_an_exception() -> None:
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus:
            bus.register(Part("b", raises(ValueError("no such\nprice"))))
            await ask(bus, "b")
            await ask(bus, "nobody")

    gl.run(main)
    requests = recorder.trace().requests
    assert list(requests["error"].astype(object).fillna("-")) == ["ValueError", "-"]
    assert list(requests["error_message"].astype(object).fillna("-")) == ["no such", "-"]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_run_that_raises_on_failure_ends_with_the_first_failed_handler(architecture: str) -> None:
    with pytest.raises(gl.HandlerFailed) as caught:
        failing_twice(architecture, on_failure="raise")
    assert str(caught.value) == "'b' failed on 'ask': ValueError: no such\nprice"
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_was_open_when_a_handler_failed_is_pending() -> None:
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus, trio.open_nursery() as nursery:
            bus.register(Part("slow", sleeps(9.0)))
            bus.register(Part("b", raises(ValueError())))
            nursery.start_soon(ask, bus, "slow")
            await gl.sleep(0.5)
            await ask(bus, "b")

    with pytest.raises(gl.HandlerFailed):
        gl.run(main, on_failure="raise")
    assert list(recorder.trace().requests["outcome"]) == ["pending", "failed"]


def test_bus_that_ignores_admissions_says_so_once(log: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with gl.SynchronousBus() as bus:
            bus.register(Part("a"))
            bus.register(Part("b", admission=gl.RE_ENTRANT))
            bus.register(Part("c", admission=gl.pool(2)))

    gl.run(main)
    assert said(log) == [
        ("WARNING", "synchronous ignores admissions: 'b' asks for RE_ENTRANT and gets SERIAL")
    ]
