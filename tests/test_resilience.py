import doctest
import logging
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import stamina
import trio

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.resilience import retry as retry_module
from genesis_lab.resilience import timeouts as timeouts_module
from genesis_lab.streams import OutsideRun, random_stream
from tests.facts import Facts
from tests.parts import Part, answers, ask, asking, raises, sleeps


class Flaky(gl.Component):
    """Fails as often as told, then answers; each attempt takes 0.25 s."""

    def __init__(self, id: str, failures: int) -> None:
        super().__init__(id)
        self.failures = failures

    async def process_request(self, request_type: str, data: Any, source: str) -> Any:
        await gl.sleep(0.25)
        if self.failures > 0:
            self.failures -= 1
            raise ValueError(self.failures)
        return data


# --- retry ----------------------------------------------------------------------------------------


def run_retry(
    retry: gl.Retry, component: gl.Component | None, *, timeout: float | None = 5.0
) -> tuple[gl.RunResult[Any], Facts]:
    """One call to component b under a retry; the reply, or the error that the caller gets."""
    facts = Facts()

    async def main() -> Any:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(retry)
            if component is not None:
                bus.register(component)
            try:
                return await bus.call("b", "ask", "sent", "client", timeout)
            except gl.RequestError as error:
                return error

    return gl.run(main), facts


def test_retry_sends_anew_until_it_is_answered_and_each_attempt_is_a_record() -> None:
    result, facts = run_retry(gl.Retry(wait_initial=0.5), Flaky("b", failures=2))
    assert (result.value, result.at) == ("sent", 2.25)
    assert facts.requests("attempt", "outcome", "sent_at", "finished_at") == [
        (1, "failed", 0.0, 0.25),
        (2, "failed", 0.75, 1.0),
        (3, "answered", 2.0, 2.25),
    ]


def test_retry_gives_up_with_the_error_of_the_last_attempt() -> None:
    result, facts = run_retry(gl.Retry(attempts=2, wait_initial=0.5), Flaky("b", failures=9))
    assert isinstance(result.value, gl.HandlerFailed)
    assert str(result.value) == "'b' failed on 'ask': ValueError: 7"
    assert result.at == 1.0
    assert facts.requests("attempt", "outcome") == [(1, "failed"), (2, "failed")]


def test_waits_grow_by_the_base_up_to_the_longest() -> None:
    retry = gl.Retry(attempts=6, wait_initial=0.5, wait_max=3.0, wait_exp_base=2)
    _, facts = run_retry(retry, Part("b", raises(ValueError())))
    assert facts.requests("sent_at") == [(0.0,), (0.5,), (1.5,), (3.5,), (6.5,), (9.5,)]


def test_waits_that_do_not_grow() -> None:
    retry = gl.Retry(attempts=4, wait_initial=0.5, wait_exp_base=1)
    _, facts = run_retry(retry, Part("b", raises(ValueError())))
    assert facts.requests("sent_at") == [(0.0,), (0.5,), (1.0,), (1.5,)]


def test_waits_are_a_tenth_of_a_second_and_doubled_unless_told() -> None:
    _, facts = run_retry(gl.Retry(), Part("b", raises(ValueError())))
    assert facts.requests("sent_at") == [(0.0,), (0.1,), (0.1 + 0.2,)]


def test_each_attempt_has_the_whole_timeout() -> None:
    result, facts = run_retry(gl.Retry(wait_initial=0.5), Part("b", sleeps(9.0)), timeout=1.0)
    assert isinstance(result.value, gl.RequestTimedOut)
    assert facts.requests("outcome", "sent_at", "finished_at") == [
        ("timed_out", 0.0, 1.0),
        ("timed_out", 1.5, 2.5),
        ("timed_out", 3.5, 4.5),
    ]


def test_a_first_attempt_that_is_answered_is_the_only_one() -> None:
    result, facts = run_retry(gl.Retry(), Part("b"))
    assert result.value == "sent"
    assert facts.requests("attempt", "outcome") == [(1, "answered")]


def test_an_unknown_target_is_not_tried_again_unless_told() -> None:
    result, facts = run_retry(gl.Retry(), None)
    assert isinstance(result.value, gl.UnknownTarget)
    assert facts.requests("attempt", "outcome") == [(1, "unknown_target")]
    _, facts = run_retry(gl.Retry(on=(gl.UnknownTarget,)), None)
    assert facts.requests("attempt", "outcome") == [
        (1, "unknown_target"),
        (2, "unknown_target"),
        (3, "unknown_target"),
    ]


def test_a_target_that_went_away_is_found_again_when_it_comes_back() -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(wait_initial=1.0))
            bus.register(Part("b", sleeps(9.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b", "sent"))
                await gl.sleep(0.5)
                bus.unregister("b")
                await gl.sleep(0.5)
                bus.register(Part("b"))

    gl.run(main)
    assert facts.requests("attempt", "outcome", "sent_at") == [
        (1, "target_gone", 0.0),
        (2, "answered", 1.5),
    ]


# --- jitter


def jitters(seed: int, *purpose: str, longest: float, count: int) -> list[float]:
    """The random parts of the waits before requests to one target, of one type."""
    stream = random_stream("retry jitter", *purpose, seed=seed)
    return [float(value) for value in stream.uniform(0, longest, count)]


def test_jitter_is_drawn_from_the_seeded_stream_of_the_target_and_the_request_type() -> None:
    retry = gl.Retry(attempts=4, wait_initial=1.0, wait_max=2.0, wait_jitter=0.5)
    result, facts = run_retry(retry, Part("b", raises(ValueError())))
    first, second, third = jitters(0, "b", "ask", longest=0.5, count=3)
    at = [0.0]
    for wait, jitter in [(1.0, first), (2.0, second), (2.0, third)]:
        at.append(at[-1] + wait + jitter)
    assert [sent_at for (sent_at,) in facts.requests("sent_at")] == at
    assert result.at == at[-1]


def test_jitter_is_the_same_in_a_next_run_under_the_same_seed_only() -> None:
    retry = gl.Retry(wait_jitter=0.5)

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.add_policy(retry)
            bus.register(Part("b", raises(ValueError())))
            await ask(bus, "b")

    ends = [gl.run(main, seed=seed).at for seed in (7, 7, 8)]
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]


def test_jitter_of_one_target_is_not_shifted_by_retries_to_another() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(attempts=2, wait_initial=1.0, wait_jitter=0.5))
            for id in ("a", "b"):
                bus.register(Part(id, raises(ValueError())))
            await ask(bus, "a")
            await ask(bus, "b")

    gl.run(main, seed=7)
    [(_, _), (_, end_of_a), (_, sent), (_, sent_again)] = facts.requests("target", "sent_at")
    assert end_of_a == 1.0 + jitters(7, "a", "ask", longest=0.5, count=1)[0]
    [of_b] = jitters(7, "b", "ask", longest=0.5, count=1)
    assert (sent, sent_again) == (end_of_a, end_of_a + 1.0 + of_b)


def test_jitter_parts_callers_that_failed_together() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(attempts=2, wait_initial=1.0, wait_jitter=0.5))
            bus.register(Part("b", raises(ValueError())))
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(asking(bus, "b"))

    gl.run(main, seed=7)
    retried_at = sorted(at for attempt, at in facts.requests("attempt", "sent_at") if attempt == 2)
    expected = sorted(1.0 + jitter for jitter in jitters(7, "b", "ask", longest=0.5, count=3))
    assert retried_at == expected


def test_jitter_outside_a_run_is_refused_at_the_first_request() -> None:
    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.add_policy(gl.Retry(wait_jitter=0.5))
            bus.register(Part("b"))
            with pytest.raises(OutsideRun) as caught:
                await ask(bus, "b")
            assert str(caught.value) == (
                "no run, so no seed for the stream ('retry jitter', 'b', 'ask'): draw inside gl.run"
            )

    trio.run(main)


# --- budget


def test_budget_allows_retries_as_a_share_of_the_requests() -> None:
    _, facts = many_requests(gl.Retry(attempts=2, wait_initial=0, budget=0.2), count=50, gap=0.1)
    rows = facts.requests("attempt", "sent_at")
    assert len(rows) == 50 + 10
    # Three are allowed at once; then one more at every fifth request from the 20th on.
    retried = [round(at * 10) for attempt, at in rows if attempt == 2]
    assert retried == [0, 1, 2, 19, 24, 29, 34, 39, 44, 49]


def test_caller_gets_the_error_of_the_failure_at_once_when_the_budget_is_spent() -> None:
    errors, facts = many_requests(gl.Retry(wait_initial=1.0, budget=0.2), count=3, gap=0.0)
    # Three retries are allowed: two of the first request, one of the second, none of the third.
    assert facts.requests("attempt", "sent_at") == [
        (1, 0.0),
        (2, 1.0),
        (3, 3.0),
        (1, 3.0),
        (2, 4.0),
        (1, 4.0),
    ]
    assert [str(error) for error in errors] == ["'b' failed on 'ask': ValueError"] * 3
    assert all(isinstance(error.__cause__, ValueError) for error in errors)


def test_requests_and_retries_of_more_than_ten_seconds_ago_no_longer_count() -> None:
    retry = gl.Retry(attempts=2, wait_initial=0, budget=0.2)
    _, facts = many_requests(retry, count=9, gap=2.5)
    # Always three in 10 s, the latest of which is let in as the earliest one is forgotten.
    assert [at for attempt, at in facts.requests("attempt", "sent_at") if attempt == 2] == [
        0.0,
        2.5,
        5.0,
        10.0,
        12.5,
        15.0,
        20.0,
    ]


def test_each_target_has_a_budget_of_its_own() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(attempts=9, wait_initial=0, budget=0.2))
            for id in ("a", "b"):
                bus.register(Part(id, raises(ValueError())))
                await ask(bus, id)

    gl.run(main)
    assert facts.requests("target", "attempt") == [
        (target, attempt) for target in ("a", "b") for attempt in (1, 2, 3, 4)
    ]


def test_budget_begins_anew_in_a_next_run() -> None:
    retry = gl.Retry(attempts=9, wait_initial=0, budget=0.2)
    for _ in range(2):
        _, facts = run_retry(retry, Part("b", raises(ValueError())))
        assert facts.requests("attempt") == [(1,), (2,), (3,), (4,)]


def test_budget_is_not_touched_by_requests_that_are_answered() -> None:
    facts = Facts()

    async def main() -> list[Any]:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(wait_initial=0.5, budget=0.2))
            bus.register(Flaky("b", failures=2))
            return [await ask(bus, "b", number) for number in range(5)]

    assert gl.run(main).value == [0, 1, 2, 3, 4]
    assert facts.requests("attempt") == [(1,), (2,), (3,), (1,), (1,), (1,), (1,)]


def many_requests(
    retry: gl.Retry, *, count: int, gap: float
) -> tuple[list[gl.RequestError], Facts]:
    """Requests to b, which fails each time, one after another; the errors, and the records."""
    facts = Facts()
    errors = []

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(retry)
            bus.register(Part("b", raises(ValueError())))
            for number in range(count):
                await gl.sleep(max(0.0, number * gap - bus.now()))
                with pytest.raises(gl.RequestError) as caught:
                    await bus.call("b", "ask", None, "client")
                errors.append(caught.value)

    gl.run(main)
    return errors, facts


# --- more of retry


def test_a_request_under_retry_returns_none_when_all_attempts_fail() -> None:
    async def main() -> Any:
        async with gl.HybridCoordinator() as bus:
            bus.add_policy(gl.Retry())
            bus.register(Part("b", raises(ValueError())))
            return await ask(bus, "b")

    assert gl.run(main).value is None


def test_cancelling_the_caller_ends_a_wait_between_attempts_at_once() -> None:
    facts = Facts()

    async def main() -> float:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(wait_initial=4.0))
            bus.register(Part("b", raises(ValueError())))
            with trio.move_on_after(1.5) as scope:
                await ask(bus, "b")
            assert scope.cancelled_caught
            return bus.now()

    assert gl.run(main).value == 1.5
    assert facts.requests("attempt", "outcome") == [(1, "failed")]


def test_cancelling_the_caller_during_an_attempt_makes_no_further_one() -> None:
    facts = Facts()

    async def main() -> float:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry())
            bus.register(Part("b", sleeps(9.0)))
            with trio.move_on_after(1.5):
                await ask(bus, "b")
            return bus.now()

    assert gl.run(main).value == 1.5
    assert facts.requests("attempt", "outcome", "finished_at") == [(1, "cancelled", 1.5)]


def test_the_deadline_of_an_outer_request_ends_a_wait_between_attempts_at_once() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(wait_initial=4.0), target="b")
            bus.register(Part("a", asks_b))
            bus.register(Part("b", raises(ValueError())))
            await ask(bus, "a", timeout=1.5)

    async def asks_b(part: Part, _data: Any) -> Any:
        return await part.ask("b")

    assert gl.run(main).at == 1.5
    assert facts.requests("target", "attempt", "outcome", "finished_at") == [
        ("a", 1, "timed_out", 1.5),
        ("b", 1, "failed", 0.0),
    ]


def test_an_interrupt_is_no_failure_to_try_again_after() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry())
            bus.register(Part("b", raises(KeyboardInterrupt())))
            await ask(bus, "b")

    with pytest.raises(KeyboardInterrupt):
        gl.run(main)
    assert facts.requests("attempt", "outcome") == [(1, "cancelled")]


def test_one_retry_serves_many_callers_at_the_same_time() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(gl.Retry(wait_initial=1.0, attempts=2))
            bus.register(Part("b", raises(ValueError())))
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(asking(bus, "b"))
                    await gl.sleep(0.25)

    gl.run(main)
    assert facts.requests("attempt", "sent_at") == [
        (1, 0.0),
        (1, 0.25),
        (1, 0.5),
        (2, 1.0),
        (2, 1.25),
        (2, 1.5),
    ]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_retry_works_on_every_architecture(architecture: str) -> None:
    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.add_policy(gl.Retry(wait_initial=0.5))
            bus.register(Flaky("b", failures=2))
            return await ask(bus, "b", "sent")

    result = gl.run(main)
    assert (result.value, result.at) == ("sent", 2.25)


def test_policies_stand_before_the_requests_that_they_are_meant_for() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            await bus.request("b", "read", None, "early")  # its route is known before the policies
            bus.add_policy(gl.Retry(attempts=2, on=(gl.UnknownTarget,)), target="b")
            bus.add_policy(gl.Retry(attempts=3, on=(gl.UnknownTarget,)), request_type="write")
            bus.add_policy(
                gl.Retry(attempts=4, on=(gl.UnknownTarget,)), target="c", request_type="list"
            )
            for target in ("b", "c"):
                for request_type in ("read", "write", "list"):
                    await bus.request(target, request_type, None, "late")
            await bus.request("b", "read", None, "early")

    gl.run(main)
    rows = facts.requests("source", "target", "request_type")
    assert {row: rows.count(row) for row in rows} == {
        ("early", "b", "read"): 1 + 2,
        ("late", "b", "read"): 2,
        ("late", "b", "write"): 2 * 3,  # both stand before it
        ("late", "b", "list"): 2,
        ("late", "c", "read"): 1,
        ("late", "c", "write"): 3,
        ("late", "c", "list"): 4,
    }


def test_retry_logs_nothing_while_others_may_still_log_their_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    run_retry(gl.Retry(), Part("b", raises(ValueError())))
    assert [record for record in caplog.records if record.name.startswith("stamina")] == []

    @stamina.retry(on=ValueError, attempts=2, wait_initial=0, wait_jitter=0)
    def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fails()
    assert [record.msg for record in caplog.records if record.name == "stamina"] == [
        "stamina.retry_scheduled"
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attempts": 0}, "attempts=0: expected a whole number >= 1"),
        ({"attempts": 1.5}, "attempts=1.5: expected a whole number >= 1"),
        ({"attempts": None}, "attempts=None: expected a whole number >= 1"),
        ({"wait_initial": -1}, "wait_initial=-1: expected finite seconds >= 0"),
        ({"wait_initial": math.nan}, "wait_initial=nan: expected finite seconds >= 0"),
        ({"wait_max": math.inf}, "wait_max=inf: expected finite seconds >= 0"),
        ({"wait_exp_base": 0.5}, "wait_exp_base=0.5: expected a finite number >= 1"),
        ({"wait_jitter": -1}, "wait_jitter=-1: expected finite seconds >= 0"),
        ({"wait_jitter": math.inf}, "wait_jitter=inf: expected finite seconds >= 0"),
        ({"budget": 0}, "budget=0: expected a finite number > 0, or None"),
        ({"budget": math.nan}, "budget=nan: expected a finite number > 0, or None"),
        ({"on": ()}, "on=(): expected a tuple of subclasses of RequestError"),
        (
            {"on": (ValueError,)},
            f"on={(ValueError,)}: expected a tuple of subclasses of RequestError",
        ),
        (
            {"on": gl.RequestTimedOut},
            f"on={gl.RequestTimedOut}: expected a tuple of subclasses of RequestError",
        ),
    ],
)
def test_retry_refuses_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.Retry(**settings)
    assert str(caught.value) == message


def test_retry_shows_its_settings() -> None:
    assert repr(gl.Retry(on=(gl.TargetGone, gl.HandlerFailed))) == (
        "Retry(attempts=3, wait_initial=0.1, wait_max=5.0, wait_exp_base=2, "
        "on=(TargetGone, HandlerFailed))"
    )


# --- circuit breaker ------------------------------------------------------------------------------

Script = Callable[[gl.Bus], Any]


def run_breaker(
    breaker: gl.CircuitBreaker, script: Script, *components: gl.Component
) -> list[tuple[Any, ...]]:
    """Run a script on a bus whose requests all pass a breaker; what the record says of each."""
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.add_policy(breaker)
            for component in components:
                bus.register(component)
            await script(bus)

    gl.run(main)
    return facts.requests("target", "outcome", "sent_at", "started_at", "finished_at")


async def fails_if_told(_part: Part, data: str) -> str:
    """Fail, wait or answer at once."""
    if data == "fail":
        raise ValueError(data)
    if data == "wait":
        await gl.sleep(1.0)
    return data


async def ask_in_turn(bus: gl.Bus, *requests: tuple[float, str]) -> None:
    """Ask b at each of the times."""
    for at, data in requests:
        await gl.sleep(at - bus.now())
        await ask(bus, "b", data)


def outcomes_at(breaker: gl.CircuitBreaker, *requests: tuple[float, str]) -> list[Any]:
    """The outcomes of requests to b, sent one after another at these times."""

    async def script(bus: gl.Bus) -> None:
        await ask_in_turn(bus, *requests)

    return [row[1] for row in run_breaker(breaker, script, Part("b", fails_if_told))]


def test_circuit_opens_after_so_many_failures_in_a_row() -> None:
    breaker = gl.CircuitBreaker(failures=3, reset_after=10.0)
    assert outcomes_at(breaker, *[(0.0, "fail")] * 3, *[(0.0, "answer")] * 2) == [
        *["failed"] * 3,
        *["rejected"] * 2,
    ]


def test_an_answer_makes_the_count_begin_anew() -> None:
    breaker = gl.CircuitBreaker(failures=3)
    script = ["fail", "fail", "answer", "fail", "fail", "answer"]
    assert "rejected" not in outcomes_at(breaker, *[(0.0, data) for data in script])


def test_a_rejected_request_never_starts_and_costs_no_time() -> None:
    async def script(bus: gl.Bus) -> None:
        await ask_in_turn(bus, (0.0, "fail"), (0.5, "answer"))

    rows = run_breaker(gl.CircuitBreaker(failures=1), script, Part("b", fails_if_told))
    assert rows == [("b", "failed", 0.0, 0.0, 0.0), ("b", "rejected", 0.5, None, 0.5)]


def test_call_says_until_when_the_circuit_is_open() -> None:
    async def main() -> str:
        async with gl.HybridCoordinator() as bus:
            bus.add_policy(gl.CircuitBreaker(failures=1, reset_after=30.0))
            bus.register(Part("b", fails_if_told))
            await gl.sleep(1.0)
            await ask(bus, "b", "fail")
            with pytest.raises(gl.RequestRejected) as caught:
                await bus.call("b", "ask", "answer", "client")
            return str(caught.value)

    assert gl.run(main).value == "'ask' to 'b' was rejected: the circuit is open until t=31 s"


def test_the_trial_after_the_pause_closes_the_circuit_when_it_is_answered() -> None:
    breaker = gl.CircuitBreaker(failures=2, reset_after=10.0)
    assert outcomes_at(
        breaker,
        (0.0, "fail"),
        (1.0, "fail"),
        (10.75, "answer"),  # open until 11.0
        (11.0, "answer"),
        (11.0, "fail"),
        (11.0, "answer"),
    ) == ["failed", "failed", "rejected", "answered", "failed", "answered"]


def test_the_trial_after_the_pause_opens_the_circuit_again_when_it_fails() -> None:
    breaker = gl.CircuitBreaker(failures=3, reset_after=10.0)
    assert outcomes_at(
        breaker,
        *[(0.0, "fail")] * 3,
        (10.0, "fail"),
        (19.75, "answer"),
        (20.0, "answer"),
    ) == [*["failed"] * 4, "rejected", "answered"]


def test_one_trial_at_a_time_and_the_others_are_rejected() -> None:
    messages: list[str] = []

    async def calls(bus: gl.Bus) -> None:
        with pytest.raises(gl.RequestRejected) as caught:
            await bus.call("b", "ask", "answer", "client")
        messages.append(caught.value.reason)

    async def script(bus: gl.Bus) -> None:
        await ask(bus, "b", "fail")
        await gl.sleep(10.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "b", "wait"))
            await gl.sleep(0.5)
            nursery.start_soon(calls, bus)
        await ask(bus, "b", "answer")

    breaker = gl.CircuitBreaker(failures=1, reset_after=10.0)
    rows = run_breaker(breaker, script, Part("b", fails_if_told, admission=gl.RE_ENTRANT))
    assert [row[1:3] for row in rows] == [
        ("failed", 0.0),
        ("answered", 10.0),
        ("rejected", 10.5),
        ("answered", 11.0),
    ]
    assert messages == ["the circuit is half-open, and its trial is under way"]


def test_a_trial_that_is_cancelled_makes_room_for_another_one() -> None:
    async def script(bus: gl.Bus) -> None:
        await ask(bus, "b", "fail")
        await gl.sleep(10.0)
        with trio.move_on_after(0.5):
            await ask(bus, "b", "wait")
        await ask(bus, "b", "fail")
        await ask(bus, "b", "answer")

    breaker = gl.CircuitBreaker(failures=1, reset_after=10.0)
    rows = run_breaker(breaker, script, Part("b", fails_if_told))
    assert [row[1:3] for row in rows] == [
        ("failed", 0.0),
        ("cancelled", 10.0),
        ("failed", 10.5),
        ("rejected", 10.5),
    ]


def test_timeouts_failures_and_lost_targets_count_and_unknown_targets_do_not() -> None:
    async def script(bus: gl.Bus) -> None:
        for id in ("slow", "bad", "gone", "unknown"):
            await bus.request(id, "ask", None, "client", 0.5)
            await bus.request(id, "ask", None, "client", 0.5)

    async def leaves(part: Part, _data: Any) -> None:
        part.bus.unregister(part.id)
        await gl.sleep(9.0)

    rows = run_breaker(
        gl.CircuitBreaker(failures=1),
        script,
        Part("slow", sleeps(9.0)),
        Part("bad", raises(ValueError())),
        Part("gone", leaves),
    )
    assert [row[:2] for row in rows] == [
        ("slow", "timed_out"),
        ("slow", "rejected"),
        ("bad", "failed"),
        ("bad", "rejected"),
        ("gone", "target_gone"),
        ("gone", "rejected"),
        ("unknown", "unknown_target"),
        ("unknown", "unknown_target"),
    ]


def test_each_target_has_a_circuit_of_its_own() -> None:
    async def script(bus: gl.Bus) -> None:
        for id in ("b", "c", "b", "c"):
            await ask(bus, id, "fail" if id == "b" else "answer")

    rows = run_breaker(
        gl.CircuitBreaker(failures=1), script, Part("b", fails_if_told), Part("c", answers)
    )
    assert [row[:2] for row in rows] == [
        ("b", "failed"),
        ("c", "answered"),
        ("b", "rejected"),
        ("c", "answered"),
    ]


def test_what_was_sent_before_the_circuit_opened_no_longer_counts_afterwards() -> None:
    async def script(bus: gl.Bus) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "b", "answer late"))
            nursery.start_soon(asking(bus, "b", "fail late"))
            await gl.sleep(0.5)
            await ask(bus, "b", "fail")  # opens it until 1.5, before the two end at 1.0
            await gl.sleep(0.75)
            await ask(bus, "b", "answer")
            await gl.sleep(0.25)
            await ask(bus, "b", "answer")

    async def late(part: Part, data: str) -> str:
        what, *is_late = data.split()
        if is_late:
            await gl.sleep(1.0)
        return await fails_if_told(part, what)

    breaker = gl.CircuitBreaker(failures=1, reset_after=1.0)
    rows = run_breaker(breaker, script, Part("b", late, admission=gl.RE_ENTRANT))
    assert sorted(row[1:3] for row in rows[:2]) == [("answered", 0.0), ("failed", 0.0)]
    assert [row[1:3] for row in rows[2:]] == [
        ("failed", 0.5),
        ("rejected", 1.25),
        ("answered", 1.5),
    ]


def test_an_infinite_pause_keeps_a_circuit_open_for_good() -> None:
    breaker = gl.CircuitBreaker(failures=1, reset_after=math.inf)
    assert outcomes_at(breaker, (0.0, "fail"), (1e9, "answer")) == ["failed", "rejected"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"failures": 0}, "failures=0: expected a whole number >= 1"),
        ({"failures": 2.0}, "failures=2.0: expected a whole number >= 1"),
        ({"reset_after": 0}, "reset_after=0: expected seconds > 0"),
        ({"reset_after": -1.0}, "reset_after=-1.0: expected seconds > 0"),
        ({"reset_after": math.nan}, "reset_after=nan: expected seconds > 0"),
    ],
)
def test_breaker_refuses_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.CircuitBreaker(**settings)
    assert str(caught.value) == message


def test_breaker_shows_its_settings_and_its_circuits() -> None:
    breaker = gl.CircuitBreaker(failures=2, reset_after=10.0)
    shown: list[str] = []

    async def script(bus: gl.Bus) -> None:
        shown.append(repr(breaker))
        await ask(bus, "b", "fail")
        shown.append(repr(breaker))
        await ask(bus, "b", "fail")
        shown.append(repr(breaker))
        await gl.sleep(10.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "b", "wait"))
            await gl.sleep(0.5)
            shown.append(repr(breaker))
        await ask(bus, "c")
        shown.append(repr(breaker))

    run_breaker(breaker, script, Part("b", fails_if_told), Part("c"))
    settings = "failures=2 reset_after=10.0"
    assert shown == [
        f"<CircuitBreaker {settings}: no circuits>",
        f"<CircuitBreaker {settings}: 'b' closed (1 of 2 failures)>",
        f"<CircuitBreaker {settings}: 'b' open until t=10 s>",
        f"<CircuitBreaker {settings}: 'b' half-open>",
        f"<CircuitBreaker {settings}: 'b' closed (0 of 2 failures), 'c' closed (0 of 2 failures)>",
    ]


# --- together -------------------------------------------------------------------------------------


def run_both(*policies: gl.Retry | gl.CircuitBreaker, calls: int) -> tuple[list[str], Facts]:
    """Call a component that always fails; what the caller gets each time, and the records."""
    facts = Facts()
    errors: list[str] = []

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            for policy in policies:
                bus.add_policy(policy)
            bus.register(Part("b", raises(ValueError())))
            for _ in range(calls):
                with pytest.raises(gl.RequestError) as caught:
                    await bus.call("b", "ask", None, "client")
                errors.append(type(caught.value).__name__)

    gl.run(main)
    return errors, facts


def test_breaker_outside_retry_counts_a_series_of_attempts_as_one_failure() -> None:
    errors, facts = run_both(
        gl.CircuitBreaker(failures=2), gl.Retry(attempts=2, wait_initial=1.0), calls=3
    )
    assert errors == ["HandlerFailed", "HandlerFailed", "RequestRejected"]
    assert facts.requests("attempt", "outcome", "sent_at") == [
        (1, "failed", 0.0),
        (2, "failed", 1.0),
        (1, "failed", 1.0),
        (2, "failed", 2.0),
        (1, "rejected", 2.0),
    ]


def test_retry_outside_breaker_stops_trying_when_the_circuit_opens() -> None:
    errors, facts = run_both(
        gl.Retry(attempts=5, wait_initial=1.0), gl.CircuitBreaker(failures=2), calls=1
    )
    assert errors == ["RequestRejected"]
    assert facts.requests("attempt", "outcome", "sent_at") == [
        (1, "failed", 0.0),
        (2, "failed", 1.0),
        (3, "rejected", 3.0),
    ]


def test_retry_outside_breaker_waits_the_pause_out_if_told_to_try_after_rejections() -> None:
    errors, facts = run_both(
        gl.Retry(attempts=5, wait_initial=1.0, on=(gl.HandlerFailed, gl.RequestRejected)),
        gl.CircuitBreaker(failures=1, reset_after=5.0),
        calls=1,
    )
    assert errors == ["HandlerFailed"]
    assert facts.requests("attempt", "outcome", "sent_at") == [
        (1, "failed", 0.0),
        (2, "rejected", 1.0),
        (3, "rejected", 3.0),
        (4, "failed", 7.0),  # the trial, which opens the circuit until 12.0
        (5, "failed", 12.0),
    ]


# --- timeouts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [retry_module, timeouts_module])
def test_examples_of_the_docstrings_are_as_they_say(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


TABLE = gl.Timeouts(
    {
        ("risk_manager", "exposure"): 0.25,
        ("risk_manager", None): 2.0,
        (None, "exposure"): None,
        (None, "ping"): 0,
    },
    default=math.inf,
)


@pytest.mark.parametrize(
    ("target", "request_type", "timeout"),
    [
        ("risk_manager", "exposure", 0.25),
        ("risk_manager", "ping", 2.0),  # the target counts for more than the type
        ("exchange", "exposure", None),
        ("exchange", "ping", 0),
        ("exchange", "execute_trade", math.inf),
    ],
)
def test_the_most_specific_timeout_counts(
    target: str, request_type: str, timeout: float | None
) -> None:
    assert TABLE.of(target, request_type) == timeout


def test_timeouts_without_a_match_are_five_seconds_by_default() -> None:
    assert gl.Timeouts({}).of("exchange", "ping") == 5.0
    assert gl.Timeouts({}, default=None).of("exchange", "ping") is None


def test_timeouts_show_themselves_as_they_are_made() -> None:
    timeouts = gl.Timeouts({("exchange", None): 2.0, (None, "ping"): None}, default=1.0)
    shown = "Timeouts({('exchange', None): 2.0, (None, 'ping'): None}, default=1.0)"
    assert repr(timeouts) == shown
    assert eval(shown, {"Timeouts": gl.Timeouts}) == timeouts


def test_timeouts_are_read_as_a_mapping() -> None:
    assert list(TABLE.items())[:2] == [
        (("risk_manager", "exposure"), 0.25),
        (("risk_manager", None), 2.0),
    ]
    assert (len(TABLE), TABLE.default, ("exchange", None) in TABLE) == (4, math.inf, False)
    assert TABLE[None, "exposure"] is None


def test_timeouts_do_not_change_with_what_they_were_made_of() -> None:
    entries: dict[Any, Any] = {("exchange", None): 2.0}
    timeouts = gl.Timeouts(entries)
    entries["exchange", None] = 3.0
    assert timeouts.of("exchange", "ping") == 2.0
    with pytest.raises(TypeError):
        timeouts["exchange", None] = 3.0  # type: ignore[index]


def test_timeouts_are_equal_by_their_entries_and_their_default() -> None:
    made = [gl.Timeouts({("exchange", None): 2.0}, default=default) for default in (1.0, 1.0, 3.0)]
    assert made[0] == made[1] != made[2]
    assert len(set(made)) == 2
    assert made[0] != {("exchange", None): 2.0}


KEYS = "expected keys (target, request_type), of which one may be None"
SECONDS = "expected seconds >= 0, math.inf or None"


@pytest.mark.parametrize(
    ("entries", "settings", "message"),
    [
        ({"exchange": 1.0}, {}, f"timeouts='exchange': {KEYS}"),
        ({("exchange",): 1.0}, {}, f"timeouts=('exchange',): {KEYS}"),
        ({("exchange", 1): 1.0}, {}, f"timeouts=('exchange', 1): {KEYS}"),
        ({(None, None): 1.0}, {}, f"timeouts=(None, None): {KEYS}"),
        ({("a", None): -1}, {}, f"timeouts[('a', None)]=-1: {SECONDS}"),
        ({("a", None): math.nan}, {}, f"timeouts[('a', None)]=nan: {SECONDS}"),
        ({("a", "b"): "1"}, {}, f"timeouts[('a', 'b')]='1': {SECONDS}"),
        ({}, {"default": -1}, f"default=-1: {SECONDS}"),
        (2.0, {}, "timeouts=2.0: expected a mapping of (target, request_type) to seconds"),
    ],
)
def test_timeouts_refuse_keys_and_values_that_are_none(
    entries: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        gl.Timeouts(entries, **settings)
    assert str(caught.value) == message
