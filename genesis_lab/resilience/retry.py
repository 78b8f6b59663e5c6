"""Retry: sending a request anew, after growing waits and within a budget."""

import logging
from collections import deque
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import stamina
import trio

from genesis_lab.buses import Attempt
from genesis_lab.errors import InvalidSetting, RequestError
from genesis_lab.resilience.failures import FAILURES
from genesis_lab.streams import Draws
from genesis_lab.virtual_time import sleep

_BUDGET_WINDOW = 10.0
"""How long a request counts for a retry budget [s], as in Finagle."""
_LEAST_RETRIES = 3
"""How many retries a budget always allows within its window, as many as Envoy does at once."""


class Retry:
    """Sends a request anew when it fails, after waits that grow: a policy.

    The n-th wait lasts `min(wait_max, wait_initial * wait_exp_base ** (n - 1))` seconds of the
    run's clock, and a random part on top of it. Each attempt has the request's whole timeout; an
    outer deadline or a cancellation ends a wait at once. When the last attempt fails, or the budget
    allows no other one, the caller gets its error.

    Parameters
    ----------
    attempts
        How often to send the request at most.
    wait_initial, wait_max
        The first and the longest wait, without its random part [s].
    wait_exp_base
        By what factor a wait is longer than the one before it.
    wait_jitter
        The random part of each wait is uniform between 0 and this [s], so that callers that failed
        together do not come back together, even where their waits have reached `wait_max`.
    budget
        How many retries are allowed per request, such as 0.2; None: as many as `attempts` says.
        Counted are the requests and the retries to the same target in the last 10 s of the run.
        Three retries in 10 s are always allowed, so that a target with few requests has some. A
        retry that is not allowed is not waited for, and leaves no record.
    on
        The errors after which to try again.

    Raises
    ------
    InvalidSetting
        A setting is out of its range.
    OutsideRun
        At a request: there is jitter, and no run whose seed would fix it.

    Notes
    -----
    Each target and request type has a random stream of its own in each run, so the retries of one
    do not shift the waits of another.

    The budget is the retry budget of Finagle and Envoy: it keeps retries from multiplying the load
    of a target that is down, which `attempts` alone does not. Finagle's requests count for 10 s as
    well (`ttl`), and a share of 20 % is the default of both. The least number is a floor, as
    Envoy's `min_retry_concurrency` of 3 is, and not on top of the share.

    References
    ----------
    - https://finagle.github.io/blog/2016/02/08/retry-budgets
    - https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/circuit_breaker.proto

    Examples
    --------
    >>> import genesis_lab as gl
    >>> gl.Retry(wait_jitter=0.05, budget=0.2)  # doctest: +NORMALIZE_WHITESPACE
    Retry(attempts=3, wait_initial=0.1, wait_max=5.0, wait_exp_base=2, wait_jitter=0.05,
          budget=0.2, on=(RequestTimedOut, HandlerFailed, TargetGone))
    """

    def __init__(
        self,
        *,
        attempts: int = 3,
        wait_initial: float = 0.1,
        wait_max: float = 5.0,
        wait_exp_base: float = 2,
        wait_jitter: float = 0.0,
        budget: float | None = None,
        on: tuple[type[RequestError], ...] = FAILURES,
    ) -> None:
        if not isinstance(attempts, int) or attempts < 1:
            raise InvalidSetting("attempts", attempts, "a whole number >= 1")
        _check_wait("wait_initial", wait_initial)
        _check_wait("wait_max", wait_max)
        if not 1 <= wait_exp_base < inf:
            raise InvalidSetting("wait_exp_base", wait_exp_base, "a finite number >= 1")
        _check_wait("wait_jitter", wait_jitter)
        if budget is not None and not 0 < budget < inf:
            raise InvalidSetting("budget", budget, "a finite number > 0, or None")
        if not (on and isinstance(on, tuple) and all(map(_is_request_error, on))):
            raise InvalidSetting("on", on, "a tuple of subclasses of RequestError")
        self._settings = {
            "attempts": attempts,
            "wait_initial": wait_initial,
            "wait_max": wait_max,
            "wait_exp_base": wait_exp_base,
            **({"wait_jitter": wait_jitter} if wait_jitter else {}),
            **({} if budget is None else {"budget": budget}),
        }
        self._attempts = attempts
        self._on = on
        self._wait_jitter = wait_jitter
        self._jitters: dict[tuple[str, str], Draws] = {}
        self._budget = budget
        self._budgets: trio.lowlevel.RunVar[dict[str, _Budget] | None]
        self._budgets = trio.lowlevel.RunVar("retry budgets", None)
        self._send = stamina.retry(
            on=on,
            attempts=attempts,
            timeout=None,  # stamina would measure it on the wall's clock, not on the run's
            wait_initial=wait_initial,
            wait_max=wait_max,
            # stamina draws jitter from the global random generator: the seed would not fix it.
            wait_jitter=0,
            wait_exp_base=wait_exp_base,
        )(_send)

    async def __call__(self, attempt: Attempt) -> Any:
        """Get the request answered, by as many attempts as it takes and as there are."""
        series = _Series(
            attempt,
            attempts=self._attempts,
            on=self._on,
            jitter=self._jitter_of(attempt) if self._wait_jitter else None,
            budget=None if self._budget is None else self._budget_of(attempt.target, self._budget),
        )
        reply = await self._send(series)
        if series.given_up is not None:
            raise series.given_up
        return reply

    def _jitter_of(self, attempt: Attempt) -> Draws:
        route = (attempt.target, attempt.request_type)
        jitter = self._jitters.get(route)
        if jitter is None:
            jitter = self._jitters[route] = Draws(self._sample_jitter, "retry jitter", *route)
        jitter.begin()  # so that its lack of a seed is heard of at once, not at the first failure
        return jitter

    def _sample_jitter(self, stream: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
        return stream.uniform(0, self._wait_jitter, size)

    def _budget_of(self, target: str, share: float) -> "_Budget":
        budgets = self._budgets.get()
        if budgets is None:
            budgets = {}
            self._budgets.set(budgets)
        budget = budgets.get(target)
        if budget is None:
            budget = budgets[target] = _Budget(share)
        budget.count_request(trio.current_time())
        return budget

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings.items())
        errors = ", ".join(error.__name__ for error in self._on)
        return f"Retry({settings}, on=({errors}{',' * (len(self._on) == 1)}))"


class _Series:
    """The attempts at one request; stamina asks for them, one after another."""

    def __init__(
        self,
        attempt: Attempt,
        *,
        attempts: int,
        on: tuple[type[RequestError], ...],
        jitter: Draws | None,
        budget: "_Budget | None",
    ) -> None:
        self._attempt = attempt
        self._attempts = attempts
        self._on = on
        self._jitter = jitter
        self._budget = budget
        self._sent = 0
        self.given_up: RequestError | None = None
        """The error of an attempt after which the budget allows no other one."""

    async def send(self) -> Any:
        """Make the next attempt. stamina knows no budget: where it is spent, nothing is raised."""
        self._sent += 1
        if self._sent > 1 and self._jitter is not None:
            await sleep(self._jitter())
        try:
            return await self._attempt()
        except self._on as error:
            if self._sent == self._attempts or self._budget is None:
                raise
            if self._budget.spend(trio.current_time()):
                raise
            self.given_up = error
            return None


class _Budget:
    """How many retries are allowed per request, in a window of time that ends now."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._requests: deque[float] = deque()
        self._retries: deque[float] = deque()

    def count_request(self, now: float) -> None:
        """A request was sent for the first time."""
        self._forget_before(now - _BUDGET_WINDOW)
        self._requests.append(now)

    def spend(self, now: float) -> bool:
        """Whether there may be a retry; then it counts."""
        self._forget_before(now - _BUDGET_WINDOW)
        share = round(self._share * len(self._requests), 9)  # 0.29 * 100 is a little less than 29
        if len(self._retries) + 1 > max(_LEAST_RETRIES, share):
            return False
        self._retries.append(now)
        return True

    def _forget_before(self, past: float) -> None:
        for times in (self._requests, self._retries):
            while times and times[0] <= past:
                times.popleft()


async def _send(series: _Series) -> Any:
    return await series.send()


def _is_loud(record: logging.LogRecord) -> bool:
    return getattr(record, "stamina.callable", None) != f"{__name__}.{_send.__qualname__}"


# stamina logs each retry as a warning. Its hooks are global to the interpreter, and there is no
# switch per call, so this takes out just what is ours: each attempt is a record already.
logging.getLogger("stamina").addFilter(_is_loud)


def _check_wait(name: str, value: float) -> None:
    if not 0 <= value < inf:
        raise InvalidSetting(name, value, "finite seconds >= 0")


def _is_request_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, RequestError)
