"""genesis_lab: the same components on several message buses, under one seed and a virtual clock.

The layers, from the bottom up; each imports only from those before it:

- `errors`, `messages`, `components`, `observers`: the words of the lab, as values and Protocols.
- `virtual_time`: the clock that jumps, `sleep`, and `run`.
- `waits`: the wait-for graph, which finds each deadlock at the instant it forms.
- `buses`: what carries requests and events; one file per architecture.
- `resilience`: retry and circuit breaker, which may stand before requests.
- `recording`: from what a bus reports to pandas frames, to files and back.
- `workloads`: components and traffic, from scripts to a trading day.
- `plots`, `cli`, `bench`: figures, the command line, measurements.

What needs pandas or matplotlib is loaded when it is first used, so that a bus starts fast.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from genesis_lab.buses import ARCHITECTURES, Bus, HybridCoordinator, SynchronousBus
from genesis_lab.components import CALL_CHAIN, RE_ENTRANT, SERIAL, Admission, Component, pool
from genesis_lab.errors import (
    DeadlockDetected,
    HandlerFailed,
    InboxFull,
    LabError,
    RequestError,
    RequestRejected,
    RequestTimedOut,
    TargetGone,
    UnknownTarget,
)
from genesis_lab.messages import Deadlock, Outcome
from genesis_lab.observers import Observer
from genesis_lab.virtual_time import RunResult, run, sleep

if TYPE_CHECKING:
    from genesis_lab.recording import Recorder, Trace
    from genesis_lab.resilience import CircuitBreaker, Retry

__version__ = "0.1.0"

# Quiet unless the application says otherwise: without a handler, Python prints warnings to stderr.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_LOADED_ON_USE = {
    "Recorder": "genesis_lab.recording",
    "Trace": "genesis_lab.recording",
    "Retry": "genesis_lab.resilience",
    "CircuitBreaker": "genesis_lab.resilience",
}

__all__ = [
    "run",
    "sleep",
    "RunResult",
    "Component",
    "Admission",
    "SERIAL",
    "CALL_CHAIN",
    "RE_ENTRANT",
    "pool",
    "HybridCoordinator",
    "SynchronousBus",
    "Bus",
    "ARCHITECTURES",
    "Recorder",
    "Trace",
    "Retry",
    "CircuitBreaker",
    "Outcome",
    "Deadlock",
    "Observer",
    "LabError",
    "RequestError",
    "UnknownTarget",
    "TargetGone",
    "RequestTimedOut",
    "HandlerFailed",
    "DeadlockDetected",
    "RequestRejected",
    "InboxFull",
]


def __getattr__(name: str) -> Any:
    module = _LOADED_ON_USE.get(name)
    if module is None:
        raise AttributeError(name=name, obj=import_module(__name__))
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
