import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.streams import random_stream
from genesis_lab.workloads.durations import (
    Constant,
    Duration,
    Empirical,
    Exponential,
    LogNormal,
    Shifted,
    Uniform,
)

OBSERVED = [0.0, 1.0, 1.0, 2.0]


@dataclass(frozen=True)
class Case:
    duration: Duration
    mean: float
    scv: float


CASES = [
    Case(Constant(0.5), 0.5, 0.0),
    Case(Exponential(2.0), 2.0, 1.0),
    Case(LogNormal(2.0, 3.0), 2.0, 3.0),
    Case(LogNormal(2.0, 0.0), 2.0, 0.0),
    Case(Empirical(OBSERVED), 1.0, 0.5),
    Case(Uniform(0.5, 1.5), 1.0, 1 / 12),
    Case(Uniform(2.0, 2.0), 2.0, 0.0),
    Case(Shifted(1.0, Exponential(3.0)), 4.0, 9 / 16),
    Case(Shifted(1.0, Constant(1.0)), 2.0, 0.0),
    Case(Shifted(1.0, Uniform(0.0, 0.0)), 1.0, 0.0),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.duration))
def test_duration_knows_its_mean_and_variability(case: Case) -> None:
    assert (case.duration.mean, case.duration.scv) == (case.mean, case.scv)


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.duration))
def test_samples_have_the_mean_and_variability(case: Case) -> None:
    sample = case.duration.sample(random_stream("test", seed=7), 400_000)
    assert sample.shape == (400_000,)
    assert sample.min() >= 0
    standard_error = case.mean * math.sqrt(case.scv / sample.size)
    assert abs(sample.mean() - case.mean) <= 4 * standard_error + 1e-12
    assert sample.var() / sample.mean() ** 2 == pytest.approx(case.scv, rel=0.05, abs=1e-12)


def test_exponential_is_memoryless() -> None:
    sample = Exponential(1.0).sample(random_stream("test", seed=7), 200_000)
    remaining = sample[sample > 1.0] - 1.0
    assert remaining.mean() == pytest.approx(1.0, abs=0.02)


def test_log_normal_has_a_normal_logarithm() -> None:
    logarithm = np.log(LogNormal(1.0, 1.0).sample(random_stream("test", seed=7), 200_000))
    assert logarithm.std() == pytest.approx(math.sqrt(math.log(2)), abs=0.01)
    assert np.median(logarithm) == pytest.approx(-math.log(2) / 2, abs=0.01)


def test_empirical_draws_only_what_was_observed() -> None:
    sample = Empirical(OBSERVED).sample(random_stream("test", seed=7), 1_000)
    assert set(sample.tolist()) == set(OBSERVED)


def test_empirical_takes_an_array() -> None:
    assert Empirical(np.array([1.0, 2.0])) == Empirical([1, 2])


def test_variability_of_nothing_but_zeros_is_unknown() -> None:
    assert math.isnan(Empirical([0.0]).scv)
    assert math.isnan(Uniform(0.0, 0.0).scv)
    assert math.isnan(Shifted(0.0, Constant(0.0)).scv)


SECONDS = st.floats(0, 1e6, allow_subnormal=False)
POSITIVE = st.floats(1e-6, 1e6)
PLAIN = st.one_of(
    st.builds(Constant, SECONDS),
    st.builds(lambda bounds: Uniform(*sorted(bounds)), st.tuples(SECONDS, SECONDS)),
    st.builds(Exponential, POSITIVE),
    st.builds(LogNormal, POSITIVE, st.floats(0, 4)),
    st.builds(Empirical, st.lists(SECONDS, min_size=1, max_size=20)),
)
DURATIONS = st.one_of(PLAIN, st.builds(Shifted, SECONDS, PLAIN))


@given(duration=DURATIONS, seed=st.integers(0, 2**32))
def test_samples_of_any_duration_are_around_its_mean(duration: Duration, seed: int) -> None:
    sample = duration.sample(random_stream("test", seed=seed), 10_000)
    assert (sample >= 0).all()
    assert np.isfinite(sample).all()
    deviation = duration.mean * math.sqrt(duration.scv if duration.mean else 0.0)
    # Seven standard errors: a skewed sample is that far off in one of a billion cases.
    assert abs(sample.mean() - duration.mean) <= 7 * deviation / 100 + 1e-9 * duration.mean


@given(duration=DURATIONS)
def test_durations_are_values_whose_repr_makes_them_again(duration: Duration) -> None:
    kinds = (Constant, Uniform, Shifted, Exponential, LogNormal, Empirical)
    again = eval(repr(duration), {kind.__name__: kind for kind in kinds} | {"nan": math.nan})
    assert (again, hash(again)) == (duration, hash(duration))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1.0), "seconds=-1.0: expected a finite number >= 0"),
        (lambda: Constant(math.nan), "seconds=nan: expected a finite number >= 0"),
        (lambda: Constant(math.inf), "seconds=inf: expected a finite number >= 0"),
        (lambda: Uniform(-1.0, 1.0), "shortest=-1.0: expected a finite number >= 0"),
        (lambda: Uniform(1.0, 0.5), "longest=0.5: expected a finite number >= 1.0"),
        (lambda: Uniform(0.0, math.inf), "longest=inf: expected a finite number >= 0.0"),
        (lambda: Shifted(-1.0, Constant(1.0)), "least=-1.0: expected a finite number >= 0"),
        (lambda: Exponential(0.0), "mean=0.0: expected a finite number > 0"),
        (lambda: LogNormal(math.nan, 1.0), "mean=nan: expected a finite number > 0"),
        (lambda: LogNormal(1.0, -0.5), "scv=-0.5: expected a finite number >= 0"),
        (lambda: Empirical([]), "observed=[]: expected finite numbers >= 0, at least one"),
        (
            lambda: Empirical([1, -2]),
            "observed=[1, -2]: expected finite numbers >= 0, at least one",
        ),
    ],
)
def test_impossible_duration_is_refused(make: Any, message: str) -> None:
    with pytest.raises(gl.LabError) as caught:
        make()
    assert str(caught.value) == message
