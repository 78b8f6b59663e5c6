"""What may stand before requests: retry, and circuit breaker.

Both are policies, put on a bus by `bus.add_policy(policy, target=..., request_type=...)`, and nest
in the order in which they are added: a breaker outside a retry judges the whole series of attempts,
one inside it judges each attempt. Every attempt, and every refusal to make one, is a record.

This module imports neither pandas nor matplotlib.
"""

import logging
from enum import Enum, auto
from math import inf, nan
from typing import Any, Literal

import stamina

from genesis_lab.buses import Attempt
from genesis_lab.errors import (
    HandlerFailed,
    InvalidSetting,
    RequestError,
    RequestTimedOut,
    TargetGone,
)

_FAILURES = (RequestTimedOut, HandlerFailed, TargetGone)
"""What another attempt, or a pause, may cure.

Not among them: an unknown target stays unknown; a deadlock that was refused would be closed anew,
since whoever retries keeps the places that it holds; a rejection is to be heard of at once.
"""


# --- retry ----------------------------------------------------------------------------------------


class Retry:
    """Sends a request anew when it fails, after waits that grow: a policy.

    The n-th wait lasts `min(wait_max, wait_initial * wait_exp_base ** (n - 1))` seconds of the
    run's clock. Each attempt has the request's whole timeout; an outer deadline or a cancellation
    ends a wait at once. When the last attempt fails, the caller gets its error.

    Parameters
    ----------
    attempts
        How often to send the request at most.
    wait_initial, wait_max
        The first and the longest wait [s].
    wait_exp_base
        By what factor a wait is longer than the one before it.
    on
        The errors after which to try again.

    Raises
    ------
    InvalidSetting
        A setting is out of its range.
    """

    def __init__(
        self,
        *,
        attempts: int = 3,
        wait_initial: float = 0.1,
        wait_max: float = 5.0,
        wait_exp_base: float = 2,
        on: tuple[type[RequestError], ...] = _FAILURES,
    ) -> None:
        _check_count("attempts", attempts)
        _check_wait("wait_initial", wait_initial)
        _check_wait("wait_max", wait_max)
        if not 1 <= wait_exp_base < inf:
            raise InvalidSetting("wait_exp_base", wait_exp_base, "a finite number >= 1")
        if not (on and isinstance(on, tuple) and all(map(_is_request_error, on))):
            raise InvalidSetting("on", on, "a tuple of subclasses of RequestError")
        self._settings = {
            "attempts": attempts,
            "wait_initial": wait_initial,
            "wait_max": wait_max,
            "wait_exp_base": wait_exp_base,
        }
        self._on = on
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
        return await self._send(attempt)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings.items())
        return f"Retry({settings}, on=({', '.join(error.__name__ for error in self._on)}))"


async def _send(attempt: Attempt) -> Any:
    return await attempt()


def _is_loud(record: logging.LogRecord) -> bool:
    return getattr(record, "stamina.callable", None) != f"{__name__}.{_send.__qualname__}"


# stamina logs each retry as a warning. Its hooks are global to the interpreter, and there is no
# switch per call, so this takes out just what is ours: each attempt is a record already.
logging.getLogger("stamina").addFilter(_is_loud)


# --- circuit breaker ------------------------------------------------------------------------------


class CircuitBreaker:
    """Stops sending to a target that fails time after time, until it may have recovered: a policy.

    Each target has a circuit of its own, which is timed by the bus's clock, so a breaker belongs to
    one bus. `timed_out`, `failed` and `target_gone` are failures, `answered` is a success. Any
    other end of a request says nothing of its target's health, and leaves the count as it is.

    ============  ======================================================  ============
    state         event                                                   next state
    ============  ======================================================  ============
    closed        so many failures, with no success between them          open
    open          the first request after the pause, which is the trial   half-open
    half-open     the trial succeeds                                      closed
    half-open     the trial fails                                         open
    half-open     the trial ends otherwise; another one may follow        open, no pause
    ============  ======================================================  ============

    Requests are rejected while the circuit is open, and beside the trial while it is half-open. A
    request that was sent before the circuit opened no longer counts when it ends afterwards.

    Parameters
    ----------
    failures
        After how many failures in a row a circuit opens.
    reset_after
        How long it stays open [s]; infinite: for good.

    Raises
    ------
    InvalidSetting
        A setting is out of its range.
    """

    def __init__(self, *, failures: int = 5, reset_after: float = 30.0) -> None:
        _check_count("failures", failures)
        if not reset_after > 0:
            raise InvalidSetting("reset_after", reset_after, "seconds > 0")
        self._failures = failures
        self._reset_after = reset_after
        self._circuits: dict[str, _Circuit] = {}

    async def __call__(self, attempt: Attempt) -> Any:
        """Make the attempt, if the target's circuit lets it."""
        circuit = self._circuit(attempt.target)
        reason = circuit.reason_to_reject(attempt.now())
        if reason is not None:
            raise attempt.reject(reason)
        opened_before = circuit.times_opened
        verdict = _Verdict.NONE
        try:
            reply = await attempt()
            verdict = _Verdict.SUCCESS
        except _FAILURES:
            verdict = _Verdict.FAILURE
            raise
        finally:
            if circuit.times_opened == opened_before:
                circuit.judge(verdict, attempt.now())
        return reply

    def _circuit(self, target: str) -> "_Circuit":
        circuit = self._circuits.get(target)
        if circuit is None:
            circuit = self._circuits[target] = _Circuit(self._failures, self._reset_after)
        return circuit

    def __repr__(self) -> str:
        circuits = [f"{target!r} {circuit}" for target, circuit in self._circuits.items()]
        settings = f"failures={self._failures} reset_after={self._reset_after}"
        return f"<CircuitBreaker {settings}: {', '.join(circuits) or 'no circuits'}>"


class _Verdict(Enum):
    """What a request's end says of its target."""

    SUCCESS = auto()
    FAILURE = auto()
    NONE = auto()


class _Circuit:
    """One target's circuit; half-open means that the trial is under way."""

    def __init__(self, failures: int, reset_after: float) -> None:
        self._failures = failures
        self._reset_after = reset_after
        self._state: Literal["closed", "open", "half-open"] = "closed"
        self._failures_in_a_row = 0
        self._trial_at = nan
        self.times_opened = 0

    def reason_to_reject(self, now: float) -> str | None:
        """Why a request may not be sent now; None lets it, as the trial if the pause is over."""
        if self._state == "half-open":
            return "the circuit is half-open, and its trial is under way"
        if self._state == "open":
            if now < self._trial_at:
                return f"the circuit is open until t={self._trial_at:g} s"
            self._state = "half-open"
        return None

    def judge(self, verdict: _Verdict, now: float) -> None:
        """Draw the consequence from the end of a request that was let through."""
        if verdict is _Verdict.SUCCESS:
            self._state = "closed"
            self._failures_in_a_row = 0
        elif verdict is _Verdict.FAILURE:
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= self._failures:  # a failed trial is one failure more
                self._state = "open"
                self._trial_at = now + self._reset_after
                self.times_opened += 1
        elif self._state == "half-open":
            self._state = "open"

    def __str__(self) -> str:
        if self._state == "closed":
            return f"closed ({self._failures_in_a_row} of {self._failures} failures)"
        if self._state == "open":
            return f"open until t={self._trial_at:g} s"
        return "half-open"


# --- settings -------------------------------------------------------------------------------------


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or value < 1:
        raise InvalidSetting(name, value, "a whole number >= 1")


def _check_wait(name: str, value: float) -> None:
    if not 0 <= value < inf:
        raise InvalidSetting(name, value, "finite seconds >= 0")


def _is_request_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, RequestError)
