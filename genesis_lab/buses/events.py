"""Events: publishing them, handling a delivery in the emitter's task, and waiting for them."""

from abc import abstractmethod
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

import trio

from genesis_lab.buses import gates
from genesis_lab.buses.checks import check_instant, check_seconds
from genesis_lab.buses.directory import Subscriber, Topic
from genesis_lab.buses.gates import Gate, Path
from genesis_lab.buses.identity import waiter_of
from genesis_lab.buses.inflight import NO_CAUSE, Delivery, Emit, Request, serving
from genesis_lab.buses.lending import lent_by, step_aside, take_back
from genesis_lab.buses.listening import Listener, Matches
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.sending import Sending
from genesis_lab.buses.service import serve
from genesis_lab.errors import (
    DrainInsideHandler,
    EventTimedOut,
    InvalidSetting,
    NotSubscribed,
    OutsideHandler,
    check_text,
)
from genesis_lab.messages import Outcome

if TYPE_CHECKING:
    from genesis_lab.messages import BrokenBy


class Events(Sending):
    """The side of a bus that publishes events."""

    @abstractmethod
    def _path(self, gate: Gate, nested: bool) -> Path:
        """The gates that a message passes, in order.

        Parameters
        ----------
        gate
            The one of its component.
        nested
            Whether it is part of a call chain that is on the bus already.
        """

    @abstractmethod
    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        """Publish an event to the subscribers of its type.

        Parameters
        ----------
        event_type, data, source
            What happened, and to whom.
        intended_at
            When the workload meant to emit [s since the bus opened]; by default now.

        Raises
        ------
        InvalidSetting
            `intended_at` is not a finite number; the type or the source is not text, or none that a
            record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """

    async def _begin_event(
        self, event_type: str, data: Any, source: str, intended_at: float | None
    ) -> tuple[Emit, Topic]:
        """A new event, in flight until its emitter goes on, and where it goes."""
        if not self._is_open:
            await self._refuse_when_closed()
        topic = self._directory.topic(source, event_type)
        if intended_at is not None:
            intended_at = check_instant("intended_at", intended_at)
        now = self._now()
        caller = self._sender()
        id = self._ledger.next_id()
        emit = Emit(
            id,
            waiter_of(serving.get()),
            id if caller is None or caller.ended else caller.chain,
            self._ledger,
            topic.route,
            now,
            NO_CAUSE if caller is None else caller.id,
            data,
            now if intended_at is None else intended_at,
        )
        self._ledger.open(emit)
        return emit, topic

    def _open_delivery(self, emit: Emit, to: Subscriber, sent_at: float) -> Delivery:
        """An event's delivery to one subscriber, in flight."""
        delivery = Delivery(
            self._ledger.next_id(), self._ledger, to.route, sent_at, emit, to.mailbox
        )
        emit.subscribers += 1
        self._ledger.open_delivery(delivery)
        return delivery

    def _open_awaited(self, emit: Emit, to: Subscriber) -> Delivery:
        """A delivery that its emitter waits for, which makes it a part of the same call chain."""
        delivery = self._open_delivery(emit, to, emit.sent_at)
        delivery.chain = emit.chain
        to.mailbox.elsewhere[delivery] = None  # it reaches the gate in a task that has yet to run
        delivery.path = self._path(to.mailbox.gate, True)
        self._ledger.hold(emit, delivery)
        return delivery

    async def _handle_here(
        self, delivery: Delivery, to: Subscriber, *, path: Path | None = None
    ) -> tuple[Outcome, Any]:
        """Handle a delivery in this task, unless its subscriber has gone meanwhile.

        The outcome, and the exception of a handler that failed.
        """
        if delivery.gone:
            gates.leave(delivery)
            self._ledger.close(delivery, delivery.abandoned)
            return delivery.abandoned, None
        mailbox = delivery.mailbox
        return await serve(
            self._ledger,
            delivery,
            mailbox.component.on_event,
            mailbox.handles_plainly,
            delivery.emit.data,
            epoch=self._epoch,
            link=to.link,
            path=path,
        )

    async def next_event(
        self, event_type: str, where: Matches | None = None, timeout: float | None = None
    ) -> Any:
        """Wait, inside a handler, until this component has handled an event; its data.

        The wait is part of the wait-for graph: a component that takes one message at a time waits
        in vain for an event that lies in its own inbox, and that is a deadlock.

        Parameters
        ----------
        event_type
            What to wait for; the component has to subscribe to it.
        where
            Whether an event with these data is the one; by default any is.
        timeout
            Seconds until the handler gives up; None or infinite: never.

        Raises
        ------
        EventTimedOut
            No matching event was handled in time.
        OutsideHandler
            No component's handler on this bus makes the call.
        NotSubscribed
            The component does not receive events of this type.
        InvalidSetting
            The type is not text, `where` cannot be called, or the timeout is no number of at least
            zero.
        DeadlockDetected
            The wait would close a deadlock, and this bus refuses that.
        """
        check_text("event_type", event_type)
        if where is not None and not callable(where):
            raise InvalidSetting("where", where, "a function of an event's data, or None")
        seconds = inf if timeout is None else check_seconds("timeout", timeout)
        message = serving.get()
        if not isinstance(message, Request | Delivery) or message.home is not self._ledger:
            raise OutsideHandler("next_event")
        if waiter_of(message) is not message:  # a task that outlives the handler, or another's
            raise OutsideHandler("next_event")
        mailbox = message.mailbox
        component_id = mailbox.component.id
        if not self._directory.is_subscribed(component_id, event_type):
            raise NotSubscribed(component_id, event_type)
        listener = Listener(message, mailbox.inbox, mailbox.gate, event_type, where)
        gate = lent_by(message)
        if gate is not None:
            step_aside(message, gate)
        try:
            await self._listen(message, listener, mailbox, seconds)
        finally:
            if gate is not None:
                await take_back(message, gate)
        if not listener.has_heard:
            raise EventTimedOut(component_id, event_type, seconds)
        return listener.heard()

    async def _listen(
        self, message: Request | Delivery, listener: Listener, mailbox: Mailbox, seconds: float
    ) -> None:
        """Wait until the listener has heard, or the time is over."""
        self._ledger.listen(message, listener, mailbox)
        how: BrokenBy = "cancelled"
        try:
            with trio.move_on_after(seconds) as scope:
                await listener.until_heard()
            if scope.cancelled_caught or message.has_expired:
                how = "timed_out"
        finally:
            self._ledger.stop_listening(message, listener, mailbox, how)

    async def drain(self) -> None:
        """Wait until every event emitted so far has been handled, or lost.

        Events that are emitted meanwhile, by handlers or by others, are not waited for; `settle`
        waits for these, too. If the run is cut before, it does not return.

        Raises
        ------
        DrainInsideHandler
            A handler calls it, and would wait for itself.
        """
        await self._wait_for_events(self._ledger.until_events_ended)

    async def settle(self) -> None:
        """Wait until no event is on its way, those that events lead to among them.

        It returns only in a pause of all feeds. If the run is cut before, it does not return.

        Raises
        ------
        DrainInsideHandler
            A handler calls it, and would wait for itself.
        """
        await self._wait_for_events(self._ledger.until_no_events)

    async def _wait_for_events(self, until_ended: Callable[[], Any]) -> None:
        if waiter_of(serving.get()) is not None:
            raise DrainInsideHandler
        await trio.lowlevel.checkpoint()
        await until_ended()
        if self._ledger.is_cut:
            await trio.sleep_forever()  # the cut has cancelled it
