"""Recursive calls: a component that is reached again by what it set off itself.

A client asks a publisher, and while it serves that request it

- `request`: asks itself;
- `event`: publishes an event to which it has subscribed itself, as another component has;
- `call back`: publishes an event, and the subscriber asks it back;
- `call back, ask`: does the same, works on, and then asks the subscriber.

Does it ever answer? Under which admission, and does it matter whether the publisher waits for the
subscribers?
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from genesis_lab import analysis
from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.claims import Verdict
from genesis_lab.experiments.compared import COMPARED, HYBRID, HYBRID_AWAITED, OLD_BUS
from genesis_lab.experiments.deadlocks import (
    drawings_of_deadlocks,
    judge_by_admission,
    measure_deadlocks,
    table_of_deadlocks,
    under_longest_timeout,
)
from genesis_lab.experiments.drawings import draw_measure
from genesis_lab.experiments.experiment import Drawing, Experiment, Traces
from genesis_lab.experiments.trials import Condition, TrialResult, admission_named, grid
from genesis_lab.workloads.durations import Exponential
from genesis_lab.workloads.scripted import (
    Call,
    Client,
    Emit,
    Script,
    ScriptedComponent,
    System,
    WaitRandom,
)

SHAPES = ("request", "event", "call back", "call back, ask")
"""How the publisher is reached again."""

_WORK = WaitRandom(Exponential(0.01))


def conditions(quick: bool) -> list[Condition]:
    """Architecture x shape x admission x timeout."""
    return grid(
        architecture=COMPARED,
        shape=SHAPES,
        admission=["serial", "call_chain", "re_entrant"],
        timeout=[1.0] if quick else [0.5, 1.0, 5.0],
    )


def scenario(*, shape: str, admission: str, timeout: float | None) -> System:
    """A publisher, a subscriber, and a client that asks the publisher once and never gives up."""
    publisher_asks_itself = Call("publisher", "close", timeout)
    then: dict[str, Script] = {
        "request": (publisher_asks_itself,),
        "event": (Emit("news"), _WORK),
        "call back": (Emit("news"), _WORK),
        "call back, ask": (Emit("news"), _WORK, Call("subscriber", "close", timeout)),
    }
    calls_back = shape.startswith("call back")
    publisher = ScriptedComponent(
        "publisher",
        on_request={"ask": (_WORK, *then[shape]), "close": (_WORK,)},
        on_event={"news": (_WORK,)},
        admission=admission_named(admission),
    )
    subscriber = ScriptedComponent(
        "subscriber",
        on_request={"close": (_WORK,)},
        on_event={"news": (_WORK, Call("publisher", "close", timeout)) if calls_back else (_WORK,)},
        admission=admission_named(admission),
    )
    subscribed = ["publisher", "subscriber"] if shape == "event" else ["subscriber"]
    return System(
        components=(publisher, subscriber),
        subscriptions=tuple((component, "news") for component in subscribed),
        clients=(Client((Call("publisher", "ask", None),)),),
    )


def measure(result: TrialResult) -> Mapping[str, Any]:
    """What became of the client's question, and `returned`: deliveries at their own emitter."""
    deliveries = result.trace.deliveries
    to_itself = deliveries["source"].astype(str) == deliveries["target"].astype(str)
    return {**measure_deadlocks(result), "returned": int(to_itself.sum())}


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per shape, architecture and admission, under the longest timeout."""
    labels = {
        "latency": "time to answer [s]",
        "held": "longest deadlock [s]",
        "lost": "requests without answer",
        "returned": "events back at their emitter",
    }
    return table_of_deadlocks(trials, labels, by=["shape", "architecture", "admission"])


def verdicts(trials: pd.DataFrame) -> Iterator[Verdict]:
    """Whether a component that calls itself no longer deadlocks on the hybrid, shape by shape."""
    hybrid = trials[trials["architecture"] == HYBRID]
    # Whether a deadlock forms does not depend on the timeout that ends it: one trial, not several.
    formed = analysis.deadlock_probability(under_longest_timeout(hybrid), by=["shape", "admission"])
    of = formed.set_index(["shape", "admission"]).to_dict("index")

    def share(shape: str, admission: str) -> str:
        cell = of[shape, admission]
        return f"{cell['deadlocked']} of {cell['trials']}"

    to_itself = of["request", "serial"]
    returned = int(under_longest_timeout(hybrid)["returned"].sum())
    yield Verdict(
        claim="recursive calls",
        judgement=judge_by_admission(formed.groupby("admission")["deadlocked"].sum()),
        measured="requests to itself that deadlock on the hybrid, one message at a time",
        effect=to_itself["probability"],
        low=to_itself["low"],
        high=to_itself["high"],
        unit="",
        sentence=(
            f"Events came back to their emitter {returned} times and deadlocked in "
            f"{share('event', 'serial')} trials, in {share('call back', 'serial')} if a subscriber "
            f"called back. But with one message at a time {share('request', 'serial')} requests to "
            f"itself deadlock until a timeout ({share('request', 'call_chain')} with call-chain "
            f"admission), and {share('call back, ask', 'serial')} requests to a subscriber that "
            f"calls back ({share('call back, ask', 'call_chain')} with call-chain admission, "
            f"{share('call back, ask', 're_entrant')} re-entrant)."
        ),
    )


def drawings(trials: pd.DataFrame, traces: Traces) -> Iterator[Drawing]:
    """The time to an answer with and without waiting for subscribers, and single trials."""
    shown = trials[
        (trials["shape"] == "call back, ask")
        & trials["architecture"].isin([HYBRID, HYBRID_AWAITED])
    ]
    yield draw_measure(
        shown,
        "latency",
        series=["architecture", "admission"],
        against="timeout",
        xlabel="timeout [s]",
        ylabel="time to answer [s]",
        yscale="log",
        name="latency",
        caption="How long the client waits for a publisher that asks a subscriber which calls it "
        "back. One message at a time costs the timeout, whether or not the publisher waits for its "
        "subscribers. Call-chain admission helps only where it does: else what a subscriber does "
        "is of a chain of its own.",
    )
    yield from drawings_of_deadlocks(traces, graph_of="call-chain")


EXPERIMENT = Experiment(
    name="recursive",
    question=EXPERIMENTS["recursive"],
    conditions=conditions,
    scenario=scenario,
    measure=measure,
    summary=summary,
    verdicts=verdicts,
    drawings=drawings,
    showcases={
        "old-bus": Condition(OLD_BUS, {"shape": "event", "admission": "serial", "timeout": None}),
        "call-chain": Condition(
            HYBRID, {"shape": "call back, ask", "admission": "call_chain", "timeout": 1.0}
        ),
    },
    replicates=5,
    quick_replicates=2,
)
