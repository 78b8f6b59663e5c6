"""Who waits for whom in a deadlock, read off the records of its messages.

A message waits for those that it caused. One that caused none of those involved is queued, and
waits for whoever is served where it wants to be.
"""

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan

from genesis_lab.messages import Deadlock
from genesis_lab.recording.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One message of a deadlock, and what it waits for."""

    message: Message
    is_handled: bool
    """Its handler, or emitter, waits for what it sent; else the message waits for its turn."""
    behind: tuple[Message, ...]
    """The messages of the deadlock that it waits for."""
    since: float
    """[s since the bus opened]"""


def waits_of(
    messages: Sequence[Message], deadlock: Deadlock, *, in_turn: bool = False
) -> dict[int, Wait]:
    """What each message of a deadlock waits for, by its id: the members, and then the victims.

    All victims that there ever were count, those that gave up before others came as well.

    Parameters
    ----------
    messages
        Those of the deadlock, in order of sending.
    deadlock
        Its members and victims are among the messages.
    in_turn
        Whether the deliveries of an event are known to be handled one after another, and not side
        by side. If not, one that waits for its turn among them and then for its component counts as
        waiting for the latter.
    """
    until = inf if isnan(deadlock.broken_at) else deadlock.broken_at
    by_id = {message.id: message for message in messages}
    opened = {message.id: _opened_at(message, by_id) for message in messages}
    # Members waited for members when the deadlock formed: later, one that gives up may free another
    # that goes on and waits for something else, while the rest still hold each other up.
    at_first = [each for each in messages if opened[each.id] <= deadlock.formed_at]
    of_members, of_victims = (
        _Involved(involved, opened, until=until, in_turn=in_turn)
        for involved in (at_first, messages)
    )
    return {id: of_members.wait_of(by_id[id], {*deadlock.members}) for id in deadlock.members} | {
        id: of_victims.wait_of(by_id[id], by_id) for id in deadlock.victims
    }


def _opened_at(message: Message, by_id: Mapping[int, Message]) -> float:
    """When its sender began to wait for it; a delivery may get into its inbox much later."""
    event = by_id.get(message.parent) if message.kind == "delivery" else None
    return message.at if event is None else min(message.at, event.at)


class _Involved:
    """Messages that wait for each other, by what the others may wait for."""

    def __init__(
        self,
        messages: Sequence[Message],
        opened: Mapping[int, float],
        *,
        until: float,
        in_turn: bool,
    ) -> None:
        self._opened = opened
        self._in_turn = in_turn
        self._caused: defaultdict[int, list[Message]] = defaultdict(list)
        self._served_at: defaultdict[str, list[Message]] = defaultdict(list)
        self._first_in_inbox: dict[str, Message] = {}
        self._first_of_event: dict[int, Message] = {}
        self._served_roots: list[Message] = []
        in_line = sorted(messages, key=_place_in_line)
        for message in in_line:
            if message.kind != "delivery" or _is_awaited(message, until):
                self._caused[message.parent].append(message)
            if message.kind == "delivery":
                self._first_of_event.setdefault(message.parent, message)
                if _is_root(message):
                    self._first_in_inbox.setdefault(message.target, message)
        for message in in_line:
            if message.id in self._caused:
                self._served_at[message.target].append(message)
                if _is_root(message):
                    self._served_roots.append(message)

    def wait_of(self, message: Message, stuck: Container[int]) -> Wait:
        """What the message waits for, at least one of which is known to be among those stuck."""
        caused = self._caused.get(message.id, [])
        holders = (
            each
            for each in self._places(message)
            if any(holder.id in stuck for holder in each if holder.id != message.id)
        )
        return Wait(
            message=message,
            is_handled=bool(caused),
            behind=tuple(caused or next(holders, [])),
            since=min(self._opened[each.id] for each in caused or [message]),
        )

    def _places(self, message: Message) -> Iterator[list[Message]]:
        """Who is served, or is first, wherever a queued message may wait.

        That is in its inbox; among the deliveries of its event, if these are handled in turn; at
        its component; and for the bus, which one call chain may have to itself.
        """
        served = self._served_at[message.target] if message.target else []
        if message.kind == "delivery":
            if _is_root(message):
                yield [self._first_in_inbox[message.target]]
            before = [self._first_of_event[message.parent]]
            yield from (before, served) if self._in_turn else (served, before)
        else:
            yield served
        yield self._served_roots


def _place_in_line(message: Message) -> tuple[float, int]:
    """Where it is in a queue: behind all others, if it never got into the inbox."""
    return (inf if isnan(message.sent_at) else message.sent_at), message.id


def _is_root(message: Message) -> bool:
    """Whether its call chain began with it."""
    return message.id == message.chain


def _is_awaited(delivery: Message, until: float) -> bool:
    """Whether its emitter waited for it, or for room in the inbox."""
    return not _is_root(delivery) or not delivery.sent_at < until
