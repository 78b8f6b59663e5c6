"""The hybrid design as it was first written, in asyncio; `DesignAsWritten` is held against it."""

import asyncio
import logging
from collections import defaultdict
from typing import Any, Protocol

logger = logging.getLogger(__name__)


class Component(Protocol):
    """What the original code expects of a component."""

    id: str

    async def process_request(self, request_type: str, data: Any, source: str) -> Any: ...
    async def on_event(self, event_type: str, data: Any, source: str) -> Any: ...


class HybridCoordinator:
    """Direct requests with a timeout; events to all subscribers but the source."""

    def __init__(self) -> None:
        self.components: dict[str, Component] = {}
        self.subscribers: dict[str, list[str]] = defaultdict(list)

    def register(self, component: Component) -> None:
        self.components[component.id] = component

    def subscribe(self, component_id: str, event_type: str) -> None:
        if component_id not in self.subscribers[event_type]:
            self.subscribers[event_type].append(component_id)

    async def request(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = 5.0,
    ) -> Any | None:
        component = self.components.get(target_id)
        if component is None:
            logger.warning("no component %s", target_id)
            return None
        try:
            return await asyncio.wait_for(
                component.process_request(request_type, data, source), timeout
            )
        except TimeoutError:
            logger.warning("request %s to %s timed out", request_type, target_id)
            return None
        except Exception:
            logger.exception("request %s to %s failed", request_type, target_id)
            return None

    async def emit_event(self, event_type: str, data: Any, source: str) -> None:
        handlers = [
            self.components[subscriber].on_event(event_type, data, source)
            for subscriber in self.subscribers[event_type]
            if subscriber != source
        ]
        await asyncio.gather(*handlers)
