"""What a bus is doing at one moment, as immutable values: read when asked, kept by nobody.

The bus's own structures say it all already, so nothing is counted on the hot path for this.
"""

from dataclasses import dataclass, replace
from typing import Literal

from genesis_lab.buses.directory import Directory
from genesis_lab.buses.inflight import Emit, InFlight, Request
from genesis_lab.buses.ledger import Ledger
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.messages import Deadlock

Kind = Literal["request", "event", "delivery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentStatistics:
    """How busy one component is."""

    id: str
    places: float
    """How many messages, or call chains, this bus lets it take at once."""
    serving: int
    """Messages that it is serving, those among them that wait for nested ones."""
    waiting: int
    """Messages that wait for its admission."""
    inbox: int
    """Deliveries in its inbox, beside the one being handled."""
    inbox_capacity: float
    blocked_emitters: int
    """Events whose emitters wait for room in its inbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatistics:
    """One message in flight."""

    id: int
    kind: Kind
    chain: int
    """The id of the message that its call chain began with."""
    source: str
    target: str
    """Who serves it; empty for an event, whose deliveries have one each."""
    type: str
    """The request type or the event type."""
    sent_at: float
    """When it was sent [s since the bus opened]; NaN while its emitter waits for room."""
    started_at: float
    """When its handler began [s since the bus opened]; NaN before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusStatistics:
    """What a bus is doing now."""

    at: float
    """When this was so [s since the bus opened]."""
    components: tuple[ComponentStatistics, ...]
    """In order of registration."""
    in_flight: tuple[MessageStatistics, ...]
    """In order of sending."""
    deadlocks: tuple[Deadlock, ...]
    """Those that stand, in the order in which they formed; copies, which no longer change."""


def statistics_of(directory: Directory, ledger: Ledger) -> BusStatistics:
    """What the bus with this directory and this ledger is doing now."""
    return BusStatistics(
        at=ledger.now(),
        components=tuple(map(_of_component, directory.mailboxes.values())),
        in_flight=tuple(map(_of_message, ledger.in_flight.values())),
        deadlocks=tuple(
            replace(deadlock, victims=[*deadlock.victims], waits=[*deadlock.waits])
            for deadlock in ledger.waits.deadlocks(ledger)
        ),
    )


def _of_component(mailbox: Mailbox) -> ComponentStatistics:
    gates, inbox = mailbox.gates(), mailbox.inbox
    return ComponentStatistics(
        id=mailbox.component.id,
        places=mailbox.gate.capacity,
        serving=sum(len(gate.taken) for gate in gates),
        waiting=sum(len(gate.queue) for gate in gates),
        inbox=len(inbox.queue),
        inbox_capacity=inbox.limit,
        blocked_emitters=len(inbox.blocked),
    )


def _of_message(message: InFlight) -> MessageStatistics:
    return MessageStatistics(
        id=message.id,
        kind=_kind(message),
        chain=message.chain,
        source=message.route.source,
        target=message.route.target,
        type=message.route.type,
        sent_at=message.sent_at,
        started_at=message.started_at,
    )


def _kind(message: InFlight) -> Kind:
    match message:
        case Request():
            return "request"
        case Emit():
            return "event"
        case _:
            return "delivery"
