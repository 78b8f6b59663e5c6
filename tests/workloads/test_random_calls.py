from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import trio

import genesis_lab as gl
from genesis_lab.errors import InvalidSetting
from genesis_lab.workloads.durations import Constant, Exponential
from genesis_lab.workloads.random_calls import Chain, Hop, RandomCalls, Relay, send

SECOND = Constant(1.0)


def traffic(**settings: Any) -> RandomCalls:
    defaults = {"components": 4, "load": 0.4, "until": 10.0, "work": Exponential(0.1)}
    return RandomCalls(**{**defaults, "asks": 0.5, "longest": 4, **settings})


def planned(calls: RandomCalls, *, seed: int = 0) -> list[tuple[float, Chain]]:
    async def main() -> list[tuple[float, Chain]]:
        return list(calls.plan())

    plan = gl.run(main, seed=seed).value
    assert plan is not None
    return plan


def traced(
    calls: RandomCalls, bus: Callable[..., gl.Bus] = gl.HybridCoordinator, *, seed: int = 0
) -> gl.Trace:
    recorder = gl.Recorder()

    async def main() -> None:
        async with bus(observer=recorder) as opened:
            await calls.run_on(opened)

    gl.run(main, seed=seed, horizon=60.0)
    return recorder.trace()


def after(*chains: Chain, admission: gl.Admission = gl.SERIAL) -> tuple[float, int]:
    """When chains that begin at the same instant have ended, and how many deadlocks formed."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus:
            for id in ("a", "b"):
                bus.register(Relay(id, admission=admission))
            async with trio.open_nursery() as nursery:
                for number, chain in enumerate(chains):
                    nursery.start_soon(ask, bus, chain, f"client {number}")

    async def ask(bus: gl.Bus, chain: Chain, source: str) -> None:
        await send(bus, chain, source=source)

    return gl.run(main).at, len(recorder.trace().deadlocks)


def test_each_component_of_a_chain_works_before_it_asks_the_next_one() -> None:
    assert after((Hop("a", 1.0), Hop("b", 0.5))) == (1.5, 0)


@pytest.mark.parametrize("admission", [gl.SERIAL, gl.CALL_CHAIN])
def test_chains_that_cross_deadlock_even_if_each_may_come_back(admission: gl.Admission) -> None:
    a, b = Hop("a", 1.0), Hop("b", 1.0)
    # Both hold their component and wait for the other's, until the clients give up.
    assert after((a, b), (b, a), admission=admission) == (5.0, 1)


def test_chains_that_cross_at_re_entrant_components_do_not_deadlock() -> None:
    a, b = Hop("a", 1.0), Hop("b", 1.0)
    assert after((a, b), (b, a), admission=gl.RE_ENTRANT) == (2.0, 0)


def test_chain_that_comes_back_deadlocks_at_a_serial_component_only() -> None:
    chain = (Hop("a", 1.0), Hop("b", 1.0), Hop("a", 1.0))
    assert after(chain) == (5.0, 1)
    assert after(chain, admission=gl.CALL_CHAIN) == (3.0, 0)


def test_nobody_asks_itself_and_chains_are_no_longer_than_told() -> None:
    chains = [chain for _, chain in planned(traffic(asks=0.9, until=50.0))]
    assert {len(chain) for chain in chains} == {1, 2, 3, 4}
    for chain in chains:
        targets = [hop.target for hop in chain]
        assert all(one != next for one, next in pairwise(targets))
    assert any(len({hop.target for hop in chain}) < len(chain) for chain in chains)


def test_load_is_the_utilisation_of_each_component() -> None:
    calls = traffic(components=5, load=0.3, until=2_000.0)
    work = dict.fromkeys((f"c{number}" for number in range(5)), 0.0)
    for _, chain in planned(calls):
        for hop in chain:
            work[hop.target] += hop.work
    assert [each / 2_000 for each in work.values()] == pytest.approx([0.3] * 5, rel=0.1)


def test_chains_are_the_same_on_each_architecture() -> None:
    calls = traffic(components=6, load=0.1, admission=gl.RE_ENTRANT)
    clients = sum(len(chain) for _, chain in planned(calls))
    sent = [traced(calls, bus).requests for bus in (gl.SynchronousBus, gl.HybridCoordinator)]
    of_clients = [rows[rows["source"] == "client"] for rows in sent]
    for column in ("target", "intended_at"):
        assert of_clients[0][column].tolist() == of_clients[1][column].tolist()
    assert len(sent[1]) == clients  # whatever is planned is asked, where nothing blocks


def test_more_load_brings_the_same_chains_sooner() -> None:
    few, many = (planned(traffic(load=load)) for load in (0.1, 0.2))
    assert len(few) < len(many)
    for (at, chain), (sooner, same_chain) in zip(few, many, strict=False):
        assert same_chain == chain
        assert sooner == pytest.approx(at / 2)


def test_another_seed_plans_other_chains() -> None:
    assert planned(traffic(), seed=1) != planned(traffic(), seed=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"components": 1}, "components=1: expected a whole number >= 2"),
        ({"asks": 1.5}, "asks=1.5: expected a number from 0 to 1"),
        ({"longest": 0}, "longest=0: expected a whole number >= 1"),
    ],
)
def test_setting_that_makes_no_sense_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        traffic(**settings)
    assert str(raised.value) == message


def test_relay_shows_how_it_is_made() -> None:
    relay = Relay("a", admission=gl.CALL_CHAIN, timeout=0.5)
    assert repr(relay) == "Relay('a', admission=CALL_CHAIN, timeout=0.5)"
