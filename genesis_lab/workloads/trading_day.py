"""Recorded trades, replayed through the Genesis trading system on one architecture.

>>> day = trading_day(read_ticks("ticks.csv.gz"), architecture="hybrid", seed=7)  # doctest: +SKIP
>>> day.run.ended, day.run.at                                                     # doctest: +SKIP
>>> day.summary()                                                                 # doctest: +SKIP
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from genesis_lab.buses import ARCHITECTURES, Bus
from genesis_lab.recording import Recorder, Trace
from genesis_lab.virtual_time import RunResult, run
from genesis_lab.workloads.genesis import Genesis, GenesisSettings, Price
from genesis_lab.workloads.ticks import Ticks


class TradingDay:
    """A trading system, and the ticks that it will see; for one run.

    Parameters
    ----------
    ticks
        What is replayed, at its own pace.
    settings
        Those of the trading system.

    Attributes
    ----------
    genesis : Genesis
        The trading system, to be looked at however the run ends.
    ticks : Ticks
        As given.
    """

    def __init__(self, ticks: Ticks, settings: GenesisSettings | None = None) -> None:
        self.genesis = Genesis(settings)
        self.ticks = ticks

    async def run_on(self, bus: Bus, progress: Callable[[], object] | None = None) -> None:
        """Publish each tick's price at its time, and wait until the last event has been handled.

        Parameters
        ----------
        bus
            An open bus; the components are registered on it.
        progress
            Called after each tick.
        """
        self.genesis.join(bus)
        await self.genesis.market_data.replay(_prices(self.ticks), progress)
        await bus.settle()


def _prices(ticks: Ticks) -> Iterator[tuple[float, Price]]:
    columns = (ticks.frame[name].tolist() for name in ("time", "symbol", "price"))
    for at, symbol, price in zip(*columns, strict=True):
        yield at, Price(symbol, price)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TradingDayResult:
    """What happened on one architecture."""

    architecture: str
    run: RunResult[None]
    """How and when the run ended."""
    trace: Trace
    genesis: Genesis
    """The trading system as the run left it."""
    ticks: int
    """How many there were to publish."""

    def summary(self) -> pd.Series:
        """Return what a comparison of architectures shows of a trading day.

        Returns
        -------
        pandas.Series
            `ended`, `at` (when the run ended [s]), `ticks` (published), `signals`, `trades`,
            `rejections` (by the exchange), `refusals` (by the risk manager), `unanswered` (asked
            back in vain), `notifications`, `deadlocks` (formed), `deadlocks_broken`, `largest_lag`
            (how late a tick was published, at most [s]; infinite if the run stalled before the last
            one, NaN without ticks), `reconciled` (whether portfolio and exchange agree).
        """
        genesis, deadlocks, events = self.genesis, self.trace.deadlocks, self.trace.events
        updates = events[events["event_type"] == "price_update"]
        is_short = self.run.ended == "stalled" and len(updates) < self.ticks
        largest_lag = (updates["sent_at"] - updates["intended_at"]).max()
        return pd.Series(
            {
                "ended": self.run.ended,
                "at": self.run.at,
                "ticks": len(updates),
                "signals": genesis.strategy.signals,
                "trades": len(genesis.exchange.trades),
                "rejections": genesis.exchange.rejections,
                "refusals": genesis.risk.refused,
                "unanswered": genesis.risk.unanswered,
                "notifications": genesis.notifications.sent,
                "deadlocks": len(deadlocks),
                "deadlocks_broken": int(deadlocks["broken_at"].notna().sum()),
                "largest_lag": math.inf if is_short else largest_lag,
                "reconciled": genesis.reconcile().agrees,
            },
            name=self.architecture,
        )


def trading_day(
    ticks: Ticks,
    *,
    architecture: str = "hybrid",
    settings: GenesisSettings | None = None,
    seed: int = 0,
    horizon: float = math.inf,
    progress: Callable[[], object] | None = None,
) -> TradingDayResult:
    """Replay ticks on one architecture in virtual time, and record everything.

    Parameters
    ----------
    ticks
        What is replayed.
    architecture
        A name in `ARCHITECTURES`.
    settings
        Those of the trading system.
    seed, horizon
        As of `genesis_lab.run`.
    progress
        Called after each tick.

    Raises
    ------
    UnknownArchitecture, InvalidSetting
        There is no such architecture, or the horizon is not positive.
    """
    new_bus = ARCHITECTURES[architecture]
    recorder = Recorder()
    day = TradingDay(ticks, settings)

    async def main() -> None:
        async with new_bus(observer=recorder) as bus:
            await day.run_on(bus, progress)

    result = run(main, seed=seed, horizon=horizon)
    return TradingDayResult(
        architecture=architecture,
        run=result,
        trace=recorder.trace(),
        genesis=day.genesis,
        ticks=len(ticks.frame),
    )
