import math
from collections.abc import Callable
from dataclasses import asdict, astuple
from typing import Any

import ciw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import ttest_1samp

from genesis_lab.analysis import (
    SteadyState,
    UnstableQueue,
    md1,
    mg1,
    mm1,
    mm1_latency_quantile,
    mm1k,
    mmc,
    mmc_latency_quantile,
    theory_curve,
)
from genesis_lab.errors import InvalidSetting

loads = st.floats(0.0, 0.999)
services = st.floats(1e-3, 1e3)
worker_counts = st.integers(1, 200)
capacities = st.integers(1, 60)
scvs = st.floats(0.0, 10.0)


def approx(value: Any) -> Any:
    """As near as it can be: at a load of 0.999 rounding counts a thousand times."""
    return pytest.approx(value, rel=1e-11, abs=1e-12)


# --- values worked out by hand --------------------------------------------------------------------


def test_mm1_at_two_thirds_has_two_in_the_system() -> None:
    assert asdict(mm1(2.0, 1 / 3)) == pytest.approx(
        {
            "utilisation": 2 / 3,
            "mean_wait": 2 / 3,
            "mean_latency": 1.0,
            "mean_queue_length": 4 / 3,
            "mean_in_system": 2.0,
            "blocking_probability": 0.0,
            "effective_arrival_rate": 2.0,
        }
    )


def test_mmc_of_three_workers_with_work_for_two_lets_four_in_nine_wait() -> None:
    # p0 = 1 / (1 + 2 + 2^2/2! + 2^3/3! x 3) = 1/9, C = 2^3/3! x 3 x p0 = 4/9, wait C / (3 - 2).
    assert astuple(mmc(2.0, 1.0, workers=3)) == pytest.approx(
        (2 / 3, 4 / 9, 13 / 9, 8 / 9, 26 / 9, 0.0, 2.0)
    )


def test_md1_waits_half_as_long_as_mm1() -> None:
    assert astuple(md1(0.5, 1.0)) == pytest.approx((0.5, 0.5, 1.5, 0.25, 0.75, 0.0, 0.5))


def test_mg1_with_uniform_service_times() -> None:
    # Uniform from 0 to 2 s: mean 1 s, variance 1/3; the wait is rate x second moment / 2 / (1 - u).
    assert astuple(mg1(0.5, 1.0, scv=1 / 3)) == pytest.approx(
        (0.5, 2 / 3, 5 / 3, 1 / 3, 5 / 6, 0.0, 0.5)
    )


def test_mm1k_under_twice_its_capacity_turns_four_in_seven_away() -> None:
    # Shares of time with 0, 1, 2 in the system: 1/7, 2/7, 4/7.
    assert astuple(mm1k(2.0, 1.0, capacity=2)) == pytest.approx(
        (6 / 7, 2 / 3, 5 / 3, 4 / 7, 10 / 7, 4 / 7, 6 / 7)
    )


def test_mm1k_at_a_load_of_one_is_in_each_state_equally_often() -> None:
    assert astuple(mm1k(1.0, 1.0, capacity=3)) == pytest.approx(
        (3 / 4, 1.0, 2.0, 3 / 4, 3 / 2, 1 / 4, 3 / 4)
    )


def test_one_in_twenty_at_mm1_stays_three_times_as_long_as_the_mean() -> None:
    assert mm1_latency_quantile(0.95, 2.0, 1 / 3) == pytest.approx(math.log(20))


def test_median_of_mmc_solves_its_closed_form() -> None:
    # Two workers, work for one: C = 1/3, and the latency exceeds t with (1 + t/3) exp(-t).
    median = mmc_latency_quantile(0.5, 1.0, 1.0, workers=2)
    assert (1 + median / 3) * np.exp(-median) == pytest.approx(0.5, rel=1e-12)


def test_nobody_waits_where_nothing_arrives() -> None:
    idle = (0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0)
    states = [mm1(0, 2), mmc(0, 2, workers=3), md1(0, 2), mg1(0, 2, scv=4), mm1k(0, 2, capacity=1)]
    assert [astuple(state) for state in states] == [idle] * 5


# --- how they hang together -----------------------------------------------------------------------


@given(load=loads, service=services)
def test_mm1_by_erlang_and_by_pollaczek_khinchine_and_as_in_the_textbook(
    load: float, service: float
) -> None:
    state = mm1(load / service, service)
    assert astuple(state) == approx(astuple(mg1(load / service, service, scv=1.0)))
    assert state.mean_in_system == approx(load / (1 - load))


@given(load=loads, service=services)
def test_md1_is_mg1_without_variation(load: float, service: float) -> None:
    state = md1(load / service, service)
    assert astuple(state) == approx(astuple(mg1(load / service, service, scv=0.0)))
    # As Gross et al. write the mean number in an M/D/1 system.
    in_system = load + load**2 / 2 / (1 - load)
    assert state.mean_in_system == approx(in_system)


@given(load=st.floats(0.0, 0.9), service=services)
def test_mm1k_with_much_room_is_mm1(load: float, service: float) -> None:
    rate = load / service
    assert astuple(mm1k(rate, service, capacity=400)) == approx(astuple(mm1(rate, service)))


@given(load=st.floats(0.0, 20.0), service=services, capacity=capacities)
def test_mm1k_obeys_littles_law_for_those_let_in(
    load: float, service: float, capacity: int
) -> None:
    rate = load / service
    state = mm1k(rate, service, capacity=capacity)
    let_in = state.effective_arrival_rate
    assert let_in == pytest.approx(rate * (1 - state.blocking_probability), rel=1e-6)
    assert state.mean_in_system == pytest.approx(let_in * state.mean_latency)
    assert state.mean_queue_length == pytest.approx(let_in * state.mean_wait, rel=1e-9, abs=1e-12)
    assert state.utilisation == pytest.approx(let_in * service)


@given(load=loads, service=services, workers=worker_counts, scv=scvs)
def test_latency_is_wait_and_service_and_the_numbers_follow_by_littles_law(
    load: float, service: float, workers: int, scv: float
) -> None:
    rate = load * workers / service
    for state in (mmc(rate, service, workers=workers), mg1(load / service, service, scv=scv)):
        let_in = state.effective_arrival_rate
        assert state.utilisation == pytest.approx(load)
        assert state.mean_latency == pytest.approx(state.mean_wait + service)
        assert state.mean_in_system == pytest.approx(let_in * state.mean_latency)
        assert state.mean_queue_length == pytest.approx(let_in * state.mean_wait)


@given(load=loads, workers=worker_counts)
def test_one_line_before_more_workers_of_the_same_total_speed_waits_less(
    load: float, workers: int
) -> None:
    pooled = mmc(load, float(workers), workers=workers)
    assert pooled.mean_wait <= mm1(load, 1.0).mean_wait * (1 + 1e-12)


@given(q=st.floats(0.0, 1.0, exclude_max=True), load=loads, service=services)
def test_quantiles_of_mm1_and_of_mmc_with_one_worker_agree(
    q: float, load: float, service: float
) -> None:
    rate = load / service
    assert mmc_latency_quantile(q, rate, service, workers=1) == pytest.approx(
        mm1_latency_quantile(q, rate, service), rel=1e-9, abs=1e-14 * service
    )


@pytest.mark.parametrize("workers", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("load", [0.0, 0.3, 0.9, 0.99])
def test_quantiles_of_the_latency_integrate_to_its_mean(load: float, workers: int) -> None:
    rate = load * workers / 0.5

    def per_log_survival(x: float) -> float:
        """The integrand after the substitution q = 1 - exp(-x)."""
        quantile = mmc_latency_quantile(-math.expm1(-x), rate, 0.5, workers=workers)
        return float(quantile) * math.exp(-x)

    mean, _ = quad(per_log_survival, 0.0, 36.0, limit=200)
    assert mean == pytest.approx(mmc(rate, 0.5, workers=workers).mean_latency, rel=1e-6)


# --- arrays ---------------------------------------------------------------------------------------

MODELS: dict[str, Callable[[Any, Any], SteadyState]] = {
    "M/M/1": mm1,
    "M/M/3": lambda rate, service: mmc(rate, service, workers=3),
    "M/D/1": md1,
    "M/G/1": lambda rate, service: mg1(rate, service, scv=2.0),
    "M/M/1/K": lambda rate, service: mm1k(rate, service, capacity=4),
}


@pytest.mark.parametrize("model", MODELS)
def test_arguments_broadcast(model: str) -> None:
    rates, times = np.array([0.1, 0.5, 0.8]), np.array([0.5, 1.0])
    states = MODELS[model](rates[:, None], times)
    one_by_one = [[astuple(MODELS[model](rate, time)) for time in times] for rate in rates]
    assert np.stack(astuple(states), axis=-1) == pytest.approx(np.array(one_by_one))


def test_workers_capacity_and_variation_broadcast_too() -> None:
    assert mmc(0.5, 1.0, workers=np.array([1.0, 2.0])).mean_wait == pytest.approx([1.0, 1 / 15])
    assert mm1k(1.0, 1.0, capacity=np.array([1.0, 3.0])).mean_in_system == pytest.approx([0.5, 1.5])
    assert mg1(0.5, 1.0, scv=np.array([0.0, 1.0])).mean_wait == pytest.approx([0.5, 1.0])


def test_numbers_give_plain_floats() -> None:
    assert {type(value) for value in astuple(mmc(1.0, 1.0, workers=2))} == {float}
    assert type(mmc_latency_quantile(0.5, 1.0, 1.0, workers=2)) is float


def test_theory_curve_has_mean_and_percentiles_for_exponential_service() -> None:
    expected = pd.DataFrame(
        {
            "utilisation": [0.0, 0.5],
            "latency": [0.1, 0.2],
            "p50": [0.1 * math.log(2), 0.2 * math.log(2)],
            "p95": [0.1 * math.log(20), 0.2 * math.log(20)],
            "p99": [0.1 * math.log(100), 0.2 * math.log(100)],
        }
    )
    pd.testing.assert_frame_equal(theory_curve([0.0, 0.5], mean_service=0.1), expected)


def test_theory_curve_of_other_service_times_has_the_mean_only() -> None:
    expected = pd.DataFrame({"utilisation": [0.5, 0.8], "latency": [1.5, 3.0]})
    curve = theory_curve(np.array([0.5, 0.8]), mean_service=1.0, scv=0.0)
    pd.testing.assert_frame_equal(curve, expected)


def test_theory_curve_of_several_workers_is_that_of_mmc() -> None:
    curve = theory_curve(2 / 3, mean_service=1.0, workers=3)
    assert curve["latency"].tolist() == pytest.approx([13 / 9])
    assert curve["p95"].tolist() == pytest.approx([mmc_latency_quantile(0.95, 2, 1, workers=3)])


# --- what they refuse -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: mm1(2.0, 0.5),
            "arrival_rate=2 /s, mean_service=0.5 s and workers=1 are a utilisation of 1",
        ),
        (
            lambda: mmc(np.array([1.0, 5.0]), 1.0, workers=4),
            "arrival_rate=5 /s, mean_service=1 s and workers=4 are a utilisation of 1.25",
        ),
        (
            lambda: mg1(3.0, 0.5, scv=2.0),
            "arrival_rate=3 /s, mean_service=0.5 s and workers=1 are a utilisation of 1.5",
        ),
        (
            lambda: mm1_latency_quantile(0.5, 2.0, 1.0),
            "arrival_rate=2 /s, mean_service=1 s and workers=1 are a utilisation of 2",
        ),
        (
            lambda: theory_curve([0.5, 1.1], mean_service=0.1),
            "arrival_rate=11 /s, mean_service=0.1 s and workers=1 are a utilisation of 1.1",
        ),
    ],
)
def test_queue_that_would_grow_for_ever_is_refused(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(UnstableQueue) as caught:
        ask()
    end = ": expected less than 1, or the queue grows for ever"
    assert str(caught.value) == message + end


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: mm1(-1.0, 1.0), "arrival_rate=-1.0: expected a finite number >= 0"),
        (lambda: mm1(math.nan, 1.0), "arrival_rate=nan: expected a finite number >= 0"),
        (lambda: mm1(1.0, 0.0), "mean_service=0.0: expected seconds > 0"),
        (lambda: mm1k(1.0, math.inf, capacity=1), "mean_service=inf: expected seconds > 0"),
        (lambda: mmc(1.0, 1.0, workers=0), "workers=0: expected a whole number >= 1"),
        (lambda: mm1k(1.0, 1.0, capacity=2.5), "capacity=2.5: expected a whole number >= 1"),  # type: ignore[arg-type]
        (lambda: mg1(0.5, 1.0, scv=-0.5), "scv=-0.5: expected a finite number >= 0"),
        (lambda: mm1_latency_quantile(1.0, 0.5, 1.0), "q=1.0: expected a share >= 0 and < 1"),
        (lambda: theory_curve(0.5, mean_service=-1.0), "mean_service=-1.0: expected seconds > 0"),
        (
            lambda: theory_curve(0.5, mean_service=1.0, scv=2.0, workers=2),
            "workers=2: expected 1 unless scv=1: M/G/c has no closed form",
        ),
    ],
)
def test_argument_outside_its_range_is_refused(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        ask()
    assert str(caught.value) == message


# --- another simulator ----------------------------------------------------------------------------
#
# Ciw has its own model of a queue and its own draws. Per model: 20 replicates, seeds 0 to 19, of
# 3,000 s each; of them count the arrivals from 100 s on (five relaxation times of M/M/1 at this
# load, 1 / (1 - sqrt(0.6))^2 = 20 s) to 2,900 s (so that nearly all of them have left). Several
# workers are as many times slower, so that all models take about as long to settle. Six means are
# compared, each at the level 1 % / 6: by Bonferroni, 1 % for all of them together.

LOAD = 0.6
ROUTES = {
    # model: service times, workers, capacity
    "M/M/1": (ciw.dists.Exponential(1.0), 1, math.inf),
    "M/M/3": (ciw.dists.Exponential(1 / 3), 3, math.inf),
    "M/D/1": (ciw.dists.Deterministic(1.0), 1, math.inf),
    "M/G/1": (ciw.dists.Gamma(0.5, 2.0), 1, math.inf),  # mean 1, scv 2
    "M/M/1/K": (ciw.dists.Exponential(1.0), 1, 4),
}
LEVEL = 0.01 / 6


def simulated(model: str, seed: int) -> pd.DataFrame:
    """What Ciw records of the arrivals that count."""
    service, workers, capacity = ROUTES[model]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(LOAD)],
        service_distributions=[service],
        number_of_servers=[workers],
        queue_capacities=[capacity - workers],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(3_000.0)
    records = pd.DataFrame(simulation.get_all_records())
    return records[records["arrival_date"].between(100.0, 2_900.0)]


@pytest.mark.parametrize("model", ROUTES)
def test_theory_lies_within_the_interval_of_another_simulator(model: str) -> None:
    workers = ROUTES[model][1]
    theory = MODELS[model](LOAD, float(workers))
    runs = [simulated(model, seed) for seed in range(20)]
    served = [run[run["record_type"] == "service"] for run in runs]
    latencies = [(run["exit_date"] - run["arrival_date"]).mean() for run in served]
    within(latencies, float(theory.mean_latency))
    if model == "M/M/1/K":
        turned_away = [(run["record_type"] == "rejection").mean() for run in runs]
        within(turned_away, float(theory.blocking_probability))


def within(means: list[float], theory: float) -> None:
    interval = ttest_1samp(means, theory).confidence_interval(1 - LEVEL)
    assert interval.low < theory < interval.high
    assert interval.high - interval.low < 0.25 * theory, "too wide an interval to say anything"
