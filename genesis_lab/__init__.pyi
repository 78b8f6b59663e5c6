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
    work,
)
from .components import (
    CALL_CHAIN,
    INTERLEAVED,
    RE_ENTRANT,
    SERIAL,
    Admission,
    AdmissionByType,
    Component,
    pool,
)
from .errors import (
    CircularDependency,
    DeadlockDetected,
    EventTimedOut,
    HandlerFailed,
    InboxFull,
    LabError,
    QueueFull,
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
from .resilience import CircuitBreaker, Retry, Timeouts
from .schedules import Fifo, Recorded, Replay, Schedule, Seeded
from .virtual_time import RunResult, run, sleep

__version__: str

__all__ = [
    "run",
    "sleep",
    "work",
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
    "INTERLEAVED",
    "RE_ENTRANT",
    "pool",
    "AdmissionByType",
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
    "Timeouts",
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
    "QueueFull",
    "InboxFull",
    "EventTimedOut",
]
