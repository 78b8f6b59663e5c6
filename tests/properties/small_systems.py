"""A handful of systems that are small enough to be disturbed at every single step of their run."""

from contextlib import suppress
from dataclasses import dataclass

import trio

from genesis_lab.components import (
    CALL_CHAIN,
    INTERLEAVED,
    RE_ENTRANT,
    SERIAL,
    AdmissionByType,
    pool,
)
from genesis_lab.errors import NotRegistered
from genesis_lab.workloads.scripted import (
    Actor,
    Call,
    Client,
    Concurrent,
    Emit,
    Fail,
    PlainComponent,
    ScriptedComponent,
    Step,
    System,
    Wait,
    Work,
)
from tests.properties.stage import Abroad, Detached, Host, Listen, On, Play


@dataclass(frozen=True, slots=True)
class Unregister:
    """Take a component off the bus, if it is still there."""

    component: str

    async def take(self, actor: Actor) -> None:
        with suppress(NotRegistered):
            actor.bus.unregister(self.component)


@dataclass(frozen=True, slots=True)
class Finally:
    """Take a step, and whatever comes of it another one, which no cancellation reaches."""

    step: Step
    clean_up: Step

    async def take(self, actor: Actor) -> None:
        try:
            await self.step.take(actor)
        finally:
            with trio.CancelScope(shield=True):
                await self.clean_up.take(actor)


HEARTBEAT = Client((Wait(0.7), Wait(0.7)))
"""Who keeps the run going where the others are deadlocked."""

RING = System(
    components=(
        ScriptedComponent("a", on_request={"ask": (Wait(0.1), Call("b", "ask", 1.0))}),
        ScriptedComponent("b", on_request={"ask": (Call("c", "ask", 0.5), Call("d", "ask"))}),
        ScriptedComponent("c", on_request={"ask": (Call("a", "ask", 1.0, raising=True),)}),
        PlainComponent("d"),
    ),
    clients=(
        Client((Call("a", "ask", 2.0), Call("d", "ask"), Call("nobody", "ask"))),
        Client((Call("b", "ask", 0.3, raising=True),), start_at=0.2),
        Client((Call("c", "ask", 0.0), Call("c", "ask", 2.0)), start_at=0.2),
        HEARTBEAT,
    ),
)
"""A cycle with a tail, ended by timeouts, some of them at the same instant."""

BRANCHES = System(
    components=(
        ScriptedComponent(
            "a",
            on_request={
                "ask": (
                    Concurrent((Call("b", "ask"),), (Call("b", "ask"), Wait(0.0)), (Wait(0.3),)),
                    Call("c", "ask", raising=True),
                )
            },
            admission=pool(2),
        ),
        ScriptedComponent(
            "b", on_request={"ask": (Wait(0.1), Call("a", "again"))}, admission=CALL_CHAIN
        ),
        ScriptedComponent(
            "c", on_request={"ask": (Concurrent((Wait(0.1), Fail()), (Call("b", "ask"),)),)}
        ),
    ),
    clients=(Client((Call("a", "ask"),)), Client((Call("a", "ask", 0.25),)), HEARTBEAT),
)
"""Concurrent branches in a handler, and failures that cancel the other branch."""

NEWS = System(
    components=(
        ScriptedComponent("a", on_event={"news": (Wait(0.1), Emit("more"), Wait(0.1))}),
        ScriptedComponent(
            "b",
            on_event={"news": (Call("a", "ask", 0.2),), "more": (Emit("end"), Fail())},
        ),
        PlainComponent("c", fails_on=("more",)),
        ScriptedComponent(
            "d", on_event={"news": (Wait(0.3),), "more": (Wait(0.0),)}, admission=RE_ENTRANT
        ),
    ),
    subscriptions=(
        ("a", "news"),
        ("b", "news"),
        ("d", "news"),
        ("b", "more"),
        ("c", "more"),
        ("d", "more"),
        ("c", "end"),
    ),
    clients=(
        Client((Emit("news"), Emit("news"), Wait(0.05), Emit("more"))),
        Client((Emit("news"),)),
    ),
)
"""Events that lead to events, with full inboxes and with handlers that fail."""

LOOP = System(
    components=(
        ScriptedComponent("a", on_event={"there": (Emit("back"),) * 3, "again": (Emit("end"),)}),
        ScriptedComponent(
            "b", on_event={"back": (Wait(0.1), Emit("again"), Emit("again")), "end": ()}
        ),
    ),
    subscriptions=(("a", "there"), ("a", "again"), ("b", "back"), ("b", "end")),
    clients=(Client((Emit("there"), Emit("back"))), HEARTBEAT),
)
"""Two that send each other more than their inboxes hold."""

GOING = System(
    components=(
        ScriptedComponent(
            "a",
            on_request={"ask": (Call("b", "ask"), Unregister("a"), Wait(0.1))},
            on_event={"news": (Wait(0.2), Call("b", "ask"))},
        ),
        ScriptedComponent(
            "b",
            on_request={"ask": (Wait(0.1), Emit("news"), Wait(0.3))},
            on_event={"news": (Unregister("a"), Wait(0.1), Unregister("b"), Wait(0.1))},
        ),
    ),
    subscriptions=(("a", "news"), ("b", "news")),
    clients=(
        Client((Call("a", "ask"), Call("b", "ask"), Call("a", "ask"))),
        Client((Emit("news"), Emit("news"), Call("b", "ask", raising=True)), start_at=0.05),
        Client((Wait(0.5), Unregister("b"), Call("b", "ask"))),
    ),
)
"""Components that leave, or are taken off the bus, while they serve and are waited for."""

CLEAN_UP = System(
    components=(
        ScriptedComponent(
            "a",
            on_request={
                "ask": (
                    Concurrent(
                        (Finally(Wait(0.2), Fail()),),
                        (Finally(Call("b", "ask", 0.1), Call("d", "ask")),),
                        (Finally(Call("b", "ask"), Wait(0.1)),),
                    ),
                )
            },
        ),
        ScriptedComponent(
            "b",
            on_request={"ask": (Finally(Wait(0.3), Wait(0.1)),)},
            on_event={"news": (Finally(Wait(0.3), Emit("end")), Call("d", "ask"))},
        ),
        ScriptedComponent("c", on_event={"news": (Finally(Wait(0.1), Fail()),)}),
        PlainComponent("d"),
    ),
    subscriptions=(("b", "news"), ("c", "news"), ("d", "end")),
    clients=(Client((Call("a", "ask", 0.15), Emit("news"))), Client((Emit("news"), Wait(0.1)))),
)
"""Handlers that take time, send and fail when they are cancelled."""

GUESTS = System(
    components=(
        ScriptedComponent(
            "a",
            on_request={
                "ask": (Host((Call("b", "ask", 0.5), Call("c", "ask", 0.5))),),
                "again": (Wait(0.1),),
            },
            admission=INTERLEAVED,
        ),
        ScriptedComponent(
            "b",
            on_request={
                "ask": (
                    Abroad((Wait(0.05), Call("a", "again", 0.2))),
                    Detached((Wait(0.1), Call("c", "ask", 0.3), Emit("news"))),
                    Work(0.1),
                )
            },
            admission=SERIAL.bounded(1),
        ),
        ScriptedComponent(
            "c",
            on_request={"ask": (Concurrent((Emit("news"),), (Listen("news", 0.2),)), Work(0.1))},
            on_event={"news": (Abroad((Fail(),)), Wait(0.1))},
            admission=AdmissionByType({"ask": pool(2)}),
        ),
    ),
    subscriptions=(("c", "news"),),
    clients=(
        Client((Call("a", "ask", 0.4),)),
        Client((Host((Call("b", "ask"), Call("a", "ask", raising=True))),)),
        Client((Call("c", "ask"), Detached((Wait(0.1), Call("a", "again"))))),
    ),
)
"""Tasks that outlive their request or lie in another one's nursery, and waits for events."""

TWO_BUSES = (
    System(
        components=(
            ScriptedComponent(
                "a",
                on_request={"ask": (Concurrent((On(1, Call("b", "ask", 0.3)),), (Wait(0.1),)),)},
                on_event={"news": (On(1, Call("b", "again", 0.2)), Wait(0.1))},
                admission=INTERLEAVED,
            ),
        ),
        subscriptions=(("a", "news"),),
        clients=(Client((Call("a", "ask", 0.25), Emit("news"))),),
    ),
    System(
        components=(
            ScriptedComponent(
                "b",
                on_request={
                    "ask": (Wait(0.05), On(0, Emit("news")), On(0, Call("a", "ask", 0.5))),
                    "again": (Wait(0.1),),
                },
            ),
        ),
        clients=(Client((Call("b", "ask", raising=True),)), HEARTBEAT),
    ),
)
"""Components that ask each other across two buses."""

SMALL_SYSTEMS = {
    "ring": Play((RING,)),
    "branches": Play((BRANCHES,)),
    "news": Play((NEWS,)),
    "loop": Play((LOOP,)),
    "going": Play((GOING,)),
    "clean-up": Play((CLEAN_UP,)),
    "guests": Play((GUESTS,)),
    "two buses": Play(TWO_BUSES),
}
