"""A place that a handler gives up while it waits, and takes back before it goes on.

This is what `INTERLEAVED` means. As long as other tasks of the handler wait, one that is back goes
on without the place, and the last one takes it back for all. If each took it, one could hold it
that has nothing more to do, while another one, behind those that want it, waits in vain.
"""

from math import inf

import trio

from genesis_lab.buses.gates import Gate
from genesis_lab.buses.inflight import InFlight, returning
from genesis_lab.buses.ledger import Ledger


class _Lent:
    """A place that is given up."""

    __slots__ = ("returned", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        """How many tasks of the handler wait."""
        self.returned: trio.Event | None = None
        """Tells them that one of them no longer queues for the place."""


_lent: dict[InFlight, _Lent] = {}
"""By message; a message may wait on another bus than its own."""


def lent_by(waiter: InFlight) -> Gate | None:
    """The gate whose place a message gives up while its handler waits, if it does."""
    if not waiter.path:
        return None
    gate = waiter.path[-1]  # the component's own
    return gate if gate.steps_aside else None


def step_aside(message: InFlight, gate: Gate) -> None:
    """Give a message's place up while a task of its handler waits."""
    _lent.setdefault(message, _Lent()).waiting += 1
    if gate.holds(message):
        gate.leave(message)
        assert message.mailbox is not None, "only what is served has a place"
        message.mailbox.elsewhere[message] = None
    if message in returning:
        returning[message].cancel()  # another of its tasks, which goes on without the place


async def take_back(message: InFlight, gate: Gate) -> None:
    """Wait until a message has its place again, so that its handler may go on.

    The handler may have been cancelled in part only, by a scope of its own: it then goes on, and
    needs the place. So the wait is shielded, and ends early only with the message itself. Several
    tasks may come back at once: one of them queues for all.
    """
    lent = _lent[message]
    lent.waiting -= 1
    try:
        while not (lent.waiting or gate.holds(message) or gate.enter(message)):
            if lent.returned is not None:
                with trio.CancelScope(shield=True):
                    await lent.returned.wait()
            else:
                await _queue(message, gate, lent)
            if not gate.holds(message) and _is_over(message):
                break
        else:
            return
    finally:
        if not lent.waiting and lent.returned is None:
            _lent.pop(message, None)
    await trio.lowlevel.checkpoint()  # the handler is cancelled, and must not go on


async def _queue(message: InFlight, gate: Gate, lent: _Lent) -> None:
    """Queue for a place until it is there, the message's time is over, or a task steps aside."""
    home = _home_of(message)
    lent.returned = trio.Event()
    try:
        with trio.CancelScope(shield=True, deadline=_deadline(message)) as scope:
            returning[message] = scope
            gate.join(message)  # past the queue's limit: the message was in before
            home.begin_wait(message, gate)
            await home.park(message, gate)
    finally:
        del returning[message]
        lent.returned.set()
        lent.returned = None


def _is_over(message: InFlight) -> bool:
    """Whether the message itself is cancelled, or out of time."""
    return message.gone or message.has_expired or _home_of(message).is_cut or _is_late(message)


def _is_late(message: InFlight) -> bool:
    return _deadline(message) <= trio.current_time()


def _home_of(message: InFlight) -> Ledger:
    assert isinstance(message.home, Ledger), "a message is at home in its bus's ledger"
    return message.home


def _deadline(message: InFlight) -> float:
    """When a message gives up, itself or by way of one that it is nested in [trio's clock]."""
    deadline = inf
    each: InFlight | None = message
    while each is not None:
        if each.scope is not None:
            deadline = min(deadline, each.scope.deadline)
        each = each.outer
    return deadline
