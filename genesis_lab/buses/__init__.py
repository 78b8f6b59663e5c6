"""The architectures: what carries requests and events between components, one file each.

From the top: `synchronous` and `hybrid` are the buses; `base` holds what they share, the life of a
request; `dispatcher` handles deliveries from inboxes; `ledger` keeps what is in flight, and reports
it once; `directory` knows who is on the bus; `mailbox` is a component's gate and inbox; `policies`
may stand before requests; `inflight` are the messages; `unprotected` calls a component's code;
`statistics` reads from all of this what the bus is doing now.

Nothing here imports pandas or matplotlib.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from genesis_lab.buses.base import Bus
from genesis_lab.buses.hybrid import HybridCoordinator
from genesis_lab.buses.policies import Attempt, Policy
from genesis_lab.buses.statistics import BusStatistics, ComponentStatistics, MessageStatistics
from genesis_lab.buses.synchronous import SynchronousBus

ARCHITECTURES: dict[str, Callable[..., Any]] = {
    "synchronous": SynchronousBus,
    "synchronous-component": partial(SynchronousBus, scope="component"),
    "hybrid": HybridCoordinator,
    "hybrid-awaited": partial(HybridCoordinator, delivery="awaited"),
    "hybrid-raise": partial(HybridCoordinator, on_deadlock="raise"),
}
"""Factories by name; each takes `observer=` and the architecture's other settings."""

__all__ = [
    "ARCHITECTURES",
    "Attempt",
    "Bus",
    "BusStatistics",
    "ComponentStatistics",
    "HybridCoordinator",
    "MessageStatistics",
    "Policy",
    "SynchronousBus",
]
