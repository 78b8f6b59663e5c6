"""Layers: components in an order, and requests that may only go down it.

What no request can go against cannot go round in a circle either. The price is that the order has
to be known, and that an answer from above comes by an event.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.directory import RequestRoute
from genesis_lab.buses.endings import failure_of
from genesis_lab.buses.hybrid import HybridCoordinator
from genesis_lab.buses.identity import Adopted
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.components import Admission, AdmissionByType, Component
from genesis_lab.errors import CircularDependency, InvalidSetting, check_text
from genesis_lab.messages import Outcome


class LayeredBus(HybridCoordinator):
    """A hybrid coordinator whose components may only ask those that come after them in an order.

    A request to the component itself, or to one before it, is refused with `CircularDependency`,
    and no handler runs: the outcome is `rejected`. Clients, which are no components, may ask
    anyone, and events go everywhere.

    Parameters
    ----------
    order
        The ids of all components, from the top to the bottom; only these can be registered. None:
        the order in which components are registered.
    **settings
        Those of the `HybridCoordinator`.

    Raises
    ------
    InvalidSetting
        An id in the order is not text, or is there twice; or a setting has a value that it cannot
        take.
    """

    architecture = "layered"

    def __init__(self, *, order: Sequence[str] | None = None, **settings: Any) -> None:
        self._order = None if order is None else _checked(order)
        super().__init__(**settings)

    def _settings(self) -> Mapping[str, Any]:
        return {**super()._settings(), "order": self._order}

    def _new_mailbox(self, component: Component, admission: Admission | AdmissionByType) -> Mailbox:
        if self._order is not None and component.id not in self._order:
            expected = f"an id in the declared order: {', '.join(map(repr, self._order))}"
            raise InvalidSetting("id", component.id, expected)
        return super()._new_mailbox(component, admission)

    @enable_ki_protection
    async def _send(
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
        attempt: int,
    ) -> Any:
        if self._goes_down(route):
            return await super()._send(route, data, timeout, intended_at, raising, attempt)
        if not self._is_open:
            await self._refuse_when_closed()
        refusal = CircularDependency((*self._path_to(route.source), route.target))
        self._report_unserved(
            route, Outcome.REJECTED, failure_of(refusal), timeout, intended_at, attempt
        )
        await trio.lowlevel.checkpoint()  # so that asking in a loop can be cancelled
        if raising:
            raise refusal
        return None

    def _goes_down(self, route: RequestRoute) -> bool:
        """Whether a request goes from a client, or from an earlier component to a later one."""
        components = self._directory.mailboxes
        if route.source not in components or route.target not in components:
            return True
        order = tuple(components) if self._order is None else self._order
        return order.index(route.source) < order.index(route.target)

    def _path_to(self, source: str) -> tuple[str, ...]:
        """The components of the call chain so far, the source as the last one."""
        path = []
        message = self._sender()
        while message is not None:
            if isinstance(message, Adopted):
                message = message.message
                continue
            if message.home is self._ledger:
                path.append(message.place())
            message = message.outer
        path.reverse()
        return tuple(path) if path[-1:] == [source] else (*path, source)


def _checked(order: object) -> tuple[str, ...]:
    """The order as it was given, if each id in it is text and there once."""
    if isinstance(order, str) or not isinstance(order, Sequence):
        raise InvalidSetting("order", order, "the ids of the components, or None")
    for component_id in order:
        check_text("order", component_id)
    if len(set(order)) < len(order):
        raise InvalidSetting("order", order, "each id once")
    return tuple(order)
