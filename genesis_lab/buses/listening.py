"""Waiting, inside a handler, for an event: one wait is a resource of the wait-for graph.

The wait is over when a matching delivery to the same component has been handled. While such a
delivery lies undelivered, it is what the handler waits for; while there is none, anyone may still
emit one, so the wait is live. Anyone may also emit another one where some lie undelivered: the wait
is stuck only if that one, too, could not be handled.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import trio

from genesis_lab.buses.gates import Gate, Inbox
from genesis_lab.messages import WaitKind
from genesis_lab.waits import Node

Matches = Callable[[Any], bool]


class Listener:
    """One handler's wait for an event of a type.

    Parameters
    ----------
    message
        The message that the handler serves.
    inbox, gate
        Its component's: what a further event would have to pass.
    event_type
        What it waits for.
    matches
        Whether an event with these data is the one; any, if None.
    """

    kind: WaitKind = "event"

    def __init__(
        self, message: Node, inbox: Inbox, gate: Gate, event_type: str, matches: Matches | None
    ) -> None:
        self.message = message
        self.where = inbox.where
        self._inbox = inbox
        self._gate = gate
        self.event_type = event_type
        self.has_heard = False
        """Whether the event came, or its test failed."""
        self._matches = matches
        self._data: Any = None
        self._error: Exception | None = None
        self._heard = trio.Event()
        self._undelivered: dict[Node, Any] = {}

    def wants(self, event_type: str, data: Any) -> bool:
        """Whether an event is what the handler waits for.

        The test is the handler's code, but it is called where events are emitted: an
        exception is kept for the handler.
        """
        if event_type != self.event_type or self.has_heard:
            return False
        if self._matches is None:
            return True
        try:
            return bool(self._matches(data))
        except Exception as error:  # noqa: BLE001  # it is raised where the handler waits
            self._error = error
            self._hear()
            return False

    def expect(self, delivery: Node, data: Any) -> None:
        """A matching delivery is on its way."""
        self._undelivered[delivery] = data

    def expects(self, message: Node) -> bool:
        """Whether the message is an undelivered match."""
        return message in self._undelivered

    def waits_for(self, message: Node) -> bool:
        """Whether the message has one of the places."""
        return any(message in holders for holders in self.places())

    def settle(self, delivery: Node, *, was_handled: bool) -> bool:
        """A delivery has come to its end; whether the handler waits for the others from now on."""
        if delivery not in self._undelivered:
            return False
        data = self._undelivered.pop(delivery)
        if was_handled and not self.has_heard:
            self._data = data
            self._hear()
        return not self.has_heard and bool(self._undelivered)

    async def until_heard(self) -> None:
        """Wait for the event."""
        await self._heard.wait()

    def heard(self) -> Any:
        """What the event carried; raises what the test of its data raised."""
        if self._error is not None:
            raise self._error
        return self._data

    def _hear(self) -> None:
        self.has_heard = True
        self._heard.set()

    def places(self) -> Iterator[Collection[Node]]:
        """What ends the wait: any undelivered match, or one that is emitted later."""
        if self.has_heard or not self._undelivered:
            yield ()
            return
        # Of those that queue only the first: the others move when it does, so they are not what the
        # handler waits for but wait behind it. Each would else enlarge a deadlock into a new one.
        has_queued = False
        queues = (self._inbox.queue, self._inbox.blocked, self._gate.queue)
        for delivery in self._undelivered:
            is_queued = any(delivery in queue for queue in queues)
            if not (is_queued and has_queued):
                yield (delivery,)
            has_queued = has_queued or is_queued
        # A message that leaves a full inbox leaves a place at the gate as well.
        yield from (self._inbox if self._inbox.has_no_place else self._gate).places()

    def holders(self) -> Iterable[Node]:
        """The undelivered matches."""
        return self._undelivered

    def waiters(self) -> Iterable[Node]:
        """The message whose handler waits."""
        return (self.message,)
