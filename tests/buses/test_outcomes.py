import functools
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import genesis_lab as gl
from genesis_lab.errors import InvalidTimeout
from tests.facts import Facts, Row
from tests.parts import Part, all_but, ask, asking, asks, raises, sleeps

pytestmark = pytest.mark.usefixtures("both_scopes")

HYBRIDS = ("hybrid", "hybrid-awaited", "hybrid-raise")

GROUP = ExceptionGroup("both", [ValueError("bad"), ExceptionGroup("inner", [KeyError("worse")])])


def run_request(
    architecture: str, component: gl.Component, *, timeout: float | None = 5.0
) -> tuple[gl.RunResult[Any], list[Row]]:
    """One request to a component `b`: the run, and what the record says of it."""
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(component)
            return await ask(bus, "b", "sent", timeout)

    return gl.run(main), facts.requests("outcome", "error", "sent_at", "started_at", "finished_at")


# --- answered -------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_reply_is_what_the_handler_returns(architecture: str) -> None:
    result, rows = run_request(architecture, Part("b", sleeps(0.5)))
    assert (result.value, result.at) == ("sent", 0.5)
    assert rows == [("answered", None, 0.0, 0.0, 0.5)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_an_answer_of_none_is_an_answer(architecture: str) -> None:
    async def says_nothing(_part: Part, _data: Any) -> None:
        await gl.sleep(0.5)

    result, rows = run_request(architecture, Part("b", says_nothing))
    assert result.value is None
    assert rows == [("answered", None, 0.0, 0.0, 0.5)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_handler_gets_type_data_and_source(architecture: str) -> None:
    class Mirror(gl.Component):
        async def process_request(self, request_type: str, data: Any, source: str) -> Any:
            return request_type, data, source

    result, _ = run_request(architecture, Mirror("b"))
    assert result.value == ("ask", "sent", "client")


# --- failed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
@pytest.mark.parametrize("error", [ValueError("bad"), GROUP], ids=["exception", "group"])
def test_a_handler_that_raises_is_a_failed_request(architecture: str, error: Exception) -> None:
    result, rows = run_request(architecture, Part("b", raises(error)))
    assert result.value is None
    assert rows == [("failed", type(error).__name__, 0.0, 0.0, 0.0)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_component_without_process_request_fails_its_requests(architecture: str) -> None:
    _, rows = run_request(architecture, gl.Component("b"))
    assert rows == [("failed", "NotServed", 0.0, 0.0, 0.0)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_component_goes_on_serving_after_a_failure(architecture: str) -> None:
    async def fails_on_odd(_part: Part, data: int) -> int:
        if data % 2:
            raise ValueError(data)
        return data

    async def main() -> list[Any]:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(Part("b", fails_on_odd))
            return [await ask(bus, "b", number) for number in range(4)]

    assert gl.run(main).value == [0, None, 2, None]


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_a_time_out_that_the_handler_raises_itself_is_a_failure(architecture: str) -> None:
    async def gives_up(_part: Part, _data: Any) -> None:
        with trio.fail_after(0.5):
            await gl.sleep(9.0)

    _, rows = run_request(architecture, Part("b", gives_up))
    assert rows == [("failed", "TooSlowError", 0.0, 0.0, 0.5)]


# --- timed out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_request_gives_up_at_its_deadline(architecture: str) -> None:
    result, rows = run_request(architecture, Part("b", sleeps(9.0)), timeout=0.75)
    assert (result.value, result.at) == (None, 0.75)
    assert rows == [("timed_out", None, 0.0, 0.0, 0.75)]


@pytest.mark.parametrize("architecture", ["synchronous", "synchronous-component"])
def test_old_bus_accepts_a_timeout_and_ignores_it(architecture: str) -> None:
    result, rows = run_request(architecture, Part("b", sleeps(9.0)), timeout=0.75)
    assert (result.value, result.at) == ("sent", 9.0)
    assert rows == [("answered", None, 0.0, 0.0, 9.0)]


@pytest.mark.parametrize("timeout", [None, math.inf])
@pytest.mark.parametrize("architecture", all_but("dedicated-queues"))
def test_without_a_timeout_a_request_waits_as_long_as_it_takes(
    architecture: str, timeout: float | None
) -> None:
    result, rows = run_request(architecture, Part("b", sleeps(1e6)), timeout=timeout)
    assert (result.value, result.at) == ("sent", 1e6)
    assert rows == [("answered", None, 0.0, 0.0, 1e6)]


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_timeout_of_zero_ends_at_once_for_a_handler_that_waits(architecture: str) -> None:
    result, rows = run_request(architecture, Part("b", sleeps(0.5)), timeout=0)
    assert (result.value, result.at) == (None, 0.0)
    assert rows == [("timed_out", None, 0.0, 0.0, 0.0)]


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_timeout_of_zero_is_time_enough_for_a_handler_that_never_waits(architecture: str) -> None:
    result, rows = run_request(architecture, Part("b"), timeout=0)
    assert result.value == "sent"
    assert rows == [("answered", None, 0.0, 0.0, 0.0)]


@pytest.mark.parametrize("timeout", [-1, -0.001, -math.inf, math.nan])
@pytest.mark.parametrize("method", ["request", "call"])
@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_timeout_that_is_no_duration_is_refused(
    architecture: str, method: str, timeout: float
) -> None:
    facts = Facts()

    async def main() -> str:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b"))
            with pytest.raises(InvalidTimeout) as caught:
                await getattr(bus, method)("b", "ask", None, "client", timeout)
            return str(caught.value)

    assert gl.run(main).value == f"timeout={timeout!r}: expected seconds >= 0, math.inf or None"
    assert facts.requests() == []


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_time_spent_waiting_for_admission_counts_against_the_timeout(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", sleeps(1.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b", timeout=None))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b", timeout=0.5))
                nursery.start_soon(asking(bus, "b", timeout=1.25))

    gl.run(main)
    assert sorted(facts.requests("outcome", "sent_at", "finished_at")) == [
        ("answered", 0.0, 1.0),
        ("timed_out", 0.25, 0.75),
        ("timed_out", 0.25, 1.5),
    ]
    assert sorted(facts.requests("started_at"), key=str) == [(0.0,), (1.0,), (None,)]


def test_a_nested_request_inherits_the_outer_deadline() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("b", timeout=None)))
            bus.register(Part("b", sleeps(9.0)))
            await ask(bus, "a", timeout=0.5)

    gl.run(main)
    assert facts.requests("target", "outcome", "finished_at", "blocked") == [
        ("a", "timed_out", 0.5, 0.5),
        ("b", "cancelled", 0.5, 0.0),
    ]


def test_a_nested_request_may_give_up_before_the_outer_one() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("b", timeout=0.25)))
            bus.register(Part("b", sleeps(9.0)))
            await ask(bus, "a", timeout=0.5)

    gl.run(main)
    assert facts.requests("target", "outcome", "finished_at") == [
        ("a", "answered", 0.25),
        ("b", "timed_out", 0.25),
    ]


def test_a_reply_at_the_very_instant_of_the_deadline_comes_too_late() -> None:
    result, rows = run_request("hybrid", Part("b", sleeps(0.5)), timeout=0.5)
    assert result.value is None
    assert rows == [("timed_out", None, 0.0, 0.0, 0.5)]


# --- unknown target, target gone ------------------------------------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_request_to_nobody_is_a_record(architecture: str) -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            return await ask(bus, "nobody")

    assert gl.run(main).value is None
    assert facts.requests("target", "outcome", "sent_at", "started_at", "finished_at") == [
        ("nobody", "unknown_target", 0.0, None, 0.0)
    ]


@pytest.mark.parametrize("architecture", all_but("as-written"))
def test_target_that_is_unregistered_mid_call_is_gone(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", sleeps(9.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "b", timeout=None))
                await gl.sleep(0.25)
                nursery.start_soon(asking(bus, "b", timeout=None))
                await gl.sleep(0.25)
                bus.unregister("b")
            await ask(bus, "b")

    assert gl.run(main).at == 0.5
    assert facts.requests("outcome", "sent_at", "started_at", "finished_at") == [
        ("target_gone", 0.0, 0.0, 0.5),
        ("target_gone", 0.25, None, 0.5),
        ("unknown_target", 0.5, None, 0.5),
    ]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_component_that_unregisters_itself_and_answers_at_once_has_answered(
    architecture: str,
) -> None:
    async def leaves(part: Part, data: Any) -> Any:
        part.bus.unregister(part.id)
        return data

    result, rows = run_request(architecture, Part("b", leaves))
    assert result.value == "sent"
    assert [row[0] for row in rows] == ["answered"]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_component_that_unregisters_itself_and_goes_on_waiting_is_gone(architecture: str) -> None:
    async def leaves_and_waits(part: Part, data: Any) -> Any:
        await gl.sleep(0.25)
        part.bus.unregister(part.id)
        await gl.sleep(9.0)
        return data

    result, rows = run_request(architecture, Part("b", leaves_and_waits))
    assert (result.value, result.at) == (None, 0.25)
    assert rows == [("target_gone", None, 0.0, 0.0, 0.25)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_handler_goes_on_when_its_own_target_goes_away_mid_call(architecture: str) -> None:
    facts = Facts()

    async def asks_and_removes_c(part: Part, _data: Any) -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(part.ask, "c")
            await gl.sleep(0.5)
            part.bus.unregister("c")
        return "went on"

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", asks_and_removes_c))
            bus.register(Part("c", sleeps(9.0)))
            return await ask(bus, "b")

    assert gl.run(main).value == "went on"
    assert facts.requests("target", "outcome", "finished_at") == [
        ("b", "answered", 0.5),
        ("c", "target_gone", 0.5),
    ]


def test_requests_that_a_removed_component_had_sent_are_cancelled() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", asks("b")))
            bus.register(Part("b", sleeps(9.0)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a"))
                await gl.sleep(0.5)
                bus.unregister("a")

    gl.run(main)
    assert facts.requests("target", "outcome", "finished_at") == [
        ("a", "target_gone", 0.5),
        ("b", "cancelled", 0.5),
    ]


# --- cancelled ------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", all_but("dedicated-queues"))
def test_cancelling_the_caller_cancels_its_request_and_all_nested_ones(architecture: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", asks("b", timeout=None)))
            bus.register(Part("b", sleeps(9.0)))
            with trio.move_on_after(0.5):
                await ask(bus, "a", timeout=None)
            assert await ask(bus, "a", timeout=10.0) is None  # both are free again

    gl.run(main)
    assert facts.requests("target", "outcome", "finished_at")[:2] == [
        ("a", "cancelled", 0.5),
        ("b", "cancelled", 0.5),
    ]


def test_cancelling_one_branch_of_a_handler_leaves_the_others_alone() -> None:
    facts = Facts()

    async def takes_the_first(part: Part, _data: Any) -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(part.ask, "slow")
            await part.ask("quick")
            nursery.cancel_scope.cancel()
        return "first"

    async def main() -> Any:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", takes_the_first))
            bus.register(Part("slow", sleeps(2.0)))
            bus.register(Part("quick", sleeps(0.5)))
            return await ask(bus, "a")

    assert gl.run(main).value == "first"
    assert sorted(facts.requests("target", "outcome", "finished_at")) == [
        ("a", "answered", 0.5),
        ("quick", "answered", 0.5),
        ("slow", "cancelled", 0.5),
    ]


async def finishes_anyway(_part: Part, data: Any) -> Any:
    with trio.CancelScope(shield=True):
        await gl.sleep(2.0)
    return data


def test_a_reply_that_is_there_counts_even_if_the_caller_was_cancelled_meanwhile() -> None:
    facts = Facts()

    async def main() -> list[Any]:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", finishes_anyway))
            replies = []
            with trio.move_on_after(0.5):
                replies.append(await ask(bus, "b", "sent", timeout=None))
            return replies

    assert gl.run(main).value == ["sent"]
    assert facts.requests("outcome", "finished_at") == [("answered", 2.0)]


def test_a_reply_that_is_there_counts_even_if_the_timeout_is_over() -> None:
    result, rows = run_request("hybrid", Part("b", finishes_anyway), timeout=0.5)
    assert (result.value, result.at) == ("sent", 2.0)
    assert rows == [("answered", None, 0.0, 0.0, 2.0)]


# --- failing while being cancelled ----------------------------------------------------------------


async def fails_to_clean_up(_part: Part, _data: Any) -> None:
    """Fail on being cancelled, while a task beside is cancelled as it should be."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError


def test_a_handler_that_fails_on_its_own_timeout_has_failed() -> None:
    result, rows = run_request("hybrid", Part("b", fails_to_clean_up), timeout=0.5)
    assert (result.value, result.at) == (None, 0.5)
    assert rows == [("failed", "ExceptionGroup", 0.0, 0.0, 0.5)]


@pytest.mark.parametrize("delivery", ["concurrent", "awaited"])
def test_a_handler_that_fails_on_an_outer_timeout_does_not_make_its_caller_fail(
    delivery: Any,
) -> None:
    facts = Facts()

    async def asks_and_tells(part: Part, _data: Any) -> None:
        await (part.ask("b", None, None) if delivery == "concurrent" else part.tell("news"))

    async def main() -> None:
        async with gl.HybridCoordinator(delivery=delivery, observer=facts) as bus:
            bus.register(Part("a", asks_and_tells))
            bus.register(Part("b", fails_to_clean_up, hear=fails_to_clean_up))
            bus.subscribe("b", "news")
            await ask(bus, "a", timeout=0.5)

    gl.run(main)
    assert facts.requests("target", "outcome", "error", "finished_at")[0] == (
        "a",
        "timed_out",
        None,
        0.5,
    )


@pytest.mark.parametrize("how", ["unregistering", "leaving"])
def test_a_handler_of_an_event_that_fails_on_being_cancelled_does_not_hurt_the_bus(
    how: str,
) -> None:
    facts = Facts()

    async def main() -> str:
        async with gl.HybridCoordinator(grace=0.5, observer=facts) as bus:
            bus.register(Part("b", hear=fails_to_clean_up))
            bus.register(Part("c", sleeps(0.5)))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")
            if how == "unregistering":
                await gl.sleep(0.5)
                bus.unregister("b")
                await ask(bus, "c")
        return "went on"

    assert gl.run(main).value == "went on"
    assert facts.deliveries("target", "finished_at") == [("b", 0.5)]
    assert set(facts.requests("outcome")) <= {("answered",)}


# --- deadlocked -----------------------------------------------------------------------------------


def test_a_refused_request_is_deadlocked_and_was_never_started() -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.HybridCoordinator(on_deadlock="raise", observer=facts) as bus:
            bus.register(Part("a", asks("a", after=0.5)))
            return await ask(bus, "a")

    assert gl.run(main).value is None
    assert facts.requests("outcome", "error", "sent_at", "started_at", "finished_at") == [
        ("answered", None, 0.0, 0.0, 0.5),
        ("deadlocked", "DeadlockDetected", 0.5, None, 0.5),
    ]


# --- pending --------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_what_is_open_at_the_horizon_is_pending_and_closed_as_nothing_else(
    architecture: str,
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", asks("b", timeout=None)))
            bus.register(Part("b", sleeps(9.0), hear=sleeps(9.0)))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a", timeout=None))
                await gl.sleep(0.25)
                await bus.emit_event("news", None, "feed")

    result = gl.run(main, horizon=4.0)
    assert (result.ended, result.at, result.value) == ("horizon", 4.0, None)
    assert facts.requests("target", "outcome", "finished_at", "blocked") == [
        ("a", "pending", None, 4.0),
        ("b", "pending", None, 0.0),
    ]
    # The old bus lets no event into the system while a chain is there: it is not under way yet.
    deliveries = [] if architecture == "synchronous" else [("pending", None)]
    assert facts.deliveries("outcome", "finished_at") == deliveries
    assert facts.events("subscribers") == [(len(deliveries),)]
    assert facts.times_closed == 1


# --- request and call -----------------------------------------------------------------------------


async def leaves_and_waits(part: Part, data: Any) -> Any:
    part.bus.unregister(part.id)
    await gl.sleep(9.0)
    return data


ENDINGS = [
    pytest.param("c", gl.UnknownTarget, "no component 'c' is registered on this bus", id="unknown"),
    pytest.param("gone", gl.TargetGone, "'gone' went away while 'ask' was open", id="gone"),
    pytest.param(
        "slow", gl.RequestTimedOut, "'slow' did not answer 'ask' within 0.75 s", id="timed_out"
    ),
    pytest.param(
        "bad", gl.HandlerFailed, "'bad' failed on 'ask': ValueError: no good", id="failed"
    ),
    pytest.param(
        "a",
        gl.DeadlockDetected,
        "waiting would close a deadlock: a -> a",
        id="deadlocked",
    ),
]
"""Whom component a asks, and what comes of it."""


def run_ending(method: str, target: str) -> tuple[Any, list[Row]]:
    """Let component a ask by `call` or `request`; the reply or the exception, and the records."""
    facts = Facts()

    async def asks_by_method(part: Part, _data: Any) -> Any:
        try:
            return await getattr(part.bus, method)(target, "ask", None, "a", 0.75)
        except gl.RequestError as error:
            return error

    async def main() -> Any:
        async with gl.HybridCoordinator(on_deadlock="raise", observer=facts) as bus:
            bus.register(Part("a", asks_by_method))
            bus.register(Part("gone", leaves_and_waits))
            bus.register(Part("slow", sleeps(9.0)))
            bus.register(Part("bad", raises(ValueError("no good"))))
            return await ask(bus, "a")

    columns = ("id", "cause", "chain", "source", "target", "request_type", "attempt", "outcome")
    times = ("error", "intended_at", "sent_at", "started_at", "finished_at", "blocked")
    return gl.run(main).value, facts.requests(*columns, *times)


@pytest.mark.parametrize(("target", "error", "message"), ENDINGS)
def test_call_raises_the_error_that_says_what_happened(
    target: str, error: type[gl.RequestError], message: str
) -> None:
    raised, _ = run_ending("call", target)
    assert type(raised) is error
    assert str(raised) == message


@pytest.mark.parametrize("target", ["c", "gone", "slow", "bad", "a"])
def test_request_returns_none_and_leaves_the_same_record_as_call(target: str) -> None:
    reply, rows = run_ending("request", target)
    assert reply is None
    assert rows == run_ending("call", target)[1]


def test_call_returns_the_reply() -> None:
    async def main() -> Any:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b"))
            return await bus.call("b", "ask", "sent", "client")

    assert gl.run(main).value == "sent"


def test_the_original_exception_is_the_cause_of_what_call_raises() -> None:
    original = ValueError("no good")

    async def main() -> None:
        async with gl.HybridCoordinator() as bus:
            bus.register(Part("b", raises(original)))
            with pytest.raises(gl.HandlerFailed) as caught:
                await bus.call("b", "ask", None, "client")
            assert caught.value.__cause__ is original

    gl.run(main)


def test_a_call_that_is_not_caught_makes_its_handler_fail_in_turn() -> None:
    async def calls_c(part: Part, _data: Any) -> Any:
        return await part.bus.call("c", "ask", None, part.id)

    result, rows = run_request("hybrid", Part("b", calls_c))
    assert result.value is None
    assert [row[:2] for row in rows] == [("failed", "UnknownTarget"), ("unknown_target", None)]


# --- chains ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_requests_in_a_handlers_own_nursery_belong_to_its_chain(architecture: str) -> None:
    facts = Facts()

    async def fans_out(part: Part, _data: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(part.ask, "b")
            nursery.start_soon(part.ask, "c")

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("a", fans_out))
            bus.register(Part("b", asks("d")))
            bus.register(Part("c", sleeps(1.0)))
            bus.register(Part("d", sleeps(0.5)))
            await ask(bus, "a")
            await ask(bus, "c")

    gl.run(main)
    rows = facts.requests("source", "target", "id", "cause", "chain")
    of = {(source, target): (id, cause, chain) for source, target, id, cause, chain in rows}
    root, no_cause, chain = of["client", "a"]
    assert (no_cause, chain) == (-1, root)
    assert of["a", "b"][1:] == (root, root)
    assert of["a", "c"][1:] == (root, root)
    assert of["b", "d"][1:] == (of["a", "b"][0], root)
    other, no_cause, chain = of["client", "c"]
    assert (no_cause, chain) == (-1, other)


def test_blocked_time_is_the_part_of_service_with_a_nested_request_open() -> None:
    facts = Facts()

    async def fans_out(part: Part, _data: Any) -> None:
        await gl.sleep(1.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(part.ask, "b")
            await gl.sleep(0.5)
            nursery.start_soon(part.ask, "c")
        await gl.sleep(1.0)

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("a", fans_out))
            bus.register(Part("b", sleeps(2.0)))
            bus.register(Part("c", sleeps(2.0)))
            await ask(bus, "a", timeout=9.0)

    gl.run(main)
    assert facts.requests("target", "finished_at", "blocked") == [
        ("a", 4.5, 2.5),  # b from 1.0 to 3.0, c from 1.5 to 3.5
        ("b", 3.0, 0.0),
        ("c", 3.5, 0.0),
    ]


def test_a_task_that_outlives_the_request_that_started_it_begins_chains_of_its_own() -> None:
    facts = Facts()

    async def main() -> None:
        async with trio.open_nursery() as nursery, gl.HybridCoordinator(observer=facts) as bus:

            async def leaves_a_task_behind(part: Part, _data: Any) -> None:
                nursery.start_soon(asks_later, part)

            async def asks_later(part: Part) -> None:
                await gl.sleep(0.5)
                await part.ask("b")

            bus.register(Part("a", leaves_a_task_behind))
            bus.register(Part("b"))
            await ask(bus, "a")
            await gl.sleep(1.0)

    gl.run(main)
    [(first, _, _), (second, cause, chain)] = facts.requests("id", "cause", "chain")
    assert cause == first
    assert chain == second


def starts_a_task_when_told(kind: str) -> Facts:
    """A plain handler of b's starts a task that asks c, while nobody else does anything."""
    facts = Facts()

    async def main() -> None:
        async with trio.open_nursery() as nursery, gl.HybridCoordinator(observer=facts) as bus:

            class Starter(gl.Component):
                def process_request(self, request_type: str, data: Any, source: str) -> None:
                    nursery.start_soon(ask, bus, "c", None, None, self.id)

                def on_event(self, event_type: str, data: Any, source: str) -> None:
                    nursery.start_soon(ask, bus, "c", None, None, self.id)

            bus.register(Part("a"))
            bus.register(Starter("b"))
            bus.register(Part("c"))
            bus.subscribe("a", "news")
            bus.subscribe("b", "news")
            await (ask(bus, "b") if kind == "request" else bus.emit_event("news", None, "feed"))
            await gl.sleep(1.0)

    gl.run(main)
    return facts


def test_a_task_that_a_plain_handler_of_events_starts_is_caused_by_the_delivery() -> None:
    facts = starts_a_task_when_told("event")
    [delivery] = [id for target, id in facts.deliveries("target", "id") if target == "b"]
    assert facts.requests("source", "cause") == [("b", delivery)]


def test_a_task_that_a_plain_handler_of_requests_starts_is_caused_by_the_caller() -> None:
    facts = starts_a_task_when_told("request")
    nobody = -1
    assert facts.requests("source", "cause") == [("client", nobody), ("b", nobody)]


def test_two_buses_keep_their_chains_apart() -> None:
    upper, lower = Facts(), Facts()

    async def main() -> None:
        async with (
            gl.HybridCoordinator(observer=upper) as one,
            gl.HybridCoordinator(observer=lower) as other,
        ):

            async def asks_the_other_bus(_part: Part, _data: Any) -> Any:
                return await ask(other, "b")

            one.register(Part("a", asks_the_other_bus))
            other.register(Part("b", sleeps(0.5)))
            await ask(one, "a")

    gl.run(main)
    assert upper.requests("outcome", "cause", "blocked") == [("answered", -1, 0.5)]
    assert lower.requests("outcome", "cause", "finished_at") == [("answered", -1, 0.5)]


# --- when it was meant to be sent -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["request", "call"])
@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_request_keeps_the_time_at_which_it_was_meant_to_be_sent(
    architecture: str, method: str
) -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b"))
            await gl.sleep(1.0)
            send = getattr(bus, method)
            await send("b", "ask", None, "client", intended_at=0.25)
            await send("b", "ask", None, "client")

    gl.run(main)
    assert facts.requests("intended_at", "sent_at") == [(0.25, 1.0), (1.0, 1.0)]


def test_a_request_to_nobody_keeps_the_time_at_which_it_was_meant_to_be_sent() -> None:
    facts = Facts()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=facts) as bus:
            await gl.sleep(1.0)
            await bus.request("nobody", "ask", None, "client", intended_at=0.25)

    gl.run(main)
    assert facts.requests("intended_at", "sent_at", "finished_at") == [(0.25, 1.0, 1.0)]


def test_times_count_from_the_opening_of_the_bus() -> None:
    facts = Facts()

    async def main() -> float:
        await gl.sleep(10.0)
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Part("b", sleeps(9.0)))
            await ask(bus, "b", timeout=0.5)
            return bus.now()

    result = gl.run(main)
    assert (result.value, result.at) == (0.5, 10.5)
    assert facts.requests("outcome", "sent_at", "finished_at") == [("timed_out", 0.0, 0.5)]


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_a_bus_works_on_the_real_clock(architecture: str) -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", sleeps(0.01)))
            bus.register(Part("slow", sleeps(60.0)))
            await ask(bus, "slow", timeout=0.01)
            return await ask(bus, "b", "sent", timeout=60.0)

    assert gl.run(main, clock="real").value == "sent"
    assert facts.requests("target", "outcome") == [("slow", "timed_out"), ("b", "answered")]
    assert facts.trace().manifest.clock == "real"


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_a_bus_works_in_any_trio_run(architecture: str) -> None:
    facts = Facts()

    async def main() -> Any:
        async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
            bus.register(Part("b", sleeps(0.25)))
            bus.register(Part("slow", sleeps(60.0)))
            await ask(bus, "slow", timeout=0.5)
            return await ask(bus, "b", "sent")

    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == "sent"
    assert facts.requests("target", "outcome", "finished_at") == [
        ("slow", "timed_out", 0.5),
        ("b", "answered", 0.75),
    ]
    assert facts.trace().manifest.seed is None


# --- plain, async and decorated handlers ----------------------------------------------------------


def traced(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A decorator as users write them: a plain function around a coroutine function."""

    @functools.wraps(method)
    def wrapper(*args: Any) -> Awaitable[Any]:
        return method(*args)

    return wrapper


class Plain(gl.Component):
    def process_request(self, request_type: str, data: Any, source: str) -> Any:
        if data == "fail":
            raise ValueError(data)
        return data


class Async(gl.Component):
    async def process_request(self, request_type: str, data: Any, source: str) -> Any:
        if data == "fail":
            raise ValueError(data)
        return data


class Decorated(gl.Component):
    @traced
    async def process_request(self, request_type: str, data: Any, source: str) -> Any:
        if data == "fail":
            raise ValueError(data)
        return data


@pytest.mark.parametrize("kind", [Async, Decorated])
@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_plain_and_async_handlers_leave_the_same_records(
    architecture: str, kind: type[gl.Component]
) -> None:
    def record(component: gl.Component) -> tuple[Any, list[Row]]:
        facts = Facts()

        async def main() -> list[Any]:
            async with gl.ARCHITECTURES[architecture](observer=facts) as bus:
                bus.register(Part("relay", asks("b")))
                bus.register(component)
                replies = [await ask(bus, "b", data) for data in ("x", "fail", None)]
                await gl.sleep(0.5)
                return [*replies, await ask(bus, "relay", "y")]

        columns = ("id", "cause", "chain", "source", "target", "attempt", "outcome", "error")
        times = ("intended_at", "sent_at", "started_at", "finished_at", "blocked")
        return gl.run(main).value, facts.requests(*columns, *times)

    replies, rows = record(Plain("b"))
    assert replies == ["x", None, None, "y"]
    assert [row[6:8] for row in rows] == [
        ("answered", None),
        ("failed", "ValueError"),
        ("answered", None),
        ("answered", None),
        ("answered", None),
    ]
    assert record(kind("b")) == (replies, rows)


@pytest.mark.parametrize("architecture", HYBRIDS)
def test_a_decorated_handler_that_waits_is_under_the_timeout(architecture: str) -> None:
    class Slow(gl.Component):
        @traced
        async def process_request(self, request_type: str, data: Any, source: str) -> None:
            await gl.sleep(9.0)

    _, rows = run_request(architecture, Slow("b"), timeout=0.5)
    assert rows == [("timed_out", None, 0.0, 0.0, 0.5)]


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_plain_handler_that_returns_a_coroutine_fails_with_the_way_out(architecture: str) -> None:
    class Delegating(gl.Component):
        def process_request(self, request_type: str, data: Any, source: str) -> Awaitable[Any]:
            return self._serve(data)

        async def _serve(self, data: Any) -> Any:
            return data

    async def main() -> None:
        async with gl.ARCHITECTURES[architecture]() as bus:
            bus.register(Delegating("b"))
            await bus.call("b", "ask", None, "client")

    with pytest.raises(gl.HandlerFailed) as raised:
        gl.run(main)
    assert str(raised.value).startswith("'b' failed on 'ask': PlainButAsync: ")
    assert str(raised.value).endswith(
        "Delegating.process_request is a plain function but returned a coroutine: "
        "make it `async def`, or wrap it with functools.wraps"
    )


def test_a_plain_handler_waits_for_admission_like_any_other() -> None:
    facts = Facts()

    class Mixed(gl.Component):
        def process_request(self, request_type: str, data: Any, source: str) -> Any:
            return data

        async def on_event(self, event_type: str, data: Any, source: str) -> None:
            await gl.sleep(1.0)

    async def main() -> Any:
        async with gl.HybridCoordinator(observer=facts) as bus:
            bus.register(Mixed("b"))
            bus.subscribe("b", "news")
            await bus.emit_event("news", None, "feed")
            first = await ask(bus, "b", "too impatient", timeout=0.5)
            return first, await ask(bus, "b", "patient")

    assert gl.run(main).value == (None, "patient")
    assert facts.requests("outcome", "sent_at", "started_at", "finished_at") == [
        ("timed_out", 0.0, None, 0.5),
        ("answered", 0.5, 1.0, 1.0),
    ]
