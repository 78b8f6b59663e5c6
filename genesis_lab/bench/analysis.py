"""What it costs to analyse a trace: percentiles with intervals, outcomes."""

from collections.abc import Callable
from functools import cache, partial
from math import inf
from time import process_time

import numpy as np
import pandas as pd

import genesis_lab as gl
from genesis_lab.analysis import latency_percentiles, littles_law, outcome_table
from genesis_lab.bench.claims import AtMost, Claim, total
from genesis_lab.bench.measuring import Family
from genesis_lab.messages import Route

REQUESTS = 1_000_000
TARGETS = 10


@cache
def _requests(size: int) -> pd.DataFrame:
    """So many requests as recorded, to ten components, each a queue at load 0.8."""
    stream = np.random.default_rng(0)
    targets = stream.integers(TARGETS, size=size).tolist()
    sent = stream.exponential(1.0, size).cumsum().tolist()
    services = stream.exponential(0.8 * TARGETS, size).tolist()
    recorder = gl.Recorder()
    for target in range(TARGETS):
        recorder.route_opened(Route(target, "client", f"server {target}", "work"))
    free_at = [0.0] * TARGETS
    for id, (target, at, service) in enumerate(zip(targets, sent, services, strict=True)):
        started = max(at, free_at[target])
        free_at[target] = finished = started + service
        recorder.request_ended(
            id,
            -1,
            id,
            target,
            1,
            gl.Outcome.ANSWERED,
            None,
            inf,
            at,
            at,
            at,
            started,
            finished,
            finished,
            0.0,
        )
    return recorder.trace().requests


def analyse(analysis: Callable[[pd.DataFrame], object], size: int) -> float:
    """One request's part in the analysis."""
    requests = _requests(size)
    began = process_time()
    analysis(requests)
    return (process_time() - began) / size


FAMILY = Family(
    contenders={
        "percentiles": partial(analyse, partial(latency_percentiles, by="target")),
        "Little's law": partial(analyse, littles_law),
        "outcomes": partial(analyse, outcome_table),
    },
    size=REQUESTS,
    claims=(
        Claim(
            work="1,000,000 requests: percentiles with intervals, Little's law, outcomes",
            measured=total("percentiles", "Little's law", "outcomes", scale=REQUESTS),
            unit="s",
            bar=AtMost(5),
        ),
    ),
)
