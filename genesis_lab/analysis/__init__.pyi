from .queueing import (
    SteadyState,
    UnstableQueue,
    md1,
    mg1,
    mm1,
    mm1_latency_quantile,
    mm1k,
    mmc,
    mmc_latency_quantile,
    theory_curve,
)

__all__: list[str] = [
    "mm1",
    "mmc",
    "md1",
    "mg1",
    "mm1k",
    "mm1_latency_quantile",
    "mmc_latency_quantile",
    "theory_curve",
    "SteadyState",
    "UnstableQueue",
]
