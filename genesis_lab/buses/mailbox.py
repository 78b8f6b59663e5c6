"""What a registered component has on its bus: gates, inbox, processor, and how it is called."""

from collections.abc import Callable
from inspect import iscoroutinefunction, unwrap
from math import inf
from typing import TYPE_CHECKING, Any

import trio

from genesis_lab.buses.gates import Gate, Inbox, Path, Visitor, gate_of
from genesis_lab.components import Admission, AdmissionByType, Component
from genesis_lab.messages import Membership

if TYPE_CHECKING:
    from contextvars import Context

    from genesis_lab.buses.listening import Listener


class Mailbox:
    """A component on its bus.

    Parameters
    ----------
    component
        The component.
    admission
        How many messages this bus lets it take.
    inbox_limit
        How many deliveries may wait in its inbox.
    joined_at
        When it was registered [s since the bus opened].
    """

    def __init__(
        self,
        component: Component,
        admission: Admission | AdmissionByType,
        *,
        inbox_limit: float,
        joined_at: float,
    ) -> None:
        self.component = component
        self.is_registered = True
        self.membership = Membership(
            id=component.id,
            admission=admission.name,
            capacity=admission.capacity,
            joined_at=joined_at,
        )
        by_type = admission if isinstance(admission, AdmissionByType) else None
        default = admission.default if isinstance(admission, AdmissionByType) else admission
        self.gate = gate_of(default, component.id)
        self._gates: dict[str, Gate] = (
            {type: gate_of(each, component.id) for type, each in by_type.types.items()}
            if by_type is not None
            else {}
        )
        # A message that steps aside at the component's gate must not hold up the inbox either.
        self.inbox = Inbox(
            inf if default.interleaves else default.capacity,
            limit=inbox_limit,
            where=component.id,
        )
        # An infinite server would do any amount of work at once.
        workers = 1 if default.by_chain or default.capacity == inf else int(default.capacity)
        self.processor = trio.Semaphore(workers)
        self.delivery_path: Path = (self.inbox, self.gate)
        """The gates that a delivery passes which comes by way of the inbox."""
        self.context: Context | None = None
        """What copies its event handlers run in, where a bus handles deliveries from inboxes."""
        self.elsewhere: dict[Visitor, None] = {}
        """What is in flight to it and may be at none of its gates: on a link, or yet to come."""
        self.listeners: list[Listener] = []
        """The waits of its handlers for events."""
        self.serves_plainly = not _is_async(component.process_request)
        self.handles_plainly = not _is_async(component.on_event)

    def gate_for(self, request_type: str) -> Gate:
        """The gate that admits requests of a type."""
        return self._gates.get(request_type, self.gate)

    def gates(self) -> tuple[Gate, ...]:
        """All gates of the component, the default one first."""
        return (self.gate, *self._gates.values())

    def in_flight(self) -> list[Visitor]:
        """What waits for the component or is served by it, in order of sending."""
        found = dict(self.elsewhere)
        for gate in (*self.gates(), self.inbox):
            found.update(dict.fromkeys(gate.taken))
            found.update(dict.fromkeys(gate.waiters()))
        return sorted(found, key=lambda message: message.id)


def _is_async(method: Callable[..., Any]) -> bool:
    """Whether calling the method, or what a decorator wraps, gives an awaitable."""
    return callable(method) and iscoroutinefunction(unwrap(method))
