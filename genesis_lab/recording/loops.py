"""Causal loops: messages that lead, directly or not, to another one of the same kind.

A message is at a component and has a type. Where one was caused by another with the same component
and type, by way of requests, events and deliveries, a loop has closed: A's event makes B emit, and
B's event makes A emit; or A asks B, which asks A. Time may pass in a loop or not; one without end
in which none passes is a livelock.

The messages from a root to the one that it led to last are a walk over (component, type). It is
taken apart in the order of time: as soon as it comes back to a step that it has, the steps since
then are a loop that has closed once, and are taken out of the walk. So each step of a walk is in
one loop at most, the steps of a loop differ, and a loop within another is not counted as a part
of it. What is left of a walk is one of few, so each message costs one look-up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

_NONE = -1
"""Stands for a message or a loop where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One row of `trace.loops`; the fields are its columns."""

    steps: tuple[str, ...]
    """Component and type of each message, as `"a:ping"`, in order, from the first by alphabet."""
    length: int
    """How many steps it has."""
    count: int
    """How many times it closed."""
    in_a_row: int
    """How many times at most it closed on one line of causes, with no other message in between.

    Large for messages that go round and round, 1 for calls that each come back once.
    """
    first_at: float
    """When the first round began [s since the bus opened]."""
    last_at: float
    """When it closed for the last time [s since the bus opened]."""
    rate: float
    """`count` by the time from `first_at` to `last_at` [1/s]; infinite where no time passes."""
    closed_by: int
    """Id of the message that closed it first."""
    chain: int
    """The call chain of that message."""


_DTYPES = {each.name: each.type for each in fields(Loop) if each.type in {int, float}}


def find_loops(
    requests: pd.DataFrame, deliveries: pd.DataFrame, events: pd.DataFrame
) -> pd.DataFrame:
    """The loops of a trace, those that closed most often first; columns as in `Loop`.

    A request that was rejected, and a delivery that never got into an inbox, close no loop.

    Parameters
    ----------
    requests, deliveries, events
        As in a `Trace`.
    """
    messages, names = _messages_of(requests, deliveries, events)
    rows = [
        _row(closings, messages, first_rotation([names[step] for step in closings.steps]))
        for closings in _closings(messages)
    ]
    rows.sort(key=lambda row: (-row.count, row.steps))
    columns = [each.name for each in fields(Loop)]
    frame = pd.DataFrame([asdict(row) for row in rows], columns=columns)
    return frame.astype(_DTYPES)


def _row(closings: "_Closings", messages: "_Messages", steps: tuple[str, ...]) -> Loop:
    takes = closings.last_at - closings.first_at
    return Loop(
        steps=steps,
        length=len(steps),
        count=closings.count,
        in_a_row=closings.in_a_row,
        first_at=closings.first_at,
        last_at=closings.last_at,
        rate=closings.count / takes if takes > 0 else inf,
        closed_by=int(messages.id[closings.first]),
        chain=int(messages.chain[closings.first]),
    )


def first_rotation(path: Sequence[str]) -> tuple[str, ...]:
    """A round trip from the first of its rotations by alphabet, so that equal ones look equal."""
    return min((*path[turn:], *path[:turn]) for turn in range(len(path)))


# --- the messages ---------------------------------------------------------------------------------


class _Messages(NamedTuple):
    """Messages at components, in order of sending; one element each."""

    id: npt.NDArray[np.int64]
    cause: npt.NDArray[np.int64]
    """Position of the message that caused it; -1: none did."""
    step: npt.NDArray[np.int64]
    """Number of its component and type."""
    at: npt.NDArray[np.float64]
    chain: npt.NDArray[np.int64]


def _messages_of(
    requests: pd.DataFrame, deliveries: pd.DataFrame, events: pd.DataFrame
) -> tuple[_Messages, list[str]]:
    """The messages, and what the numbers of their steps stand for."""
    requests = requests[requests["outcome"] != "rejected"]
    deliveries = deliveries[deliveries["sent_at"].notna()]
    numbers: dict[tuple[str, str], int] = {}
    of_requests = _steps(requests, "request_type", numbers)
    of_deliveries = _steps(deliveries, "event_type", numbers)
    emitted_in = _found(deliveries["event"].to_numpy(), events["id"].to_numpy())
    causes = np.append(events["cause"].to_numpy(), _NONE)[emitted_in]
    id = np.concatenate([requests["id"], deliveries["id"]])
    order = id.argsort(kind="stable")
    id = id[order]
    cause = _found(np.concatenate([requests["cause"], causes])[order], id)
    both = [requests, deliveries]
    messages = _Messages(
        id=id,
        cause=np.where(cause < np.arange(len(id)), cause, _NONE),  # so that none is its own cause
        step=np.concatenate([of_requests, of_deliveries])[order],
        at=np.concatenate([frame["sent_at"] for frame in both])[order],
        chain=np.concatenate([frame["chain"] for frame in both])[order],
    )
    return messages, [f"{component}:{type}" for component, type in numbers]


def _steps(
    frame: pd.DataFrame, type: str, numbers: dict[tuple[str, str], int]
) -> npt.NDArray[np.int64]:
    """The number of each message's component and type; new ones are added to those known."""
    targets, types = frame["target"].cat, frame[type].cat
    width = max(len(types.categories), 1)
    codes = targets.codes.to_numpy(np.int64) * width + types.codes.to_numpy(np.int64)
    distinct, places = np.unique(codes, return_inverse=True)
    names = [
        (targets.categories[code // width], types.categories[code % width]) for code in distinct
    ]
    known = [numbers.setdefault(name, len(numbers)) for name in names]
    return np.array(known, np.int64)[places]


def _found(wanted: npt.NDArray[Any], ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Where each of the wanted ids is among the ids, which are sorted; -1: nowhere."""
    if not len(ids):
        return np.full(len(wanted), _NONE)
    places = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
    return np.where(ids[places] == wanted, places, _NONE)


# --- the walks ------------------------------------------------------------------------------------


class _Closings:
    """How often a loop has closed so far."""

    __slots__ = ("count", "first", "first_at", "in_a_row", "last_at", "steps")

    def __init__(self, steps: tuple[int, ...], first: int) -> None:
        self.steps = steps
        self.first = first
        """Position of the message that closed it first."""
        self.count = 0
        self.in_a_row = 0
        self.first_at = inf
        self.last_at = -inf


class _Walk:
    """The steps that are left of some messages' walks: the last one, and those before it."""

    __slots__ = ("before", "nexts", "step")

    def __init__(self, step: int, before: "_Walk | None") -> None:
        self.step = step
        self.before = before
        self.nexts: dict[int, tuple[_Walk, _Closings | None]] = {}
        """What is left after a next step, and the loop that this closes."""

    def since(self, step: int) -> "list[_Walk]":
        """The walks from this one back to that which ends with the step; empty if none does."""
        back = [self]
        while back[-1].step != step:
            if back[-1].before is None:
                return []
            back.append(back[-1].before)
        return back


class _Loops(dict[tuple[int, ...], _Closings]):
    """The loops found so far, by their steps from the one with the smallest number on."""

    def closed_by(self, message: int, steps: Sequence[int]) -> _Closings:
        """The loop with these steps, a new one if this message closes it for the first time."""
        turn = steps.index(min(steps))
        path = (*steps[turn:], *steps[:turn])
        if path not in self:
            self[path] = _Closings(path, message)
        return self[path]


def _closings(messages: _Messages) -> Iterable[_Closings]:
    """How often the messages have closed which loops.

    One pass, and lists instead of arrays, since this looks at each message by itself.
    """
    loops, roots = _Loops(), dict[int, _Walk]()
    at = messages.at.tolist()
    walks: list[_Walk] = []
    before: list[int] = []  # the message of the last step but one of what is left of a walk
    closed: list[_Closings | None] = []
    in_a_row: list[int] = []
    for message, (cause, step) in enumerate(
        zip(messages.cause.tolist(), messages.step.tolist(), strict=True)
    ):
        if cause == _NONE:
            walk, loop = roots.get(step), None
            if walk is None:
                walk = roots[step] = _Walk(step, None)
        else:
            known = walks[cause].nexts.get(step)
            walk, loop = known or _take(walks[cause], step, message, loops)
        rounds = 0
        previous = cause
        if loop is not None:
            start = cause
            for _ in range(len(loop.steps) - 1):
                start = before[start]
            previous = before[start]
            rounds = in_a_row[start] + 1 if closed[start] is loop else 1
            loop.count += 1
            loop.in_a_row = max(loop.in_a_row, rounds)
            loop.first_at = min(loop.first_at, at[start])
            loop.last_at = max(loop.last_at, at[message])
        walks.append(walk)
        before.append(previous)
        closed.append(loop)
        in_a_row.append(rounds)
    return loops.values()


def _take(walk: _Walk, step: int, message: int, loops: _Loops) -> tuple[_Walk, _Closings | None]:
    """What is left of a walk after its next step, and the loop that this closes; both are kept."""
    back = walk.since(step)
    if back:
        loop = loops.closed_by(message, [each.step for each in reversed(back)])
        walk.nexts[step] = back[-1], loop
    else:
        walk.nexts[step] = _Walk(step, walk), None
    return walk.nexts[step]
