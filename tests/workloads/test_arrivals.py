import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trio

import genesis_lab as gl
from genesis_lab.analysis.queueing import mm1
from genesis_lab.streams import random_stream
from genesis_lab.workloads.arrivals import (
    Arrivals,
    Ask,
    ClosedLoop,
    OpenLoop,
    Poisson,
    Publisher,
    Recorded,
    Requester,
    wait_until,
)
from genesis_lab.workloads.durations import Constant, Duration, Exponential
from genesis_lab.workloads.scripted import Traffic
from genesis_lab.workloads.services import Service

WORK = Ask("service", timeout=None)
ONE_SECOND = Constant(1.0)


def traced(
    *traffic: Traffic,
    service_time: Duration = ONE_SECOND,
    bus: Callable[..., gl.Bus] = gl.HybridCoordinator,
    seed: int = 0,
) -> gl.Trace:
    """What traffic leaves behind at one service, which listens to `tick` as well."""
    recorder = gl.Recorder()

    async def main() -> None:
        async with bus(observer=recorder) as opened:
            opened.register(Service("service", service_time))
            opened.subscribe("service", "tick")
            async with trio.open_nursery() as nursery:
                for each in traffic:
                    nursery.start_soon(each.run_on, opened)
            await opened.drain()

    gl.run(main, seed=seed)
    return recorder.trace()


def times(arrivals: Arrivals, *, seed: int = 7) -> list[float]:
    return list(arrivals.times(random_stream("test", seed=seed)))


# ------------------------------------------------------------------------------ when to send


def test_poisson_arrivals_end_after_their_count() -> None:
    assert len(times(Poisson(rate=100.0, count=2_500))) == 2_500


def test_poisson_arrivals_end_in_time() -> None:
    endless = times(Poisson(rate=10.0, count=1_000))
    assert times(Poisson(rate=10.0, until=20.0)) == [at for at in endless if at <= 20.0]


def test_poisson_arrivals_end_at_whichever_comes_first() -> None:
    assert len(times(Poisson(rate=10.0, count=3, until=1_000.0))) == 3
    assert times(Poisson(rate=10.0, count=1_000, until=2.0))[-1] <= 2.0


def test_poisson_arrivals_have_their_rate_and_exponential_gaps() -> None:
    gaps = np.diff(times(Poisson(rate=50.0, count=200_000)), prepend=0.0)
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.01)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.01)


def test_recorded_arrivals_come_as_they_were_recorded() -> None:
    assert times(Recorded([0.0, 0.5, 0.5, 2.0])) == [0.0, 0.5, 0.5, 2.0]
    assert Recorded(np.array([1.0, 2.0])) == Recorded([1, 2])
    assert times(Recorded([])) == []


def test_waiting_for_an_instant_that_has_passed_returns_at_once() -> None:
    async def main() -> float:
        async with gl.HybridCoordinator() as bus:
            await wait_until(bus, 2.0)
            await wait_until(bus, 1.0)
            return bus.now()

    assert gl.run(main).value == 2.0


# ------------------------------------------------------------------------------ open loop


def test_open_loop_sends_at_the_intended_times_whatever_has_been_answered() -> None:
    requests = traced(OpenLoop(WORK, Recorded([0.0, 0.25, 0.5]))).requests
    assert requests["intended_at"].tolist() == [0.0, 0.25, 0.5]
    assert requests["sent_at"].tolist() == [0.0, 0.25, 0.5]
    assert requests["started_at"].tolist() == [0.0, 1.0, 2.0]
    assert requests["finished_at"].tolist() == [1.0, 2.0, 3.0]


def test_open_loop_sends_on_while_the_old_bus_is_busy() -> None:
    requests = traced(OpenLoop(WORK, Recorded([0.0, 0.25])), bus=gl.SynchronousBus).requests
    assert requests["sent_at"].tolist() == [0.0, 0.25]
    assert requests["started_at"].tolist() == [0.0, 1.0]


def test_open_loop_that_begins_later_counts_from_then() -> None:
    recorder = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(observer=recorder) as bus:
            await gl.sleep(10.0)
            await OpenLoop(Ask("nobody"), Recorded([0.5, 1.5])).run_on(bus)

    gl.run(main)
    assert recorder.trace().requests["intended_at"].tolist() == [10.5, 11.5]


def test_open_loop_says_who_asks_whom_for_what() -> None:
    ask = Ask("service", "other", source="me", timeout=0.5)
    [row] = traced(OpenLoop(ask, Recorded([0.0]))).requests.to_dict("records")
    assert (row["source"], row["target"], row["request_type"]) == ("me", "service", "other")
    assert (row["outcome"], row["finished_at"]) == ("timed_out", 0.5)


@pytest.mark.parametrize("bus", [gl.SynchronousBus, gl.HybridCoordinator])
def test_requester_waits_for_its_reply_and_keeps_the_intended_times(
    bus: Callable[..., gl.Bus],
) -> None:
    requests = traced(Requester(WORK, Recorded([0.0, 0.25, 3.0])), bus=bus).requests
    assert requests["intended_at"].tolist() == [0.0, 0.25, 3.0]
    assert requests["sent_at"].tolist() == [0.0, 1.0, 3.0]
    assert requests["finished_at"].tolist() == [1.0, 2.0, 4.0]


def test_requester_means_to_send_when_an_open_loop_does() -> None:
    intended = [
        traced(traffic(WORK, Poisson(rate=2.0, count=50)), seed=3).requests["intended_at"].tolist()
        for traffic in (Requester, OpenLoop)
    ]
    assert intended[0] == intended[1]


def test_traffic_of_one_source_does_not_shift_that_of_another() -> None:
    mine = OpenLoop(Ask("service", source="me"), Poisson(rate=5.0, count=20))

    def sent(*others: OpenLoop) -> list[float]:
        requests = traced(mine, *others, seed=7).requests
        sent_at: list[float] = requests.loc[requests["source"] == "me", "sent_at"].tolist()
        return sent_at

    assert sent() == sent(OpenLoop(Ask("service", source="you"), Poisson(rate=9.0, count=50)))


def test_traffic_is_the_same_under_the_same_seed() -> None:
    traffic = OpenLoop(WORK, Poisson(rate=2.0, count=50))
    digests = [
        traced(traffic, service_time=Exponential(0.4), seed=seed).digest() for seed in (1, 1, 2)
    ]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


# ------------------------------------------------------------------------------ closed loop


def test_closed_loop_client_thinks_asks_and_waits() -> None:
    loop = ClosedLoop(ask=WORK, clients=1, think=Constant(0.5), count=3)
    requests = traced(loop).requests
    assert requests["intended_at"].tolist() == [0.5, 2.0, 3.5]
    assert requests["finished_at"].tolist() == [1.5, 3.0, 4.5]


def test_closed_loop_has_never_more_requests_open_than_clients() -> None:
    loop = ClosedLoop(ask=WORK, clients=3, think=Exponential(0.25), count=40)
    requests = traced(loop, service_time=Exponential(1.0)).requests
    assert len(requests) == 40
    assert most_open(requests) == 3


def most_open(requests: pd.DataFrame) -> int:
    """The largest number of requests that were open at the same time."""
    sent, finished = requests["sent_at"].to_numpy(), requests["finished_at"].to_numpy()
    return max(int(((sent <= at) & (at < finished)).sum()) for at in sent)


def test_closed_loop_sends_nothing_after_its_end() -> None:
    loop = ClosedLoop(ask=WORK, clients=2, think=Constant(0.5), until=3.0)
    requests = traced(loop).requests
    assert requests["sent_at"].tolist() == [0.5, 0.5, 2.0, 3.0]
    assert requests["finished_at"].tolist() == [1.5, 2.5, 3.5, 4.5]


def test_closed_loop_clients_think_independently() -> None:
    def first_two(clients: int) -> list[float]:
        loop = ClosedLoop(ask=Ask("nobody"), clients=clients, think=Exponential(1.0), count=clients)
        sent: list[float] = traced(loop, seed=7).requests["sent_at"].tolist()
        return sent

    [one], two = first_two(1), first_two(2)
    assert one in two
    assert two[0] != two[1]


# ------------------------------------------------------------------------------ events


def test_publisher_emits_at_the_intended_times() -> None:
    events = traced(Publisher("tick", "me", Recorded([0.0, 0.25, 0.5]))).events
    assert events["intended_at"].tolist() == [0.0, 0.25, 0.5]
    assert events["sent_at"].tolist() == [0.0, 0.25, 0.5]


def held_publisher(bus: Callable[..., gl.Bus]) -> pd.DataFrame:
    """Five events a quarter of a second apart, for a subscriber that takes a second for each."""
    arrivals = Recorded([0.0, 0.25, 0.5, 0.75, 1.0])
    return traced(Publisher("tick", "me", arrivals), bus=bus).events


def test_publisher_that_the_bus_holds_keeps_the_intended_times() -> None:
    events = held_publisher(gl.SynchronousBus)
    assert events["intended_at"].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert events["sent_at"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def backpressure(**settings: Any) -> gl.Bus:
    return gl.HybridCoordinator(inbox_capacity=1, overflow="block", **settings)


def test_publisher_held_by_a_full_inbox_keeps_the_intended_times() -> None:
    events = held_publisher(backpressure)
    assert events["intended_at"].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert events["sent_at"].tolist() == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert events["finished_at"].tolist() == [0.0, 0.25, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("bus", [gl.SynchronousBus, backpressure])
def test_number_of_overdue_events_obeys_littles_law(bus: Callable[..., gl.Bus]) -> None:
    events = held_publisher(bus)
    instants = sorted({*events["intended_at"], *events["sent_at"]})
    overdue_seconds = sum(
        (until - since) * ((events["intended_at"] <= since) & (since < events["sent_at"])).sum()
        for since, until in pairwise(instants)
    )
    assert overdue_seconds == (events["sent_at"] - events["intended_at"]).sum()
    assert overdue_seconds > 0


# ------------------------------------------------------------------------------ bad settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Poisson(rate=0.0, count=1), "rate=0.0: expected a finite number > 0"),
        (lambda: Poisson(rate=math.nan, count=1), "rate=nan: expected a finite number > 0"),
        (lambda: Poisson(rate=1.0), "count=None: expected a count, until=, or both"),
        (lambda: Poisson(rate=1.0, count=0), "count=0: expected a whole number >= 1"),
        (lambda: Poisson(rate=1.0, until=0.0), "until=0.0: expected a finite number > 0"),
        (lambda: Poisson(rate=1.0, until=math.inf), "until=inf: expected a finite number > 0"),
        (
            lambda: Recorded([1.0, 0.5]),
            "instants=[1.0, 0.5]: expected finite numbers >= 0, none smaller than the one before",
        ),
        (
            lambda: Recorded([-1.0]),
            "instants=[-1.0]: expected finite numbers >= 0, none smaller than the one before",
        ),
        (
            lambda: ClosedLoop(ask=WORK, clients=0, think=Constant(0.0), count=1),
            "clients=0: expected a whole number >= 1",
        ),
        (
            lambda: ClosedLoop(ask=WORK, clients=1, think=Constant(0.0), count=-1),
            "count=-1: expected a whole number >= 1",
        ),
    ],
)
def test_impossible_traffic_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(gl.LabError) as caught:
        make()
    assert str(caught.value) == message


# ------------------------------------------------------------------------------ several at once


@pytest.mark.slow
def test_two_open_loops_of_the_same_requests_load_a_queue_as_one_of_both_their_rates() -> None:
    loop = OpenLoop(WORK, Poisson(rate=40.0, until=100.0))
    service = Exponential(0.01)
    requests = pd.concat(
        traced(loop, loop, service_time=service, seed=seed).requests for seed in range(8)
    )
    waits = requests["started_at"] - requests["intended_at"]
    # Theory says 0.040 s; with one stream for both, requests come in pairs, and it is 0.068 s. The
    # standard error of so many waits is 4 %.
    assert waits.mean() == pytest.approx(mm1(80.0, service.mean).mean_wait, rel=0.12)


@pytest.mark.parametrize("kind", [OpenLoop, Requester])
@pytest.mark.parametrize("seed", range(4))
def test_traffic_started_first_has_the_first_stream_under_every_schedule(
    kind: type[OpenLoop] | type[Requester], seed: int
) -> None:
    first, second = (kind(WORK, Poisson(rate=1.0, count=count)) for count in (3, 2))
    requests = traced(first, second, seed=seed).requests
    stream = random_stream("arrivals", "client", "service", "work", seed=seed)
    expected = set(first.arrivals.times(stream))
    intended = set(requests["intended_at"])
    assert len(intended) == 5
    assert expected < intended


def test_two_publishers_of_the_same_events_emit_at_instants_of_their_own() -> None:
    publisher = Publisher("tick", "market", Poisson(rate=1.0, count=3))
    events = traced(publisher, publisher, seed=7).events
    first = set(publisher.arrivals.times(random_stream("arrivals", "market", "tick", seed=7)))
    assert len(set(events["intended_at"])) == 6
    assert first < set(events["intended_at"])


def test_clients_of_two_closed_loops_of_the_same_requests_think_on_their_own() -> None:
    loop = ClosedLoop(ask=WORK, clients=2, think=Exponential(1.0), count=2)
    requests = traced(loop, loop, service_time=Constant(0.0), seed=7).requests
    firsts = [random_stream("think", "client", "service", n, seed=7) for n in range(2)]
    assert requests["intended_at"].is_unique
    assert {float(stream.exponential()) for stream in firsts} < set(requests["intended_at"])
