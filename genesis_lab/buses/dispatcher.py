"""Handles deliveries from the inboxes: first steps one after another, a task only for who suspends.

One dispatcher task runs the handlers. A handler that suspends keeps that task for itself, and
another one goes on dispatching, so a handler that never suspends costs no task at all. The
deliveries of a subscriber begin in order, as many side by side as its admission lets in;
subscribers do not wait for one another.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses import gates
from genesis_lab.buses.endings import Ending, ending_of, failure_of
from genesis_lab.buses.gates import Gate, Inbox
from genesis_lab.buses.inflight import Delivery
from genesis_lab.buses.ledger import Ledger
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.unprotected import (
    Begun,
    context_of_its_own,
    first_step,
    rest_of,
    serve_plain,
)
from genesis_lab.errors import DeadlockDetected, QueueFull
from genesis_lab.messages import Failure, Outcome

# An enum's member costs a look-up each time it is named.
HANDLED, CANCELLED = Outcome.HANDLED, Outcome.CANCELLED
WELL = Ending(HANDLED, None)
"""How most handlers end."""


class Dispatcher:
    """The side of a bus that empties the inboxes, in the bus's nursery.

    Parameters
    ----------
    ledger
        Where deliveries are open.
    nursery
        Where handlers that suspend run.
    order
        Puts deliveries that became ready together into the order in which they begin; None: that in
        which they became ready.
    """

    def __init__(
        self,
        ledger: Ledger,
        nursery: trio.Nursery,
        order: Callable[[list[Any]], None] | None,
    ) -> None:
        self._ledger = ledger
        self._nursery = nursery
        self._order = order
        # Handlers run in copies of the context that the bus was opened in.
        self._context = copy_context()
        self._ready: deque[Delivery] = deque()
        self._in_order = 0
        """How many of those that are ready have been put in order."""
        self._idle: trio.lowlevel.Task | None = None
        self.takes_several = False
        """Whether some component takes several deliveries side by side, which begin in order."""
        nursery.start_soon(self._dispatch)

    def post(self, delivery: Delivery, inbox: Inbox) -> None:
        """Put a delivery into its inbox, which has room, or drop it if its wait is refused.

        `wake` has to follow.
        """
        if len(inbox.taken) < inbox.capacity:  # written out, as below: it is done for each delivery
            inbox.taken[delivery] = None
            self._ready.append(delivery)
        else:
            delivery.go_on = partial(self._make_ready, delivery)
            inbox.join(delivery)
            try:
                self._ledger.begin_wait(delivery, inbox)
            except DeadlockDetected as refusal:
                self._ledger.close(delivery, Outcome.DROPPED, failure_of(refusal))

    def wake(self) -> None:
        """Let what has been posted be handled."""
        if self._idle is not None and self._ready:
            trio.lowlevel.reschedule(self._idle)
            self._idle = None

    def empty(self, mailbox: Mailbox) -> None:
        """Cancel what has not begun in an inbox; what is being handled was told to stop before."""
        inbox = mailbox.inbox
        while inbox.queue:
            delivery, _ = inbox.queue.popitem(last=False)
            self._ledger.close(_as_delivery(delivery), CANCELLED)
        while inbox.blocked:
            delivery, _ = inbox.blocked.popitem(last=False)
            self._ledger.close(_as_delivery(delivery), CANCELLED)
            delivery.go_on()
        for holder in [*inbox.taken]:
            delivery = _as_delivery(holder)
            if delivery.started_at != delivery.started_at:  # it is NaN
                if delivery in self._ready:
                    self._remove(delivery)
                else:
                    mailbox.gate.withdraw(delivery)
                mailbox.gate.leave(delivery)
                self._finish(delivery, CANCELLED)

    # --- which one is next ------------------------------------------------------------------------

    def _make_ready(self, delivery: Delivery) -> None:
        self._ready.append(delivery)
        self.wake()

    def _remove(self, delivery: Delivery) -> None:
        if self._ready.index(delivery) < self._in_order:
            self._in_order -= 1
        self._ready.remove(delivery)

    def _put_in_order(self) -> None:
        """Ask the schedule for the order of what has become ready since the last time.

        Each delivery is asked for once. A round that a suspending handler has cut short thus goes
        on as it was, by whichever task dispatches next.
        """
        ready = self._ready
        count = len(ready) - self._in_order
        if self._order is not None and count > 1:
            new = [ready.pop() for _ in range(count)]
            new.reverse()
            before = list(new) if self.takes_several else []
            self._order(new)
            ready.extend(_first_come_first_served(new, before) if before else new)
        self._in_order = len(ready)

    # --- handling ---------------------------------------------------------------------------------

    @enable_ki_protection
    async def _dispatch(self) -> None:
        """Handle what is ready, until a handler suspends: this is then that delivery's task."""
        with trio.CancelScope() as scope:
            while True:
                self._put_in_order()
                # What becomes ready meanwhile waits for the next round, so that others get to run.
                for _ in range(len(self._ready)):
                    if not self._ready:
                        break  # a handler has taken the next ones' subscriber off the bus
                    if self._in_order:
                        self._in_order -= 1
                    delivery = self._ready.popleft()
                    gate = delivery.mailbox.gate
                    if gate.enter(delivery) or gate.holds(delivery):
                        begun = self._begin(delivery)
                        if begun is not None:
                            await self._go_on(delivery, begun, scope)
                            return
                    else:
                        self._queue(delivery, gate)
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

    def _begin(self, delivery: Delivery) -> Begun | None:
        """Run the handler up to where it first suspends; None if it does not, and is done."""
        mailbox, route = delivery.mailbox, delivery.route
        handler, data = mailbox.component.on_event, delivery.emit.data
        ending = WELL
        delivery.started_at = self._ledger.now()
        delivery.task = delivery.outer = None
        if mailbox.context is None:
            mailbox.context = context_of_its_own(self._ledger.decimals, self._context)
        context = mailbox.context.copy()
        try:
            if mailbox.handles_plainly:
                context.run(serve_plain, delivery, handler, route.type, data, route.source)
            else:
                task = delivery.task = trio.lowlevel.current_task()
                delivery.nurseries = len(task.child_nurseries)
                begun = context.run(first_step, delivery, handler, route.type, data, route.source)
                if begun is not None:
                    task.context = context  # trio runs the next steps in it
                    return begun
        except BaseException as exception:  # noqa: BLE001  # `outward` goes on
            ending = ending_of(exception)
        self._end(delivery, ending)
        return None

    async def _go_on(self, delivery: Delivery, begun: Begun, scope: trio.CancelScope) -> None:
        """Run the rest of a handler that has suspended, in this task, which is now its own."""
        ending = WELL
        delivery.scope = scope
        if delivery.gone:
            scope.cancel()
        self._nursery.start_soon(self._dispatch)
        try:
            await rest_of(begun)
        except BaseException as exception:  # noqa: BLE001  # `outward` goes on
            ending = ending_of(exception)
        self._end(delivery, ending)

    def _end(self, delivery: Delivery, ending: Ending) -> None:
        """A handler is done: its component's place is free, and its delivery closed."""
        mailbox = delivery.mailbox
        mailbox.gate.leave(delivery)
        if ending is WELL:  # written out, because a call costs as much as the rest
            self._ledger.close(delivery, HANDLED)
            inbox = mailbox.inbox
            if inbox.taken.pop(delivery, delivery) is None and inbox.queue:
                inbox.admit_waiting()
            if inbox.blocked:
                self._let_in(inbox)
            return
        self._finish(delivery, ending.outcome, ending.error)
        if ending.failed is not None:
            self._ledger.failures.handler_failed(delivery.route, ending.failed)
        if ending.outward is not None:
            raise ending.outward from None

    def _queue(self, delivery: Delivery, gate: Gate) -> None:
        """Let a delivery wait for a place at its component, or drop it."""
        delivery.go_on = partial(self._make_ready, delivery)
        try:
            self._ledger.queue_at(delivery, gate)
        except (DeadlockDetected, QueueFull) as refusal:
            self._finish(delivery, Outcome.DROPPED, failure_of(refusal))

    def _finish(self, delivery: Delivery, outcome: Outcome, error: Failure | None = None) -> None:
        """Close a delivery; the next one in its inbox, and an emitter waiting there, go on."""
        self._ledger.close(delivery, outcome, error)
        inbox = delivery.mailbox.inbox
        inbox.leave(delivery)
        if inbox.blocked:
            self._let_in(inbox)

    def _let_in(self, inbox: Inbox) -> None:
        """Put the delivery of an emitter that waits for room into the inbox, if there is any."""
        if not inbox.is_full:
            visitor, _ = inbox.blocked.popitem(last=False)
            blocked, resume = _as_delivery(visitor), visitor.go_on
            blocked.waiting_for = None
            self._ledger.let_go(blocked)
            blocked.sent_at = blocked.arrived_at = self._ledger.now()
            self.post(blocked, inbox)
            self.wake()
            resume()


def _as_delivery(visitor: gates.Visitor) -> Delivery:
    assert isinstance(visitor, Delivery), "only deliveries come to an inbox"
    return visitor


def _first_come_first_served(new: list[Delivery], before: list[Delivery]) -> list[Delivery]:
    """The new order, but with those of one inbox among themselves as they were before."""
    in_line: defaultdict[int, deque[Delivery]] = defaultdict(deque)
    for delivery in before:
        in_line[id(delivery.mailbox)].append(delivery)
    return [in_line[id(delivery.mailbox)].popleft() for delivery in new]
