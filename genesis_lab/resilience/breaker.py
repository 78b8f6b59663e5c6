"""The circuit breaker: no requests, for a while, to a target that keeps failing."""

from enum import Enum, auto
from math import nan
from typing import Any, Literal

from genesis_lab.buses import Attempt
from genesis_lab.errors import InvalidSetting
from genesis_lab.resilience.failures import FAILURES


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
        if not isinstance(failures, int) or failures < 1:
            raise InvalidSetting("failures", failures, "a whole number >= 1")
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
        except FAILURES:
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
