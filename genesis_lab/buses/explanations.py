"""Why messages are pending where a run is cut: one line each, for people."""

from collections.abc import Iterator, Sequence

from genesis_lab.buses.gates import Gate
from genesis_lab.buses.inflight import Delivery, Emit, InFlight, Request
from genesis_lab.buses.ledger import Ledger
from genesis_lab.waits import Node

_SHOWN = 100
"""Messages that have a line of their own; a run may be cut with thousands in flight."""
_NAMED = 3
"""How many others a line names of each kind."""


def explain(ledger: Ledger) -> tuple[str, ...]:
    """What each message in flight waits for, in order of sending."""
    messages = list(ledger.in_flight.values())
    lines = [f"{_name(message)} {_state(message)}" for message in messages[:_SHOWN]]
    if len(messages) > _SHOWN:
        lines.append(f"and {len(messages) - _SHOWN:,} more messages")
    return tuple(lines)


def _name(message: Node) -> str:
    match message:
        case Request(route=route):
            return f"request {message.id} ({route.type} from {route.source}) at {route.target}"
        case Delivery(route=route):
            return f"delivery {message.id} ({route.type} from {route.source}) at {route.target}"
        case Emit(route=route):
            return f"event {message.id} ({route.type}) from {route.source}"
        case _:
            return f"message {message.id}"


def _state(message: InFlight) -> str:
    waits = [*_waits(message)]
    if waits:
        return f"waits for {' and '.join(waits)}"
    if isinstance(message, Emit) or message.started_at != message.started_at:
        return "is on its way"
    return f"runs, or waits for something outside the bus{_undelivered(message)}"


def _waits(message: InFlight) -> Iterator[str]:
    if message.children:
        yield f"the end of {_some([*message.children])}"
    gate = message.waiting_for
    if isinstance(gate, Gate):
        place = {
            "admission": f"admission to {gate.where}",
            "inbox": f"its turn in the inbox of {gate.where}",
            "turn": "its turn among the event's deliveries",
            "system": "the bus",
        }[gate.kind]
        holders = [holder for holder in gate.taken if holder is not message]
        yield f"{place}, held by {_some(holders)}" if holders else place
    for listener in message.listening or ():
        undelivered = [*listener.holders()]
        if undelivered:
            yield f"an event that lies undelivered: {_some(undelivered)}"
        else:
            yield "an event that is not on its way"


def _undelivered(message: InFlight) -> str:
    """What lies at the message's component, and may be what its handler waits for."""
    if message.mailbox is None:
        return ""
    lying = [
        other
        for other in message.mailbox.in_flight()
        if isinstance(other, Delivery) and not other.has_started
    ]
    return f"; undelivered there: {_some(lying)}" if lying else ""


def _some(messages: Sequence[Node]) -> str:
    names = ", ".join(_name(message) for message in messages[:_NAMED])
    more = len(messages) - _NAMED
    return f"{names} and {more:,} more" if more > 0 else names
