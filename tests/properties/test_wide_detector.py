"""The detector is exact where only the run itself knows the truth.

Who waits for a task in a foreign nursery, for an event, or for a message on another bus does not
show in the records. But in a run whose messages never give up, a deadlock is what never ends: so
each run is continued without timeouts from some instant on, and comes to its end or stalls.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from math import inf, isnan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.buses.inflight import Request, returning
from genesis_lab.messages import ELSEWHERE, Deadlock
from tests.properties.balance import ROUNDING
from tests.properties.plain_record import PlainRecord
from tests.properties.stage import Listening, stage_of_run
from tests.properties.systems import MOSTLY, Choices
from tests.properties.wide_systems import Wide, wide_systems

BUSES: dict[str, Callable[..., gl.Bus]] = {
    "synchronous": gl.SynchronousBus,
    "synchronous-component": partial(gl.SynchronousBus, scope="component"),
    "hybrid": gl.HybridCoordinator,
    "hybrid-block": partial(gl.HybridCoordinator, overflow="block", inbox_capacity=1),
    "hybrid-awaited": partial(gl.HybridCoordinator, delivery="awaited"),
}
pytestmark = pytest.mark.slow

EXAMPLES = 150  # of each kind, on each bus

Message = tuple[int, int]
"""The number of a bus, and an id on it."""


class Watching(PlainRecord):
    """A record that does something when its bus reports a deadlock."""

    def __init__(self, on_deadlock: Callable[[], None]) -> None:
        super().__init__()
        self._on_deadlock = on_deadlock

    def deadlock_formed(self, deadlock: Deadlock) -> None:
        super().deadlock_formed(deadlock)
        self._on_deadlock()


@dataclass
class Run:
    """A run in which no message gives up any more, once so many deadlocks have formed."""

    wide: Wide
    patience: int
    result: gl.RunResult[None] = field(init=False)
    records: list[Watching] = field(init=False)
    patient_from: float = inf
    known: list[int] = field(default_factory=list)
    """How many deadlocks each bus had reported before."""
    listening: list[Listening] = field(default_factory=list)

    def perform(self, make_bus: Callable[..., gl.Bus], seed: int) -> None:
        makers = self.wide.buses(make_bus)
        self.records = [Watching(self._count) for _ in makers]
        self.buses = [make(observer=it) for make, it in zip(makers, self.records, strict=True)]

        async def main() -> None:
            async with AsyncExitStack() as stack:
                for bus in self.buses:
                    await stack.enter_async_context(bus)
                if not self.patience:
                    self._be_patient()
                try:
                    await self.wide.play.run_on(*self.buses)
                finally:
                    self.listening = [*stage_of_run().listening]

        self.result = gl.run(main, seed=seed)

    def _count(self) -> None:
        have_formed = sum(len(record.deadlocks) for record in self.records)
        if self.patient_from == inf and have_formed >= self.patience and not self._gives_up():
            self._be_patient()

    def _gives_up(self) -> bool:
        """Whether a message is about to give up at this instant."""
        soon = self.buses[0].now() + ROUNDING
        messages = [m for bus in self.buses for m in bus._ledger.in_flight.values()]
        return any(
            m.deadline <= soon or (m.scope is not None and m.scope.cancel_called) for m in messages
        )

    def _be_patient(self) -> None:
        """From now on no request gives up."""
        self.patient_from = self.buses[0].now()
        self.known = [len(record.deadlocks) for record in self.records]
        for bus in self.buses:
            patient = partial(_without_timeout, bus._send)
            bus._send = patient
            for message in bus._ledger.in_flight.values():
                if isinstance(message, Request):
                    message.deadline = inf
                for scope in (message.scope, returning.get(message)):
                    if scope is not None:
                        scope.deadline = inf

    def latest(self) -> list[tuple[int, Deadlock]]:
        """The deadlocks that formed since, or just when that began, and their buses' numbers."""
        return [
            (number, row)
            for number, record in enumerate(self.records)
            for row in record.deadlocks[max(0, self.known[number] - 1) :]
            if row.formed_at >= self.patient_from
        ]

    def named(self) -> set[Message]:
        """The members and victims of these."""
        return {
            (number, id)
            for number, row in self.latest()
            for id in (*row.members, *row.victims)
            if id != ELSEWHERE
        }

    def stuck(self) -> set[Message]:
        """The members and victims of all deadlocks that stand, on whichever bus they are."""
        numbers = {bus._ledger: number for number, bus in enumerate(self.buses)}
        return {
            (numbers[node.home], node.id)
            for knot in self.buses[0]._ledger.waits.standing
            for node in (*knot.members, *knot.victims)
        }

    def pending(self) -> set[Message]:
        return {(n, id) for n, record in enumerate(self.records) for id in record.pending()}

    def listens_outside(self) -> bool:
        """Whether a handler waits for an event that may yet come, and be handled."""
        return any(not self._is_held_up(each) for each in self.listening)

    def _is_held_up(self, listening: Listening) -> bool:
        """Whether an event is on its way at a component that handles one at a time."""
        record = self.records[self.buses.index(listening.bus)]
        [component] = [each for each in record.components if each.id == listening.component]
        return (
            component.capacity == 1
            and not component.admission.startswith("INTERLEAVED")
            and any(
                isnan(row.finished_at)
                and row.id != listening.message
                and record.routes[row.route].target == listening.component
                and record.routes[row.route].type == listening.event_type
                for row in record.deliveries
            )
        )


def _without_timeout(
    send: Callable[..., Any],
    route: Any,
    data: Any,
    _timeout: float,
    intended_at: float | None,
    raising: bool,
    attempt: int,
) -> Any:
    return send(route, data, inf, intended_at, raising, attempt)


def check(run: Run) -> None:
    named, pending = run.named(), run.pending()
    assert (run.result.ended == "stalled") == bool(pending)
    assert named <= pending, f"reported as deadlocked, but ended: {sorted(named - pending)}"
    if not run.listens_outside():
        missed = pending - run.stuck()
        assert not missed, f"not reported as deadlocked: {sorted(missed)}"
    for _, row in run.latest():
        assert isnan(row.broken_at), row
        check_waits(row)


def check_waits(deadlock: Deadlock) -> None:
    """Each member waits for a member, from before the deadlock was closed."""
    members = set(deadlock.members)
    among = [wait for wait in deadlock.waits if {wait.waiter, wait.holder} <= members]
    assert {wait.waiter for wait in among} == members
    # Elsewhere, members cannot be told from victims, who may come later.
    assert all(
        wait.since <= deadlock.formed_at
        for wait in among
        if ELSEWHERE not in {wait.waiter, wait.holder}
    )
    victims = {wait.waiter for wait in deadlock.waits} - {ELSEWHERE} - members
    assert victims <= set(deadlock.victims)


@pytest.mark.parametrize("buses", [1, 2])
@pytest.mark.parametrize("name", BUSES)
@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_deadlocks_are_what_never_ends_when_no_message_gives_up(
    name: str, buses: int, data: st.DataObject
) -> None:
    run = Run(data.draw(wide_systems(Choices(), buses=buses)), patience=0)
    run.perform(BUSES[name], seed=data.draw(st.integers(0, 3)))
    check(run)


@pytest.mark.parametrize("buses", [1, 2])
@pytest.mark.parametrize("name", [name for name in BUSES if name.startswith("hybrid")])
@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_deadlocks_are_what_never_ends_from_the_instant_at_which_they_form(
    name: str, buses: int, data: st.DataObject
) -> None:
    may = Choices(give_up=MOSTLY)
    run = Run(data.draw(wide_systems(may, buses=buses)), patience=data.draw(st.integers(1, 3)))
    run.perform(BUSES[name], seed=data.draw(st.integers(0, 3)))
    if run.patient_from < inf:
        check(run)
