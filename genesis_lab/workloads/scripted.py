"""Components and clients whose behaviour is data, so that a whole system is a value.

A script is a tuple of steps, taken one after another. Its repr can be pasted into a notebook or a
regression test as it stands:

>>> ring = System(
...     components=(
...         ScriptedComponent("a", on_request={"ask": (Call("b", "ask"),)}),
...         ScriptedComponent("b", on_request={"ask": (Call("a", "ask"),)}),
...     ),
...     clients=(Client((Call("a", "ask", timeout=1.0),)),),
... )

Whatever has a `take` method is a step, so a test may bring its own.
"""

from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from genesis_lab.buses import Bus
from genesis_lab.buses.processors import work
from genesis_lab.components import (
    DEFAULT_TIMEOUT,
    SERIAL,
    Admission,
    AdmissionByType,
    BusFace,
    Component,
)
from genesis_lab.errors import (
    EventTimedOut,
    InboxFull,
    LabError,
    NotServed,
    OutsideHandler,
    RequestError,
)
from genesis_lab.streams import Draws
from genesis_lab.virtual_time import sleep
from genesis_lab.workloads.durations import Duration

DONE = "done"
"""The reply of a script that came to its end."""


class ScriptFailed(LabError):
    """What the step `Fail` raises."""

    def __init__(self, actor: str) -> None:
        super().__init__(actor)
        self.actor = actor

    def __str__(self) -> str:
        return f"the script of {self.actor!r} says to fail here"


class StepNeedsHandler(LabError):
    """A client's script has a step that only a component's can take."""

    def __init__(self, actor: str, step: "Step") -> None:
        super().__init__(actor, step)
        self.actor = actor
        self.step = step

    def __str__(self) -> str:
        return f"{self.actor!r} cannot take the step {self.step!r}: it is in no component's handler"


class Actor:
    """Who takes the steps of a script: a component or a client, on its bus."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.bus: BusFace
        self._draws: dict[Duration, Draws] = {}

    def draws(self, duration: Duration) -> Draws:
        """The values of a random duration [s], in a stream of this actor and duration."""
        draws = self._draws.get(duration)
        if draws is None:
            draws = Draws(duration.sample, "scripted", self.id, repr(duration))
            self._draws[duration] = draws
        return draws

    async def perform(self, script: "Script") -> None:
        """Take the steps one after another."""
        for step in script:
            await step.take(self)


class Step(Protocol):
    """One thing that a script does."""

    async def take(self, actor: Actor) -> None:
        """Do it, on behalf of the actor."""


Script = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Ask a component and wait for its reply; go on whatever came of it, unless `raising`."""

    target: str
    request_type: str
    timeout: float | None = DEFAULT_TIMEOUT
    """Seconds; None: no limit; by default what the bus's `timeouts` say, or 5 s."""
    raising: bool = False
    """Whether a request without an answer makes the script fail."""

    def __repr__(self) -> str:
        # A default that is shown as a number would be one when it is pasted.
        timeout = "" if self.timeout is DEFAULT_TIMEOUT else f", timeout={self.timeout!r}"
        return f"Call({self.target!r}, {self.request_type!r}{timeout}, raising={self.raising!r})"

    async def take(self, actor: Actor) -> None:
        """Send the request."""
        send = actor.bus.call if self.raising else actor.bus.request
        await send(self.target, self.request_type, None, actor.id, self.timeout)


@dataclass(frozen=True, slots=True)
class Wait:
    """Take some time."""

    seconds: float

    async def take(self, _actor: Actor) -> None:
        """Sleep."""
        await sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class WaitRandom:
    """Take a time that is drawn anew at each pass."""

    duration: Duration

    async def take(self, actor: Actor) -> None:
        """Draw and sleep."""
        await sleep(actor.draws(self.duration)())


@dataclass(frozen=True, slots=True)
class Work:
    """Occupy the component for some time, as a computation does; others there have to wait.

    A client occupies nothing: for it this is a `Wait`.
    """

    seconds: float

    async def take(self, _actor: Actor) -> None:
        """Work."""
        await work(self.seconds)


@dataclass(frozen=True, slots=True)
class NextEvent:
    """Wait, inside a handler, until the component has handled an event of a type.

    The script goes on when the event or the timeout comes, unless `raising`. A component that waits
    has to subscribe to the type; a client, which receives no events, cannot take this step.
    """

    event_type: str
    timeout: float | None = None
    """Seconds; None: no limit."""
    raising: bool = False
    """Whether a timeout makes the script fail."""

    async def take(self, actor: Actor) -> None:
        """Wait for the event."""
        try:
            await actor.bus.next_event(self.event_type, timeout=self.timeout)
        except EventTimedOut:
            if self.raising:
                raise
        except OutsideHandler:
            raise StepNeedsHandler(actor.id, self) from None


@dataclass(frozen=True, slots=True)
class Emit:
    """Publish an event."""

    event_type: str

    async def take(self, actor: Actor) -> None:
        """Emit it."""
        await actor.bus.emit_event(self.event_type, None, actor.id)


@dataclass(frozen=True, slots=True, init=False)
class Concurrent:
    """Perform scripts side by side, in a nursery of their own; done when all of them are."""

    branches: tuple[Script, ...]

    def __init__(self, *branches: Script) -> None:
        object.__setattr__(self, "branches", branches)

    def __repr__(self) -> str:
        return f"Concurrent({', '.join(map(repr, self.branches))})"

    async def take(self, actor: Actor) -> None:
        """Start the branches and wait for them."""
        async with trio.open_nursery() as nursery:
            for branch in self.branches:
                nursery.start_soon(actor.perform, branch)


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise `ScriptFailed`."""

    async def take(self, actor: Actor) -> None:
        """Fail."""
        raise ScriptFailed(actor.id)


class ScriptedComponent(Component):
    """A component that performs a script for each message, and replies `DONE` at its end.

    Parameters
    ----------
    id
        The name under which others reach it.
    on_request, on_event
        The script for each request type and event type; a message of another type fails.
    admission
        How many messages it takes at once.
    """

    def __init__(
        self,
        id: str,
        *,
        on_request: Mapping[str, Script] | None = None,
        on_event: Mapping[str, Script] | None = None,
        admission: Admission | AdmissionByType = SERIAL,
    ) -> None:
        super().__init__(id)
        self.admission = admission
        self._request_scripts = dict(on_request or {})
        self._event_scripts = dict(on_event or {})
        self._actor = Actor(id)

    async def process_request(self, request_type: str, data: Any, source: str) -> str:
        """Perform the request type's script."""
        await self._perform(self._request_scripts, request_type)
        return DONE

    async def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Perform the event type's script."""
        await self._perform(self._event_scripts, event_type)

    async def _perform(self, scripts: dict[str, Script], type: str) -> None:
        script = scripts.get(type)
        if script is None:
            raise NotServed(self.id, type)
        self._actor.bus = self.bus
        await self._actor.perform(script)

    def __repr__(self) -> str:
        return (
            f"ScriptedComponent({self.id!r}, on_request={self._request_scripts!r}, "
            f"on_event={self._event_scripts!r}, admission={self.admission!r})"
        )


class PlainComponent(Component):
    """A component with plain methods, which never wait: it replies `DONE` at once, or fails.

    Parameters
    ----------
    id
        The name under which others reach it.
    fails_on
        The request types and event types at which it raises `ScriptFailed`.
    admission
        How many messages it takes at once.
    """

    def __init__(
        self,
        id: str,
        *,
        fails_on: tuple[str, ...] = (),
        admission: Admission | AdmissionByType = SERIAL,
    ) -> None:
        super().__init__(id)
        self.admission = admission
        self._fails_on = fails_on

    def process_request(self, request_type: str, data: Any, source: str) -> str:
        """Reply, or fail."""
        self._fail_on(request_type)
        return DONE

    def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Do nothing, or fail."""
        self._fail_on(event_type)

    def _fail_on(self, type: str) -> None:
        if type in self._fails_on:
            raise ScriptFailed(self.id)

    def __repr__(self) -> str:
        return (
            f"PlainComponent({self.id!r}, fails_on={self._fails_on!r}, "
            f"admission={self.admission!r})"
        )


class Traffic(Protocol):
    """Whoever sends something: a client, or the traffic of `arrivals`."""

    async def run_on(self, bus: BusFace) -> None:
        """Send, and return when everything has come to its end."""


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who is on no bus, and performs a script from an instant on."""

    script: Script
    start_at: float = 0.0
    """Seconds since the system was started."""
    source: str = "client"

    def run_on(self, bus: BusFace) -> Coroutine[Any, Any, None]:
        """Perform the script; a step that fails ends it, and nothing else."""
        actor = Actor(self.source)
        actor.bus = bus
        for duration in _durations(self.script):
            # Of clients with one name, whose stream is whose must not depend on the schedule.
            actor.draws(duration).begin()
        return self._perform(actor)

    async def _perform(self, actor: Actor) -> None:
        await sleep(self.start_at)
        try:
            await actor.perform(self.script)
        except* (RequestError, InboxFull, ScriptFailed):
            pass


def _durations(script: Script) -> Iterator[Duration]:
    """What a script draws, as far as its steps are known here."""
    for step in script:
        if isinstance(step, WaitRandom):
            yield step.duration
        elif isinstance(step, Concurrent):
            for branch in step.branches:
                yield from _durations(branch)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Everything that is on a bus, and what its clients do."""

    components: tuple[Component, ...]
    subscriptions: tuple[tuple[str, str], ...] = ()
    """Pairs of a component's id and an event type, in the order of subscription."""
    clients: tuple[Traffic, ...] = ()

    async def run_on(self, bus: Bus) -> None:
        """Register and subscribe, run the clients to their end, and wait for the last delivery.

        The components keep nothing from one run to the next: a system runs on any number of buses.
        """
        for component in self.components:
            bus.register(component)
        for component_id, event_type in self.subscriptions:
            bus.subscribe(component_id, event_type)
        async with trio.open_nursery() as nursery:
            for client in self.clients:
                nursery.start_soon(client.run_on, bus)
        await bus.settle()
