"""The old synchronous event bus, kept faithful so that it can fail."""

from collections.abc import Coroutine, Mapping
from math import inf
from typing import Any, Literal, get_args

from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.base import Bus
from genesis_lab.buses.directory import RequestRoute
from genesis_lab.buses.inflight import Delivery, Emit, InFlight, Request
from genesis_lab.buses.mailbox import Gate, Inbox, Mailbox, Turns
from genesis_lab.components import SERIAL, Admission, Component
from genesis_lab.errors import check_choice
from genesis_lab.messages import Outcome
from genesis_lab.observers import Observer

Scope = Literal["system", "component"]


class SynchronousBus(Bus):
    """One mechanism for everything: whoever sends, a request or an event, waits until it is done.

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
    """

    architecture = "synchronous"

    def __init__(self, *, scope: Scope = "system", observer: Observer | None = None) -> None:
        check_choice("scope", scope, get_args(Scope))
        super().__init__(observer=observer, refuses_deadlocks=False, includes_emitter=True)
        self._scope = scope
        self._system = Gate(1, kind="system") if scope == "system" else None

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The settings, as the record shows them."""
        return {"scope": self._scope}

    def _admission_of(self, component: Component) -> Admission:
        return SERIAL

    def _new_inbox(self) -> Inbox:
        return Inbox(inf)  # never used: an event is handled in its emitter's task

    async def _let_finish(self) -> None:
        """No time at all: whoever sent something waits for it, inside the block."""

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

    def _would_enter(self, mailbox: Mailbox, parent: InFlight | None) -> bool:
        if parent is None and self._system is not None and not self._system.is_open_to(None):
            return False
        return super()._would_enter(mailbox, parent)

    def _admit(self, message: Request | Delivery) -> bool:
        return self._admit_to_system(message) and super()._admit(message)

    async def _wait_for_admission(self, message: Request | Delivery) -> None:
        await self._wait_for_system(message)
        if not super()._admit(message):
            await super()._wait_for_admission(message)

    def _dismiss(self, message: Request | Delivery) -> None:
        super()._dismiss(message)
        self._leave_system(message)

    def _admit_to_system(self, message: InFlight) -> bool:
        """Let a new chain in, if it need not wait; nested messages are part of theirs."""
        if self._system is None or message.parent is not None:
            return True
        message.system = self._system
        return self._system.enter(message)

    async def _wait_for_system(self, message: InFlight) -> None:
        """Wait until the chain before this one is done."""
        if message.system is not None and not message.system.holds(message):
            message.system.join(message)
            await self._ledger.wait_in_line(message, message.system)

    def _leave_system(self, message: InFlight) -> None:
        if message.system is not None:
            message.system.leave(message)

    @enable_ki_protection
    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event; returns when the last subscriber, the source among them, is done."""
        if not self._is_open:
            await self._refuse_when_closed()
        topic = self._directory.topic(source, event_type)
        emit = self._open_emit(topic, data, intended_at)
        try:
            if not self._admit_to_system(emit):
                await self._wait_for_system(emit)
            try:
                await self._handle_in_turn(emit)
            finally:
                self._leave_system(emit)
        finally:
            self._ledger.close(emit, emit.completed)

    async def _handle_in_turn(self, emit: Emit) -> None:
        """Handle an event's deliveries one after another, in this task."""
        topic = self._directory.topic(emit.route.source, emit.route.type)  # who is left by now
        turns = Turns()
        deliveries = [self._open_awaited(emit, to) for to in topic.subscribers]
        for delivery in deliveries:
            delivery.turns = turns
            if not turns.take(delivery):
                self._ledger.begin_wait(delivery, turns)
        try:
            for delivery in deliveries:
                await self._handle_here(delivery)
                turns.advance()
        finally:
            for delivery in deliveries:
                if not delivery.ended:
                    self._ledger.close(delivery, Outcome.CANCELLED)
