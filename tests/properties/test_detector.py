"""The detector is exact: against the run itself, and against a brute force over its record."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import isnan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.messages import Deadlock
from genesis_lab.workloads.scripted import System
from tests.properties.brute_force import Architecture, History
from tests.properties.plain_record import PlainRecord
from tests.properties.systems import MOSTLY, Choices, systems

pytestmark = pytest.mark.slow

BUSES: dict[str, tuple[Callable[..., gl.Bus], Architecture]] = {
    "synchronous": (gl.SynchronousBus, Architecture(True, one_chain_at_a_time=True)),
    "synchronous-component": (partial(gl.SynchronousBus, scope="component"), Architecture(True)),
    "hybrid": (partial(gl.HybridCoordinator, overflow="block", inbox_capacity=1), Architecture()),
    "hybrid-awaited": (
        partial(gl.HybridCoordinator, delivery="awaited"),
        Architecture(is_awaited=True),
    ),
}
EXAMPLES = 2_000  # of each kind, on each bus


@dataclass
class Run:
    result: gl.RunResult[None]
    record: PlainRecord
    history: History


def run(name: str, system: System, seed: int) -> Run:
    make_bus, rules = BUSES[name]
    record = PlainRecord()

    async def main() -> None:
        async with make_bus(observer=record) as bus:
            await system.run_on(bus)

    result = gl.run(main, seed=seed)
    return Run(result, record, History(record, system, rules))


def stands_at(deadlock: Deadlock, now: float) -> bool:
    return deadlock.formed_at <= now and not deadlock.broken_at <= now


@pytest.mark.parametrize("name", BUSES)
@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_deadlocks_are_reported_exactly_when_a_run_in_which_nobody_gives_up_stalls(
    name: str, data: st.DataObject
) -> None:
    system = data.draw(systems(Choices()))
    it = run(name, system, seed=data.draw(st.integers(0, 3)))
    named = {id for row in it.record.deadlocks for id in (*row.members, *row.victims)}
    assert (it.result.ended == "stalled") == bool(it.record.deadlocks)
    assert named == it.record.pending()
    check_against_brute_force(it)


@pytest.mark.parametrize("name", BUSES)
@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_deadlocks_under_timeouts_and_failures_are_those_of_the_brute_force(
    name: str, data: st.DataObject
) -> None:
    system = data.draw(systems(Choices(give_up=MOSTLY, fail=True)))
    check_against_brute_force(run(name, system, seed=data.draw(st.integers(0, 3))))


def check_against_brute_force(it: Run) -> None:
    lasting = [row for row in it.record.deadlocks if row.broken_at != row.formed_at]
    victims: dict[int, set[int]] = {id(row): set() for row in lasting}
    for now in it.history.instants():
        state = it.history.at(now)
        stuck = state.stuck()
        standing = [row for row in lasting if stands_at(row, now)]
        for places in state.places.values():
            assert all(places), f"at {now} a message waits for a place that is free"
        for knot in state.knots():
            assert any(
                knot <= set(row.members) and row.formed_at == state.formed_at(knot)
                for row in standing
            ), f"at {now} the deadlock of {sorted(knot)} is not reported"
        for row in lasting:
            members = set(row.members)
            waiting = state.stuck(members & set(state.nested))
            if now < row.formed_at:
                assert waiting != members, f"at {now} it had formed already: {row}"
            else:
                assert bool(waiting) == (row in standing), f"at {now}: {row}"
            if now == row.formed_at and members <= set(state.nested):
                assert waiting == members, f"it has not formed: {row}"
                assert state.formed_at(members) == now
        for row in standing:
            victims[id(row)] |= {
                message
                for message in stuck - set(row.members)
                if state.reach(message, stuck) & set(row.members)
            }
        covered = {message for row in standing for message in (*row.members, *row.victims)}
        assert stuck <= covered
    for row in lasting:
        reported = set(row.victims)
        assert victims[id(row)] <= reported
        for victim in reported - victims[id(row)]:
            assert may_have_waited_momentarily(it, victim, row), row


def may_have_waited_momentarily(it: Run, message: int, deadlock: Deadlock) -> bool:
    """Whether it was a victim within one instant only, which no brute force here sees."""
    row = it.history.messages[message]
    return row.finished_at == deadlock.formed_at or any(
        row.sent_at <= instant and not row.finished_at < instant
        for instant in momentary_waits(it.record, deadlock)
    )


def momentary_waits(record: PlainRecord, deadlock: Deadlock) -> Iterator[float]:
    """When somebody gave a wait up at once, or began one just as the deadlock was broken."""
    for rows in (record.requests, record.deliveries):
        for row in rows:
            gave_up = isnan(row.started_at) and row.sent_at == row.finished_at
            if gave_up or row.sent_at == deadlock.broken_at:
                yield row.sent_at
    for event in record.events:
        if event.subscribers == 0 and event.sent_at == event.finished_at:
            yield event.sent_at
