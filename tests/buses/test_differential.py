"""`DesignAsWritten` and the original asyncio code do the same on the same scripts."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import genesis_lab as gl
from tests.buses.jumping_loop import run_jumping
from tests.buses.original_design import HybridCoordinator

# --- scripts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sleep:
    ms: int


@dataclass(frozen=True)
class Ask:
    target: str
    timeout: int | None
    """In milliseconds; a part of one comes on top, unless it is zero."""


@dataclass(frozen=True)
class Tell:
    topic: str
    catches: bool
    """Whether an exception that comes out here ends there, or is that of the handler, too."""


@dataclass(frozen=True)
class Fail:
    pass


Step = Sleep | Ask | Tell | Fail


@dataclass(frozen=True)
class Script:
    serve: tuple[Step, ...]
    hear: tuple[Step, ...]


@dataclass(frozen=True)
class Play:
    components: dict[str, Script]
    subscriptions: tuple[tuple[str, str], ...]
    clients: tuple[tuple[Step, ...], ...]


IDS, TOPICS = ("a", "b", "c", "d"), ("x", "y")
DEPTH = 3
"""How often what was sent may be sent on: without a bound, most plays would not end."""

sleeps = st.builds(Sleep, st.integers(0, 20))
asks = st.builds(
    Ask,
    st.sampled_from([*IDS, "nobody"]),
    st.one_of(st.none(), st.integers(1, 30), st.integers(1, 30), st.just(0)),
)
tells = st.builds(Tell, st.sampled_from(TOPICS), st.booleans())
steps = st.one_of(sleeps, asks, asks, tells, tells, st.builds(Fail))
# Each begins with a sleep, so that what begins together goes on at different times.
scripts = st.builds(
    lambda first, others: (first, *others),
    sleeps,
    st.lists(steps, min_size=1, max_size=3).map(tuple),
)
plays = st.builds(
    Play,
    st.dictionaries(st.sampled_from(IDS), st.builds(Script, scripts, scripts), min_size=2),
    st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(TOPICS)), min_size=2, max_size=6).map(
        tuple
    ),
    st.lists(scripts, min_size=1, max_size=3).map(tuple),
)

# --- playing them ---------------------------------------------------------------------------------


class BrokenStep(Exception):
    """What a script raises; it says where."""


class Coordinator(Protocol):
    """What both have in common."""

    def request(
        self, target_id: str, request_type: str, data: Any, source: str, timeout: float | None
    ) -> Awaitable[Any]: ...
    def emit_event(self, event_type: str, data: Any, source: str) -> Awaitable[None]: ...


Entry = tuple[float, str, int, str]


@dataclass
class Stage:
    """Where a play is played: whose `sleep` and whose clock it is, and what was seen so far."""

    sleep: Callable[[float], Awaitable[Any]]
    now: Callable[[], float]
    seen: list[Entry] = field(default_factory=list)


def seconds(ms: int, where: str) -> float:
    """A duration of its own for each step, so that no two sums of different ones are equal."""
    return (ms + random.Random(where).random()) / 1000


class Run:
    """One run of a script, under a name that is unique in its play."""

    def __init__(self, stage: Stage, name: str, actor: str, place: str, depth: int) -> None:
        self.stage = stage
        self.name = name
        self.actor = actor
        self.place = place
        self.depth = depth
        self.count = 0

    def note(self, what: str) -> None:
        self.stage.seen.append((round(self.stage.now(), 9), self.name, self.count, what))
        self.count += 1

    async def play(self, coordinator: Coordinator, script: tuple[Step, ...]) -> str:
        self.note("begins")
        try:
            for number, step in enumerate(script):
                await self._do(coordinator, step, number)
        except (trio.Cancelled, asyncio.CancelledError):
            self.note("is cancelled")
            raise
        except BrokenStep as error:
            self.note(f"raises {error}")
            raise
        self.note("ends")
        return f"reply of {self.name}"

    async def _do(self, coordinator: Coordinator, step: Step, number: int) -> None:
        # One step takes as long wherever it is done at this depth, but no other step does.
        where = f"{self.place} {number} {self.depth}"
        sent = (f"{self.name}/{number}", self.depth - 1)
        match step:
            case Sleep(ms):
                await self.stage.sleep(seconds(ms, where))
                self.note("slept")
            case Ask(target, timeout) if self.depth:
                limit = timeout if not timeout else seconds(timeout, where)
                reply = await coordinator.request(target, "ask", sent, self.actor, limit)
                self.note(f"got {reply}")
            case Tell(topic, catches) if self.depth:
                try:
                    await coordinator.emit_event(topic, sent, self.actor)
                except BrokenStep as error:
                    self.note(f"was told {error}")
                    if not catches:
                        raise
                else:
                    self.note("told")
            case Fail():
                raise BrokenStep(self.name)
            case _:
                self.note("goes no deeper")


class Actor:
    """A component of either coordinator."""

    bus: Any

    def __init__(self, stage: Stage, id: str, script: Script) -> None:
        self.id = id
        self.coordinator: Any = None
        self._stage = stage
        self._script = script

    async def process_request(self, _type: str, data: Any, _source: str) -> str:
        name, depth = data
        run = Run(self._stage, f"{name}>{self.id}", self.id, f"{self.id} serves", depth)
        return await run.play(self.coordinator, self._script.serve)

    async def on_event(self, _type: str, data: Any, _source: str) -> None:
        name, depth = data
        run = Run(self._stage, f"{name}>{self.id}", self.id, f"{self.id} hears", depth)
        await run.play(self.coordinator, self._script.hear)


def set_up(coordinator: Any, stage: Stage, play: Play) -> list[Callable[[], Awaitable[None]]]:
    """Register everybody; the clients, to be called."""
    for id, script in play.components.items():
        actor = Actor(stage, id, script)
        actor.coordinator = coordinator
        coordinator.register(actor)
    for id, topic in play.subscriptions:
        if id in play.components:
            coordinator.subscribe(id, topic)
    return [
        partial(_be_client, coordinator, stage, number, script)
        for number, script in enumerate(play.clients)
    ]


async def _be_client(coordinator: Any, stage: Stage, number: int, script: tuple[Step, ...]) -> None:
    name = f"client{number}"
    try:
        await Run(stage, name, name, name, DEPTH).play(coordinator, script)
    except BrokenStep as error:
        stage.seen.append((round(stage.now(), 9), name, 99, f"ended by {error}"))


def on_the_original(play: Play) -> list[Entry]:
    async def main() -> list[Entry]:
        stage = Stage(asyncio.sleep, asyncio.get_running_loop().time)
        clients = set_up(HybridCoordinator(), stage, play)
        await asyncio.gather(*(client() for client in clients))
        return stage.seen

    return sorted(run_jumping(main()))


def on_the_port(play: Play, seed: int, recorder: gl.Recorder | None = None) -> list[Entry]:
    async def main() -> list[Entry]:
        async with gl.DesignAsWritten(observer=recorder) as bus:
            stage = Stage(trio.sleep, bus.now)
            clients = set_up(bus, stage, play)
            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(client)
            await bus.settle()
            return stage.seen

    result = gl.run(main, seed=seed)
    assert result.ended == "completed"
    assert result.value is not None
    return sorted(result.value)


@given(play=plays, seed=st.integers(0, 3))
@settings(max_examples=400, deadline=None)
def test_port_shows_the_replies_times_and_exceptions_of_the_original_code(
    play: Play, seed: int
) -> None:
    assert on_the_port(play, seed) == on_the_original(play)


# --- what such a play contains --------------------------------------------------------------------


def script(*steps: Step) -> Script:
    return Script(steps, steps)


def whats(entries: list[Entry], name: str) -> list[str]:
    return [what for _, run, _, what in entries if run == name]


def test_on_both_a_failure_reaches_the_emitter_while_the_others_go_on() -> None:
    play = Play(
        {"a": script(Sleep(5), Fail()), "b": script(Sleep(9), Tell("y", catches=False))},
        (("a", "x"), ("b", "x")),
        ((Sleep(1), Tell("x", catches=True)),),
    )
    seen = on_the_original(play)
    assert whats(seen, "client0") == ["begins", "slept", "was told client0/1>a", "ends"]
    assert whats(seen, "client0/1>b") == ["begins", "slept", "told", "ends"]
    assert on_the_port(play, seed=0) == seen


def test_on_both_a_timeout_cancels_the_handlers_that_an_emitter_waits_for() -> None:
    play = Play(
        {"a": script(Sleep(1), Tell("x", catches=False)), "b": script(Sleep(20))},
        (("b", "x"),),
        ((Sleep(1), Ask("a", 9)),),
    )
    seen = on_the_original(play)
    assert whats(seen, "client0") == ["begins", "slept", "got None", "ends"]
    assert whats(seen, "client0/1>a/1>b") == ["begins", "is cancelled"]
    assert on_the_port(play, seed=0) == seen


def test_on_both_a_timeout_of_zero_begins_no_handler() -> None:
    play = Play({"a": script(), "b": script()}, (), ((Sleep(1), Ask("a", 0)),))
    seen = on_the_original(play)
    assert [entry[1:] for entry in seen] == [
        ("client0", 0, "begins"),
        ("client0", 1, "slept"),
        ("client0", 2, "got None"),
        ("client0", 3, "ends"),
    ]
    assert on_the_port(play, seed=0) == seen
