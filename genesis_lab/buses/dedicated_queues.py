"""Dedicated queues: each component has a queue and a worker, through which all its messages go.

The usual first repair of a synchronous bus. Emitters no longer wait, and components no longer share
a lock; but a worker that waits for a reply takes nothing else from its queue, so a circular call is
the same deadlock as before, until the timeout. And a worker does not look whether the sender of
what it takes from the queue still waits.
"""

from collections.abc import Coroutine, Mapping
from contextvars import Context, copy_context
from math import inf, nan
from typing import Any

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses import gates
from genesis_lab.buses.base import Bus
from genesis_lab.buses.checks import seconds_of
from genesis_lab.buses.directory import RequestRoute, Timeouts
from genesis_lab.buses.gates import Gate, Path, Visitor
from genesis_lab.buses.inflight import Delivery, Emit, Request
from genesis_lab.buses.links import Latency, Link, Transit
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.service import serve
from genesis_lab.buses.unprotected import Handler
from genesis_lab.components import SERIAL
from genesis_lab.messages import Outcome
from genesis_lab.observers import Observer


class DedicatedQueueBus(Bus):
    """A queue and a worker per component; requests and events go through the same queue.

    The worker serves one message at a time, in order of arrival, and stays busy while it waits for
    a nested reply; the component's admission is ignored. The sender of a request waits for the
    reply; when it gives up, the service goes on, or is still begun later. Events are fire and
    forget, never sent back to the emitter, and the queue has no limit.

    Leaving it cancels what is served and what is queued.

    Parameters
    ----------
    timeout
        How long each request waits for its reply [s]; None or infinite: as long as it takes. The
        timeouts of the calls are accepted and ignored.
    observer
        Who is told the facts, such as a `Recorder`.
    latency
        How long messages are on their way between components: seconds, a distribution of durations,
        or one of these per (source, target).
    timeouts
        Accepted and ignored, as those of the calls are.

    Raises
    ------
    InvalidTimeout
        The timeout is not a number of at least zero.
    """

    architecture = "dedicated-queues"
    _imposes = SERIAL
    _serves_in_place = False

    def __init__(
        self,
        *,
        timeout: float | None = 5.0,
        observer: Observer | None = None,
        latency: Latency | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._timeout = seconds_of(timeout)
        super().__init__(
            observer=observer, latency=latency, timeouts=timeouts, includes_emitter=False
        )
        self._services: dict[Visitor, Service] = {}
        """Those on their way, in a queue or at a worker."""

    def _settings(self) -> Mapping[str, Any]:
        return {"timeout": self._timeout}

    def _path(self, gate: Gate, nested: bool) -> Path:
        return (gate,)

    # --- opening and closing ----------------------------------------------------------------------

    def _start(self) -> None:
        self._context = copy_context()

    def _stop(self) -> None:
        super()._stop()
        for mailbox in self._directory.mailboxes.values():
            self._empty(mailbox)

    def _close(self) -> None:
        for service in [*self._services.values()]:  # of senders outside a bus that is cancelled
            self._end(service)
        super()._close()

    def unregister(self, component_id: str) -> None:
        """Take a component off the bus, as on any bus; its queue is emptied."""
        mailbox = self._directory.mailbox(component_id)
        super().unregister(component_id)
        self._empty(mailbox)

    def _empty(self, mailbox: Mailbox) -> None:
        """End what is queued; what is being served was told to stop before."""
        for message in [*mailbox.gate.queue]:
            mailbox.gate.withdraw(message)
            service = self._services[message]
            self._drop(service.message)
            self._end(service)

    # --- requests ---------------------------------------------------------------------------------

    def _send(
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
        attempt: int,
    ) -> Coroutine[Any, Any, Any]:
        return super()._send(route, data, self._timeout, intended_at, raising, attempt)

    async def _serve(self, request: Request, data: Any) -> tuple[Outcome, Any]:
        """Put a request into its target's queue, and wait for the reply until the timeout."""
        mailbox, route = request.mailbox, request.route
        assert isinstance(route, RequestRoute), "a request has a request's route"
        deadline = self._epoch + request.deadline
        request.deadline = inf  # it is the caller's, and not the worker's
        service = Service(
            request,
            mailbox.component.process_request,
            mailbox.serves_plainly,
            data,
            route.reply_link,
            copy_context(),
        )
        self._put(service, route.link)
        with trio.CancelScope(deadline=deadline):
            await self._until_over(service, deadline)
            return service.outcome, service.result
        return Outcome.TIMED_OUT, None

    async def _until_over(self, service: "Service", deadline: float) -> None:
        """Wait in this task until a service is over, or give up.

        Giving up is recorded at the instant of the deadline, before any task runs: a reply at that
        same instant comes too late, in any order of the tasks.
        """
        request = service.message

        def give_up(_raise_cancel: object) -> trio.lowlevel.Abort:
            service.waiting = None
            if not request.ended:
                is_late = trio.current_time() >= deadline
                outcome = Outcome.TIMED_OUT if is_late else Outcome.CANCELLED
                self._ledger.give_up(request, outcome)
            return trio.lowlevel.Abort.SUCCEEDED

        service.waiting = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(give_up)

    # --- events -----------------------------------------------------------------------------------

    @enable_ki_protection
    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event to the queues of its subscribers, the source excepted; never waits.

        Raises
        ------
        InvalidSetting
            `intended_at` is not a finite number; the type or the source is not text, or none that a
            record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        emit, topic = await self._begin_event(event_type, data, source, intended_at)
        try:
            for to in topic.subscribers:
                delivery = self._open_delivery(emit, to, emit.sent_at)
                delivery.path = self._path(to.mailbox.gate, False)
                service = Service(
                    delivery,
                    to.mailbox.component.on_event,
                    to.mailbox.handles_plainly,
                    data,
                    None,
                    self._context,  # the emitter's is its own: nothing comes back from here
                )
                self._put(service, to.link)
        finally:
            self._ledger.close(emit, Emit.completed)
        await trio.lowlevel.cancel_shielded_checkpoint()

    # --- queues and workers -----------------------------------------------------------------------

    def _put(self, service: "Service", link: Link | None) -> None:
        """Put a message into its target's queue, or on its way there."""
        self._services[service.message] = service
        if link is None:
            self._queue(service)
        else:
            service.message.arrived_at = nan
            service.message.mailbox.elsewhere[service.message] = None
            self._nursery.start_soon(self._carry, service, link.depart())

    @enable_ki_protection
    async def _carry(self, service: "Service", transit: Transit) -> None:
        """Take a message over its link, and put it into the queue at the other end."""
        message = service.message
        with trio.CancelScope() as scope:
            message.scope = scope
            if message.gone:
                scope.cancel()
            try:
                await transit.arrive()
            except BaseException:
                self._drop(message)
                if message.gone:
                    self._end(service)
                raise
            message.scope = None
            message.arrived_at = self._now()
            self._queue(service)

    def _queue(self, service: "Service") -> None:
        """Let the worker take a message, now or when it has served those before it."""
        message = service.message
        (gate,) = message.path
        message.go_on = lambda: self._begin(service)
        if gate.enter(message):
            self._begin(service)
        else:
            self._ledger.queue_at(message, gate)

    def _begin(self, service: "Service") -> None:
        """Let the worker serve a message: a task for each, of which the gate lets one go on."""
        service.context.run(self._nursery.start_soon, self._work, service)

    @enable_ki_protection
    async def _work(self, service: "Service") -> None:
        message = service.message
        try:
            # Where the bus is being left, a queue would otherwise begin what it then cancels.
            await trio.lowlevel.checkpoint_if_cancelled()
            if not message.gone:
                service.outcome, service.result = await serve(
                    self._ledger,
                    message,
                    service.handler,
                    service.is_plain,
                    service.data,
                    epoch=self._epoch,
                    reply_link=service.reply_link,
                    path=(),
                )
        except BaseException:
            # An interrupt, or the whole bus is cancelled. Who waits for the reply inside the bus is
            # cancelled, too, and must not take its absence for an answer first.
            if not message.ended:
                self._drop(message)
            raise
        if not message.ended:
            self._drop(message)
        self._end(service)

    def _drop(self, message: Request | Delivery) -> None:
        """Close a message that is not served: its target has gone, or its bus is cancelled."""
        gates.leave(message)
        self._ledger.close(message, message.abandoned if message.gone else Outcome.CANCELLED)

    def _end(self, service: "Service") -> None:
        """Let the sender know how its message ended."""
        self._services.pop(service.message, None)  # it is gone where the bus has closed already
        if service.waiting is not None:
            trio.lowlevel.reschedule(service.waiting)
            service.waiting = None


class Service:
    """A message's service as the worker sees it, and as its sender learns how it ended.

    Parameters
    ----------
    message
        What is served.
    handler, is_plain, data
        What to call, whether it is no coroutine function, and with which data.
    reply_link
        What the reply travels over; None: it is there at once.
    context
        What context variables the handler sees; what it sets is its own.
    """

    def __init__(
        self,
        message: Request | Delivery,
        handler: Handler,
        is_plain: bool,
        data: Any,
        reply_link: Link | None,
        context: Context,
    ) -> None:
        self.message = message
        self.handler = handler
        self.is_plain = is_plain
        self.data = data
        self.reply_link = reply_link
        self.context = context
        self.waiting: trio.lowlevel.Task | None = None
        """The task of the sender, while that waits for the reply."""
        self.outcome = message.abandoned
        self.result: Any = None
