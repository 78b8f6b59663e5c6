from .architectures import ARCHITECTURES, Architecture, add_architecture
from .as_written import DesignAsWritten
from .base import Bus
from .dedicated_queues import DedicatedQueueBus
from .hybrid import HybridCoordinator
from .layered import LayeredBus
from .policies import Attempt, Policy
from .processors import work
from .statistics import BusStatistics, ComponentStatistics, MessageStatistics
from .synchronous import SynchronousBus

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "add_architecture",
    "Attempt",
    "Bus",
    "BusStatistics",
    "ComponentStatistics",
    "DedicatedQueueBus",
    "DesignAsWritten",
    "HybridCoordinator",
    "LayeredBus",
    "MessageStatistics",
    "Policy",
    "SynchronousBus",
    "work",
]
