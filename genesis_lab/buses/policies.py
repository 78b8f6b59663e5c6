"""What may stand between a caller and its requests: the shape of a policy, and how they nest."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from genesis_lab.errors import RequestRejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A way to get one request answered; each call sends it anew, and is a record of its own."""

    target: str
    request_type: str
    now: Callable[[], float]
    """The bus's clock [s]."""
    send: Callable[[], Awaitable[Any]]
    record_rejection: Callable[[], object]

    async def __call__(self) -> Any:
        """Send the request: its reply, or the `RequestError` that says what happened."""
        return await self.send()

    def reject(self, reason: str) -> RequestRejected:
        """Record that the request was not sent; the error for the caller."""
        self.record_rejection()
        return RequestRejected(self.target, self.request_type, reason)


Policy = Callable[[Attempt], Awaitable[Any]]
"""Gets a request answered by calling its attempt never, once or several times."""


def nest(policies: Sequence[Policy], attempt: Attempt) -> Attempt:
    """The attempt as it looks from outside the policies, the first of which is outermost."""
    for policy in reversed(policies):
        attempt = replace(attempt, send=partial(policy, attempt))
    return attempt
