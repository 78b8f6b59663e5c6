"""The laboratory that a notebook has in hand: a bus on a thread of its own, in real time."""

import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import thread_time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from genesis_lab.buses import ARCHITECTURES, Bus, HybridCoordinator
from genesis_lab.components import Component
from genesis_lab.laboratory.calls import Call
from genesis_lab.laboratory.display import as_html
from genesis_lab.laboratory.errors import CalledByComponent, LabClosed
from genesis_lab.laboratory.latencies import last_latencies
from genesis_lab.laboratory.snapshot import LabSnapshot, State
from genesis_lab.laboratory.thread import BusThread
from genesis_lab.laboratory.watching import ComponentError, ErrorLog, Watched
from genesis_lab.recording import Recorder, Trace

if TYPE_CHECKING:
    from genesis_lab.laboratory.dashboard import Dashboard

NOTEBOOK = "notebook"
"""Who sends what a cell sends, unless told."""


def live(architecture: str | Callable[..., Bus] = HybridCoordinator, **settings: Any) -> "LiveLab":
    """A bus that lives across notebook cells, on a background thread and in real time.

    Parameters
    ----------
    architecture
        A bus's class or another factory that takes `observer=`, or a name in `ARCHITECTURES`.
    **settings
        The architecture's other settings.

    Raises
    ------
    UnknownArchitecture, InvalidSetting
        There is no such architecture, or it has no such value for a setting.

    Examples
    --------
    >>> import genesis_lab as gl
    >>> class Doubler(gl.Component):
    ...     def process_request(self, request_type, data, source):
    ...         return 2 * data
    >>> with gl.live("hybrid") as lab:
    ...     lab.register(Doubler("doubler"))
    ...     lab.request("doubler", "double", 21)
    42
    """
    if isinstance(architecture, str):
        architecture = ARCHITECTURES[architecture]
    recorder = Recorder()
    return LiveLab(architecture(observer=recorder, **settings), recorder)


class LiveLab:
    """A bus on a thread of its own, with the calls of a bus; open until `close`, or no longer used.

    `request`, `call`, `emit_event` and `drain` wait, so they can be used in two ways. Called from
    plain code (most cells) they return their result. Called in a coroutine (`async def`, or a
    statement of a cell that has an `await`) they return an awaitable, as any async function does::

        reply = lab.request("risk_manager", "check", order)
        reply = await lab.request("risk_manager", "check", order)

    An interrupt of the kernel ends the wait at once and takes the call back, which the record
    calls `cancelled`; the laboratory lives on. What a component raises is an outcome and is kept in
    `errors`. The clock is real, so no two runs are alike: for results that can be repeated there
    is `gl.run`, which may go on at the same time.

    Made by `live`.
    """

    def __init__(self, bus: Bus, recorder: Recorder) -> None:
        self._bus = bus
        self._recorder = recorder
        self._errors = ErrorLog()
        self._thread = BusThread(bus)
        # A notebook makes a laboratory anew by running its cell again; the old one goes away.
        weakref.finalize(self, self._thread.ask_to_close).atexit = False

    # --- who is on the bus ------------------------------------------------------------------------

    def register(self, component: Component) -> None:
        """Put a component on the bus.

        Raises
        ------
        AlreadyRegistered
            Its id is taken, or it is on an open bus already.
        InvalidSetting
            Its id is not text, or none that a record can hold.
        LabClosed
            The laboratory has been closed.
        """
        self._have_done(partial(self._bus.register, Watched(component, self._errors)))

    def unregister(self, component_id: str) -> None:
        """Take a component off the bus; what it is serving is cancelled.

        Raises
        ------
        NotRegistered
            There is no such component.
        LabClosed
            The laboratory has been closed.
        """
        self._have_done(partial(self._bus.unregister, component_id))

    def subscribe(self, component_id: str, event_type: str) -> None:
        """Let a component receive the events of a type.

        Raises
        ------
        NotRegistered
            There is no such component.
        InvalidSetting
            The type is not text, or none that a record can hold.
        LabClosed
            The laboratory has been closed.
        """
        self._have_done(partial(self._bus.subscribe, component_id, event_type))

    def unsubscribe(self, component_id: str, event_type: str) -> None:
        """Stop a subscription, if there is one; what was emitted before still arrives.

        Raises
        ------
        NotRegistered
            There is no such component.
        LabClosed
            The laboratory has been closed.
        """
        self._have_done(partial(self._bus.unsubscribe, component_id, event_type))

    # --- messages ---------------------------------------------------------------------------------

    def request(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str = NOTEBOOK,
        timeout: float | None = 5.0,
    ) -> Any:
        """Ask a component; the reply, or None whatever went wrong on the other side.

        Parameters
        ----------
        target_id, request_type, data, source
            Whom to ask what, and who asks.
        timeout
            Seconds until the caller gives up; None or infinite: never.

        Raises
        ------
        InvalidTimeout
            The timeout is negative or not a number.
        InvalidSetting
            The target, the type or the source is not text, or none that a record can hold.
        LabClosed
            The laboratory has been closed.
        CalledByComponent
            A component of the laboratory calls this, and not its own bus.
        NoEventLoop
            It is awaited where asyncio does not run.
        """
        ask = partial(self._bus.request, target_id, request_type, data, source, timeout)
        return self._carry_out(ask, sys._getframe(1))

    def call(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str = NOTEBOOK,
        timeout: float | None = 5.0,
    ) -> Any:
        """Ask a component as `request` does, but raise when there is no reply.

        Raises
        ------
        RequestError
            The subclass says how the request ended.
        """
        ask = partial(self._bus.call, target_id, request_type, data, source, timeout)
        return self._carry_out(ask, sys._getframe(1))

    def emit_event(self, event_type: str, data: Any, source: str = NOTEBOOK) -> Any:
        """Publish an event to the subscribers of its type; waits for them if the bus does.

        Raises
        ------
        InboxFull
            With overflow `reject`, after the event went to all subscribers that had room.
        InvalidSetting
            The type or the source is not text, or none that a record can hold.
        """
        emit = partial(self._bus.emit_event, event_type, data, source)
        return self._carry_out(emit, sys._getframe(1))

    def drain(self) -> Any:
        """Wait until every event emitted so far has been handled, or lost."""
        return self._carry_out(self._bus.drain, sys._getframe(1))

    # --- what there is to see ---------------------------------------------------------------------

    def trace(self) -> Trace:
        """What has been recorded so far; what is in flight now is `pending`."""
        return self._thread.ask(self._recorder.trace)

    def snapshot(self) -> LabSnapshot:
        """What the laboratory is doing now, and the counts so far; cheap enough for each second."""
        return self._thread.ask(self._look)

    def dashboard(self) -> "Dashboard":
        """A widget that shows what the laboratory is doing, as `gl.dashboard(lab)` does."""
        from genesis_lab.laboratory.dashboard import dashboard  # noqa: PLC0415  # needs ipywidgets

        return dashboard(self)

    @property
    def errors(self) -> tuple[ComponentError, ...]:
        """What components have raised, the last hundred; each has its `traceback` as text."""
        return self._errors.latest()

    @property
    def state(self) -> State:
        """`open`, `closed`, or `failed`: the bus itself has, which is a defect of the lab."""
        if self._thread.failure is not None:
            return "failed"
        return "open" if self._thread.is_open else "closed"

    def __repr__(self) -> str:
        components = ", ".join(self._bus.components()) or "no components"
        errors = f"; errors: {self._errors.count}" if self._errors.count else ""
        return f"<LiveLab on {self._bus.architecture}, {self.state}: {components}{errors}>"

    def _repr_html_(self) -> str:
        return as_html(self.snapshot())

    # --- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the bus: no new work; what is in flight ends as it does on that architecture.

        Returns when that is done, and at once when the laboratory is closed already.
        """
        self._thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- on the thread ----------------------------------------------------------------------------

    def _have_done(self, change: Callable[[], None]) -> None:
        self._require_open()
        self._thread.ask(change)

    def _carry_out(self, function: Callable[[], Any], caller: FrameType) -> Any:
        if self._thread.is_current:
            raise CalledByComponent
        self._require_open()
        return Call(self._thread, function, self).carry_out(caller)

    def _require_open(self) -> None:
        if not self._thread.is_open:
            raise LabClosed from self._thread.failure

    def _look(self) -> LabSnapshot:
        began = thread_time()
        counts = self._recorder.counts()
        return LabSnapshot(
            architecture=self._bus.architecture,
            configuration=self._bus.configuration,
            state=self.state,
            bus=replace(self._bus.statistics(), at=self._thread.now()),
            requests=counts.requests,
            deliveries=counts.deliveries,
            events=counts.events,
            deadlocks=counts.deadlocks,
            routes=self._recorder.routes(),
            latencies=last_latencies(self._recorder),
            errors=self._errors.count,
            latest_errors=self._errors.latest(),
            took=thread_time() - began,
        )
