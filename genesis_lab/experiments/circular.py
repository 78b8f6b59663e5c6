"""Circular calls: a ring of components, each of which asks the next one, and the last the first.

A client asks the first one. When the question comes round, the first component is still busy with
it. Does it ever answer? The ring has 1 to 8 components; in a ring of 1 it asks itself.
"""

from collections.abc import Iterator

import pandas as pd

from genesis_lab import analysis
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.compared import HYBRID, HYBRID_RAISE, OLD_BUS, OLD_BUS_SIDE_BY_SIDE
from genesis_lab.experiments.deadlocks import (
    drawings_of_deadlocks,
    judge_by_admission,
    measure_deadlocks,
    table_of_deadlocks,
    under_longest_timeout,
)
from genesis_lab.experiments.drawings import draw_measure
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.trials import Condition, admission_named, grid
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Script,
    ScriptedComponent,
    System,
    WaitRandom,
)

_WORK = WaitRandom(Exponential(0.01))


def conditions(quick: bool) -> list[Condition]:
    """Architecture x ring x admission x timeout."""
    return grid(
        architecture=[OLD_BUS, OLD_BUS_SIDE_BY_SIDE, HYBRID, HYBRID_RAISE],
        ring=[1, 2, 3] if quick else range(1, 9),
        admission=["serial", "call_chain", "re_entrant"],
        timeout=[1.0] if quick else [0.5, 1.0, 5.0],
    )


def scenario(*, ring: int, admission: str, timeout: float | None) -> System:
    """A ring, and a client that asks its first component once and never gives up."""

    def member(number: int) -> ScriptedComponent:
        is_last = number == ring - 1
        ask_next = Call("c0", "close") if is_last else Call(f"c{number + 1}", "ask")
        ask: Script = (_WORK, Call(ask_next.target, ask_next.request_type, timeout))
        return ScriptedComponent(
            f"c{number}",
            on_request={"ask": ask, "close": (_WORK,)},
            admission=admission_named(admission),
        )

    return System(
        components=tuple(map(member, range(ring))),
        clients=(Client((Call("c0", "ask", None),)),),
    )


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per architecture, admission and size of the ring, under the longest timeout."""
    labels = {
        "latency": "time to answer [s]",
        "held": "longest deadlock [s]",
        "lost": "requests without answer",
    }
    return table_of_deadlocks(trials, labels, by=["architecture", "admission", "ring"])


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether rings no longer deadlock on the hybrid, and under which admission."""
    hybrid = trials[trials["architecture"] == HYBRID]
    # Whether a deadlock forms does not depend on the timeout that ends it: one trial, not several.
    formed = analysis.deadlock_probability(under_longest_timeout(hybrid), by="admission").set_index(
        "admission"
    )
    of = formed.to_dict("index")
    serial, by_chain = of["serial"], of["call_chain"]
    held = hybrid.loc[hybrid["admission"] == "serial", "held"]
    yield Verdict(
        claim="circular calls",
        judgement=judge_by_admission(formed["deadlocked"]),
        measured="rings that deadlock on the hybrid, one message at a time",
        effect=serial["probability"],
        low=serial["low"],
        high=serial["high"],
        unit="",
        sentence=(
            f"With one message at a time, {serial['deadlocked']} of {serial['trials']} rings "
            f"deadlock, and are held for {held.min():.2g} to {held.max():.2g} s until a timeout "
            f"ends it and the answer is lost; with call-chain admission "
            f"{by_chain['deadlocked']} of {by_chain['trials']} do."
        ),
    )


def drawings(trials: pd.DataFrame, traces: Traces) -> Iterator[Drawing]:
    """The time to an answer by the size of the ring, and single rings in detail."""
    yield draw_measure(
        under_longest_timeout(trials),
        "latency",
        series=["architecture", "admission"],
        against="ring",
        xlabel="components in the ring",
        ylabel="time to answer [s]",
        xscale="log2",
        yscale="log",
        name="latency",
        caption="How long the client waits for the ring's answer: for ever on the old bus, for the "
        "whole timeout where a deadlock is masked, for the work alone where none forms or the "
        "request that would close it is refused.",
    )
    yield from drawings_of_deadlocks(traces, graph_of="old-bus")


EXPERIMENT = Experiment(
    name="circular",
    question=EXPERIMENTS["circular"],
    conditions=conditions,
    scenario=scenario,
    measure=measure_deadlocks,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    showcases={
        "old-bus": Condition(OLD_BUS, {"ring": 3, "admission": "serial", "timeout": None}),
        "hybrid": Condition(HYBRID, {"ring": 3, "admission": "serial", "timeout": 1.0}),
    },
    replicates=5,
    quick_replicates=2,
)
