from .buses import (
    ARCHITECTURES,
    Architecture,
    Bus,
    DedicatedQueueBus,
    DesignAsWritten,
    HybridCoordinator,
    LayeredBus,
    SynchronousBus,
    add_architecture,
)
from .components import CALL_CHAIN, RE_ENTRANT, SERIAL, Admission, Component, pool
from .errors import (
    CircularDependency,
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
from .laboratory import LiveLab, live
from .laboratory.dashboard import dashboard
from .laboratory.explorer import explorer
from .messages import Deadlock, Outcome
from .observers import Observer
from .recording import Recorder, Trace
from .resilience import CircuitBreaker, Retry
from .schedules import Fifo, Recorded, Replay, Schedule, Seeded
from .virtual_time import RunResult, run, sleep

__version__: str

__all__ = [
    "run",
    "sleep",
    "live",
    "dashboard",
    "explorer",
    "RunResult",
    "Schedule",
    "Seeded",
    "Fifo",
    "Replay",
    "Recorded",
    "LiveLab",
    "Component",
    "Admission",
    "SERIAL",
    "CALL_CHAIN",
    "RE_ENTRANT",
    "pool",
    "HybridCoordinator",
    "LayeredBus",
    "DesignAsWritten",
    "DedicatedQueueBus",
    "SynchronousBus",
    "Bus",
    "ARCHITECTURES",
    "Architecture",
    "add_architecture",
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
    "CircularDependency",
    "RequestRejected",
    "InboxFull",
]
