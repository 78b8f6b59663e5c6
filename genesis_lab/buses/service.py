"""A service: the run of a component's handler for one message, from its gates to its end.

It runs in whichever task calls `serve`: the caller's, where a request is answered directly, or a
worker's, where requests are queued; there it may outlive the caller who waits for it.
"""

from math import nan
from typing import Any

import trio

from genesis_lab.buses import gates
from genesis_lab.buses.endings import ending_of, failure_of
from genesis_lab.buses.gates import Path
from genesis_lab.buses.inflight import Delivery, Request, contexts, serving
from genesis_lab.buses.ledger import Ledger
from genesis_lab.buses.links import Link
from genesis_lab.buses.unprotected import (
    Handler,
    call_async,
    call_plain,
    context_of_its_own,
    run_in,
)
from genesis_lab.messages import Outcome
from genesis_lab.scopes import DeadlineScope

CANCELLED = Outcome.CANCELLED  # an enum's member costs a look-up each time it is named


async def serve(  # noqa: PLR0912, PLR0915  # each coroutine more costs on the hot path
    ledger: Ledger,
    message: Request | Delivery,
    handler: Handler,
    is_plain: bool,
    data: Any,
    *,
    epoch: float,
    link: Link | None = None,
    reply_link: Link | None = None,
    path: Path | None = None,
) -> tuple[Outcome, Any]:
    """Serve an open message in this task, under its deadline; its outcome, reply or exception.

    In any case the message is closed, once, with that outcome, and every gate that it has entered
    is left.

    Parameters
    ----------
    ledger
        Where the message is open.
    message
        The message.
    handler, is_plain, data
        What to call, whether it is no coroutine function, and with which data.
    epoch
        When the bus opened, on trio's clock.
    link, reply_link
        What the message and its reply travel over; None: they are there at once.
    path
        The gates that it has yet to pass; None: all of its path.
    """
    route = message.route
    outcome, error = CANCELLED, None
    failed: Exception | None = None
    result: Any = None
    try:
        with DeadlineScope(epoch + message.deadline) as scope:
            message.scope = scope
            try:
                if link is not None:
                    message.arrived_at = nan
                    message.mailbox.elsewhere[message] = None
                    await link.travel()
                    message.arrived_at = ledger.now()
                for gate in message.path if path is None else path:
                    if not gate.enter(message):
                        await ledger.wait_at(message, gate)
                task = message.task = trio.lowlevel.current_task()
                message.nurseries = len(task.child_nurseries)
                message.started_at = ledger.now()
                message.outer = serving.get()
                before = serving.set(message)
                try:
                    if message.is_delivery:
                        await _handle(ledger, handler, is_plain, message, data)
                    elif is_plain:
                        result = call_plain(handler, route.type, data, route.source)
                    else:
                        result = await call_async(handler, route.type, data, route.source)
                finally:
                    serving.reset(before)
            finally:
                gates.leave(message)
            if reply_link is not None:
                ledger.served(message)
                await reply_link.travel()
            outcome = message.completed
        if scope.cancelled_caught:
            outcome = message.abandoned if message.gone else Outcome.TIMED_OUT
    except BaseException as exception:  # noqa: BLE001  # `outward` goes on
        result = exception
        refusal = None if message.has_started else ledger.refusal(message)
        if refusal is not None:
            outcome, error = refusal, failure_of(exception)
        else:
            outcome, error, outward, failed = ending_of(exception)
            if outcome is CANCELLED and error is None and message.has_expired:
                outcome = Outcome.TIMED_OUT  # at the same instant as a deadline further out
            if outward is not None:
                raise outward from None
    finally:
        ledger.close(message, outcome, error)
        if failed is not None:
            ledger.failures.handler_failed(route, failed)
    return outcome, result


async def _handle(
    ledger: Ledger, handler: Handler, is_plain: bool, delivery: Request | Delivery, data: Any
) -> None:
    """Handle an event, in a context of its own: this task is its emitter's."""
    route = delivery.route
    context = contexts[delivery] = context_of_its_own(ledger.decimals)
    try:
        if is_plain:
            context.run(call_plain, handler, route.type, data, route.source)
        else:
            await run_in(call_async(handler, route.type, data, route.source), context)
    finally:
        del contexts[delivery]
