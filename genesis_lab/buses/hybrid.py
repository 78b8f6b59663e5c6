"""The hybrid design: requests answered directly under a timeout, events fire and forget."""

from collections.abc import Mapping
from math import nan
from types import TracebackType
from typing import Any, Literal, Self, get_args

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.base import Bus
from genesis_lab.buses.directory import Topic
from genesis_lab.buses.dispatcher import Dispatcher
from genesis_lab.buses.endings import failure_of, is_cancellation
from genesis_lab.buses.inflight import Delivery, Emit
from genesis_lab.buses.mailbox import Inbox
from genesis_lab.components import Admission, Component
from genesis_lab.errors import DeadlockDetected, InboxFull, InvalidSetting, check_choice
from genesis_lab.messages import Outcome
from genesis_lab.observers import Observer

DeliveryMode = Literal["concurrent", "awaited"]
OnDeadlock = Literal["wait", "raise"]
Overflow = Literal["drop_oldest", "drop_newest", "block", "reject"]


class HybridCoordinator(Bus):
    """Requests run in their caller's task under a timeout; events go to inboxes, and on from there.

    It owns one nursery, and nothing outlives it: leaving it stops new work, lets what is in flight
    end for a grace period, and cancels the rest.

    Parameters
    ----------
    delivery
        `concurrent`: the emitter never waits for handlers. `awaited`: the original design, which
        runs the handlers side by side and holds the emitter until the slowest is done.
    on_deadlock
        `wait`: only a timeout ends a deadlock. `raise`: the wait that would close one is refused.
    inbox_capacity
        How many deliveries wait at a subscriber, beside the one being handled.
    overflow
        What a full inbox does: `drop_oldest` or `drop_newest`, unknown to the emitter; `block` the
        emitter until there is room; `reject` the event, so that the emitter hears of it.
    grace
        How long what is in flight may take to end when the coordinator is left [s].
    observer
        Who is told the facts, such as a `Recorder`.
    """

    architecture = "hybrid"

    def __init__(
        self,
        *,
        delivery: DeliveryMode = "concurrent",
        on_deadlock: OnDeadlock = "wait",
        inbox_capacity: float = 1024,
        overflow: Overflow = "drop_oldest",
        grace: float = 1.0,
        observer: Observer | None = None,
    ) -> None:
        check_choice("delivery", delivery, get_args(DeliveryMode))
        check_choice("on_deadlock", on_deadlock, get_args(OnDeadlock))
        check_choice("overflow", overflow, get_args(Overflow))
        if not inbox_capacity >= 1:
            raise InvalidSetting("inbox_capacity", inbox_capacity, "a number >= 1")
        if not grace >= 0:
            raise InvalidSetting("grace", grace, "seconds >= 0")
        super().__init__(
            observer=observer, refuses_deadlocks=on_deadlock == "raise", includes_emitter=False
        )
        self._configuration = {
            "delivery": delivery,
            "on_deadlock": on_deadlock,
            "inbox_capacity": inbox_capacity,
            "overflow": overflow,
            "grace": grace,
        }
        self._is_awaited = delivery == "awaited"
        self._capacity = inbox_capacity
        self._overflow = overflow
        self._grace = grace

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The settings, as the record shows them."""
        return self._configuration

    def _admission_of(self, component: Component) -> Admission:
        return component.admission

    def _new_inbox(self) -> Inbox:
        return Inbox(self._capacity)

    # --- the nursery ------------------------------------------------------------------------------

    @enable_ki_protection
    async def __aenter__(self) -> Self:
        self._open()
        self._nursery_manager = trio.open_nursery()
        self._nursery = await self._nursery_manager.__aenter__()
        self._dispatcher = Dispatcher(self._ledger, self._serving, self._nursery)
        return self

    @enable_ki_protection
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc, traceback)
        finally:
            self._nursery.cancel_scope.cancel()
            await self._leave_nursery(exc)

    async def _leave_nursery(self, exc: BaseException | None) -> None:
        """Wait for the nursery's tasks; raise nothing in a group that the caller did not make.

        The nursery is not told of the block's own exception, which thus goes on as it is. Handlers'
        exceptions are outcomes, so all that comes from the tasks is an interrupt.
        """
        try:
            await self._nursery_manager.__aexit__(None, None, None)
        except BaseException as failure:  # noqa: BLE001  # what is no cancellation goes on
            if exc is None or not is_cancellation(failure):
                raise _unwrapped(failure) from None

    async def _let_finish(self) -> None:
        with trio.move_on_after(self._grace):
            await self._ledger.until(lambda: not self._ledger.in_flight)

    def _stop(self) -> None:
        super()._stop()
        for mailbox in self._directory.mailboxes.values():
            self._dispatcher.empty(mailbox)

    def unregister(self, component_id: str) -> None:
        """Take a component off the bus, as on any bus; its inbox is emptied."""
        mailbox = self._directory.mailbox(component_id)
        super().unregister(component_id)
        self._dispatcher.empty(mailbox)

    # --- events -----------------------------------------------------------------------------------

    @enable_ki_protection
    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event to the subscribers of its type, the source excepted.

        Returns without waiting for handlers, unless the delivery is `awaited`; with overflow
        `block` it waits for room in the inboxes.

        Raises
        ------
        InboxFull
            With overflow `reject`, after the event went to all subscribers that had room.
        InvalidSetting
            The type or the source is not text, or none that a record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        if not self._is_open:
            await self._refuse_when_closed()
        await trio.lowlevel.checkpoint_if_cancelled()
        topic = self._directory.topic(source, event_type)
        emit = self._open_emit(topic, data, intended_at)
        try:
            if self._is_awaited:
                await self._gather(emit, topic)
                return
            full = await self._post(emit, topic)
        finally:
            self._ledger.close(emit, emit.completed)
        # Let the handlers begin, as any async call lets others run.
        await trio.lowlevel.cancel_shielded_checkpoint()
        if full:
            raise InboxFull(event_type, tuple(full))

    async def _gather(self, emit: Emit, topic: Topic) -> None:
        """Run the handlers side by side, and wait for all of them."""
        async with trio.open_nursery() as nursery:
            for to in topic.subscribers:
                nursery.start_soon(self._handle_in_nursery, self._open_awaited(emit, to))

    @enable_ki_protection
    async def _handle_in_nursery(self, delivery: Delivery) -> None:
        await self._handle_here(delivery)

    async def _post(self, emit: Emit, topic: Topic) -> list[str]:
        """Put the event into each inbox; the subscribers that rejected it."""
        full = []
        sent_at = emit.sent_at
        for to in topic.subscribers:
            if emit.gone:
                break
            if not to[0].is_registered:
                continue  # it left while the emitter was held up at another one
            inbox = to[0].inbox
            delivery = self._open_delivery(emit, to, sent_at)
            if not inbox.is_full:
                self._dispatcher.post(delivery, inbox)
            elif self._overflow == "block":
                await self._wait_for_room(emit, delivery, inbox)
                sent_at = self._now()
            elif self._overflow == "drop_oldest":
                self._drop(inbox.queue.popleft())
                self._dispatcher.post(delivery, inbox)
            else:
                self._drop(delivery)
                if self._overflow == "reject":
                    full.append(delivery.place())
        return full

    def _drop(self, delivery: Delivery) -> None:
        full = InboxFull(delivery.route.type, (delivery.place(),))
        self._ledger.close(delivery, Outcome.DROPPED, failure_of(full))

    async def _wait_for_room(self, emit: Emit, delivery: Delivery, inbox: Inbox) -> None:
        """Hold the emitter until the dispatcher has put its delivery into the inbox."""
        delivery.sent_at = nan
        inbox.blocked[delivery] = None
        self._ledger.hold(emit, delivery)
        try:
            await self._ledger.wait_in_line(delivery, inbox)
        except DeadlockDetected as refusal:
            self._ledger.close(delivery, delivery.refused, failure_of(refusal))
        except BaseException:
            self._ledger.close(delivery, Outcome.CANCELLED)
            raise


def _unwrapped(exception: BaseException) -> BaseException:
    """What is inside groups of one, however deep."""
    while isinstance(exception, BaseExceptionGroup) and len(exception.exceptions) == 1:
        exception = exception.exceptions[0]
    return exception
