from .deadlocks import deadlock_durations, deadlock_probability, deadlock_survival
from .intervals import mean_intervals, paired_differences
from .latency import latencies, latency_percentiles, naive_latencies, percentile_curve
from .littles_law import littles_law
from .outcomes import outcome_table, wasted_work
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
from .rates import throughput
from .warmup import warm_up_length, without_warm_up

__all__ = [
    "latencies",
    "naive_latencies",
    "latency_percentiles",
    "percentile_curve",
    "mean_intervals",
    "paired_differences",
    "warm_up_length",
    "without_warm_up",
    "throughput",
    "outcome_table",
    "wasted_work",
    "deadlock_probability",
    "deadlock_survival",
    "deadlock_durations",
    "littles_law",
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
