"""One run of a system on a bus, disturbed at a chosen step: cancelled, left, or interrupted."""

import signal
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import cast

import trio

import genesis_lab as gl
from genesis_lab.workloads.scripted import System
from tests.interrupts import interruptible
from tests.properties.balance import Tally, Witness, check_balance, clock_of_the_run
from tests.properties.injection import AtStep
from tests.properties.plain_record import RequestRow

Disturbance = Callable[["Performance"], Awaitable[None]]
"""Performs a system, with something that happens before the chosen step."""

PATIENCE = 100.0
"""Longer than anything in these systems takes, unless it is deadlocked [s]."""
PROBE = "probe"
"""Who asks the components once more."""


class Performance:
    """A run of a system on a bus.

    Parameters
    ----------
    make_bus
        As in `ARCHITECTURES`.
    system
        What is performed.
    step
        Before which step of the run the disturbance happens, from 0; None: never.
    """

    def __init__(
        self, make_bus: Callable[..., gl.Bus], system: System, step: int | None = None
    ) -> None:
        self.record = Witness()
        self._bus = make_bus(observer=self.record)
        self._system = system
        self._step = step

    def run(self, disturbance: Disturbance, *, seed: int = 0, horizon: float = inf) -> None:
        """Perform the system; an interrupt comes out as such, and nothing else does."""
        was_interrupted = False
        with interruptible():
            try:
                gl.run(partial(disturbance, self), seed=seed, horizon=horizon)
            except KeyboardInterrupt:
                was_interrupted = True
        assert was_interrupted == (disturbance is interrupted and self.is_disturbed)

    @property
    def steps(self) -> int:
        """How many there were."""
        return self._injection.steps

    @property
    def is_disturbed(self) -> bool:
        """Whether the run was long enough for the disturbance to happen."""
        return self._step is not None and self._step < self.steps

    def probes(self) -> list[RequestRow]:
        """What the components were asked once more."""
        routes = self.record.routes
        return [row for row in self.record.requests if routes[row.route].source == PROBE]

    def check(self) -> None:
        """Assert that the record balances, and that a disturbed run comes to its end."""
        if self.is_disturbed:
            assert self._clock.ended is self._ended_before, "something hangs once it is disturbed"
        check_balance(self.record, was_cut=self._clock.ended is not None)
        self._tally.check(self.record)
        assert self.record.times_closed == 1
        late = Witness()
        self._bus.report_open(late)
        assert list(late.ids()) == [], "still in flight after the end"
        for row in self.probes():
            assert row.sent_at == row.started_at == row.finished_at, "the component stayed taken"

    # --- what a disturbance is made of ------------------------------------------------------------

    def at_its_step(self, act: Callable[[], object]) -> None:
        """Do this before the chosen step; steps count from here on."""
        clock = self._clock = clock_of_the_run()

        def disturb() -> None:
            self._ended_before = clock.ended
            act()

        self._injection = AtStep(self._step, disturb)
        trio.lowlevel.add_instrument(self._injection)

    async def perform(self) -> None:
        """Run the system on the open bus."""
        self._tally = Tally(self._bus)
        await self._system.run_on(cast("gl.Bus", self._tally))

    async def perform_until_cancelled(self) -> None:
        """Run the system on the open bus; the disturbance cancels whatever this task waits for."""
        with trio.CancelScope() as scope:
            self.at_its_step(scope.cancel)
            await self.perform()

    async def probe(self) -> None:
        """Ask each component once more; if nothing is deadlocked then all of them are free."""
        with trio.move_on_after(PATIENCE) as patience:
            await self._bus.settle()
            ledger = self._bus._ledger  # services may go on for callers that have given up
            await ledger.until(lambda: not ledger.in_flight)
        if not patience.cancelled_caught:
            for component_id in self._bus.components():
                await self._tally.request(component_id, "probe", None, PROBE)

    @property
    def bus(self) -> gl.Bus:
        """The bus, to be opened."""
        return self._bus


async def cancelled(performance: Performance) -> None:
    """Everything is cancelled, the bus too."""
    with trio.CancelScope() as scope:
        performance.at_its_step(scope.cancel)
        async with performance.bus:
            await performance.perform()


async def left(performance: Performance) -> None:
    """The clients are cancelled, and the bus is left at once."""
    async with performance.bus:
        await performance.perform_until_cancelled()


async def abandoned(performance: Performance) -> None:
    """The clients are cancelled, the bus goes on to the end of its work and is asked once more."""
    async with performance.bus:
        await performance.perform_until_cancelled()
        await performance.probe()


async def interrupted(performance: Performance) -> None:
    """Somebody presses Ctrl-C."""
    performance.at_its_step(partial(signal.raise_signal, signal.SIGINT))
    async with performance.bus:
        await performance.perform()
