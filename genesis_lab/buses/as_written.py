"""The hybrid design as its original code had it, without what the lab's own hybrid adds.

A port of asyncio code to trio, call by call: `asyncio.wait_for` around a handler, and one
`asyncio.gather` over all subscribers. The tests keep that code and run both on the same scripts.
"""

from collections.abc import Mapping
from typing import Any

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.base import Bus
from genesis_lab.buses.directory import RequestRoute, Subscriber, Timeouts
from genesis_lab.buses.gates import Gate, Path
from genesis_lab.buses.inflight import Delivery, Emit
from genesis_lab.buses.links import Latency
from genesis_lab.components import RE_ENTRANT
from genesis_lab.errors import RequestTimedOut
from genesis_lab.messages import Outcome
from genesis_lab.observers import Observer


class DesignAsWritten(Bus):
    """The original code of the hybrid design: its components re-enter, and its emitters wait.

    A component takes any number of messages at once: its admission is ignored. A request runs in
    its caller's task under its timeout; under a timeout of zero it is not even begun. The emitter
    of an event waits for all its subscribers, side by side, itself excepted. When a subscriber
    raises, the exception comes out of `emit_event` at once, while the other handlers go on; when
    the emitter is cancelled, they are cancelled, too.

    Leaving it cancels what is still going on.

    Parameters
    ----------
    observer
        Who is told the facts, such as a `Recorder`.
    latency
        How long messages are on their way between components: seconds, a distribution of durations,
        or one of these per (source, target).
    timeouts
        The timeouts of requests that give none, such as a `Timeouts` table; None: 5 s for all.
    """

    architecture = "as-written"
    _imposes = RE_ENTRANT

    def __init__(
        self,
        *,
        observer: Observer | None = None,
        latency: Latency | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        super().__init__(
            observer=observer, latency=latency, timeouts=timeouts, includes_emitter=False
        )

    def _settings(self) -> Mapping[str, Any]:
        return {}

    def _path(self, gate: Gate, nested: bool) -> Path:
        return (gate,)

    @enable_ki_protection
    async def _send(
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
        attempt: int,
    ) -> Any:
        if timeout > 0 or route.mailbox is None:
            return await super()._send(route, data, timeout, intended_at, raising, attempt)
        # `asyncio.wait_for` makes a task of the handler, and cancels it before it has begun.
        if not self._is_open:
            await self._refuse_when_closed()
        self._report_unserved(route, Outcome.TIMED_OUT, None, timeout, intended_at, attempt)
        self._ledger.failures.timed_out(route, timeout)
        await trio.lowlevel.checkpoint()
        if raising:
            raise RequestTimedOut(route.target, route.type, timeout)
        return None

    @enable_ki_protection
    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event to the subscribers of its type, the source excepted, and wait for them.

        Raises
        ------
        Exception
            What the first subscriber that failed has raised, as it is.
        InvalidSetting
            `intended_at` is not a finite number; the type or the source is not text, or none that a
            record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        emit, topic = await self._begin_event(event_type, data, source, intended_at)
        gathering = _Gathering()
        try:
            for to in topic.subscribers:
                delivery = self._open_awaited(emit, to)
                gathering.handling[delivery] = None
                self._nursery.start_soon(self._handle, delivery, to, gathering)
            await self._gather(gathering)
        finally:
            for delivery in gathering.handling:  # those that go on alone
                self._ledger.let_go(delivery)
            self._ledger.close(emit, Emit.completed)
        if not topic.subscribers:
            await trio.lowlevel.cancel_shielded_checkpoint()
        if gathering.failure is not None:
            raise gathering.failure

    async def _gather(self, gathering: "_Gathering") -> None:
        """Wait until the first handler has failed, or all are done."""
        try:
            while gathering.handling and gathering.failure is None:
                await gathering.changes.park()
        except trio.Cancelled:
            for delivery in gathering.handling:
                delivery.cancel()
            with trio.CancelScope(shield=True):
                while gathering.handling:
                    await gathering.changes.park()
            raise

    @enable_ki_protection
    async def _handle(self, delivery: Delivery, to: Subscriber, gathering: "_Gathering") -> None:
        """Handle one delivery in a task of its own, which the emitter may leave behind."""
        try:
            outcome, result = await self._handle_here(delivery, to)
            if outcome is Outcome.FAILED and gathering.failure is None:
                gathering.failure = result
        finally:
            del gathering.handling[delivery]
            gathering.changes.unpark_all()


class _Gathering:
    """One `gather`: the handlers that it runs, and the first failure."""

    def __init__(self) -> None:
        self.handling: dict[Delivery, None] = {}
        """The deliveries that are not over."""
        self.failure: BaseException | None = None
        self.changes = trio.lowlevel.ParkingLot()
