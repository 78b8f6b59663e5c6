"""One run of a play on its buses, disturbed at a chosen step: cancelled, left, or interrupted."""

import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from math import inf, isnan
from typing import cast

import trio

import genesis_lab as gl
from tests.interrupts import interruptible
from tests.properties.balance import Tally, Witness, check_balance, clock_of_the_run
from tests.properties.injection import AtStep
from tests.properties.plain_record import RequestRow
from tests.properties.stage import Play

Disturbance = Callable[["Performance"], Awaitable[None]]
"""Performs a play, with something that happens before the chosen step."""

PATIENCE = 100.0
"""Longer than anything in these systems takes, unless it is deadlocked [s]."""
PROBE = "probe"
"""Who asks the components once more."""


class Performance:
    """A run of a play on its buses.

    Parameters
    ----------
    make_buses
        As in `ARCHITECTURES`, for each of its systems.
    play
        What is performed.
    step
        Before which step of the run the disturbance happens, from 0; None: never.
    """

    def __init__(
        self, make_buses: Sequence[Callable[..., gl.Bus]], play: Play, step: int | None = None
    ) -> None:
        self.records = [Witness() for _ in make_buses]
        self._buses = [
            make(observer=record) for make, record in zip(make_buses, self.records, strict=True)
        ]
        self._play = play
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
        return [
            row
            for record in self.records
            for row in record.requests
            if record.routes[row.route].source == PROBE
        ]

    def check(self) -> None:
        """Assert that the record balances, and that a disturbed run comes to its end."""
        if self.is_disturbed:
            assert self._clock.ended is self._ended_before, "something hangs once it is disturbed"
        was_cut = self._clock.ended is not None
        interleaves = any(
            "INTERLEAVED" in each.admission for record in self.records for each in record.components
        )
        for bus, record, tally in zip(self._buses, self.records, self._tallies, strict=True):
            check_balance(record, was_cut=was_cut, is_alone=len(self.records) == 1)
            tally.check(record, may_miss=was_cut or interleaves)
            assert record.times_closed == 1
            late = Witness()
            bus.report_open(late)
            assert list(late.ids()) == [], "still in flight after the end"
        for row in self.probes():
            if not isnan(row.finished_at):  # it may be cut on its way
                assert row.arrived_at == row.started_at == row.served_at, "it stayed taken"

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
        """Perform the play on the open buses."""
        self._tallies = [Tally(bus) for bus in self._buses]
        await self._play.run_on(*cast("list[gl.Bus]", self._tallies))

    async def perform_until_cancelled(self) -> None:
        """Perform on the open buses; the disturbance cancels whatever this task waits for."""
        with trio.CancelScope() as scope:
            self.at_its_step(scope.cancel)
            await self.perform()

    async def probe(self) -> None:
        """Ask each component once more; if nothing is deadlocked then all of them are free."""
        with trio.move_on_after(PATIENCE) as patience:
            for bus in self._buses:
                await bus.settle()
        await gl.sleep(PATIENCE)  # services may outlive the senders' waits
        if not patience.cancelled_caught:
            for bus, tally in zip(self._buses, self._tallies, strict=True):
                if bus._ledger.in_flight:
                    continue  # services of senders that gave up, which nothing ends
                for component_id in bus.components():
                    await tally.request(component_id, "probe", None, PROBE)

    @asynccontextmanager
    async def open_buses(self) -> AsyncGenerator[None, None]:
        """All buses, one inside the other."""
        async with AsyncExitStack() as stack:
            for bus in self._buses:
                await stack.enter_async_context(bus)
            yield


async def cancelled(performance: Performance) -> None:
    """Everything is cancelled, the buses too."""
    with trio.CancelScope() as scope:
        performance.at_its_step(scope.cancel)
        async with performance.open_buses():
            await performance.perform()


async def left(performance: Performance) -> None:
    """The clients are cancelled, and the buses are left at once."""
    async with performance.open_buses():
        await performance.perform_until_cancelled()


async def abandoned(performance: Performance) -> None:
    """The clients are cancelled; the buses go on to the end and are asked once more."""
    async with performance.open_buses():
        await performance.perform_until_cancelled()
        await performance.probe()


async def interrupted(performance: Performance) -> None:
    """Someone presses Ctrl-C."""
    performance.at_its_step(partial(signal.raise_signal, signal.SIGINT))
    async with performance.open_buses():
        await performance.perform()
