"""Costs and claims, on contenders that only pretend."""

import gc
import sys

import pytest

from genesis_lab.bench.claims import AtLeast, AtMost, Claim, ratio, shares, total
from genesis_lab.bench.machine import machine_facts
from genesis_lab.bench.measuring import Contender, Family, measure
from genesis_lab.bench.table import Reading, breakdowns, facts_line, notes, table
from genesis_lab.extras import require_extra


def costing(*costs: float) -> Contender:
    """A contender that pretends to cost so much, round by round."""
    upcoming = iter(costs)
    return lambda _size: next(upcoming)


def absent(_size: int) -> float:
    require_extra("simpy")
    raise AssertionError


def family(**contenders: Contender) -> Family:
    return Family(contenders=contenders, size=1, claims=())


def test_cost_is_the_median_over_the_rounds() -> None:
    costs, missing = measure(family(one=costing(5.0, 1.0, 2.0)), size=1, rounds=range(3))
    assert costs == {"one": 2.0}
    assert missing == []


def test_rounds_interleave_the_contenders_at_the_given_size() -> None:
    calls: list[tuple[str, int]] = []

    def noting(name: str) -> Contender:
        def contender(size: int) -> float:
            calls.append((name, size))
            return 1.0

        return contender

    measure(family(a=noting("a"), b=noting("b")), size=7, rounds=range(2))
    assert calls == [("a", 7), ("b", 7), ("a", 7), ("b", 7)]


def test_garbage_is_collected_before_each_contender_and_the_collector_stays_on() -> None:
    collections: list[str] = []
    states: list[bool] = []

    def note(phase: str, _facts: dict[str, int]) -> None:
        if phase == "start":
            collections.append("collected")

    def contender(_size: int) -> float:
        states.append(gc.isenabled())
        collections.append("measured")
        return 1.0

    gc.callbacks.append(note)
    try:
        measure(family(a=contender, b=contender), size=1, rounds=range(1))
    finally:
        gc.callbacks.remove(note)
    assert collections == ["collected", "measured", "collected", "measured"]
    assert states == [True, True]


def test_missing_peer_is_named_with_its_remedy_and_the_others_still_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "simpy", None)
    costs, missing = measure(family(one=costing(3.0, 3.0), two=absent), size=1, rounds=range(2))
    assert costs == {"one": 3.0}
    assert [str(error) for error in missing] == [
        "simpy is not installed: pip install 'genesis-lab[bench]'"
    ]


COSTS = {"bare": 2e-6, "unrecorded": 3e-6, "recorded": 5e-6}


def test_ratio_says_how_many_times_as_much() -> None:
    assert ratio("one", "other")({"one": 5.0, "other": 2.0}) == 2.5


def test_total_adds_costs_in_the_unit_asked_for() -> None:
    assert total("one", "two", scale=10.0)({"one": 1.0, "two": 0.5}) == 15.0


def test_bars_are_reached_at_their_very_value() -> None:
    assert [AtMost(2).is_reached_by(value) for value in (1.9, 2.0, 2.1)] == [True, True, False]
    assert [AtLeast(2).is_reached_by(value) for value in (1.9, 2.0, 2.1)] == [False, True, True]


def test_shares_are_what_each_step_adds() -> None:
    claim = Claim(
        work="request",
        measured=ratio("whole", "part"),
        steps=(("scope", "part"), ("the rest", "whole")),
    )
    assert shares(claim, {"part": 2.0, "whole": 5.0}) == [("scope", 2.0), ("the rest", 3.0)]


REACHED = Claim(work="quick", measured=ratio("unrecorded", "bare"), bar=AtMost(1.5))
NOT_REACHED = Claim(
    work="slow",
    measured=ratio("recorded", "bare"),
    bar=AtMost(1.2),
    steps=(("scope", "bare"), ("the bus", "recorded")),
    note="it depends",
)
UNRATED = Claim(work="other", measured=ratio("recorded", "unrecorded"))
WITHOUT_PEER = Claim(work="peer", measured=ratio("simpy", "bare"), bar=AtLeast(4))


def readings(*claims: Claim) -> list[Reading]:
    return [Reading(claim, COSTS) for claim in claims]


def test_table_has_one_line_per_claim() -> None:
    assert table(readings(REACHED, NOT_REACHED, UNRATED, WITHOUT_PEER)).splitlines() == [
        "work   measured      bar       reached",
        "-----  ------------  --------  -------",
        "quick  1.5 x         <= 1.5 x  yes",
        "slow   2.5 x         <= 1.2 x  NO",
        "other  1.67 x",
        "peer   not measured  >= 4 x",
    ]


def test_breakdown_is_shown_where_a_bar_is_not_reached_and_only_once() -> None:
    assert breakdowns(readings(REACHED, NOT_REACHED, NOT_REACHED, UNRATED)) == (
        "Where the time goes: recorded, 5.00 us = scope 2.00 + the bus 3.00"
    )


def test_nothing_is_broken_down_where_every_bar_is_reached() -> None:
    assert breakdowns(readings(REACHED, UNRATED, WITHOUT_PEER)) == ""


def test_notes_follow_the_work_that_they_are_about() -> None:
    assert notes(readings(REACHED, NOT_REACHED)) == "slow: it depends"


def test_machine_facts_name_the_processor_and_every_version() -> None:
    facts = machine_facts()
    assert list(facts) == [
        "processor", "cores", "system", "python",
        "trio", "numpy", "pandas", "simpy", "bubus", "pykka",
    ]  # fmt: skip
    assert all(facts.values())


def test_facts_are_one_paragraph() -> None:
    assert facts_line({"cores": "2", "trio": "0.35.0"}) == "cores 2; trio 0.35.0"
