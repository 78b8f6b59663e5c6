"""The architectures that the experiments compare, and the part of each in the comparison.

Experiments name them from here, not from the registry: an architecture that is registered does not
change the plans, so that reports stay comparable. It joins them here, on purpose.
"""

OLD_BUS = "synchronous"
"""The baseline: what the original system used."""
OLD_BUS_SIDE_BY_SIDE = "synchronous-component"
"""The old bus with chains side by side, which tells its two limits apart."""
HYBRID = "hybrid"
"""The design whose claims are tested."""
HYBRID_AWAITED = "hybrid-awaited"
"""The same with the delivery of the original code."""
HYBRID_RAISE = "hybrid-raise"
"""The same with deadlocks refused."""

COMPARED = (OLD_BUS, OLD_BUS_SIDE_BY_SIDE, HYBRID, HYBRID_AWAITED, HYBRID_RAISE)
"""What an experiment on every architecture runs on."""
