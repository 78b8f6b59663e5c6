"""Decides what runs next when several tasks or deliveries are ready at the same instant.

A run asks its schedule wherever the order is open: which of the ready tasks runs first, and which
of the ready deliveries is handed over first. Time and random draws do not depend on it, so one
system under one seed can be tried under many orders, and any order can be recorded and repeated.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from genesis_lab.errors import InvalidSetting, ScheduleDiverged, check_whole_number

Lane = Literal["tasks", "deliveries"]
"""What is ready: trio's tasks, or a bus's deliveries."""

Choices = tuple[tuple[int, ...], ...]
"""One entry per question: the positions of what was ready, in the order in which it ran."""


class Schedule(ABC):
    """The order in which a run's ready tasks and deliveries go on.

    A schedule serves one run at a time. A run begins it anew, so it may serve the next run as well.
    """

    def begin(self) -> None:  # noqa: B027  # a schedule without a memory has nothing to forget
        """Forget an earlier run."""

    @abstractmethod
    def order(self, ready: list[Any], lane: Lane) -> None:
        """Put what is ready, two or more, into the order in which it runs; in place.

        Parameters
        ----------
        ready
            Tasks (`trio.lowlevel.Task`) come in the order of their creation, deliveries in the
            order in which they became ready.
        lane
            Which of the two they are.
        """


class Seeded(Schedule):
    """A random order, the same one under the same seed.

    The two lanes draw from generators of their own: more deliveries do not shift the tasks' order.

    Parameters
    ----------
    seed
        A whole number of at least zero.

    Raises
    ------
    InvalidSetting
        The seed is something else.
    """

    def __init__(self, seed: int) -> None:
        self.seed = check_whole_number("seed", seed, at_least=0)
        self.begin()

    def __repr__(self) -> str:
        return f"Seeded({self.seed})"

    def begin(self) -> None:
        """Draw from the beginning."""
        self._shuffle = random.Random(self.seed).shuffle
        self._draw = random.Random(f"deliveries {self.seed}").random

    def order(self, ready: list[Any], lane: Lane) -> None:
        """Shuffle."""
        if lane == "tasks":
            # trio runs a batch from its end, and seeds keep the orders they have always had.
            self._shuffle(ready)
            ready.reverse()
        else:
            # Fan-outs are on the hot path, and `shuffle` takes several times as long.
            draw = self._draw
            ready.sort(key=lambda _delivery: draw())


class Fifo(Schedule):
    """First come, first served: the order as it is given; no seed changes it."""

    def __repr__(self) -> str:
        return "Fifo()"

    def order(self, ready: list[Any], lane: Lane) -> None:
        """Leave the order."""


class Replay(Schedule):
    """Repeats recorded choices, and is first come, first served once they are used up.

    All choices of a run repeat that run, in any process. A prefix of them repeats its beginning and
    lets the rest follow a fixed rule, which is what a search over schedules needs.

    Parameters
    ----------
    choices
        As in `Recorded.choices`, or as JSON gives them back: lists in place of tuples.

    Raises
    ------
    InvalidSetting
        An entry is not an order of two or more.
    """

    def __init__(self, choices: Sequence[Sequence[int]]) -> None:
        self.choices: Choices = _checked(choices)
        self.begin()

    def __repr__(self) -> str:
        return f"<Replay of {len(self.choices)} choices>"

    def begin(self) -> None:
        """Go back to the first choice."""
        self._step = 0

    def order(self, ready: list[Any], lane: Lane) -> None:
        """Repeat the next choice.

        Raises
        ------
        ScheduleDiverged
            Another number was ready when this choice was recorded.
        """
        if self._step == len(self.choices):
            return
        choice = self.choices[self._step]
        if len(choice) != len(ready):
            raise ScheduleDiverged(self._step, len(ready), lane, len(choice))
        self._step += 1
        ready[:] = [ready[position] for position in choice]


class Recorded(Schedule):
    """Another schedule, whose choices are recorded for `Replay`.

    Parameters
    ----------
    schedule
        What decides.

    Raises
    ------
    InvalidSetting
        It is not a schedule.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = check_schedule(schedule)
        self._choices: list[tuple[int, ...]] = []

    def __repr__(self) -> str:
        return f"Recorded({self._schedule!r})"

    @property
    def choices(self) -> Choices:
        """The choices of the latest run, both lanes in one sequence.

        What is ready alone leaves nothing to choose, and takes no entry.
        """
        return tuple(self._choices)

    def begin(self) -> None:
        """Forget the choices of an earlier run."""
        self._choices = []
        self._schedule.begin()

    def order(self, ready: list[Any], lane: Lane) -> None:
        """Let the other schedule order them, and note what it did."""
        # By identity: a delivery need not be hashable, and two may be equal.
        position = {id(item): index for index, item in enumerate(ready)}
        self._schedule.order(ready, lane)
        self._choices.append(tuple([position[id(item)] for item in ready]))


def check_schedule(schedule: object) -> Schedule:
    """Return the schedule.

    Raises
    ------
    InvalidSetting
        It is none.
    """
    if isinstance(schedule, Schedule):
        return schedule
    expected = "a Schedule such as Seeded(7)"
    if isinstance(schedule, type):
        expected += ", not the class"
    raise InvalidSetting("schedule", schedule, expected)


def _checked(choices: object) -> Choices:
    if isinstance(choices, list | tuple):
        for step, choice in enumerate(choices):
            if not _is_order(choice):
                name, expected = f"choices[{step}]", "the positions 0, 1, ... of two or more"
                raise InvalidSetting(name, choice, expected)
        return tuple(tuple(choice) for choice in choices)
    raise InvalidSetting("choices", choices, "a sequence of orders, as from Recorded.choices")


def _is_order(choice: object) -> bool:
    """Whether this is a permutation of 0, 1, ..."""
    if not isinstance(choice, list | tuple) or len(choice) < 2:  # noqa: PLR2004  # a choice of one
        return False
    return all(type(at) is int for at in choice) and sorted(choice) == list(range(len(choice)))
