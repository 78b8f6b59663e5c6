"""Components that fail at some of their messages, by chance."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from genesis_lab.components import SERIAL, Admission
from genesis_lab.errors import InvalidSetting, LabError
from genesis_lab.streams import Draws
from genesis_lab.workloads.durations import Duration
from genesis_lab.workloads.services import Service


class ServiceFailed(LabError):
    """A failing service came upon one of its failures."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service

    def __str__(self) -> str:
        return f"{self.service!r} is there to fail, and this message was one of those"


def one_error(service: str) -> Exception:
    """What most code raises."""
    return ServiceFailed(service)


def error_group(service: str) -> Exception:
    """What a nursery raises when two of its tasks fail."""
    return ExceptionGroup("two tasks failed", [ServiceFailed(service), ServiceFailed(service)])


class FailingService(Service):
    """A service that takes its time, may ask another component, and then fails by chance.

    A failure takes as long as an answer does, and with a higher rate those that failed before still
    do. So under one seed nothing but what failed differs between two rates.

    Parameters
    ----------
    id, service_time, admission
        As of `Service`.
    failure_rate
        The probability that it fails at a message.
    error
        Makes what it raises.
    asks
        The component that it asks first, if any.
    """

    def __init__(
        self,
        id: str,
        service_time: Duration,
        *,
        failure_rate: float,
        error: Callable[[str], Exception] = one_error,
        asks: str | None = None,
        admission: Admission = SERIAL,
    ) -> None:
        super().__init__(id, service_time, admission=admission)
        if not 0 <= failure_rate <= 1:
            raise InvalidSetting("failure_rate", failure_rate, "a number from 0 to 1")
        self.failure_rate = failure_rate
        self.error = error
        self.asks = asks
        self._chance = Draws(_from_0_to_1, "failures", id)

    async def process_request(self, request_type: str, data: Any, source: str) -> float:
        """Take a drawn time and ask; the reply says how long it took [s], unless it fails."""
        seconds = await super().process_request(request_type, data, source)
        await self._ask_and_maybe_fail()
        return seconds

    async def on_event(self, event_type: str, data: Any, source: str) -> None:
        """Take a drawn time and ask, and maybe fail."""
        await super().on_event(event_type, data, source)
        await self._ask_and_maybe_fail()

    async def _ask_and_maybe_fail(self) -> None:
        if self.asks is not None:
            await self.bus.request(self.asks, "work", None, self.id)
        if self._chance() < self.failure_rate:
            raise self.error(self.id)

    def __repr__(self) -> str:
        return (
            f"FailingService({self.id!r}, {self.service_time!r}, "
            f"failure_rate={self.failure_rate!r}, error={self.error.__name__}, "
            f"asks={self.asks!r}, admission={self.admission!r})"
        )


def _from_0_to_1(stream: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
    return stream.random(size)
