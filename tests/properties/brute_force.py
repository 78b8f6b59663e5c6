"""Who waits for whom, recomputed from the recorded facts alone, at the end of every instant.

Shares nothing with the detector: it reads the rows, knows the rules of the architecture, and tries
sets until they are stable. Whatever begins and ends within one instant is not seen here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, isnan, nan

from genesis_lab.components import SERIAL, Admission, AdmissionByType
from genesis_lab.workloads.scripted import System
from tests.properties.plain_record import DeliveryRow, EventRow, PlainRecord, RequestRow

Row = RequestRow | DeliveryRow | EventRow


@dataclass
class Waiting:
    """The state at the end of one instant: for each open message what it needs, and since when."""

    nested: dict[int, set[int]] = field(default_factory=dict)
    """The messages that it waits for, all of them."""
    places: dict[int, list[set[int]]] = field(default_factory=dict)
    """For a queued message: who holds each place of what it is queued at."""
    since: dict[int, float] = field(default_factory=dict)
    """When a queued message began to wait there."""

    def stuck(self, among: set[int] | None = None) -> set[int]:
        """The largest set whose members all wait for members."""
        kept = set(self.nested) if among is None else set(among)
        while True:
            freed = {id for id in kept if not self._depends(id, kept)}
            if not freed:
                return kept
            kept -= freed

    def _depends(self, id: int, others: set[int]) -> bool:
        queued = id in self.places and all(place & others for place in self.places[id])
        return bool(self.nested[id] & others) or queued

    def waits_for(self, id: int) -> set[int]:
        return self.nested[id].union(*self.places.get(id, []))

    def reach(self, id: int, within: set[int]) -> set[int]:
        found, frontier = {id}, [id]
        while frontier:
            new = (self.waits_for(frontier.pop()) & within) - found
            found |= new
            frontier += new
        return found

    def knots(self) -> list[set[int]]:
        """The largest sets that are strongly connected and keep themselves stuck."""
        found: list[set[int]] = []
        parts = self._components(self.stuck())
        while parts:
            part = parts.pop()
            kept = self.stuck(part)
            if kept == part:
                found.append(part)
            elif kept:
                parts += self._components(kept)
        return found

    def _components(self, among: set[int]) -> list[set[int]]:
        reach = {id: self.reach(id, among) for id in among}
        parts = {frozenset(o for o in reach[id] if id in reach[o]) for id in among}
        return [set(part) for part in parts]

    def formed_at(self, knot: set[int]) -> float:
        """When the last wait of a knot began."""
        return max(self.since[id] for id in knot if id in self.since)


@dataclass
class Architecture:
    """What the brute force has to know about a bus."""

    is_synchronous: bool = False
    one_chain_at_a_time: bool = False
    is_awaited: bool = False


class History:
    """A run's rows, asked for the state at any instant."""

    def __init__(self, record: PlainRecord, system: System, rules: Architecture) -> None:
        self.record = record
        self.rules = rules
        self.admissions: dict[str, Admission] = {
            part.id: SERIAL if rules.is_synchronous else _plain(part.admission)
            for part in system.components
        }
        self.messages: dict[int, Row] = {
            row.id: row
            for rows in (record.requests, record.deliveries, record.events)
            for row in rows
        }
        self.holds_emitter = rules.is_synchronous or rules.is_awaited

    def instants(self) -> list[float]:
        times = {
            time
            for row in self.messages.values()
            for time in (row.sent_at, row.finished_at, getattr(row, "started_at", nan))
            if not isnan(time)
        }
        return sorted(times)

    def at(self, now: float) -> Waiting:
        """The state when everything of this instant has happened."""
        state = Waiting()
        open_now = {id: row for id, row in self.messages.items() if self._is_open(row, now)}
        for id in open_now:
            state.nested[id] = set()
        for row in open_now.values():
            parent = self._parent(row, now)
            if parent in open_now:
                state.nested[parent].add(row.id)
        for row in open_now.values():
            queue = self._queue(row, open_now, now)
            if queue is not None:
                state.places[row.id], state.since[row.id] = queue
        return state

    def _is_open(self, row: Row, now: float) -> bool:
        if row.finished_at <= now:
            return False
        if isinstance(row, DeliveryRow):
            return self._offered_at(row) <= now
        return row.sent_at <= now

    def _offered_at(self, row: DeliveryRow) -> float:
        """When an event got round to a subscriber: after it had got past the one before."""
        emit = self.messages[row.event]
        if self.holds_emitter:
            return self._admitted_at(emit)
        before = [r for r in self._siblings(row) if r.id < row.id]
        if not before:
            return emit.sent_at
        last = before[-1]
        placed = last.finished_at if isnan(last.sent_at) else last.sent_at
        return inf if isnan(placed) else max(placed, emit.sent_at)

    def _admitted_at(self, emit: Row) -> float:
        """When an event's deliveries began to be handled."""
        if not self.rules.one_chain_at_a_time or emit.id != emit.chain:
            return emit.sent_at
        earlier = [
            row.finished_at
            for row in self.messages.values()
            if row.id == row.chain and row.id < emit.id and not isinstance(row, DeliveryRow)
        ]
        waits = [nan_to_inf(time) for time in earlier if not time <= emit.sent_at]
        return max([emit.sent_at, *waits])

    def _siblings(self, row: DeliveryRow) -> list[DeliveryRow]:
        return sorted(r for r in self.record.deliveries if r.event == row.event)

    def _parent(self, row: Row, now: float) -> int:
        """The message that waits for this one, or -1."""
        if isinstance(row, DeliveryRow):
            waits = self.holds_emitter or not row.sent_at <= now
            return row.event if waits else -1
        return row.cause

    def _queue(
        self, row: Row, open_now: dict[int, Row], now: float
    ) -> tuple[list[set[int]], float] | None:
        """The places of what a message is queued at, if it is, and since when."""
        if self.rules.one_chain_at_a_time and row.id == row.chain:
            roots = [r.id for r in open_now.values() if r.id == r.chain]
            if row.id != min(roots):
                return [{min(roots)}], row.sent_at
        if isinstance(row, EventRow) or row.started_at <= now:
            return None
        since = row.sent_at
        if isinstance(row, DeliveryRow) and not self.rules.is_awaited:
            line = [other.id for other in self._line(row, open_now, now)]
            turns = self._turns(row)
            if row.id not in line[:turns]:
                offered = self._offered_at(row)
                since = offered if isnan(row.sent_at) else min(offered, row.sent_at)
                return [{other} for other in line[:turns]], since
            since = max(self._offered_at(row), self._turn_at(row, turns))
        elif isinstance(row, RequestRow) and self.rules.one_chain_at_a_time:
            since = row.sent_at
        target = self.record.routes[row.route].target
        return list(self._held_places(target, open_now, now)), since

    def _line(
        self, row: DeliveryRow, open_now: dict[int, Row], now: float
    ) -> Iterator[DeliveryRow]:
        """The deliveries that are handled in turn with this one, the current one first."""
        key = (lambda r: r.event) if self.rules.is_synchronous else self._target
        same = [r for r in open_now.values() if isinstance(r, DeliveryRow) and key(r) == key(row)]
        yield from sorted(same, key=lambda r: (not r.sent_at <= now, r.sent_at, r.id))

    def _turns(self, row: DeliveryRow) -> int:
        """How many deliveries of a line are handled, or at the gate, side by side."""
        if self.rules.is_synchronous:
            return 1
        admission = self.admissions[self._target(row)]
        places = inf if admission.interleaves else admission.capacity
        return int(min(places, len(self.record.deliveries)))

    def _turn_at(self, row: DeliveryRow, turns: int) -> float:
        """When so few of those that stood before this one in its line were left."""
        key = (lambda r: r.event) if self.rules.is_synchronous else self._target
        ends = [
            nan_to_inf(other.finished_at)
            for other in self.record.deliveries
            if key(other) == key(row) and (other.sent_at, other.id) < (row.sent_at, row.id)
        ]
        return sorted(ends)[-turns] if len(ends) >= turns else row.sent_at

    def _target(self, row: DeliveryRow | RequestRow) -> str:
        return self.record.routes[row.route].target

    def _held_places(self, target: str, open_now: dict[int, Row], now: float) -> Iterator[set[int]]:
        admission = self.admissions[target]
        holders: dict[int, set[int]] = {}
        for row in open_now.values():
            if isinstance(row, EventRow) or not row.started_at <= now:
                continue
            if self._target(row) == target:
                key = row.chain if admission.by_chain else row.id
                holders.setdefault(key, set()).add(row.id)
        yield from holders.values()
        if len(holders) < admission.capacity:
            yield set()


def _plain(admission: Admission | AdmissionByType) -> Admission:
    assert isinstance(admission, Admission), "per-type admissions are left to the wide systems"
    return admission


def nan_to_inf(time: float) -> float:
    return inf if isnan(time) else time
