"""What every architecture must do, and the behaviours in which they differ; each is one run.

An architecture of your own is checked like those of the lab:

    for check in CHECKS.values():
        check(architecture)
    {name: measure(architecture) for name, measure in BEHAVIOURS.items()}
"""

import decimal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.buses.policies import Attempt
from genesis_lab.errors import (
    AlreadyRegistered,
    BusNotOpen,
    BusOpenedTwice,
    DrainInsideHandler,
    EventTimedOut,
    InvalidSetting,
    InvalidTimeout,
)
from tests.facts import Facts
from tests.parts import Part, answers, ask, asking, asks, raises, sleeps, sleeps_as_told, tells

Check = Callable[[gl.Architecture], None]
Measure = Callable[[gl.Architecture], bool]

CHECKS: dict[str, Check] = {}
"""What every architecture must do: each raises `AssertionError` where one does not."""
BEHAVIOURS: dict[str, Measure] = {}
"""What is different on some of them: each says whether it is so on one."""


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def behaviour(name: str) -> Callable[[Measure], Measure]:
    def register(function: Measure) -> Measure:
        BEHAVIOURS[name] = function
        return function

    return register


def run(
    architecture: gl.Architecture,
    act: Callable[[gl.Bus], Awaitable[Any]],
    *parts: gl.Component,
    news: Iterable[str] = (),
    **options: Any,
) -> tuple[gl.RunResult[Any], Facts]:
    """Act on a bus with these components, some of which subscribe to `news`."""
    facts = Facts()

    async def main() -> Any:
        async with architecture(observer=facts) as bus:
            for part in parts:
                bus.register(part)
            for id in news:
                bus.subscribe(id, "news")
            return await act(bus)

    return gl.run(main, **options), facts


async def emit(bus: gl.Bus, data: Any = None) -> None:
    await bus.emit_event("news", data, "feed")


# --- requests -------------------------------------------------------------------------------------


@check
def the_reply_is_what_the_handler_returns(architecture: gl.Architecture) -> None:
    class Mirror(gl.Component):
        async def process_request(self, request_type: str, data: Any, source: str) -> Any:
            await gl.sleep(0.5)
            return None if data is None else (request_type, data, source)

    async def act(bus: gl.Bus) -> Any:
        return [
            await bus.request("b", "ask", 7, "client"),
            await bus.call("b", "ask", 7, "client"),
            await bus.call("b", "ask", None, "client"),
        ]

    result, facts = run(architecture, act, Mirror("b"))
    assert result.value == [("ask", 7, "client")] * 2 + [None]
    assert facts.requests("outcome", "sent_at", "started_at", "served_at", "finished_at") == [
        ("answered", at, at, at + 0.5, at + 0.5) for at in (0.0, 0.5, 1.0)
    ]


@check
def a_plain_handler_serves_as_an_async_one_does(architecture: gl.Architecture) -> None:
    class Plain(gl.Component):
        def process_request(self, request_type: str, data: Any, source: str) -> Any:
            return data

        def on_event(self, event_type: str, data: Any, source: str) -> None:
            pass

    async def act(bus: gl.Bus) -> Any:
        await emit(bus)
        await bus.drain()
        return await ask(bus, "b", "reply")

    result, facts = run(architecture, act, Plain("b"), news=["b"])
    assert result.value == "reply"
    assert facts.deliveries("outcome") == [("handled",)]


@check
def a_failure_is_an_outcome_and_the_component_goes_on(architecture: gl.Architecture) -> None:
    error = ValueError("bad")

    async def fails_first(_part: Part, data: Any) -> Any:
        if data == "fail":
            raise error
        return data

    async def act(bus: gl.Bus) -> Any:
        with pytest.raises(gl.HandlerFailed) as caught:
            await bus.call("b", "ask", "fail", "client")
        assert caught.value.__cause__ is error
        return [await ask(bus, "b", "fail"), await ask(bus, "b", "reply")]

    result, facts = run(architecture, act, Part("b", fails_first))
    assert result.value == [None, "reply"]
    assert facts.requests("outcome", "error") == [
        ("failed", "ValueError"),
        ("failed", "ValueError"),
        ("answered", None),
    ]


@check
def a_request_to_nobody_is_a_record(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> Any:
        with pytest.raises(gl.UnknownTarget):
            await bus.call("nobody", "ask", None, "client")
        return await ask(bus, "nobody")

    result, facts = run(architecture, act)
    assert result.value is None
    assert facts.requests("outcome", "started_at") == [("unknown_target", None)] * 2


@check
def nested_requests_carry_cause_and_chain(architecture: gl.Architecture) -> None:
    result, facts = run(
        architecture,
        lambda bus: ask(bus, "a", "reply"),
        Part("a", asks("b")),
        Part("b", asks("c")),
        Part("c", sleeps(1.0)),
    )
    assert (result.value, result.at) == ("reply", 1.0)
    assert facts.requests("id", "cause", "chain", "blocked") == [
        (0, -1, 0, 1.0),
        (1, 0, 0, 1.0),
        (2, 1, 0, 0.0),
    ]
    assert facts.deadlocks() == []


@check
def a_caller_that_is_cancelled_waits_no_longer(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> float:
        with trio.move_on_after(0.5):
            await ask(bus, "b", 1.0, timeout=None)
        cancelled_at = bus.now()
        await gl.sleep(2.0)
        assert await ask(bus, "b", 0.25) == 0.25
        return cancelled_at

    result, facts = run(architecture, act, Part("b", sleeps_as_told))
    assert (result.value, result.at) == (0.5, 2.75)
    assert facts.requests("outcome", "finished_at") == [("cancelled", 0.5), ("answered", 2.75)]


@check
def a_component_that_is_unregistered_is_gone(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> Any:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "b", timeout=None))
            await gl.sleep(0.5)
            bus.unregister("b")
        assert await ask(bus, "b") is None
        bus.register(Part("b"))
        return await ask(bus, "b", "reply")

    result, facts = run(architecture, act, Part("b", sleeps(9.0)))
    assert (result.value, result.at) == ("reply", 0.5)
    assert facts.requests("outcome", "finished_at") == [
        ("target_gone", 0.5),
        ("unknown_target", 0.5),
        ("answered", 0.5),
    ]
    assert list(facts.trace().components["left_at"].dropna()) == [0.5]


@check
def policies_stand_before_requests(architecture: gl.Architecture) -> None:
    async def refuses(attempt: Attempt) -> Any:
        raise attempt.reject("closed")

    async def act(bus: gl.Bus) -> Any:
        bus.add_policy(refuses, target="b")
        return [await ask(bus, "b", "reply"), await ask(bus, "c", "reply")]

    result, facts = run(architecture, act, Part("b"), Part("c"))
    assert result.value == [None, "reply"]
    assert facts.requests("outcome") == [("rejected",), ("answered",)]


@check
def wrong_input_is_refused_before_an_id_is_given(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> None:
        wrong: list[tuple[type[Exception], Callable[[], Awaitable[Any]]]] = [
            (InvalidTimeout, partial(ask, bus, "b", timeout=-1)),
            (InvalidSetting, partial(ask, bus, "\ud83d")),
            (InvalidSetting, partial(ask, bus, "b", source="\ud83d")),
            (InvalidSetting, partial(bus.request, "b", "\ud83d", None, "client")),
            (
                InvalidSetting,
                partial(bus.request, "b", "ask", None, "client", intended_at=float("nan")),
            ),
            (InvalidSetting, partial(bus.emit_event, "\ud83d", None, "feed")),
            (
                InvalidSetting,
                partial(bus.emit_event, "news", None, "feed", intended_at=float("inf")),
            ),
        ]
        for error, use in wrong:
            with pytest.raises(error):
                await use()
        await ask(bus, "b")

    _, facts = run(architecture, act, Part("b"), news=["b"])
    assert facts.requests("id", "outcome") == [(0, "answered")]
    assert facts.events() == facts.deliveries() == []


# --- events ---------------------------------------------------------------------------------------


@check
def events_reach_each_subscriber_once_and_in_order(architecture: gl.Architecture) -> None:
    heard: dict[str, list[int]] = {"b": [], "c": []}

    async def notes(part: Part, data: int) -> None:
        await gl.sleep(0.25)
        heard[part.id].append(data)

    async def act(bus: gl.Bus) -> None:
        bus.subscribe("b", "news")  # a second time
        for number in range(3):
            await emit(bus, number)
        await bus.drain()
        bus.unsubscribe("c", "news")
        await emit(bus, 3)
        await bus.drain()

    _, facts = run(architecture, act, Part("b", hear=notes), Part("c", hear=notes), news=["b", "c"])
    # Where deliveries of a component may run side by side, they begin in order all the same.
    assert heard == {"b": [0, 1, 2, 3], "c": [0, 1, 2]}
    assert facts.events("subscribers") == [(2,), (2,), (2,), (1,)]
    assert set(facts.deliveries("outcome")) == {("handled",)}


@check
def a_failing_subscriber_hurts_no_other_one(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> None:
        for _ in range(2):
            with suppress(ValueError):  # it reaches the emitter where the table says so
                await emit(bus)
        await bus.settle()

    _, facts = run(
        architecture,
        act,
        Part("bad", hear=raises(ValueError("bad"))),
        Part("good", hear=sleeps(0.25)),
        news=["bad", "good"],
    )
    assert sorted(facts.deliveries("target", "outcome", "error"), key=str) == [
        ("bad", "failed", "ValueError"),
        ("bad", "failed", "ValueError"),
        ("good", "handled", None),
        ("good", "handled", None),
    ]


@check
def what_an_event_handler_sets_in_a_context_variable_stays_its_own(
    architecture: gl.Architecture,
) -> None:
    seen: list[int] = []

    async def sets(_part: Part, _data: Any) -> None:
        seen.append(decimal.getcontext().prec)
        decimal.getcontext().prec = 3
        decimal.setcontext(decimal.Context(prec=3))

    async def act(bus: gl.Bus) -> int:
        await emit(bus)
        await bus.drain()
        return decimal.getcontext().prec

    before = decimal.getcontext().prec
    result, _ = run(architecture, act, Part("b", hear=sets), Part("c", hear=sets), news=["b", "c"])
    assert result.value == before or seen == [before, 3]
    assert len(seen) == 2


@check
def drain_waits_for_what_was_emitted_and_settle_for_all(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> list[float]:
        bus.subscribe("c", "more")
        await emit(bus)
        await bus.drain()
        await bus.settle()
        return [bus.now()]

    async def tells_later(part: Part, data: Any) -> None:
        await gl.sleep(1.0)
        await part.tell("more", data)

    result, facts = run(
        architecture,
        act,
        Part("b", hear=tells_later),
        Part("c", hear=sleeps(1.0)),
        news=["b"],
    )
    assert result.value == [2.0]
    assert facts.deliveries("outcome") == [("handled",), ("handled",)]


@check
def drain_inside_a_handler_is_refused(architecture: gl.Architecture) -> None:
    async def drains(part: Part, _data: Any) -> str:
        with pytest.raises(DrainInsideHandler):
            await bus_of(part).drain()
        return "refused"

    result, _ = run(architecture, lambda bus: ask(bus, "b"), Part("b", drains))
    assert result.value == "refused"


def bus_of(part: Part) -> gl.Bus:
    assert isinstance(part.bus, gl.Bus)
    return part.bus


@check
def a_handler_waits_for_an_event_where_its_component_may_handle_it(
    architecture: gl.Architecture,
) -> None:
    async def waits(part: Part, _data: Any) -> Any:
        try:
            return await part.bus.next_event("news", timeout=1.0)
        except EventTimedOut:
            return "in vain"

    async def act(bus: gl.Bus) -> Any:
        replies: list[Any] = []

        async def asks_b() -> None:
            replies.append((await ask(bus, "b"), bus.now()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(asks_b)
            await gl.sleep(0.5)
            nursery.start_soon(emit, bus, "the news")
        await bus.drain()
        return replies

    result, facts = run(architecture, act, Part("b", waits, admission=gl.RE_ENTRANT), news=["b"])
    re_enters = list(facts.trace().components["capacity"]) == [float("inf")]
    assert result.value == [("the news", 0.5) if re_enters else ("in vain", 1.0)]


# --- the bus --------------------------------------------------------------------------------------


async def a_bit_of_everything(bus: gl.Bus) -> None:
    """Requests and events that are answered, queued, cancelled, failed and lost."""
    bus.subscribe("b", "more")
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(asking(bus, "a", number, timeout=0.75))
            nursery.start_soon(asking(bus, "failing", number))
            nursery.start_soon(asking(bus, "nobody", number))
            await gl.sleep(0.25)
        await emit(bus)
    with trio.move_on_after(0.25):
        await ask(bus, "b")
    await bus.settle()


def everybody() -> list[gl.Component]:
    return [
        Part("a", asks("b", timeout=0.5), hear=tells("more")),
        Part("failing", raises(ValueError("bad"))),
        Part("b", sleeps(0.5), hear=sleeps(0.25)),
    ]


@check
def every_message_has_exactly_one_row_and_outcome(architecture: gl.Architecture) -> None:
    _, facts = run(architecture, a_bit_of_everything, *everybody(), news=["a", "b"])
    ids = [*facts.requests("id"), *facts.events("id"), *facts.deliveries("id")]
    assert sorted(ids) == [(number,) for number in range(len(ids))]
    assert ("pending",) not in [*facts.requests("outcome"), *facts.deliveries("outcome")]
    assert sorted(event for (event,) in facts.deliveries("event")) == sorted(
        id for id, subscribers in facts.events("id", "subscribers") for _ in range(subscribers)
    )


@check
def equal_seeds_have_equal_digests(architecture: gl.Architecture) -> None:
    digests = [
        run(architecture, a_bit_of_everything, *everybody(), news=["a", "b"], seed=5)[1]
        .trace()
        .digest()
        for _ in range(2)
    ]
    assert digests[0] == digests[1]


@check
def the_manifest_has_the_registered_name(architecture: gl.Architecture) -> None:
    _, facts = run(architecture, emit, seed=3)
    manifest = facts.trace().manifest
    assert (manifest.architecture, manifest.seed) == (architecture.name, 3)


@check
def messages_keep_when_they_were_meant_to_be_sent(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> None:
        await gl.sleep(1.0)
        await bus.request("b", "ask", None, "client", intended_at=0.25)
        await bus.call("b", "ask", None, "client")
        await bus.emit_event("news", None, "feed", intended_at=0.5)
        await bus.drain()

    _, facts = run(architecture, act, Part("b"), news=["b"])
    assert facts.requests("intended_at", "sent_at") == [(0.25, 1.0), (1.0, 1.0)]
    assert facts.events("intended_at", "sent_at") == [(0.5, 1.0)]
    assert facts.deliveries("intended_at", "sent_at") == [(0.5, 1.0)]


@check
def messages_take_the_latency_of_their_links(architecture: gl.Architecture) -> None:
    facts = Facts()

    async def main() -> None:
        async with architecture(observer=facts, latency=0.5) as bus:
            bus.register(Part("b"))
            bus.subscribe("b", "news")
            await ask(bus, "b")
            await emit(bus)
            await bus.drain()

    assert gl.run(main).at == 1.5
    assert facts.requests("arrived_at", "started_at", "finished_at") == [(0.5, 0.5, 1.0)]
    assert facts.deliveries("arrived_at", "started_at") == [(1.5, 1.5)]


@check
def time_counts_from_the_opening_of_the_bus(architecture: gl.Architecture) -> None:
    async def main() -> list[float]:
        bus = architecture()
        with pytest.raises(BusNotOpen):
            bus.now()
        await gl.sleep(3.0)
        async with bus:
            opened = bus.now()
            await gl.sleep(0.5)
            return [opened, bus.now()]

    assert gl.run(main).value == [0.0, 0.5]


@check
def statistics_show_what_is_going_on(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "b"))
            await gl.sleep(0.5)
            now = bus.statistics()
            assert now.at == 0.5
            assert [(each.id, each.serving) for each in now.components] == [("a", 0), ("b", 1)]
            assert [(each.id, each.target, each.started_at) for each in now.in_flight] == [
                (0, "b", 0.0)
            ]
        later = bus.statistics()
        assert not later.in_flight
        assert not later.deadlocks
        assert [each.serving for each in later.components] == [0, 0]

    run(architecture, act, Part("a"), Part("b", sleeps(1.0)))


@check
def a_call_is_carried_into_another_task_or_dropped(architecture: gl.Architecture) -> None:
    facts = Facts()

    async def main() -> None:
        async with architecture(observer=facts) as bus, trio.open_nursery() as outside:

            async def hands_over(_part: Part, _data: Any) -> None:
                token = bus.serving()
                assert token is not None
                assert (token.id, token.chain) == (0, 0)
                outside.start_soon(asks_later, token)

            async def asks_later(token: Any) -> None:
                await gl.sleep(1.0)
                for part_of in (token, None):
                    with bus.part_of(part_of):
                        await bus.request("b", "ask", None, "a")

            bus.register(Part("a", hands_over))
            bus.register(Part("b"))
            assert bus.serving() is None
            await ask(bus, "a")

    gl.run(main)
    # The call has ended by then: it is the cause, but its chain is not gone on with.
    assert facts.requests("id", "cause", "chain") == [(0, -1, 0), (1, 0, 1), (2, -1, 2)]


@check
def two_buses_of_a_run_keep_their_messages_apart(architecture: gl.Architecture) -> None:
    first, second = Facts(), Facts()

    async def main() -> Any:
        async with architecture(observer=first) as one, architecture(observer=second) as two:

            async def asks_on_two(_part: Part, data: Any) -> Any:
                return await ask(two, "c", data)

            async def asks_on_one(_part: Part, data: Any) -> Any:
                return await ask(one, "b", data, source="a")

            one.register(Part("a", asks_on_two))
            one.register(Part("b"))
            two.register(Part("c", asks_on_one))
            with trio.move_on_after(9.0):
                return await ask(one, "a", "reply")

    result = gl.run(main)
    rows = first.requests("id", "cause", "chain", "target"), second.requests("id", "cause")
    assert rows[0][0] == (0, -1, 0, "a")
    assert rows[1] == [(0, -1)]
    assert result.value in {"reply", None}
    if result.value is not None:  # where the system is not one call chain's alone
        assert rows[0][1:] == [(1, 0, 0, "b")]


@check
def leaving_the_bus_closes_every_record(architecture: gl.Architecture) -> None:
    facts = Facts()

    async def main() -> int:
        before = trio.lowlevel.current_statistics().tasks_living
        with trio.move_on_after(0.5):
            async with architecture(observer=facts) as bus:
                bus.register(Part("a", asks("b", timeout=None)))
                bus.register(Part("b", sleeps(9.0), hear=sleeps(9.0)))
                bus.subscribe("b", "news")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(asking(bus, "a", timeout=None))
                    nursery.start_soon(emit, bus)
        return trio.lowlevel.current_statistics().tasks_living - before

    result = gl.run(main)
    assert (result.value, result.at) == (0, 0.5)
    ended = [*facts.requests("outcome", "finished_at"), *facts.deliveries("outcome", "finished_at")]
    assert set(ended) == {("cancelled", 0.5)}
    assert facts.times_closed == 1


@check
def what_is_open_at_the_horizon_is_pending(architecture: gl.Architecture) -> None:
    result, facts = run(
        architecture,
        lambda bus: ask(bus, "a", timeout=None),
        Part("a", asks("b", timeout=None)),
        Part("b", sleeps(9.0)),
        horizon=2.0,
    )
    assert (result.ended, result.at) == ("horizon", 2.0)
    assert facts.requests("outcome", "finished_at") == [("pending", None)] * 2


def _interrupt(architecture: gl.Architecture, error: BaseException, *, by: str) -> None:
    facts = Facts()

    async def main() -> None:
        async with architecture(observer=facts) as bus:
            bus.register(Part("a", asks("b", after=0.25)))
            bus.register(Part("b", raises(error), hear=raises(error)))
            bus.subscribe("b", "news")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking(bus, "a") if by == "request" else partial(emit, bus))
                await trio.sleep_forever()

    with pytest.raises(type(error)) as caught:
        gl.run(main)
    assert caught.value is error or type(caught.value) is type(error)
    outcomes = {*facts.requests("outcome"), *facts.deliveries("outcome")}
    assert outcomes == {("cancelled",)}
    assert facts.times_closed == 1


@check
def an_interrupt_passes_through_with_all_records_closed(architecture: gl.Architecture) -> None:
    for by in ("request", "event"):
        _interrupt(architecture, KeyboardInterrupt(), by=by)
        _interrupt(architecture, SystemExit(3), by=by)


@check
def a_bus_is_used_inside_its_block_and_opened_once(architecture: gl.Architecture) -> None:
    async def main() -> None:
        bus = architecture()
        for _ in range(2):
            with pytest.raises(BusNotOpen):
                await ask(bus, "b")
            with pytest.raises(BusNotOpen):
                await emit(bus)
            with pytest.raises(BusNotOpen):
                bus.register(Part("b"))
            if "open" not in repr(bus) and bus.components() == ():
                async with bus:
                    bus.register(Part("b"))
                    assert await ask(bus, "b", "reply") == "reply"
        with pytest.raises(BusOpenedTwice):
            await bus.__aenter__()

    gl.run(main)


@check
def components_are_listed_and_have_an_id_of_their_own(architecture: gl.Architecture) -> None:
    async def act(bus: gl.Bus) -> Any:
        with pytest.raises(AlreadyRegistered):
            bus.register(Part("b", raises(ValueError())))
        return [*bus.components()], await ask(bus, "b", "reply")

    parts = [Part("b"), Part("a")]
    result, facts = run(architecture, act, *parts)
    assert result.value == (["b", "a"], "reply")
    assert list(facts.trace().components["id"]) == ["b", "a"]


# --- where they differ ----------------------------------------------------------------------------


def _deadlocks(facts: Facts) -> bool:
    """Whether a deadlock stood for some time: one that is refused does not."""
    return any(formed != broken for formed, broken in facts.deadlocks("formed_at", "broken_at"))


async def around(part: Part, data: int) -> int:
    """Ask the other one, so many times."""
    if data > 0:
        reply: int = await part.ask("b" if part.id == "a" else "a", data - 1, 1.0)
        return reply
    return 7


async def again(part: Part, data: int) -> int:
    """Ask oneself, so many times."""
    if data > 0:
        reply: int = await part.ask(part.id, data - 1, 1.0)
        return reply
    return 7


def _circle(architecture: gl.Architecture) -> tuple[gl.RunResult[Any], Facts]:
    async def act(bus: gl.Bus) -> Any:
        reply = await ask(bus, "a", 2)
        await gl.sleep(9.0)
        return reply

    return run(architecture, act, Part("a", around), Part("b", around))


@behaviour("a circular call deadlocks")
def _(architecture: gl.Architecture) -> bool:
    return _deadlocks(_circle(architecture)[1])


@behaviour("a circular call is answered")
def _(architecture: gl.Architecture) -> bool:
    return _circle(architecture)[0].value == 7


@behaviour("a circular call stops the system for good")
def _(architecture: gl.Architecture) -> bool:
    return _circle(architecture)[0].ended == "stalled"


@behaviour("a wait that would close a deadlock is refused")
def _(architecture: gl.Architecture) -> bool:
    return ("deadlocked",) in _circle(architecture)[1].requests("outcome")


@behaviour("a call against the order of registration is refused")
def _(architecture: gl.Architecture) -> bool:
    _, facts = run(architecture, lambda bus: ask(bus, "b"), Part("a"), Part("b", asks("a")))
    return ("rejected",) in facts.requests("outcome")


@behaviour("a component that asks itself deadlocks")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        await ask(bus, "a", 1)
        await gl.sleep(9.0)

    return _deadlocks(run(architecture, act, Part("a", again))[1])


@behaviour("a component that asks itself deadlocks under CALL_CHAIN")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        await ask(bus, "a", 1)
        await gl.sleep(9.0)

    return _deadlocks(run(architecture, act, Part("a", again, admission=gl.CALL_CHAIN))[1])


@behaviour("the timeout of a call ends its wait")
def _(architecture: gl.Architecture) -> bool:
    result, _facts = run(
        architecture, lambda bus: ask(bus, "b", "reply", timeout=1.0), Part("b", sleeps(3.0))
    )
    return result.value is None and result.at == 1.0


@behaviour("a call without a timeout may wait forever")
def _(architecture: gl.Architecture) -> bool:
    result, _facts = run(
        architecture, lambda bus: ask(bus, "b", "reply", timeout=None), Part("b", sleeps(1e6))
    )
    return result.value == "reply"


@behaviour("a timeout of zero is enough for a handler that never waits")
def _(architecture: gl.Architecture) -> bool:
    result, _facts = run(architecture, lambda bus: ask(bus, "b", "reply", timeout=0), Part("b"))
    return result.value == "reply"


@behaviour("a service outlives its caller")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        with trio.move_on_after(1.0):
            await ask(bus, "b")
        await gl.sleep(9.0)

    _, facts = run(architecture, act, Part("b", sleeps(2.0)))
    return facts.requests("served_at") == [(2.0,)]


def _time_of_two_requests(architecture: gl.Architecture, admission: gl.Admission) -> float:
    async def act(bus: gl.Bus) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(asking(bus, "b"))

    return run(architecture, act, Part("b", sleeps(1.0), admission=admission))[0].at


@behaviour("the admission of a component counts")
def _(architecture: gl.Architecture) -> bool:
    times = [_time_of_two_requests(architecture, each) for each in (gl.SERIAL, gl.RE_ENTRANT)]
    return times == [2.0, 1.0]


@behaviour("a serial component takes one message at a time")
def _(architecture: gl.Architecture) -> bool:
    return _time_of_two_requests(architecture, gl.SERIAL) == 2.0


@behaviour("callers wait for components that they do not ask")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> float:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "slow"))
            await gl.sleep(0.5)
            await ask(bus, "b")
            return bus.now()
        raise AssertionError

    result, _facts = run(architecture, act, Part("slow", sleeps(3.0)), Part("b"))
    return result.value != 0.5


@behaviour("an event waits while its subscriber serves a request")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking(bus, "b"))
            await gl.sleep(0.5)
            nursery.start_soon(emit, bus)
        await bus.drain()

    _, facts = run(architecture, act, Part("b", sleeps(2.0)), news=["b"])
    return facts.deliveries("started_at") == [(2.0,)]


@behaviour("an emitter waits for the handlers")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> float:
        await emit(bus)
        return bus.now()

    return run(architecture, act, Part("b", hear=sleeps(1.0)), news=["b"])[0].value == 1.0


@behaviour("an event comes back to its emitter")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        await bus.emit_event("news", None, "a")
        await bus.drain()

    return bool(run(architecture, act, Part("a"), news=["a"])[1].deliveries())


@behaviour("a slow subscriber delays the others")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        await emit(bus)
        await bus.drain()

    slow, quick = Part("slow", hear=sleeps(1.0)), Part("quick", hear=answers)
    _, facts = run(architecture, act, slow, quick, news=["slow", "quick"])
    return ("quick", 0.0) not in facts.deliveries("target", "started_at")


@behaviour("a subscriber's failure reaches the emitter")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> bool:
        try:
            await emit(bus)
        except ValueError:
            return True
        return False

    result, _facts = run(architecture, act, Part("b", hear=raises(ValueError("bad"))), news=["b"])
    return bool(result.value)


@behaviour("a flood of events is dropped in part")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        for _ in range(1100):
            await emit(bus)
        await bus.drain()

    _, facts = run(architecture, act, Part("b", hear=sleeps(1.0)), news=["b"])
    return ("dropped",) in facts.deliveries("outcome")


@behaviour("events that are queued when the bus is left are still handled")
def _(architecture: gl.Architecture) -> bool:
    async def act(bus: gl.Bus) -> None:
        for _ in range(2):
            await emit(bus)

    _, facts = run(architecture, act, Part("b", hear=sleeps(0.25)), news=["b"])
    return set(facts.deliveries("outcome")) == {("handled",)}
