"""The schema: what a record says, column by column.

A record's fields are the columns of its frame, in this order, and everything else follows from
them: dtypes, empty frames, Arrow schemas and the layout of packed rows. `SCHEMA` counts up when
they change. Where a trace is older than a column, which is `since` a later schema, the column is
NaN, missing or empty there; where it is older than a table, the table has no rows.

Times are seconds since the bus opened. Ids are given in order of sending, and requests, events and
deliveries share them: no two messages of a bus have the same one.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, NamedTuple, get_args

import pyarrow as pa

from genesis_lab.messages import DELIVERY_OUTCOMES, REQUEST_OUTCOMES, BrokenBy, Wait
from genesis_lab.recording.columns import Column, Labels, Names, Numbers, Tuples, Waits

SCHEMA = 2
"""The version of the schema, which is saved with every trace."""

Id = Annotated[int, Numbers("int64", "q")]
Count = Annotated[int, Numbers("int64", "I")]
Number = Annotated[float, Numbers("float64", "d")]
Seconds = Annotated[float, Numbers("float64", "d")]
# The bus numbers each (source, target, type), so the three of them are one field of a packed row.
Routed = Annotated[str, Names("I", packed_in="route")]
# A failure's two texts are one field as well.
Failed = Annotated[str | None, Names("I", packed_in="failure")]
Name = Annotated[str, Names()]
RequestOutcome = Annotated[str, Labels([outcome.label for outcome in REQUEST_OUTCOMES], "B")]
DeliveryOutcome = Annotated[str, Labels([outcome.label for outcome in DELIVERY_OUTCOMES], "B")]
HowBroken = Annotated[str | None, Labels(get_args(BrokenBy))]
Ids = Annotated[tuple[int, ...], Tuples(pa.int64())]
Words = Annotated[tuple[str, ...], Tuples(pa.string())]
WaitTuple = Annotated[tuple[Wait, ...], Waits()]


class Since(NamedTuple):
    """Marks a field that traces of earlier schemas do not have."""

    schema: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One row of `trace.requests`: one sending of a request to one component."""

    id: Id
    """Its number; rows are in this order."""
    cause: Id
    """Id of the message during whose handling it was sent; -1: of none."""
    chain: Id
    """Id of the message that its call chain began with: its own, if that was this one."""
    attempt: Count
    """Which sending it was: 1, and more when it was retried."""
    source: Routed
    """Who sent it."""
    target: Routed
    """Who was to serve it."""
    request_type: Routed
    """What was asked."""
    outcome: RequestOutcome
    """How it ended."""
    error: Failed
    """The class of the exception that ended it; missing where there was none."""
    error_message: Annotated[Failed, Since(2)]
    """The first line of the exception's text; missing where there was no exception.

    Missing as well from the 4,097th on of the failures of a bus that differ in class or text.
    """
    timeout: Annotated[Seconds, Since(2)]
    """How long its sender was ready to wait; infinite where there was no limit."""
    intended_at: Seconds
    """When the workload meant to send it."""
    sent_at: Seconds
    """When it was sent."""
    arrived_at: Annotated[Seconds, Since(2)]
    """When it reached its target and asked for admission; NaN where it never did."""
    started_at: Seconds
    """When its handler began; NaN where it never did."""
    served_at: Annotated[Seconds, Since(2)]
    """When its handler ended, maybe after `finished_at`; NaN where it never began or ended."""
    finished_at: Seconds
    """When its sender knew the outcome; NaN while it is pending."""
    blocked: Seconds
    """The part of its service spent waiting for nested messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One row of `trace.events`: one event, whoever receives it."""

    id: Id
    """Its number; rows are in this order."""
    cause: Id
    """Id of the message during whose handling it was emitted; -1: of none."""
    chain: Id
    """Id of the message that its call chain began with: its own, if that was this one."""
    source: Routed
    """Who emitted it."""
    event_type: Routed
    """What happened."""
    subscribers: Count
    """How many deliveries it led to."""
    intended_at: Seconds
    """When the workload meant to emit it."""
    sent_at: Seconds
    """When it was emitted."""
    finished_at: Seconds
    """When the emitter went on; NaN where the run was cut before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """One row of `trace.deliveries`: one event at one subscriber."""

    id: Id
    """Its number; rows are in this order."""
    event: Id
    """Id of the event."""
    chain: Id
    """Id of the message that its call chain began with: its own, unless its emitter waits."""
    source: Routed
    """Who emitted the event."""
    target: Routed
    """The subscriber."""
    event_type: Routed
    """What happened."""
    outcome: DeliveryOutcome
    """How it ended."""
    error: Failed
    """The class of the exception that ended it; missing where there was none."""
    error_message: Annotated[Failed, Since(2)]
    """The first line of the exception's text, as in `RequestRecord`."""
    intended_at: Seconds
    """When the workload meant to emit the event."""
    sent_at: Seconds
    """When it got into the inbox; NaN where it never did."""
    arrived_at: Annotated[Seconds, Since(2)]
    """When it asked its subscriber for admission; NaN where it never did."""
    started_at: Seconds
    """When its handler began; NaN where it never did."""
    served_at: Annotated[Seconds, Since(2)]
    """When its handler ended; NaN where it never began or ended."""
    finished_at: Seconds
    """When its outcome was known; NaN while it is pending."""
    blocked: Seconds
    """The part of its handling spent waiting for nested messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlockRecord:
    """One row of `trace.deadlocks`: messages that wait for each other."""

    formed_at: Seconds
    """When its last wait began; rows are in this order, then in that of the members."""
    members: Ids
    """Ids of the messages that wait for each other, in waiting order from the oldest one.

    -1 for one on another bus of the run.
    """
    components: Words
    """Where each member is: the component that serves it or that it waits for."""
    victims: Ids
    """Ids of the messages that came to wait for a member, in the order they joined."""
    waits: Annotated[WaitTuple, Since(2)]
    """Who waits for whom: each a `Wait` (waiter, holder, kind, where, since).

    Those of the members when it formed, then those of each victim when it joined, for a member or
    for another victim.
    """
    broken_at: Seconds
    """When a member stopped waiting; NaN while the deadlock holds."""
    broken_by: HowBroken
    """What ended a member's wait; missing while the deadlock holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRecord:
    """One row of `trace.components`: one component, from when it joined the bus until it left."""

    number: Id
    """How many had joined before it; rows are in this order."""
    id: Name
    """Its id; a component that came back has another row."""
    admission: Name
    """The admission that the bus grants it."""
    capacity: Number
    """How many messages, or call chains, that lets in at once."""
    joined_at: Seconds
    """When it was registered."""
    left_at: Seconds
    """When it was unregistered; NaN where it never was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of record, as the code that moves rows about sees it."""

    name: str
    """The trace's attribute, and the name of its file."""
    columns: dict[str, Column] = field(compare=False)
    """The kind of each column, by name."""
    since: dict[str, int] = field(compare=False)
    """The first schema with it, for each column by name."""
    key: list[str] = field(compare=False)
    """The columns that tell rows apart, in whose order they come."""
    arrow_schema: pa.Schema = field(compare=False)
    """The columns of its files."""

    def columns_in(self, schema: int) -> dict[str, Column]:
        """The columns that a trace of this schema has; none where it does not have the table."""
        return {name: column for name, column in self.columns.items() if self.since[name] <= schema}


def _table(name: str, record: type, key: list[str], *, since: int = 1) -> Table:
    marks = {each.name: get_args(each.type)[1:] for each in fields(record)}
    columns = {name: column for name, (column, *_) in marks.items()}
    return Table(
        name=name,
        columns=columns,
        since={name: newer[0].schema if newer else since for name, (_, *newer) in marks.items()},
        key=key,
        arrow_schema=pa.schema([(name, column.arrow) for name, column in columns.items()]),
    )


REQUESTS = _table("requests", RequestRecord, ["id"])
EVENTS = _table("events", EventRecord, ["id"])
DELIVERIES = _table("deliveries", DeliveryRecord, ["id"])
DEADLOCKS = _table("deadlocks", DeadlockRecord, ["formed_at", "members"])
COMPONENTS = _table("components", ComponentRecord, ["number"], since=2)
TABLES = (REQUESTS, EVENTS, DELIVERIES, DEADLOCKS, COMPONENTS)
"""A new one comes last: what is open is stored in this order."""
