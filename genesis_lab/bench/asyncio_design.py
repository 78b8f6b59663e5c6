"""The original design, as it was written on asyncio: two dicts, `wait_for` and `gather`.

It records nothing, admits whatever comes, and knows nothing of deadlocks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Serve = Callable[[str, Any, str], Awaitable[Any]]


class AsyncioCoordinator:
    """Requests by way of a dict, under a timeout; events gathered, one task per subscriber."""

    def __init__(self) -> None:
        self.serving: dict[str, Serve] = {}
        self.subscribers: dict[str, list[Serve]] = {}

    async def request(
        self, target: str, request_type: str, data: Any, source: str, timeout: float = 5.0
    ) -> Any | None:
        """The reply, or None: no such component, timed out and failed alike."""
        serve = self.serving.get(target)
        if serve is None:
            return None
        try:
            return await asyncio.wait_for(serve(request_type, data, source), timeout)
        except Exception:  # noqa: BLE001  # the design: whatever it is, the answer is None
            return None

    async def emit_event(self, event_type: str, data: Any, source: str) -> None:
        """Wait until every subscriber has handled the event."""
        handlers = self.subscribers.get(event_type, ())
        await asyncio.gather(*(handle(event_type, data, source) for handle in handlers))
