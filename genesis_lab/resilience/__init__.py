"""What may stand before requests: retry, circuit breaker, and a table of timeouts.

Retry and circuit breaker are policies, put on a bus by
`bus.add_policy(policy, target=..., request_type=...)`, and nest in the order in which they are
added: a breaker outside a retry judges the whole series of attempts, one inside it judges each
attempt. Every attempt, and every rejection by a breaker, is a record.

This package imports neither pandas nor matplotlib.
"""

from genesis_lab.resilience.breaker import CircuitBreaker
from genesis_lab.resilience.retry import Retry
from genesis_lab.resilience.timeouts import Timeouts

__all__ = ["CircuitBreaker", "Retry", "Timeouts"]
