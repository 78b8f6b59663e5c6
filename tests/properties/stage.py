"""Where wide systems are performed: on several buses at once, with tasks that no handler awaits.

The steps below do what ordinary scripts do not. They look up the run's stage, so the same step is
taken on whichever buses its system is performed on.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import trio

from genesis_lab.buses import Bus
from genesis_lab.buses.inflight import serving
from genesis_lab.components import BusFace
from genesis_lab.errors import BusNotOpen, InboxFull, RequestError
from genesis_lab.workloads.scripted import (
    Actor,
    NextEvent,
    Script,
    ScriptFailed,
    Step,
    System,
)

_stage: trio.lowlevel.RunVar["Stage"] = trio.lowlevel.RunVar("stage")


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """A handler's wait for an event that has not come to its end."""

    bus: BusFace
    message: int
    component: str
    event_type: str


class Stage:
    """What the steps of one run share."""

    def __init__(self, buses: Sequence[BusFace], nursery: trio.Nursery) -> None:
        self.buses = buses
        self.nursery = nursery
        """Of no handler."""
        self.hosts: list[trio.Nursery] = []
        """Those that handlers have opened for others."""
        self.listening: dict[Listening, None] = {}
        self._actors: dict[tuple[str, int], Actor] = {}

    def actor(self, id: str, bus: int) -> Actor:
        """Who takes a component's steps on another bus than its own."""
        actor = self._actors.setdefault((id, bus), Actor(id))
        actor.bus = self.buses[bus]
        return actor


def stage_of_run() -> Stage:
    return _stage.get()


@dataclass(frozen=True, slots=True)
class Play:
    """Systems that are performed together, each on a bus of its own."""

    systems: tuple[System, ...]

    async def run_on(self, *buses: Bus) -> None:
        async with trio.open_nursery() as nursery:
            _stage.set(Stage(buses, nursery))
            async with trio.open_nursery() as performances:
                for system, bus in zip(self.systems, buses, strict=True):
                    performances.start_soon(system.run_on, bus)
        for bus in buses:
            await bus.settle()


def start(nursery: trio.Nursery, perform: Callable[[], Any]) -> None:
    """Start a task, unless the nursery was left meanwhile."""
    with suppress(RuntimeError):
        nursery.start_soon(perform)


@dataclass(frozen=True, slots=True)
class Detached:
    """Perform a script in a task that outlives the request, and go on."""

    script: Script

    async def take(self, actor: Actor) -> None:
        start(stage_of_run().nursery, partial(self._perform, actor))

    async def _perform(self, actor: Actor) -> None:
        try:
            await actor.perform(self.script)
        except* (RequestError, InboxFull, ScriptFailed, BusNotOpen):
            pass


@dataclass(frozen=True, slots=True)
class Host:
    """Perform a script, with a nursery that others may use meanwhile; done when they are, too."""

    script: Script

    async def take(self, actor: Actor) -> None:
        hosts = stage_of_run().hosts
        async with trio.open_nursery() as nursery:
            hosts.append(nursery)
            try:
                await actor.perform(self.script)
            finally:
                hosts.remove(nursery)


@dataclass(frozen=True, slots=True)
class Abroad:
    """Perform a script in a task of the latest host's nursery, if there is one, and go on."""

    script: Script

    async def take(self, actor: Actor) -> None:
        hosts = stage_of_run().hosts
        if hosts:
            start(hosts[-1], partial(actor.perform, self.script))


@dataclass(frozen=True, slots=True)
class On:
    """Take a step on the bus of this number."""

    bus: int
    step: Step

    async def take(self, actor: Actor) -> None:
        await self.step.take(stage_of_run().actor(actor.id, self.bus))


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for the next event of a type, known to the stage meanwhile."""

    event_type: str
    timeout: float | None

    async def take(self, actor: Actor) -> None:
        message = serving.get()
        assert message is not None, "only handlers listen"
        listening = Listening(actor.bus, message.id, actor.id, self.event_type)
        stage = stage_of_run()
        stage.listening[listening] = None
        try:
            await NextEvent(self.event_type, self.timeout).take(actor)
        finally:
            # In a run that is cut, this is the clean-up of a task that would have waited on.
            if cast("Any", trio.lowlevel.current_clock()).ended is None:
                stage.listening.pop(listening, None)
