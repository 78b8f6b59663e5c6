"""What balances in the record of any run, whatever was cancelled, raised or interrupted in it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import Any

import trio

from genesis_lab.buses import Bus
from genesis_lab.components import Component
from genesis_lab.errors import BusNotOpen
from genesis_lab.messages import DELIVERY_OUTCOMES, REQUEST_OUTCOMES, Outcome
from genesis_lab.virtual_time import LabClock
from tests.properties.plain_record import DeliveryRow, EventRow, PlainRecord, RequestRow

NOT_STARTED = {
    Outcome.UNKNOWN_TARGET,
    Outcome.REJECTED,
    Outcome.DEADLOCKED,
    Outcome.DROPPED,
}
STARTED = {Outcome.ANSWERED, Outcome.HANDLED}
WITH_ERROR = {Outcome.FAILED, Outcome.REJECTED, Outcome.DEADLOCKED, Outcome.DROPPED}
ROUNDING = 1e-9
"""What a sum of times may be off [s]."""

Key = tuple[str, str, str]
"""Source, target and type."""


@dataclass
class Witness(PlainRecord):
    """A plain record that also knows whether it was told of the end."""

    times_closed: int = 0

    def bus_closed(self) -> None:
        self.times_closed += 1


def clock_of_the_run() -> LabClock:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, LabClock)
    return clock


class Tally:
    """A bus's face for components and clients, which counts on their side what goes in and out."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._clock = clock_of_the_run()
        self.sent: Counter[Key] = Counter()
        """Requests."""
        self.answered: Counter[Key] = Counter()
        """Requests that came back with a reply; those of scripts are never None."""
        self.emitted: Counter[Key] = Counter()
        """Events that went out, whatever became of their deliveries."""

    @property
    def _counts(self) -> bool:
        """Whether anything is recorded: nothing after a cut."""
        return self._clock.ended is None

    def register(self, component: Component) -> None:
        self._bus.register(component)
        component.bus = self

    def unregister(self, component_id: str) -> None:
        self._bus.unregister(component_id)

    def subscribe(self, component_id: str, event_type: str) -> None:
        self._bus.subscribe(component_id, event_type)

    def now(self) -> float:
        return self._bus.now()

    async def drain(self) -> None:
        await self._bus.drain()

    async def settle(self) -> None:
        await self._bus.settle()

    async def next_event(
        self,
        event_type: str,
        where: Callable[[Any], bool] | None = None,
        timeout: float | None = None,
    ) -> Any:
        return await self._bus.next_event(event_type, where, timeout)

    async def request(self, *message: Any, **options: Any) -> Any:
        return await self._send(self._bus.request, message, options)

    async def call(self, *message: Any, **options: Any) -> Any:
        return await self._send(self._bus.call, message, options)

    async def emit_event(
        self, event_type: str, data: Any, source: str, *, intended_at: float | None = None
    ) -> None:
        await self._bus.emit_event(event_type, data, source, intended_at=intended_at)
        self.emitted[source, "", event_type] += self._counts

    async def _send(
        self, send: Callable[..., Any], message: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        target, request_type, _data, source, *_ = message
        key, counts = (source, target, request_type), self._counts
        self.sent[key] += counts
        try:
            reply = await send(*message, **options)
        except BusNotOpen:
            self.sent[key] -= counts
            raise
        self.answered[key] += self._counts and reply is not None
        return reply

    def check(self, record: PlainRecord, *, may_miss: bool) -> None:
        """The senders' count agrees with the record, route by route.

        They may miss a reply: between the answer and its own component's turn for it, a sender may
        be cut, or its time may be over.
        """
        requests = Counter(key_of(record, row) for row in record.requests)
        answered = Counter(
            key_of(record, row) for row in record.requests if row.outcome is Outcome.ANSWERED
        )
        assert requests == self.sent
        assert answered == self.answered or (may_miss and answered >= self.answered)
        # An emitter that is cancelled while it waits has emitted, but is not told.
        assert self.emitted <= Counter(key_of(record, row) for row in record.events)


def key_of(record: PlainRecord, row: RequestRow | DeliveryRow | EventRow) -> Key:
    route = record.routes[row.route]
    return route.source, route.target, route.type


def served(record: PlainRecord) -> list[RequestRow | DeliveryRow]:
    """What a component's code is called for."""
    return [*record.requests, *record.deliveries]


def check_balance(record: PlainRecord, *, was_cut: bool, is_alone: bool = True) -> None:
    """Each message has one row, one outcome, and times and references that make sense.

    On a bus that is not alone, a message's cause may be an earlier one than that which sent it.
    """
    ids = sorted(record.ids())
    assert ids == list(range(len(ids))), "one row for each message, and a message for each row"
    per_event = Counter(row.event for row in record.deliveries)
    assert per_event == Counter({row.id: row.subscribers for row in record.events})
    assert was_cut or not record.pending()
    check_outcomes(record)
    check_references(record, is_alone=is_alone)
    for row in served(record):
        check_times(row)
    for event in record.events:
        check_order(event.intended_at, event.sent_at, event.finished_at)


def check_outcomes(record: PlainRecord) -> None:
    assert {row.outcome for row in record.requests} <= set(REQUEST_OUTCOMES)
    assert {row.outcome for row in record.deliveries} <= set(DELIVERY_OUTCOMES)
    for row in served(record):
        has_started = not isnan(row.started_at)
        assert (row.outcome is Outcome.PENDING) == isnan(row.finished_at), row
        # A policy rejects without an error, a full queue or the order of the layers with one.
        has_error = row.outcome in WITH_ERROR
        assert row.outcome is Outcome.REJECTED or (row.error is not None) == has_error, row
        assert has_started or row.outcome not in STARTED, row
        assert not has_started or row.outcome not in NOT_STARTED, row


def check_times(row: RequestRow | DeliveryRow) -> None:
    check_order(row.intended_at, row.sent_at, row.arrived_at, row.started_at, row.served_at)
    check_order(row.sent_at, row.finished_at)
    service = row.served_at - row.started_at  # which may outlive the sender's wait
    assert row.blocked >= 0, row
    assert isnan(service) or row.blocked <= service + ROUNDING, row
    assert row.blocked == 0 or not isnan(row.started_at), row


def check_order(*times: float) -> None:
    came = [time for time in times if not isnan(time)]
    assert came == sorted(came)


def check_references(record: PlainRecord, *, is_alone: bool) -> None:
    """A message was caused by one that was being served, and belongs to its chain or begins one."""
    causes = {row.id: row for row in served(record)}
    events = {row.id: row for row in record.events}
    sent: list[RequestRow | EventRow] = [*record.requests, *record.events]
    for row in sent:
        if row.cause >= 0:
            cause = causes[row.cause]
            assert row.chain in {cause.chain, row.id}, row
            assert cause.id < row.id, row
            check_order(cause.started_at, row.sent_at)
            sender = record.routes[cause.route].target
            assert record.routes[row.route].source == sender or not is_alone, row
        else:
            assert row.chain == row.id, row
    for delivery in record.deliveries:
        event = events[delivery.event]
        assert delivery.chain in {event.chain, delivery.id}, delivery
        assert event.id < delivery.id, delivery
        assert record.routes[delivery.route].type == record.routes[event.route].type, delivery
