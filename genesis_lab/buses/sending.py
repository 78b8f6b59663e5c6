"""Who sends on a bus: whose part something is, and whether the bus still takes it."""

from abc import ABC
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

from genesis_lab.buses.directory import Directory, RequestRoute
from genesis_lab.buses.identity import Adopted, CallToken
from genesis_lab.buses.inflight import serving
from genesis_lab.buses.ledger import Ledger
from genesis_lab.errors import BusNotOpen, InvalidSetting
from genesis_lab.observers import Observer


class Sending(ABC):
    """What the two sides of a bus, requests and events, have in common."""

    _observer: Observer | None
    _ledger: Ledger
    _directory: Directory
    _request_routes: dict[tuple[str, str, str], RequestRoute]
    """Those of the directory: the look-up on the hot path."""
    _now: Callable[[], float]
    _epoch: float
    """When the bus opened, on trio's clock."""
    _is_open: bool
    _is_stopped: bool

    # --- whose part it is -------------------------------------------------------------------------

    def serving(self) -> CallToken | None:
        """The identity of the call that is served here; None outside handlers.

        Another task, or a worker, sends as a part of this call inside `part_of(token)`.
        """
        caller = self._sender()
        message = caller.message if isinstance(caller, Adopted) else caller
        return None if message is None else CallToken(message)

    @contextmanager
    def part_of(self, token: CallToken | None) -> Iterator[None]:
        """What is sent inside the block belongs to a call: its chain goes on, and it is the cause.

        With None the identity is dropped: what is sent begins call chains of its own. Who *waits*
        for it does not change: that is the message whose handler awaits it.

        Raises
        ------
        InvalidSetting
            The token is none of this bus's.
        """
        if token is not None and not (
            isinstance(token, CallToken) and token.message.home is self._ledger
        ):
            raise InvalidSetting("token", token, "what `serving()` of this bus returned, or None")
        message = None if token is None else token.message
        before = serving.set(Adopted(self._ledger, message, serving.get()))
        try:
            yield
        finally:
            serving.reset(before)

    def _sender(self) -> Any:
        """The message whose part this is, or its `Adopted` identity; None outside handlers.

        It may have ended: then what is sent begins a call chain of its own.
        """
        caller = serving.get()
        # A component of another bus may be served around this: then it is not a cause on this one.
        while caller is not None and caller.home is not self._ledger:
            caller = caller.outer
        return caller

    async def _refuse_when_closed(self) -> None:
        """After a cut everything is cancelled; else as `_refuse_new_work`."""
        if self._ledger.is_cut:
            await trio.lowlevel.checkpoint()
        self._refuse_new_work()

    def _refuse_new_work(self) -> None:
        """A bus that is left takes no new work, but what it still serves may go on asking."""
        caller = self._sender()
        is_new = caller is None or caller.ended
        if not self._ledger.is_cut and (self._is_stopped or is_new):
            raise BusNotOpen(type(self).__name__)
