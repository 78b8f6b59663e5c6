"""What happened, as a Mermaid sequence diagram: a picture that is text.

The syntax: https://mermaid.js.org/syntax/sequenceDiagram.html
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any, NamedTuple

from genesis_lab.errors import InvalidSetting
from genesis_lab.messages import Deadlock
from genesis_lab.recording.messages import Frames, Message, deadlock_at, deadlocks_of, messages_of

_REQUEST = "->>"
_REPLY = {"answered": "-->>", "failed": "-->>"}
_LOST_REPLY = "--x"
_DELIVERY = "-)"
_LOST_DELIVERY = {"dropped": "-x", "cancelled": "-x"}
_NOTE = ""


@dataclass(frozen=True, slots=True, repr=False)
class SequenceDiagram:
    """A diagram that JupyterLab draws (from 4.1 on), and whatever else knows Mermaid.

    It has no HTML form on purpose: JupyterLab would show that instead.
    """

    source: str
    """The diagram, as Mermaid reads it."""

    def __repr__(self) -> str:
        return self.source

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/vnd.mermaid": self.source, "text/plain": self.source}


def draw_sequence(
    trace: Frames,
    *,
    start: float,
    end: float,
    chain: int | None,
    deadlock: int | None,
    limit: int,
) -> SequenceDiagram:
    """The diagram of the messages sent in a window of time, in a chain, or in a deadlock."""
    if not start <= end:
        raise InvalidSetting("end", end, f"at least start={start!r}")
    if not isinstance(limit, int) or limit < 1:
        raise InvalidSetting("limit", limit, "a whole number >= 1")
    messages = messages_of(trace.requests, trace.deliveries, trace.events)
    chosen = messages
    if chain is not None:
        chosen = _of_chain(messages, chain)
    if deadlock is not None:
        chosen = _of_deadlock(messages, deadlock_at(trace.deadlocks, deadlock))
    delivered = {message.parent for message in messages if message.kind == "delivery"}
    drawn = [each for each in chosen if start <= each.at <= end and each.id not in delivered]
    steps = sorted(
        [
            *_steps_of_messages(drawn[:limit], messages),
            *_steps_of_deadlocks(
                deadlocks_of(trace.deadlocks), {each.id for each in drawn[:limit]}
            ),
        ]
    )
    return SequenceDiagram("\n".join(_lines(steps, left_out=len(drawn[limit:]))))


def _of_chain(messages: Sequence[Message], chain: int) -> list[Message]:
    """The messages of a call chain, and where its events went."""
    ids = {message.id for message in messages if message.chain == chain}
    if not ids:
        raise InvalidSetting("chain", chain, "the id of a call chain of this trace")
    return [message for message in messages if message.id in ids or message.parent in ids]


def _of_deadlock(messages: Sequence[Message], deadlock: Deadlock) -> list[Message]:
    """The members, the victims, and what led to them."""
    parents = {message.id: message.parent for message in messages}
    ids: set[int] = set()
    for involved in (*deadlock.members, *deadlock.victims):
        id = involved
        while id in parents and id not in ids:
            ids.add(id)
            id = parents[id]
    return [message for message in messages if message.id in ids]


class _Step(NamedTuple):
    """One line of the diagram; lines are in the order of the first four fields."""

    at: float
    after: int
    """Id of the message that was sent last before it, of those at the same instant."""
    rank: int
    """What is sent comes before the notes on it, and these before what ends."""
    tie: int
    """Of what ends together, the innermost comes first."""
    arrow: str
    between: tuple[str, ...]
    """The participants: from one to another, or all that a note concerns."""
    label: str


def _steps_of_messages(shown: Sequence[Message], messages: Sequence[Message]) -> Iterator[_Step]:
    sent_by: defaultdict[int, list[Message]] = defaultdict(list)
    for message in messages:
        sent_by[message.parent].append(message)
    for message in shown:
        at, id, type = message.at, message.id, _escaped(message.type)
        there, back = (message.source, message.target), (message.target, message.source)
        if message.kind == "event":
            label = f"{type} ({at:.6g} s), nobody receives it"
            yield _Step(at, id, 0, 0, _NOTE, (message.source,), label)
        elif message.kind == "delivery":
            arrow = _LOST_DELIVERY.get(message.outcome, _DELIVERY)
            yield _Step(at, id, 0, 0, arrow, there, f"{type} ({at:.6g} s), {_end(message)}")
        else:
            again = f", attempt {message.attempt}" if message.attempt > 1 else ""
            pending = ", pending" if isnan(message.finished_at) else ""
            yield _Step(at, id, 0, 0, _REQUEST, there, f"{type}{again}{pending} ({at:.6g} s)")
            if not pending:
                arrow = _REPLY.get(message.outcome, _LOST_REPLY)
                last = _last_sent_within(message, sent_by)
                label = f"{type} {_end(message)}"
                yield _Step(message.finished_at, last, 2, -id, arrow, back, label)


def _end(message: Message) -> str:
    error = "" if message.error is None else f", {_escaped(message.error)}"
    at = "" if isnan(message.finished_at) else f" ({message.finished_at:.6g} s)"
    return f"{message.outcome}{error}{at}"


def _last_sent_within(message: Message, sent_by: Mapping[int, Sequence[Message]]) -> int:
    """The last message sent during this one and on its behalf, itself if there was none."""
    last, senders = message.id, [message.id]
    while senders:
        sent = [
            other.id for other in sent_by.get(senders.pop(), ()) if other.at <= message.finished_at
        ]
        last = max([last, *sent])
        senders += sent
    return last


def _steps_of_deadlocks(deadlocks: Sequence[Deadlock], shown: set[int]) -> Iterator[_Step]:
    for deadlock in deadlocks:
        if not shown.isdisjoint(deadlock.members):
            names = tuple(map(_escaped, deadlock.components))
            told = str(replace(deadlock, components=names))  # names have neither colon nor comma
            label = f"deadlock {told.replace(': ', '<br/>').replace(', ', '<br/>')}"
            last = max(deadlock.members)
            yield _Step(deadlock.formed_at, last, 1, 0, _NOTE, deadlock.components, label)


def _lines(steps: Sequence[_Step], *, left_out: int) -> Iterator[str]:
    numbers: dict[str, int] = {}
    for step in steps:
        for name in step.between:
            numbers.setdefault(name, len(numbers))
    yield "sequenceDiagram"
    for name, number in numbers.items():
        yield f"    participant p{number} as {_escaped(name)}"
    for step in steps:
        participants = [numbers[name] for name in step.between]
        if step.arrow == _NOTE:
            yield _note(participants, step.label)
        else:
            source, target = participants
            yield f"    p{source}{step.arrow}p{target}: {step.label}"
    if left_out:
        yield _note([*numbers.values()], f"{left_out:,} more left out")
    if not steps:
        yield "    participant p0 as nothing happened"


def _note(participants: Sequence[int], text: str) -> str:
    """A note over all between the leftmost and the rightmost of the participants."""
    first, last = min(participants), max(participants)
    over = f"p{first}" if first == last else f"p{first},p{last}"
    return f"    Note over {over}: {text}"


def _escaped(name: str) -> str:
    """The name with codes for all that has a meaning anywhere in a line of Mermaid."""
    escaped = "".join(map(_escaped_character, name)).strip() or _escaped('""')
    # `end` closes a block, in some versions wherever it stands.
    return re.sub(r"\be(?=nd\b)", lambda end: _code(end[0]), escaped, flags=re.IGNORECASE)


def _escaped_character(character: str) -> str:
    if not character.isprintable():
        return " "
    is_plain = character.isalnum() or character in " _.-/()" or not character.isascii()
    return character if is_plain else _code(character)


def _code(character: str) -> str:
    return f"#{ord(character)};"
