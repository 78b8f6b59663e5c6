"""A live laboratory, in real threads: order and outcomes are asserted, never durations."""

import asyncio
import gc
import importlib.util
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import AlreadyRegistered, InvalidSetting, InvalidTimeout, NotRegistered
from genesis_lab.laboratory.errors import CalledByComponent, LabClosed, NoEventLoop
from tests.interrupts import interruptible
from tests.laboratory.parts import (
    DEADLINE,
    elsewhere,
    outcomes,
    until_cancelled,
    wait_until,
    wait_until_served,
    waiting_request,
)
from tests.parts import Part, all_but, asks, raises


@pytest.fixture
def lab() -> Iterator[gl.LiveLab]:
    with gl.live(grace=0.0) as lab:
        yield lab


# --- making one -----------------------------------------------------------------------------------


def test_live_is_a_function_and_no_module_has_its_name() -> None:
    assert gl.live.__module__ == "genesis_lab.laboratory.lab"
    assert importlib.util.find_spec("genesis_lab.live") is None


@pytest.mark.parametrize("architecture", [*gl.ARCHITECTURES, gl.HybridCoordinator])
def test_a_lab_is_made_of_an_architecture_or_of_its_name(architecture: Any) -> None:
    with gl.live(architecture) as lab:
        lab.register(Part("a", asks("b")))
        lab.register(Part("b"))
        assert lab.request("a", "ask", 7) == 7


def test_settings_are_the_architecture_s() -> None:
    with gl.live("hybrid", inbox_capacity=3, on_deadlock="raise") as lab:
        configuration = lab.snapshot().configuration
    assert (configuration["inbox_capacity"], configuration["on_deadlock"]) == (3, "raise")


def test_a_bad_architecture_or_setting_is_an_error_where_the_lab_is_made() -> None:
    with pytest.raises(InvalidSetting, match="architecture='asynchronous': expected 'synchronous'"):
        gl.live("asynchronous")
    with pytest.raises(InvalidSetting, match="grace=-1: expected seconds >= 0"):
        gl.live(grace=-1)


# --- plain calls ----------------------------------------------------------------------------------


def test_a_plain_request_returns_the_reply(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))
    assert lab.request("a", "ask", {"size": 3}) == {"size": 3}
    [row] = lab.trace().requests.to_dict("records")
    assert (row["source"], row["outcome"]) == ("notebook", "answered")


def test_a_plain_request_that_nobody_answers_returns_none_and_call_raises(lab: gl.LiveLab) -> None:
    lab.register(Part("a", raises(ValueError("no"))))
    assert lab.request("a", "ask", None) is None
    assert lab.request("nobody", "ask", None) is None
    with pytest.raises(gl.HandlerFailed, match="'a' failed on 'ask': ValueError: no"):
        lab.call("a", "ask", None)
    with pytest.raises(gl.UnknownTarget):
        lab.call("nobody", "ask", None)
    assert [outcome for _, outcome in outcomes(lab)] == [
        "failed",
        "unknown_target",
        "failed",
        "unknown_target",
    ]


def test_an_error_of_the_caller_s_is_raised_where_it_calls(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))
    with pytest.raises(InvalidTimeout):
        lab.request("a", "ask", None, timeout=-1.0)
    with pytest.raises(AlreadyRegistered):
        lab.register(Part("a"))
    with pytest.raises(NotRegistered):
        lab.subscribe("b", "news")


def test_events_reach_subscribers_and_drain_waits_for_them(lab: gl.LiveLab) -> None:
    heard: list[tuple[str, Any]] = []

    async def hears(part: Part, data: Any) -> None:
        await trio.sleep(0.01)
        heard.append((part.id, data))

    lab.register(Part("a", hear=hears))
    lab.register(Part("b", hear=hears))
    lab.subscribe("a", "news")
    lab.subscribe("b", "news")
    lab.emit_event("news", 1)
    lab.drain()
    lab.unsubscribe("a", "news")
    lab.emit_event("news", 2)
    lab.drain()
    assert sorted(heard) == [("a", 1), ("b", 1), ("b", 2)]


def test_a_component_that_is_taken_off_ends_what_it_serves(lab: gl.LiveLab) -> None:
    lab.register(Part("a", until_cancelled))
    with waiting_request(lab, "a") as replies:
        wait_until_served(lab, "a")
        lab.unregister("a")
    assert replies == [None]
    assert outcomes(lab) == [("a", "target_gone")]


# --- calls in coroutines --------------------------------------------------------------------------


def test_in_a_coroutine_each_call_is_awaited(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))
    lab.register(Part("b", raises(ValueError("no"))))
    lab.subscribe("a", "news")

    async def main() -> Any:
        await lab.emit_event("news", 1)
        await lab.drain()
        with pytest.raises(gl.HandlerFailed):
            await lab.call("b", "ask", None)
        return await lab.request("a", "ask", 7)

    assert asyncio.run(main()) == 7
    assert list(lab.trace().deliveries["outcome"]) == ["handled"]


def test_in_a_coroutine_s_comprehensions_too(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))

    async def main() -> list[Any]:
        one = await asyncio.gather(*(lab.request("a", "ask", n) for n in range(3)))
        other = await asyncio.gather(*[lab.request("a", "ask", n) for n in range(3)])
        return [*one, *other, *[await lab.request("a", "ask", n) for n in range(2)]]

    assert asyncio.run(main()) == [0, 1, 2, 0, 1, 2, 0, 1]


def test_a_plain_function_gets_its_reply_even_if_a_coroutine_calls_it(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))

    def ask() -> Any:
        return lab.request("a", "ask", 7)

    async def main() -> Any:
        return ask()

    assert asyncio.run(main()) == 7


def test_awaited_requests_go_on_side_by_side(lab: gl.LiveLab) -> None:
    both_are_there = trio.Event()

    async def waits_for_both(part: Part, _data: Any) -> None:
        if part.id == "b":
            both_are_there.set()
        await both_are_there.wait()

    for id in ("a", "b"):
        lab.register(Part(id, waits_for_both))

    async def main() -> None:
        await asyncio.gather(*(lab.request(id, "ask", None, timeout=None) for id in ("a", "b")))

    asyncio.run(main())
    assert sorted(outcomes(lab)) == [("a", "answered"), ("b", "answered")]


def test_an_awaited_request_that_is_cancelled_is_recorded_as_cancelled(lab: gl.LiveLab) -> None:
    lab.register(Part("a", until_cancelled))

    async def main() -> None:
        asking = asyncio.create_task(lab.request("a", "ask", None, timeout=None))
        await asyncio.to_thread(wait_until_served, lab, "a")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(main())
    assert outcomes(lab) == [("a", "cancelled")]
    assert lab.state == "open"


def test_a_call_that_is_never_awaited_is_not_made_and_python_says_so(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))

    async def main() -> None:
        lab.request("a", "ask", None)

    with pytest.warns(RuntimeWarning, match="was never awaited"):
        asyncio.run(main())
    assert lab.trace().requests.empty


def test_a_call_is_awaited_on_asyncio_s_loop_only(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))

    async def main() -> None:
        await lab.request("a", "ask", None)

    with pytest.raises(NoEventLoop, match="is awaited on asyncio's event loop"):
        gl.run(main)
    assert lab.trace().requests.empty


# --- interrupts -----------------------------------------------------------------------------------


@pytest.fixture(name="interruptible")
def _interruptible() -> Iterator[None]:
    with interruptible():
        yield


async def interrupts_its_caller(part: Part, data: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    await until_cancelled(part, data)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("architecture", all_but("dedicated-queues"))
def test_an_interrupt_takes_a_plain_request_back_and_the_lab_lives_on(architecture: str) -> None:
    with gl.live(architecture) as lab:
        lab.register(Part("a", asks("b", timeout=None)))
        lab.register(Part("b", interrupts_its_caller))
        lab.register(Part("c"))
        with pytest.raises(KeyboardInterrupt):
            lab.request("a", "ask", None, timeout=None)
        assert outcomes(lab) == [("a", "cancelled"), ("b", "cancelled")]
        assert lab.request("c", "ask", 7) == 7
        assert lab.errors == ()


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_of_a_plain_call_that_blocks_an_event_loop_is_heard(lab: gl.LiveLab) -> None:
    lab.register(Part("a", interrupts_its_caller))

    def ask() -> Any:
        return lab.request("a", "ask", None, timeout=None)

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            ask()

    # asyncio.run hears of it as well, once it goes on, and then reports it in its own way.
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert outcomes(lab) == [("a", "cancelled")]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- errors of components -------------------------------------------------------------------------


def test_what_a_component_raises_is_kept_with_its_traceback(
    lab: gl.LiveLab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.register(Part("a", hear=raises(ValueError("bad price"))))
    lab.register(Part("b"))
    lab.subscribe("a", "news")
    lab.emit_event("news", -1, "feed")
    lab.drain()
    [error] = lab.errors
    assert (error.component, error.type, error.source) == ("a", "news", "feed")
    assert error.error == "ValueError: bad price"
    assert str(error).endswith("'a' failed on 'news' from 'feed': ValueError: bad price")
    assert error.traceback.startswith("Traceback (most recent call last):")
    assert "laboratory" not in error.traceback
    assert error.traceback.endswith("raise error\nValueError: bad price\n")
    assert lab.request("b", "ask", 7) == 7
    assert capfd.readouterr() == ("", "")


class Plain(gl.Component):
    def process_request(self, request_type: str, data: Any, source: str) -> Any:
        raise ValueError(data)


def test_what_a_plain_method_raises_is_kept_too(lab: gl.LiveLab) -> None:
    lab.register(Plain("a"))
    lab.subscribe("a", "news")
    lab.request("a", "ask", "no")
    lab.emit_event("news", None)
    lab.drain()
    assert [error.error for error in lab.errors] == [
        "ValueError: no",
        "genesis_lab.errors.NotServed: 'a' has no method for 'news'",
    ]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_a_method_that_is_written_anew_is_the_one_that_serves(lab: gl.LiveLab) -> None:
    class Draft(gl.Component):
        async def process_request(self, request_type: str, data: Any, source: str) -> Any:
            return "first"

        def on_event(self, event_type: str, data: Any, source: str) -> None:
            raise ValueError("first")

    async def better(_self: Draft, _type: str, _data: Any, _source: str) -> Any:
        return "second"

    def no_better(_self: Draft, _type: str, _data: Any, _source: str) -> None:
        raise ValueError("second")

    lab.register(Draft("a"))
    lab.subscribe("a", "news")
    assert lab.request("a", "ask", None) == "first"
    Draft.process_request, Draft.on_event = better, no_better  # type: ignore[assignment]
    assert lab.request("a", "ask", None) == "second"
    lab.emit_event("news", None)
    lab.drain()
    assert [error.error for error in lab.errors] == ["ValueError: second"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError(), "ValueError"),
        (ValueError("two\n\tlines"), "ValueError: two lines"),
        (
            SyntaxError("invalid syntax", ("script", 3, 1, "x =", 3, 2)),
            "SyntaxError: invalid syntax (script, line 3)",
        ),
        (ExceptionGroup("both", [ValueError()]), "ExceptionGroup: both (1 sub-exception)"),
        (Unspeakable(), f"{__name__}.Unspeakable: <exception str() failed>"),
        (ValueError("half an emoji: \ud83d"), r"ValueError: half an emoji: \ud83d"),
        (ValueError("x" * 5_000_000), "ValueError: " + "x" * 288 + "…"),
    ],
    ids=["no message", "two lines", "syntax", "group", "unspeakable", "unprintable", "long"],
)
def test_an_error_is_told_in_one_line_of_a_reasonable_length(
    lab: gl.LiveLab, error: Exception, line: str
) -> None:
    lab.register(Part("a", raises(error)))
    lab.request("a", "ask", None)
    assert lab.errors[0].error == line
    assert len(lab._repr_html_().encode()) < 10_000
    assert lab.errors[0].traceback.encode()


class Quit(BaseException):
    """What a researcher's code may have of its own."""


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        GeneratorExit(),
        Quit(),
        BaseExceptionGroup("several", [ValueError(), SystemExit(3)]),
    ],
)
@pytest.mark.parametrize("architecture", ["synchronous", "hybrid", "hybrid-awaited"])
def test_a_component_that_quits_does_not_end_the_lab(
    architecture: str, error: BaseException
) -> None:
    with gl.live(architecture) as lab:
        lab.register(Part("a", raises(error), hear=raises(error)))
        lab.register(Part("b"))
        lab.subscribe("a", "news")
        lab.request("a", "ask", None)
        lab.emit_event("news", None)
        lab.drain()
        assert outcomes(lab) == [("a", "failed")]
        assert list(lab.trace().deliveries["outcome"]) == ["failed"]
        assert [kept.component for kept in lab.errors] == ["a", "a"]
        assert lab.request("b", "ask", 7) == 7


@pytest.mark.parametrize("architecture", gl.ARCHITECTURES)
def test_a_component_that_quits_while_it_is_cancelled_does_not_end_the_lab(
    architecture: str,
) -> None:
    async def quits_when_cancelled(part: Part, data: Any) -> None:
        try:
            await until_cancelled(part, data)
        finally:
            raise Quit

    async def serve(part: Part, data: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(quits_when_cancelled, part, data)
            nursery.start_soon(until_cancelled, part, data)

    with gl.live(architecture) as lab:
        lab.register(Part("a", serve))
        lab.register(Part("b"))
        with waiting_request(lab, "a"):
            wait_until_served(lab, "a")
            lab.unregister("a")
        assert outcomes(lab) == [("a", "failed")]
        assert lab.request("b", "ask", 7) == 7


def test_what_is_cancelled_is_no_error(lab: gl.LiveLab) -> None:
    lab.register(Part("a", until_cancelled))
    lab.request("a", "ask", None, timeout=0.01)
    assert outcomes(lab) == [("a", "timed_out")]
    assert lab.errors == ()


def test_the_last_hundred_errors_are_kept_and_all_are_counted(lab: gl.LiveLab) -> None:
    lab.register(Plain("a"))
    for number in range(103):
        lab.request("a", "ask", number)
    assert [error.error for error in lab.errors] == [f"ValueError: {n}" for n in range(3, 103)]
    assert lab.snapshot().errors == 103
    assert repr(lab) == "<LiveLab on hybrid, open: a; errors: 103>"


class Failing(gl.HybridCoordinator):
    """A bus with a defect of its own."""

    def fail(self) -> None:
        self._nursery.start_soon(self._fail)

    async def _fail(self) -> None:
        raise ValueError


def test_a_bus_that_fails_is_reported_by_the_lab(capfd: pytest.CaptureFixture[str]) -> None:
    class Defect(gl.Component):
        bus: Failing

        async def process_request(self, request_type: str, data: Any, source: str) -> None:
            self.bus.fail()
            await trio.sleep_forever()

    lab = gl.live(Failing)
    lab.register(Defect("a"))
    with pytest.raises(gl.TargetGone):
        lab.call("a", "ask", None)
    wait_until(lambda: lab.state == "failed")
    with pytest.raises(LabClosed, match="this live laboratory is closed") as caught:
        lab.request("a", "ask", None)
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)
    assert outcomes(lab) == [("a", "target_gone")]
    assert repr(lab) == "<LiveLab on hybrid, failed: a>"
    assert capfd.readouterr() == ("", "")


def test_a_request_that_the_failing_bus_cannot_finish_is_told_of_the_failure() -> None:
    class Fragile(gl.HybridCoordinator):
        async def drain(self) -> None:
            raise Quit

    lab = gl.live(Fragile)
    with pytest.raises(LabClosed) as caught:
        lab.drain()
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)
    assert caught.value.__cause__.subgroup(Quit)
    assert lab.state == "failed"


# --- a component that calls its own lab -----------------------------------------------------------


def test_a_component_that_asks_its_own_lab_is_refused_rather_than_waiting_for_itself(
    lab: gl.LiveLab,
) -> None:
    class Confused(gl.Component):
        def process_request(self, request_type: str, data: Any, source: str) -> Any:
            return lab.request("b", "ask", data)

    lab.register(Confused("a"))
    with pytest.raises(gl.HandlerFailed) as caught:
        lab.call("a", "ask", None)
    assert isinstance(caught.value.__cause__, CalledByComponent)


def test_a_component_may_register_others_and_look_at_the_lab(lab: gl.LiveLab) -> None:
    class Founder(gl.Component):
        def process_request(self, request_type: str, data: Any, source: str) -> Any:
            lab.register(Part(data))
            return [each.id for each in lab.snapshot().bus.components]

    lab.register(Founder("a"))
    assert lab.request("a", "found", "b") == ["a", "b"]


# --- what there is to see -------------------------------------------------------------------------


def test_a_trace_has_what_is_open_as_pending(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))
    lab.register(Part("b", until_cancelled))
    lab.request("a", "ask", None)
    with waiting_request(lab, "b"):
        wait_until_served(lab, "b")
        assert outcomes(lab) == [("a", "answered"), ("b", "pending")]
        lab.close()
    assert outcomes(lab) == [("a", "answered"), ("b", "target_gone")]
    manifest = lab.trace().manifest
    assert (manifest.architecture, manifest.seed, manifest.clock) == ("hybrid", None, "real")


def test_a_snapshot_shows_queues_what_is_in_flight_and_a_deadlock_that_stands(
    lab: gl.LiveLab,
) -> None:
    lab.register(Part("a", asks("b", timeout=None)))
    lab.register(Part("b", asks("a", timeout=None)))
    with waiting_request(lab, "a"):
        wait_until(lambda: lab.snapshot().deadlocks == 1)
        snapshot = lab.snapshot()
        lab.close()
    assert [(each.source, each.target) for each in snapshot.bus.in_flight] == [
        ("notebook", "a"),
        ("a", "b"),
        ("b", "a"),
    ]
    sent = [each.sent_at for each in snapshot.bus.in_flight]
    assert sent == sorted(sent)
    assert [(each.id, each.serving, each.waiting) for each in snapshot.bus.components] == [
        ("a", 1, 1),
        ("b", 1, 0),
    ]
    assert [each.components for each in snapshot.bus.deadlocks] == [("a", "b", "a")]
    after = lab.snapshot()
    assert (after.deadlocks, after.bus.deadlocks, after.bus.in_flight) == (1, (), ())


def test_a_snapshot_counts_what_the_trace_has(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))
    lab.register(Part("b", raises(ValueError())))
    lab.subscribe("a", "news")
    for _ in range(1100):
        lab.request("a", "ask", None)
    lab.request("b", "ask", None)
    lab.emit_event("news", None)
    lab.drain()
    snapshot, trace = lab.snapshot(), lab.trace()
    assert snapshot.requests == {gl.Outcome.ANSWERED: 1100, gl.Outcome.FAILED: 1}
    assert snapshot.deliveries == {gl.Outcome.HANDLED: 1}
    assert snapshot.events == 1
    requests = trace.requests[trace.requests["outcome"] == "answered"]
    assert [each.finished_at for each in snapshot.latencies] == list(requests["finished_at"][-999:])
    assert [each.seconds for each in snapshot.latencies] == list(
        (requests["finished_at"] - requests["intended_at"])[-999:]
    )


def test_the_time_of_a_closed_lab_stands(lab: gl.LiveLab) -> None:
    before = lab.snapshot().bus.at
    lab.close()
    closed = lab.snapshot()
    assert closed.bus.at >= before
    assert lab.snapshot() == closed


def test_a_lab_shows_itself_as_text_and_as_html(lab: gl.LiveLab) -> None:
    assert repr(lab) == "<LiveLab on hybrid, open: no components>"
    lab.register(Part("a"))
    lab.register(Part("<b>", raises(ValueError("no"))))
    lab.request("a", "ask", None)
    lab.request("<b>", "ask", None)
    assert repr(lab) == "<LiveLab on hybrid, open: a, <b>; errors: 1>"
    html = lab._repr_html_()
    assert "<caption>Live laboratory on hybrid, open</caption>" in html
    left = 'style="text-align: left"'
    requests = f"<th {left}>requests</th><td {left}>2 (1 answered, 1 failed)</td>"
    assert f"<tr>{requests}</tr>" in html
    assert f"<tr><th {left}>deadlocks</th><td {left}>0</td></tr>" in html
    assert "&lt;b&gt;: 0 served, 0 waiting, 0 in the inbox" in html
    assert "failed on &#x27;ask&#x27; from &#x27;notebook&#x27;: ValueError: no" in html


# --- the end --------------------------------------------------------------------------------------


def test_a_closed_lab_takes_nothing_more_and_its_record_stays(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))
    lab.request("a", "ask", 7)
    lab.close()
    lab.close()
    for use in (
        partial(lab.request, "a", "ask", 7),
        partial(lab.register, Part("b")),
        partial(lab.unregister, "a"),
        lab.drain,
    ):
        with pytest.raises(LabClosed, match=r"make a new one with gl\.live"):
            use()
    assert repr(lab) == "<LiveLab on hybrid, closed: a>"
    assert outcomes(lab) == [("a", "answered")]


def test_closing_ends_what_is_in_flight(lab: gl.LiveLab) -> None:
    lab.register(Part("a", until_cancelled, hear=until_cancelled))
    lab.subscribe("a", "news")
    with elsewhere(partial(lab.call, "a", "ask", None, timeout=None)) as replies:
        wait_until_served(lab, "a")
        lab.emit_event("news", None)
        lab.close()
    [reply] = replies
    assert isinstance(reply, gl.TargetGone)
    assert list(lab.trace().deliveries["outcome"]) == ["cancelled"]


def test_closing_gives_what_is_in_flight_its_grace() -> None:
    async def ends_once_the_lab_closes(_part: Part, data: Any) -> Any:
        while patient.state == "open":  # noqa: ASYNC110  # it has no event to wait for
            await trio.sleep(0.001)
        return data

    with gl.live(grace=DEADLINE) as patient:
        patient.register(Part("a", ends_once_the_lab_closes))
        with elsewhere(partial(patient.request, "a", "ask", 7, timeout=None)) as replies:
            wait_until_served(patient, "a")
            patient.close()
    assert replies == [7]


def threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "genesis_lab live bus"}


def test_a_lab_that_nobody_has_any_longer_is_closed() -> None:
    before = threads()
    lab = gl.live()
    lab.register(Part("a"))
    lab.request("a", "ask", None)
    [thread] = threads() - before
    del lab
    gc.collect()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_lab_is_open_as_long_as_a_call_on_it_is_awaited() -> None:
    async def outlives_a_collection(_part: Part, data: Any) -> Any:
        gc.collect()
        await trio.sleep(0.01)
        return data

    def new_lab() -> gl.LiveLab:
        lab = gl.live(grace=0.0)
        lab.register(Part("a", outlives_a_collection))
        return lab

    async def main() -> Any:
        return await new_lab().request("a", "ask", 7)

    before = threads()
    assert asyncio.run(main()) == 7
    gc.collect()
    for thread in threads() - before:
        thread.join(DEADLINE)
    assert threads() <= before


def test_a_component_may_go_from_a_closed_lab_to_a_new_one() -> None:
    component = Part("a")
    for _ in range(2):
        with gl.live() as lab:
            lab.register(component)
            assert lab.request("a", "ask", 7) == 7


# --- runs beside it -------------------------------------------------------------------------------


def trial() -> str:
    """The digest of a run with many tasks that are ready at once."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus, trio.open_nursery() as nursery:
            for id in "abcdefgh":
                bus.register(Part(id, pauses))
                bus.subscribe(id, "news")
            for number in range(200):
                nursery.start_soon(bus.request, "abcdefgh"[number % 8], "ask", None, f"s{number}")
                nursery.start_soon(bus.emit_event, "news", None, "feed")

    gl.run(main, seed=5)
    return recorder.trace().digest()


async def pauses(_part: Part, _data: Any) -> None:
    await gl.sleep(0.25)
    await trio.lowlevel.checkpoint()


async def spins(_part: Part, _data: Any) -> None:
    """Keep several tasks ready at once, so that trio has to draw their order."""
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(checkpoints)


async def checkpoints() -> None:
    while True:
        await trio.lowlevel.checkpoint()


def test_a_virtual_run_beside_a_busy_lab_has_the_same_digest_as_alone(lab: gl.LiveLab) -> None:
    alone = trial()
    lab.register(Part("a", spins))
    with waiting_request(lab, "a"):
        wait_until_served(lab, "a")
        beside = [trial() for _ in range(3)]
        assert lab.snapshot().bus.in_flight
        lab.close()
    assert beside == [alone] * 3


def test_a_lab_opened_or_closed_during_a_run_does_not_change_it() -> None:
    alone = run_that_calls(lambda: None)
    labs: list[gl.LiveLab] = []
    assert run_that_calls(lambda: labs.append(gl.live())) == alone
    assert run_that_calls(labs[0].close) == alone


def run_that_calls(function: Any) -> list[int]:
    """The order in which tasks ran, with the function called in the midst of it."""
    order: list[int] = []

    async def notes(number: int) -> None:
        for _ in range(8):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(notes, number)
            await trio.lowlevel.checkpoint()
            function()

    gl.run(main, seed=3)
    return order


def test_trio_runs_beside_a_lab_and_the_lab_beside_it(lab: gl.LiveLab) -> None:
    lab.register(Part("a"))

    async def main() -> Any:
        await trio.lowlevel.checkpoint()
        return await trio.to_thread.run_sync(partial(lab.request, "a", "ask", 7))

    assert trio.run(main) == 7
    assert lab.request("a", "ask", 8) == 8
