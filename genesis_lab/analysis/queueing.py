"""Queueing theory: closed forms for one queue in its steady state, served in order of arrival.

What simulations and experiments are held against. Arguments are numbers or arrays, which broadcast
as numpy's do. Arrivals are Poisson; a `Duration` of the workloads knows its `mean` and its `scv`.

Sections are those of D. Gross, J. F. Shortle, J. M. Thompson and C. M. Harris, *Fundamentals of
Queueing Theory*, 4th edition, Wiley, 2008.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import exprel, gammaln, pdtr, softmax, xlogy

from genesis_lab.errors import InvalidSetting, LabError

Floats = npt.NDArray[np.float64]
Numbers = float | Floats

_PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


class UnstableQueue(LabError, ValueError):
    """Work arrives at least as fast as it can be done, so there is no steady state."""

    def __init__(self, arrival_rate: float, mean_service: float, workers: int) -> None:
        super().__init__(arrival_rate, mean_service, workers)
        self.arrival_rate = arrival_rate
        self.mean_service = mean_service
        self.workers = workers

    def __str__(self) -> str:
        utilisation = self.arrival_rate * self.mean_service / self.workers
        return (
            f"arrival_rate={self.arrival_rate:g} /s, mean_service={self.mean_service:g} s and "
            f"workers={self.workers} are a utilisation of {utilisation:g}: expected less than 1, "
            "or the queue grows for ever"
        )


# eq=False: arrays have no truth value, so a generated __eq__ would raise instead of answering.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SteadyState:
    """What a queue settles to; each field has the shape to which the arguments broadcast."""

    utilisation: Numbers
    """The share of time that a worker is busy."""
    mean_wait: Numbers
    """From arrival to the begin of service, of those who are let in [s]."""
    mean_latency: Numbers
    """From arrival to the end of service, of those who are let in [s]."""
    mean_queue_length: Numbers
    """How many wait, on average over time."""
    mean_in_system: Numbers
    """How many wait or are served, on average over time."""
    blocking_probability: Numbers
    """The share of arrivals that are turned away; 0 where there is room for all."""
    effective_arrival_rate: Numbers
    """Arrivals that are let in [1/s]."""


def mm1(arrival_rate: Numbers, mean_service: Numbers) -> SteadyState:
    """The M/M/1 queue: exponential service, one worker. Section 2.2.

    Parameters
    ----------
    arrival_rate
        Arrivals per second, at least 0.
    mean_service
        The mean service time [s], more than 0.

    Raises
    ------
    UnstableQueue
        The utilisation, arrival rate x mean service time, is not below 1.
    InvalidSetting
        An argument is outside its range.
    """
    return mmc(arrival_rate, mean_service, workers=1)


def mmc(arrival_rate: Numbers, mean_service: Numbers, *, workers: int | Floats) -> SteadyState:
    """The M/M/c queue: exponential service, several workers and one line. Section 2.3.

    Who arrives has to wait with the probability C that A. K. Erlang gave in 1917, and then for
    1 / (workers / mean_service - arrival_rate) seconds in the mean.

    Parameters
    ----------
    arrival_rate, mean_service
        As in `mm1`.
    workers
        How many there are: a whole number of at least 1.

    Raises
    ------
    UnstableQueue
        The utilisation, arrival rate x mean service time / workers, is not below 1.
    InvalidSetting
        An argument is outside its range.
    """
    rate, service, servers = _stable(arrival_rate, mean_service, workers)
    spare = servers / service - rate
    return _lossless(rate, service, servers, _erlang_c(rate * service, servers) / spare)


def md1(arrival_rate: Numbers, mean_service: Numbers) -> SteadyState:
    """The M/D/1 queue: all services take the same time, one worker. Section 5.1.

    It is M/G/1 without variation. Arguments and errors are those of `mm1`.
    """
    return mg1(arrival_rate, mean_service, scv=0.0)


def mg1(arrival_rate: Numbers, mean_service: Numbers, *, scv: Numbers) -> SteadyState:
    """The M/G/1 queue: any service times, one worker. Section 5.1, Pollaczek-Khinchine formula.

    The mean wait is u / (1 - u) x (1 + scv) / 2 x mean service time, at utilisation u.

    Parameters
    ----------
    arrival_rate, mean_service
        As in `mm1`.
    scv
        The squared coefficient of variation of the service time: its variance over its squared
        mean. 0: constant; 1: as in M/M/1.

    Raises
    ------
    UnstableQueue
        The utilisation, arrival rate x mean service time, is not below 1.
    InvalidSetting
        An argument is outside its range.
    """
    _check("scv", scv, np.isfinite(scv) & (np.asarray(scv) >= 0), "a finite number >= 0")
    rate, service, servers = _stable(arrival_rate, mean_service, 1)
    load = rate * service
    return _lossless(rate, service, servers, load / (1 - load) * (1 + scv) / 2 * service)


def mm1k(arrival_rate: Numbers, mean_service: Numbers, *, capacity: int | Floats) -> SteadyState:
    """The M/M/1/K queue: as M/M/1, but who finds the system full is turned away. Section 2.5.

    It is stable at any load: n are in the system with a probability proportional to the n-th power
    of the offered load, up to the capacity; and arrivals find it as it is on average over time.

    Parameters
    ----------
    arrival_rate, mean_service
        As in `mm1`; the arrivals include those that are turned away.
    capacity
        How many the system has room for, the one being served among them: a whole number of at
        least 1.

    Raises
    ------
    InvalidSetting
        An argument is outside its range.
    """
    rate, service = _rate_and_service(arrival_rate, mean_service)
    _check_whole("capacity", capacity)
    rate, service, room = np.broadcast_arrays(rate, service, np.asarray(capacity, np.float64))
    level = np.arange(room.max(initial=0) + 1)
    # As logarithms a load above 1 does not overflow, and one of exactly 1 is no special case.
    weights = xlogy(level, (rate * service)[..., None])
    shares = softmax(np.where(level <= room[..., None], weights, -np.inf), axis=-1)
    found_room = np.where(level < room[..., None], shares, 0.0)
    admitted = found_room.sum(axis=-1)
    # An arrival that finds n in the system waits for n services.
    wait = service * (found_room @ level) / admitted
    return _steady_state(
        utilisation=shares[..., 1:].sum(axis=-1),
        mean_wait=wait,
        mean_latency=wait + service,
        mean_queue_length=shares[..., 1:] @ level[:-1],
        mean_in_system=shares @ level,
        blocking_probability=np.where(level == room[..., None], shares, 0.0).sum(axis=-1),
        effective_arrival_rate=rate * admitted,
    )


def mm1_latency_quantile(q: Numbers, arrival_rate: Numbers, mean_service: Numbers) -> Numbers:
    """The latency that a share `q` of the arrivals at an M/M/1 queue do not exceed [s].

    The latency is exponential with the rate 1 / mean_service - arrival_rate (section 2.2).

    Parameters
    ----------
    q
        The share, at least 0 and below 1; 0.95 for the 95th percentile.
    arrival_rate, mean_service
        As in `mm1`, with its errors.
    """
    _check_share(q)
    rate, service, _ = _stable(arrival_rate, mean_service, 1)
    return _plain(-np.log1p(-np.asarray(q)) / (1 / service - rate))


def mmc_latency_quantile(
    q: Numbers, arrival_rate: Numbers, mean_service: Numbers, *, workers: int | Floats
) -> Numbers:
    """The latency that a share `q` of the arrivals at an M/M/c queue do not exceed [s].

    The distribution function is a closed form (section 2.3); it is inverted numerically, to the
    precision of floating point.

    Parameters
    ----------
    q
        The share, at least 0 and below 1; 0.95 for the 95th percentile.
    arrival_rate, mean_service, workers
        As in `mmc`, with its errors.
    """
    _check_share(q)
    rate, service, servers = _stable(arrival_rate, mean_service, workers)
    wait_probability = _erlang_c(rate * service, servers)
    # In units of the mean service time.
    spare = servers - rate * service
    return _plain(service * np.vectorize(_mmc_quantile, [float])(q, wait_probability, spare))


def theory_curve(
    utilisation: npt.ArrayLike, *, mean_service: float, scv: float = 1.0, workers: int = 1
) -> pd.DataFrame:
    """Latency against utilisation, as theory has it: what a figure draws beside measurements.

    Parameters
    ----------
    utilisation
        At least 0 and below 1.
    mean_service, scv
        Of the service time, as in `mg1`.
    workers
        As in `mmc`; only 1 unless `scv` is 1, as there is no closed form for M/G/c.

    Returns
    -------
    pandas.DataFrame
        One row per utilisation, with the columns `utilisation`, `latency` (the mean [s]) and, for
        `scv=1` only, its percentiles `p50`, `p95` and `p99` [s].

    Raises
    ------
    UnstableQueue
        A utilisation is not below 1.
    InvalidSetting
        An argument is outside its range.
    """
    _check_service(mean_service)
    loads = np.atleast_1d(np.asarray(utilisation, dtype=np.float64))
    rate = loads * workers / mean_service
    if scv != 1:
        if workers != 1:
            raise InvalidSetting("workers", workers, "1 unless scv=1: M/G/c has no closed form")
        theory = mg1(rate, mean_service, scv=scv)
        return pd.DataFrame({"utilisation": loads, "latency": theory.mean_latency})
    theory = mmc(rate, mean_service, workers=workers)
    return pd.DataFrame({"utilisation": loads, "latency": theory.mean_latency}).assign(
        **{
            name: mmc_latency_quantile(q, rate, mean_service, workers=workers)
            for name, q in _PERCENTILES.items()
        }
    )


# --- inside ---------------------------------------------------------------------------------------


def _erlang_c(offered: Floats, workers: Floats) -> Floats:
    """The probability that an arrival has to wait, for an offered load in workers."""
    # Erlang's loss formula is a Poisson probability over its cumulative sum; neither overflows.
    exactly = np.exp(xlogy(workers, offered) - offered - gammaln(workers + 1))
    lost: Floats = exactly / pdtr(workers, offered)
    return lost / (1 - offered / workers * (1 - lost))


def _mmc_quantile(q: float, wait_probability: float, spare: float) -> float:
    """The latency's quantile in mean service times; a wait, if any, ends at the rate `spare`."""

    def excess(latency: float) -> float:
        # exprel takes care of rates that are equal or nearly so.
        both = latency * math.exp(-min(spare, 1) * latency) * exprel(-abs(spare - 1) * latency)
        return math.log(math.exp(-latency) + wait_probability * both) - math.log1p(-q)

    # Either the wait or the service takes at least half of the latency.
    at_most = 2 * math.log(2 / (1 - q)) / min(spare, 1)
    return float(brentq(excess, 0.0, at_most, xtol=1e-15))


def _lossless(rate: Floats, service: Floats, workers: Floats, wait: Floats) -> SteadyState:
    """The steady state that follows from the mean wait, by Little's law."""
    return _steady_state(
        utilisation=rate * service / workers,
        mean_wait=wait,
        mean_latency=wait + service,
        mean_queue_length=rate * wait,
        mean_in_system=rate * (wait + service),
        blocking_probability=np.zeros_like(rate),
        effective_arrival_rate=rate,
    )


def _steady_state(**fields: Floats) -> SteadyState:
    names, arrays = fields.keys(), np.broadcast_arrays(*fields.values())
    return SteadyState(**{name: _plain(array) for name, array in zip(names, arrays, strict=True)})


def _plain(value: Floats) -> Numbers:
    """A number for numbers, an array for arrays."""
    return value.copy() if np.ndim(value) else float(value)


def _stable(
    arrival_rate: Numbers, mean_service: Numbers, workers: int | Floats
) -> tuple[Floats, Floats, Floats]:
    """The arguments as arrays of one shape, once they have been found to be a stable queue."""
    rate, service = _rate_and_service(arrival_rate, mean_service)
    _check_whole("workers", workers)
    rate, service, servers = np.broadcast_arrays(rate, service, np.asarray(workers, np.float64))
    for unstable in np.argwhere(rate * service / servers >= 1):
        at = tuple(unstable)
        raise UnstableQueue(float(rate[at]), float(service[at]), int(servers[at]))
    return rate, service, servers


def _rate_and_service(arrival_rate: Numbers, mean_service: Numbers) -> tuple[Floats, Floats]:
    rate, service = np.asarray(arrival_rate, np.float64), np.asarray(mean_service, np.float64)
    _check("arrival_rate", arrival_rate, np.isfinite(rate) & (rate >= 0), "a finite number >= 0")
    _check_service(mean_service)
    return rate, service


def _check_service(mean: Numbers) -> None:
    _check("mean_service", mean, np.isfinite(mean) & (np.asarray(mean) > 0), "seconds > 0")


def _check_whole(name: str, value: int | Floats) -> None:
    whole = np.isfinite(value) & (np.asarray(value) >= 1) & (np.mod(value, 1) == 0)
    _check(name, value, whole, "a whole number >= 1")


def _check_share(q: Numbers) -> None:
    _check("q", q, (np.asarray(q) >= 0) & (np.asarray(q) < 1), "a share >= 0 and < 1")


def _check(name: str, value: object, is_valid: npt.NDArray[np.bool_], expected: str) -> None:
    if not np.all(is_valid):
        raise InvalidSetting(name, value, expected)
