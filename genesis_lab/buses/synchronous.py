"""The old synchronous event bus, kept faithful so that it can fail."""

from collections.abc import Coroutine, Mapping
from math import inf
from typing import Any, Literal, get_args

from trio.lowlevel import enable_ki_protection

from genesis_lab.buses import gates
from genesis_lab.buses.base import Bus
from genesis_lab.buses.directory import RequestRoute, Timeouts
from genesis_lab.buses.gates import Gate, Path
from genesis_lab.buses.inflight import Emit
from genesis_lab.buses.links import Latency
from genesis_lab.components import SERIAL
from genesis_lab.errors import check_choice
from genesis_lab.messages import Outcome
from genesis_lab.observers import Observer

Scope = Literal["system", "component"]


class SynchronousBus(Bus):
    """One mechanism for everything: the sender of a request or an event waits until it is done.

    A component handles one message at a time, whatever its admission says, and stays busy while it
    waits for a nested reply. An event is delivered to its subscribers one after another, the
    emitter among them. Timeouts are accepted and ignored.

    Parameters
    ----------
    scope
        `system`: one call chain at a time in the whole system, the original. `component`: chains
        run side by side and block each other at busy components.
    observer
        Who is told the facts, such as a `Recorder`.
    latency
        How long messages are on their way between components: seconds, a distribution of durations,
        or one of these per (source, target).
    timeouts
        Accepted and ignored, as all timeouts are.
    """

    architecture = "synchronous"
    _imposes = SERIAL

    def __init__(
        self,
        *,
        scope: Scope = "system",
        observer: Observer | None = None,
        latency: Latency | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        check_choice("scope", scope, get_args(Scope))
        self._scope = scope
        # One chain at a time, whose nested messages are inside already.
        self._system: Path = (Gate(1, kind="system"),) if scope == "system" else ()
        super().__init__(
            observer=observer, latency=latency, timeouts=timeouts, includes_emitter=True
        )

    def _settings(self) -> Mapping[str, Any]:
        return {"scope": self._scope}

    def _path(self, gate: Gate, nested: bool) -> Path:
        return (gate,) if nested else (*self._system, gate)

    def _send(
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
        attempt: int,
    ) -> Coroutine[Any, Any, Any]:
        return super()._send(route, data, inf, intended_at, raising, attempt)

    @enable_ki_protection
    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event; returns when the last subscriber, the source among them, is done."""
        emit, _ = await self._begin_event(event_type, data, source, intended_at)
        emit.path = self._system if emit.chain == emit.id else ()
        try:
            for gate in emit.path:
                if not gate.enter(emit):
                    await self._ledger.wait_at(emit, gate)
            await self._handle_in_turn(emit)
        finally:
            gates.leave(emit)
            self._ledger.close(emit, emit.completed)

    async def _handle_in_turn(self, emit: Emit) -> None:
        """Handle an event's deliveries one after another, in this task."""
        topic = self._directory.topic(emit.route.source, emit.route.type)  # who is left by now
        turns = Gate(1, kind="turn")
        deliveries = [(self._open_awaited(emit, to), to) for to in topic.subscribers]
        for delivery, _ in deliveries:
            delivery.path = (turns, *delivery.path)
            delivery.go_on = _wait_for_nothing
            if not turns.enter(delivery):
                self._ledger.queue_at(delivery, turns)
        try:
            for delivery, to in deliveries:
                await self._handle_here(delivery, to, path=delivery.path[1:])
        finally:
            for delivery, _ in deliveries:
                if not delivery.ended:
                    turns.withdraw(delivery)
                    self._ledger.close(delivery, Outcome.CANCELLED)


def _wait_for_nothing() -> None:
    """A delivery that waits for its turn is handled by the task that handles those before it."""
