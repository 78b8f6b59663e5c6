"""The hybrid design: requests answered directly under a timeout, events fire and forget."""

from collections.abc import Mapping
from functools import partial
from math import nan
from typing import Any, Literal, get_args

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.base import Bus
from genesis_lab.buses.checks import check_capacity, check_seconds
from genesis_lab.buses.directory import Subscriber, Timeouts, Topic
from genesis_lab.buses.dispatcher import Dispatcher
from genesis_lab.buses.endings import failure_of
from genesis_lab.buses.gates import Gate, Inbox, Path
from genesis_lab.buses.inflight import Delivery, Emit
from genesis_lab.buses.lending import lent_by, step_aside, take_back
from genesis_lab.buses.links import Latency, Transit
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.components import Admission, AdmissionByType, Component
from genesis_lab.errors import DeadlockDetected, InboxFull, check_choice
from genesis_lab.messages import Outcome
from genesis_lab.observers import Observer
from genesis_lab.virtual_time import LabClock

DeliveryMode = Literal["concurrent", "awaited"]
OnDeadlock = Literal["wait", "raise"]
Overflow = Literal["drop_oldest", "drop_newest", "block", "reject"]


class HybridCoordinator(Bus):
    """Requests run in their caller's task under a timeout; events go to inboxes, and on from there.

    Leaving it stops new work, lets what is in flight end for a grace period, and cancels the rest.

    Parameters
    ----------
    delivery
        `concurrent`: the emitter never waits for handlers. `awaited`: the original design, which
        runs the handlers side by side and holds the emitter until the slowest is done.
        An inbox hands deliveries to the component in order, as many side by side as its admission
        lets in; without inboxes, the admission alone decides, as it does for requests.
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
    latency
        How long messages are on their way between components: seconds, a distribution of durations,
        or one of these per (source, target).
    timeouts
        The timeouts of requests that give none, such as a `Timeouts` table; None: 5 s for all.
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
        latency: Latency | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        check_choice("delivery", delivery, get_args(DeliveryMode))
        check_choice("on_deadlock", on_deadlock, get_args(OnDeadlock))
        check_choice("overflow", overflow, get_args(Overflow))
        self._capacity = check_capacity("inbox_capacity", inbox_capacity)
        self._grace = check_seconds("grace", grace)
        super().__init__(
            observer=observer,
            latency=latency,
            timeouts=timeouts,
            includes_emitter=False,
            refuses_deadlocks=on_deadlock == "raise",
        )
        self._own_settings = {
            "delivery": delivery,
            "on_deadlock": on_deadlock,
            "inbox_capacity": inbox_capacity,
            "overflow": overflow,
            "grace": grace,
        }
        self._is_awaited = delivery == "awaited"
        self._overflow = overflow

    def _settings(self) -> Mapping[str, Any]:
        return self._own_settings

    def _path(self, gate: Gate, nested: bool) -> Path:
        return (gate,)

    def _new_mailbox(self, component: Component, admission: Admission | AdmissionByType) -> Mailbox:
        mailbox = Mailbox(component, admission, inbox_limit=self._capacity, joined_at=self._now())
        if mailbox.inbox.capacity > 1:
            self._dispatcher.takes_several = True
        return mailbox

    # --- opening and closing ----------------------------------------------------------------------

    def _start(self) -> None:
        clock = trio.lowlevel.current_clock()
        order = None
        if isinstance(clock, LabClock):
            order = partial(clock.schedule.order, lane="deliveries")
        self._dispatcher = Dispatcher(self._ledger, self._nursery, order)

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
        `block` it waits for room in the inboxes. On a link with a latency, the emitter does not
        hear of a full inbox: `block` then holds up the link.

        Raises
        ------
        InboxFull
            With overflow `reject`, after the event went to all subscribers that had room.
        InvalidSetting
            `intended_at` is not a finite number; the type or the source is not text, or none that a
            record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        emit, topic = await self._begin_event(event_type, data, source, intended_at)
        if self._is_awaited:
            await self._await_handlers(emit, topic)
            return
        full: list[str] = []
        try:
            full = await self._post(emit, topic)
        finally:
            self._ledger.close(emit, emit.completed)
        # Let the handlers begin, as any async call lets others run.
        await trio.lowlevel.cancel_shielded_checkpoint()
        if full:
            raise InboxFull(event_type, tuple(full))

    async def _await_handlers(self, emit: Emit, topic: Topic) -> None:
        """Run the handlers side by side, and wait for all of them.

        The handler that emits gives its component up meanwhile, if its admission is of that kind.
        """
        waiter = emit.parent
        if waiter is None or (gate := lent_by(waiter)) is None:
            await self._gather(emit, topic)
            return
        step_aside(waiter, gate)
        try:
            await self._gather(emit, topic)
        finally:
            await take_back(waiter, gate)

    async def _gather(self, emit: Emit, topic: Topic) -> None:
        try:
            async with trio.open_nursery() as nursery:
                for to in topic.subscribers:
                    nursery.start_soon(self._handle_in_nursery, self._open_awaited(emit, to), to)
        finally:
            self._ledger.close(emit, emit.completed)

    @enable_ki_protection
    async def _handle_in_nursery(self, delivery: Delivery, to: Subscriber) -> None:
        await self._handle_here(delivery, to)

    async def _post(self, emit: Emit, topic: Topic) -> list[str]:
        """Put the event into each inbox, or on its way there; the subscribers that rejected it."""
        full: list[str] = []
        dispatcher, ledger = self._dispatcher, self._ledger
        sent_at = emit.sent_at
        for to in topic.subscribers:
            mailbox = to.mailbox
            if emit.gone:
                break
            if not mailbox.is_registered:
                continue  # it left while the emitter was held up at another one
            delivery = Delivery(ledger.next_id(), ledger, to.route, sent_at, emit, mailbox)
            emit.subscribers += 1
            ledger.open_delivery(delivery)
            inbox = mailbox.inbox
            if to.link is not None:
                self._nursery.start_soon(self._carry, delivery, to.link.depart())
            elif len(inbox.queue) < inbox.limit:
                dispatcher.post(delivery, inbox)
            elif self._overflow == "block":
                dispatcher.wake()
                await self._hold_emitter(emit, delivery, inbox)
                sent_at = self._now()
            elif not self._drop_one(delivery, inbox) and self._overflow == "reject":
                full.append(delivery.place())
        dispatcher.wake()
        return full

    def _drop_one(self, delivery: Delivery, inbox: Inbox) -> bool:
        """Drop the oldest delivery in a full inbox, or this one; whether this one is in."""
        if self._overflow == "drop_oldest":
            oldest, _ = inbox.queue.popitem(last=False)
            assert isinstance(oldest, Delivery), "only deliveries come to an inbox"
            self._drop(oldest)
            self._dispatcher.post(delivery, inbox)
            return True
        self._drop(delivery)
        return False

    def _drop(self, delivery: Delivery) -> None:
        full = InboxFull(delivery.route.type, (delivery.place(),))
        self._ledger.close(delivery, Outcome.DROPPED, failure_of(full))

    @enable_ki_protection
    async def _carry(self, delivery: Delivery, transit: Transit) -> None:
        """Take a delivery over its link, and put it into the inbox at the other end."""
        inbox = delivery.mailbox.inbox
        delivery.mailbox.elsewhere[delivery] = None
        with trio.CancelScope() as scope:
            delivery.scope = scope
            delivery.arrived_at = nan
            if delivery.gone:
                scope.cancel()
            try:
                await transit.arrive()
            except trio.Cancelled:
                self._ledger.close(delivery, Outcome.CANCELLED)
                raise
            delivery.scope = None
            delivery.arrived_at = self._now()
            if not inbox.is_full:
                self._dispatcher.post(delivery, inbox)
            elif self._overflow == "block":
                await self._wait_for_room(delivery, inbox)
            else:
                self._drop_one(delivery, inbox)
            self._dispatcher.wake()

    async def _hold_emitter(self, emit: Emit, delivery: Delivery, inbox: Inbox) -> None:
        """Hold the emitter until its delivery is in the inbox; it may give its place up."""
        delivery.sent_at = delivery.arrived_at = nan
        self._ledger.hold(emit, delivery)
        waiter = emit.parent
        if waiter is None or (gate := lent_by(waiter)) is None:
            await self._wait_for_room(delivery, inbox)
            return
        step_aside(waiter, gate)
        try:
            await self._wait_for_room(delivery, inbox)
        finally:
            await take_back(waiter, gate)

    async def _wait_for_room(self, delivery: Delivery, inbox: Inbox) -> None:
        """Wait until the dispatcher has put a delivery into the inbox."""
        inbox.blocked[delivery] = None
        try:
            self._ledger.begin_wait(delivery, inbox)
            await self._ledger.park(delivery, inbox)
        except DeadlockDetected as refusal:
            self._ledger.close(delivery, Outcome.DROPPED, failure_of(refusal))
        except BaseException:
            self._ledger.close(delivery, Outcome.CANCELLED)
            raise
