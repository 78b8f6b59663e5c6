from .architectures import ARCHITECTURES, Architecture, add_architecture
from .base import Bus
from .hybrid import HybridCoordinator
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
    "HybridCoordinator",
    "MessageStatistics",
    "Policy",
    "SynchronousBus",
    "work",
]
