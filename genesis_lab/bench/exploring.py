"""What an explorer takes to answer: a trial, what happened in a line, and its three figures."""

from functools import partial
from time import perf_counter

import genesis_lab as gl
from genesis_lab.bench.claims import AtMost, Claim, Costs
from genesis_lab.bench.measuring import Family
from genesis_lab.laboratory.exploring import Settings


def answer(settings: Settings, size: int) -> float:
    """One move of a slider of an explorer that stands near these settings.

    Wall-clock time: somebody waits for it. What is loaded at the first use is loaded before.
    """
    explorer = gl.explorer()
    for name, control in explorer.controls.items():
        control.value = getattr(settings, name)
    began = perf_counter()
    for seed in range(settings.seed + 1, settings.seed + 1 + size):
        explorer.controls["seed"].value = seed
    return (perf_counter() - began) / size


def _slowest(costs: Costs) -> float:
    return max(costs.values())


FAMILY = Family(
    contenders={
        "as it opens": partial(answer, Settings()),
        "where the old bus stops": partial(answer, Settings(architecture="synchronous")),
        "with all at their ends": partial(
            answer, Settings(components=10, load=1.2, service_time=0.1, slowness=50)
        ),
    },
    size=5,
    claims=(
        Claim(
            work="an explorer's answer with its figures, the slowest of three settings",
            measured=_slowest,
            unit="s",
            bar=AtMost(1.0),
            note="wall-clock time",
        ),
    ),
)
