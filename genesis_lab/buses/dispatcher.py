"""Handles deliveries from the inboxes: first steps one after another, a task only for who suspends.

One dispatcher task runs the handlers. A handler that suspends keeps that task for itself, and
another one goes on dispatching, so a handler that never suspends costs no task at all. The
deliveries of a subscriber are handled one at a time, in order; subscribers do not wait for one
another.
"""

from collections import deque
from contextvars import ContextVar
from functools import partial
from math import isnan

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.endings import ending_of, failure_of
from genesis_lab.buses.inflight import Delivery, InFlight
from genesis_lab.buses.ledger import Ledger
from genesis_lab.buses.mailbox import Inbox, Mailbox
from genesis_lab.buses.unprotected import call_async, call_plain, watch_first_step
from genesis_lab.errors import DeadlockDetected
from genesis_lab.messages import Failure, Outcome

# An enum's member costs a look-up each time it is named.
HANDLED, CANCELLED = Outcome.HANDLED, Outcome.CANCELLED


class Dispatcher:
    """The side of a bus that empties the inboxes, in the bus's nursery.

    Parameters
    ----------
    ledger
        Where deliveries are open.
    serving
        The context variable that says which message is being served.
    nursery
        Where handlers that suspend run.
    """

    def __init__(
        self, ledger: Ledger, serving: ContextVar[InFlight | None], nursery: trio.Nursery
    ) -> None:
        self._ledger = ledger
        self._serving = serving
        self._nursery = nursery
        self._ready: deque[Delivery] = deque()
        self._idle: trio.lowlevel.Task | None = None
        nursery.start_soon(self._dispatch)

    def post(self, delivery: Delivery, inbox: Inbox) -> None:
        """Put a delivery into its inbox, which has room."""
        if inbox.take(delivery):
            self._make_ready(delivery)
        else:
            self._ledger.begin_wait(delivery, inbox)

    def empty(self, mailbox: Mailbox) -> None:
        """Cancel what has not begun in an inbox; what is being handled was told to stop before."""
        inbox = mailbox.inbox
        while inbox.queue:
            self._ledger.close(inbox.queue.popleft(), Outcome.CANCELLED)
        while inbox.blocked:
            delivery, _ = inbox.blocked.popitem(last=False)
            self._ledger.close(delivery, Outcome.CANCELLED)
            delivery.go_on()
        current = inbox.current
        if current is not None and isnan(current.started_at):
            if current.is_admitted:
                mailbox.gate.leave(current)
            if current in self._ready:
                self._ready.remove(current)
            else:
                mailbox.gate.withdraw(current)
            self._finish(current, Outcome.CANCELLED)

    def _make_ready(self, delivery: Delivery) -> None:
        self._ready.append(delivery)
        if self._idle is not None:
            trio.lowlevel.reschedule(self._idle)
            self._idle = None

    @enable_ki_protection
    async def _dispatch(self) -> None:
        """Handle what is ready, until a handler suspends: this is then that delivery's task."""
        with trio.CancelScope() as scope:
            while True:
                # What becomes ready meanwhile waits for the next round, so that others get to run.
                for _ in range(len(self._ready)):
                    if not self._ready:
                        break  # a handler has taken the next ones' subscriber off the bus
                    delivery = self._ready.popleft()
                    if delivery.is_admitted or self._admit(delivery):
                        await self._handle(delivery, scope)
                        if delivery.scope is not None:
                            return
                if self._ready:
                    await trio.lowlevel.checkpoint()
                else:
                    await self._wait_until_ready()

    async def _wait_until_ready(self) -> None:
        self._idle = trio.lowlevel.current_task()

        def forget(_raise_cancel: object) -> trio.lowlevel.Abort:
            self._idle = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(forget)

    async def _handle(self, delivery: Delivery, scope: trio.CancelScope) -> None:
        """Run the handler, which takes this task over if it suspends, and close the delivery."""
        mailbox, route = delivery.mailbox, delivery.route
        handler = mailbox.component.on_event
        outcome, error = CANCELLED, None
        delivery.started_at = self._ledger.now()
        self._serving.set(delivery)
        try:
            if mailbox.handles_plainly:
                call_plain(handler, route.type, delivery.emit.data, route.source)
            else:
                await watch_first_step(
                    call_async(handler, route.type, delivery.emit.data, route.source),
                    partial(self._hand_over, delivery, scope),
                )
            outcome = HANDLED
        except BaseException as exception:  # noqa: BLE001  # `outward` goes on
            outcome, error, outward = ending_of(exception, route)
            if outward is not None:
                raise outward from None
        finally:
            mailbox.gate.leave(delivery)
            self._finish(delivery, outcome, error)

    def _hand_over(self, delivery: Delivery, scope: trio.CancelScope) -> None:
        """The handler is about to suspend: this task is the delivery's, another one dispatches."""
        delivery.scope = scope
        if delivery.gone:
            scope.cancel()
        self._nursery.start_soon(self._dispatch)

    def _admit(self, delivery: Delivery) -> bool:
        """Let a delivery pass its component's gate, or queue it there."""
        gate = delivery.mailbox.gate
        if gate.enter(delivery):
            return True
        delivery.go_on = partial(self._go_on, delivery)
        gate.join(delivery)
        try:
            self._ledger.begin_wait(delivery, gate)
        except DeadlockDetected as refusal:
            self._finish(delivery, delivery.refused, failure_of(refusal))
        return False

    def _go_on(self, delivery: Delivery) -> None:
        delivery.is_admitted = True
        self._make_ready(delivery)

    def _finish(self, delivery: Delivery, outcome: Outcome, error: Failure | None = None) -> None:
        """Close a delivery; the next one in its inbox, and an emitter waiting there, go on."""
        self._ledger.close(delivery, outcome, error)
        inbox = delivery.mailbox.inbox
        inbox.advance()
        if inbox.current is not None:
            self._make_ready(inbox.current)
        if inbox.blocked and not inbox.is_full:
            blocked, _ = inbox.blocked.popitem(last=False)
            self._ledger.let_go(blocked)
            blocked.sent_at = self._ledger.now()
            self.post(blocked, inbox)
            blocked.go_on()
