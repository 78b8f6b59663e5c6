"""The life of a request: from the call, by way of policies, to the reply and its one record."""

from collections.abc import Coroutine
from itertools import count
from math import nan
from typing import Any

import trio
from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.checks import check_instant, seconds_of
from genesis_lab.buses.directory import RequestRoute
from genesis_lab.buses.endings import Ending, ending_of
from genesis_lab.buses.failures import failed_handler
from genesis_lab.buses.gates import Gate, are_open
from genesis_lab.buses.identity import waiter_of
from genesis_lab.buses.inflight import NO_CAUSE, InFlight, Request, serving
from genesis_lab.buses.lending import lent_by, step_aside, take_back
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.policies import Attempt, nest
from genesis_lab.buses.sending import Sending
from genesis_lab.buses.service import serve
from genesis_lab.buses.unprotected import call_plain
from genesis_lab.components import DEFAULT_TIMEOUT
from genesis_lab.errors import (
    RequestError,
    RequestTimedOut,
    TargetGone,
    UnknownTarget,
)
from genesis_lab.messages import Failure, Outcome

ANSWERED = Outcome.ANSWERED  # an enum's member costs a look-up each time it is named

_UNPAUSED = 1000
"""After how many requests in a row that no scheduler pass came between there is a checkpoint."""


class Requests(Sending):
    """The side of a bus that answers requests."""

    def __init__(self) -> None:
        self._unpaused = 0
        self._passes = -1

    # --- the two calls ----------------------------------------------------------------------------

    def request(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        intended_at: float | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Ask a component; the reply, or None if there is none for any reason.

        The record knows which it was: an answer of None, no such component, a timeout, a failure.

        Parameters
        ----------
        target_id, request_type, data, source
            Whom to ask what, and who asks.
        timeout
            Seconds until the caller gives up; None or infinite: never. By default what the bus's
            `timeouts` say, or 5 s.
        intended_at
            When the workload meant to send [s since the bus opened]; by default now.

        Raises
        ------
        InvalidTimeout
            The timeout is not a number of at least zero.
        InvalidSetting
            `intended_at` is not a finite number; the target, the type or the source is not text, or
            none that a record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        # Returns the inner coroutine: one of its own would cost on the hot path.
        return self._exchange(target_id, request_type, data, source, timeout, intended_at, False)

    def call(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        intended_at: float | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Ask a component as `request` does, but raise when there is no reply.

        Raises
        ------
        RequestError
            The subclass says how the request ended.
        InvalidTimeout
            The timeout is not a number of at least zero.
        InvalidSetting
            `intended_at` is not a finite number; the target, the type or the source is not text, or
            none that a record can hold.
        BusNotOpen
            The bus has not been opened, or was left.
        """
        return self._exchange(target_id, request_type, data, source, timeout, intended_at, True)

    # --- before it is sent ------------------------------------------------------------------------

    def _exchange(
        self,
        target_id: str,
        request_type: str,
        data: Any,
        source: str,
        timeout: float | None,
        intended_at: float | None,
        raising: bool,
    ) -> Coroutine[Any, Any, Any]:
        """One request of a caller's, by way of the policies that stand before it."""
        if not self._is_open:
            self._refuse_new_work()
        try:
            route = self._request_routes.get((source, target_id, request_type))
        except TypeError:  # what cannot be hashed is no name: the directory says which it is
            route = None
        if route is None:
            route = self._directory.request_route(source, target_id, request_type)
        seconds = route.timeout if timeout is DEFAULT_TIMEOUT else seconds_of(timeout)
        if intended_at is not None:
            intended_at = check_instant("intended_at", intended_at)
        if route.policies:
            return self._send_under_policies(route, data, seconds, intended_at, raising)
        return self._send(route, data, seconds, intended_at, raising, 1)

    async def _send_under_policies(
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
    ) -> Any:
        numbers = count(1)
        if intended_at is None:
            intended_at = self._now()  # of each attempt: what waits in between counts as latency
        attempt = Attempt(
            target=route.target,
            request_type=route.type,
            now=self._now,
            send=lambda: self._send(route, data, timeout, intended_at, True, next(numbers)),
            record_rejection=lambda: self._report_unserved(
                route, Outcome.REJECTED, None, timeout, intended_at, next(numbers)
            ),
        )
        try:
            return await nest(route.policies, attempt)()
        except RequestError:
            if raising:
                raise
            return None

    @enable_ki_protection
    async def _send(  # noqa: PLR0912  # one call more would cost 5 % of a plain request
        self,
        route: RequestRoute,
        data: Any,
        timeout: float,
        intended_at: float | None,
        raising: bool,
        attempt: int,
    ) -> Any:
        """One sending of a request, and so one record: the reply, None or an exception."""
        if not self._is_open:
            await self._refuse_when_closed()
        self._unpaused += 1
        if self._unpaused >= _UNPAUSED:
            await self._pause()
        caller = serving.get()
        if caller is not None:
            caller = self._sender()
        chain = None if caller is None or caller.ended else caller.chain
        cause = NO_CAUSE if caller is None else caller.id
        mailbox = route.mailbox
        if mailbox is None:
            self._report_unserved(
                route, Outcome.UNKNOWN_TARGET, None, timeout, intended_at, attempt
            )
            await trio.lowlevel.checkpoint()  # so that asking in a loop can be cancelled
            if raising:
                raise UnknownTarget(route.target)
            return None
        outcome: Outcome
        result: Any
        ending: Ending | None = None
        gates = route.path if chain is None else route.nested_path
        if route.answers_plainly and (
            gates[0].is_open_to(chain) if len(gates) == 1 else are_open(gates, chain)
        ):
            # The common course of a handler that never waits: nothing else can happen meanwhile.
            sent_at = self._now()
            try:
                result = call_plain(
                    mailbox.component.process_request, route.type, data, route.source
                )
            except BaseException as exception:  # noqa: BLE001  # what is not the component's goes on
                ending, result = ending_of(exception), exception
                outcome = ending.outcome
            else:
                outcome = ANSWERED
            id = self._ledger.next_id()
            if self._observer is not None and not self._ledger.is_cut:
                now = self._now()
                self._observer.request_ended(
                    id,
                    cause,
                    id if chain is None else chain,
                    route.number,
                    attempt,
                    outcome,
                    None if ending is None else ending.error,
                    timeout,
                    sent_at if intended_at is None else intended_at,
                    sent_at,
                    sent_at,
                    sent_at,
                    now,
                    now,
                    0.0,
                )
            if ending is not None:
                self._tell_of(ending, route)
        else:
            request = self._open(route, mailbox, chain, cause, timeout, intended_at, attempt)
            waiter = request.parent
            if waiter is None or (gate := lent_by(waiter)) is None:
                outcome, result = await self._serve(request, data)
            else:
                outcome, result = await self._serve_beside(waiter, gate, request, data)
        if outcome is ANSWERED:
            return result
        if outcome is Outcome.TIMED_OUT:
            self._ledger.failures.timed_out(route, timeout)
        if not raising:
            return None
        raise self._explanation(outcome, result, route, timeout)

    async def _pause(self) -> None:
        """Let others run, unless they did since the last time.

        A handler that never waits makes a request no checkpoint. A thousand of these in a row keep
        timers, cancellations and the other tasks from their turn, and trio, which forgets expired
        deadlines between passes, from doing so.
        """
        self._unpaused = 0
        clock = self._ledger.failures.clock
        if clock is None or clock.passes == self._passes:
            await trio.lowlevel.checkpoint()
        if clock is not None:
            self._passes = clock.passes

    # --- while it is served -----------------------------------------------------------------------

    def _open(
        self,
        route: RequestRoute,
        mailbox: Mailbox,
        chain: int | None,
        cause: int,
        timeout: float,
        intended_at: float | None,
        attempt: int,
    ) -> Request:
        """A request in flight; the message whose service awaits it waits for it."""
        sent_at = self._now()
        id = self._ledger.next_id()
        caller = serving.get()
        # A client's task may lie in a handler's nursery, unless nothing is handled anywhere.
        is_free = caller is None and self._ledger.is_alone_and_idle
        request = Request(
            id,
            None if is_free else waiter_of(caller),
            id if chain is None else chain,
            self._ledger,
            route,
            sent_at,
            cause,
            mailbox,
            attempt,
            sent_at if intended_at is None else intended_at,
            timeout,
        )
        request.path = route.path if chain is None else route.nested_path
        self._ledger.open(request)
        return request

    def _serve(self, request: Request, data: Any) -> Coroutine[Any, Any, tuple[Outcome, Any]]:
        """Run the service in this task, the caller's; the outcome, and the reply or the exception.

        Returns the inner coroutine: each one more costs whenever the handler waits.
        """
        mailbox, route = request.mailbox, request.route
        assert isinstance(route, RequestRoute), "a request has a request's route"
        return serve(
            self._ledger,
            request,
            mailbox.component.process_request,
            mailbox.serves_plainly,
            data,
            epoch=self._epoch,
            link=route.link,
            reply_link=route.reply_link,
        )

    async def _serve_beside(
        self, waiter: InFlight, gate: Gate, request: Request, data: Any
    ) -> tuple[Outcome, Any]:
        """Have a request served while the handler that waits gives its component up."""
        step_aside(waiter, gate)
        try:
            return await self._serve(request, data)
        finally:
            await take_back(waiter, gate)

    # --- not served, or not well ------------------------------------------------------------------

    def _tell_of(self, ending: Ending, route: RequestRoute) -> None:
        """Tell of a plain handler that raised, once that is recorded; let what must go on do so."""
        if ending.failed is not None:
            self._ledger.failures.handler_failed(route, ending.failed)
        if ending.outward is not None:
            raise ending.outward from None

    @enable_ki_protection
    def _report_unserved(
        self,
        route: RequestRoute,
        outcome: Outcome,
        error: Failure | None,
        timeout: float,
        intended_at: float | None,
        attempt: int,
    ) -> None:
        """Report a request that was never served, because it ended where it began."""
        id = self._ledger.next_id()
        if self._observer is None or self._ledger.is_cut:
            return
        caller = self._sender()
        now = self._now()
        self._observer.request_ended(
            id,
            NO_CAUSE if caller is None else caller.id,
            id if caller is None or caller.ended else caller.chain,
            route.number,
            attempt,
            outcome,
            error,
            timeout,
            now if intended_at is None else intended_at,
            now,
            now,
            nan,
            nan,
            now,
            0.0,
        )

    # --- what the caller is told ------------------------------------------------------------------

    def _explanation(
        self, outcome: Outcome, result: Any, route: RequestRoute, timeout: float
    ) -> RequestError:
        """The error that tells a caller how its request ended."""
        match outcome:
            case Outcome.TIMED_OUT:
                return RequestTimedOut(route.target, route.type, timeout)
            case Outcome.TARGET_GONE:
                return TargetGone(route.target, route.type)
            case Outcome.FAILED:
                return failed_handler(route, result)
            case _:
                assert isinstance(result, RequestError), "a refusal comes as its exception"
                return result
