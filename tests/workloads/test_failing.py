from typing import Any

import pytest

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.workloads.durations import Constant
from genesis_lab.workloads.failing import FailingService, ServiceFailed, error_group
from genesis_lab.workloads.services import Service


def served(
    service: FailingService, *, count: int = 1, events: int = 0, seed: int = 0
) -> tuple[float, gl.Trace]:
    """When so many requests and events have been served, and what is on record of them."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus:
            bus.register(service)
            bus.register(Service("other", Constant(0.5)))
            bus.subscribe(service.id, "tick")
            for _ in range(count):
                await bus.request(service.id, "work", None, "test")
            for _ in range(events):
                await bus.emit_event("tick", None, "test")
            await bus.drain()

    return gl.run(main, seed=seed).at, recorder.trace()


def failing(rate: float, **options: Any) -> FailingService:
    return FailingService("service", Constant(0.25), failure_rate=rate, **options)


def outcomes(rate: float, *, seed: int = 0) -> list[str]:
    _, trace = served(failing(rate), count=200, seed=seed)
    return trace.requests["outcome"].tolist()


@pytest.mark.parametrize(("rate", "outcome"), [(0.0, "answered"), (1.0, "failed")])
def test_failure_takes_as_long_as_an_answer(rate: float, outcome: str) -> None:
    at, trace = served(failing(rate), count=2)
    assert at == 0.5
    assert trace.requests["outcome"].tolist() == [outcome] * 2


def test_service_fails_at_events_too() -> None:
    at, trace = served(failing(1.0), count=0, events=2)
    assert at == 0.5
    assert trace.deliveries["outcome"].tolist() == ["failed"] * 2
    assert trace.deliveries["error"].tolist() == ["ServiceFailed"] * 2


def test_share_of_failures_is_the_rate() -> None:
    assert outcomes(0.3).count("failed") / 200 == pytest.approx(0.3, abs=0.1)


def test_what_fails_at_a_low_rate_fails_at_a_higher_one() -> None:
    low, high = outcomes(0.1), outcomes(0.4)
    assert "failed" in low
    assert all(b == "failed" for a, b in zip(low, high, strict=True) if a == "failed")


def test_other_seed_fails_at_other_messages() -> None:
    assert outcomes(0.3, seed=1) != outcomes(0.3, seed=2)


def test_error_may_be_a_group() -> None:
    _, trace = served(failing(1.0, error=error_group))
    assert trace.requests["error"].tolist() == ["ExceptionGroup"]


def test_service_that_asks_first_fails_after_the_reply() -> None:
    at, trace = served(failing(1.0, asks="other"))
    assert at == 0.75
    by_target = dict(zip(trace.requests["target"], trace.requests["outcome"], strict=True))
    assert by_target == {"service": "failed", "other": "answered"}


def test_failure_says_whose_it_is() -> None:
    text = "'service' is there to fail, and this message was one of those"
    assert str(ServiceFailed("service")) == text


def test_rate_that_is_no_probability_is_named() -> None:
    with pytest.raises(InvalidSetting) as raised:
        failing(1.5)
    assert str(raised.value) == "failure_rate=1.5: expected a number from 0 to 1"


def test_failing_service_shows_how_it_is_made() -> None:
    assert repr(failing(0.1)) == (
        "FailingService('service', Constant(seconds=0.25), failure_rate=0.1, error=one_error, "
        "asks=None, admission=SERIAL)"
    )
