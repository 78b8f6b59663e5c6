"""What goes on changing after it was reported: deadlocks until they are broken, components' stays.

They are looked at again for each trace and for each flush to a spool.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from genesis_lab.messages import Deadlock, Membership
from genesis_lab.recording.records import COMPONENTS, DEADLOCKS, Table

Values = Mapping[Table, Sequence[Mapping[str, Any]]]
"""Rows of deadlocks and of components: the columns of each by name."""

_ENDS = {DEADLOCKS: "broken_at", COMPONENTS: "left_at"}
"""The column that says when one ended, or NaN."""


class CurrentValues:
    """The deadlocks and stays that have been reported, but for those that a spool has."""

    def __init__(self) -> None:
        self.formed = 0
        """How many deadlocks have been reported, those that a spool has among them."""
        self._joined = 0
        self._deadlocks: list[Deadlock] = []
        self._stays: list[tuple[int, Membership]] = []

    def add_deadlock(self, deadlock: Deadlock) -> None:
        """Follow one more deadlock."""
        self._deadlocks.append(deadlock)
        self.formed += 1

    def add_stay(self, membership: Membership) -> None:
        """Follow one more component."""
        self._stays.append((self._joined, membership))
        self._joined += 1

    def rows(self) -> Values:
        """All of them as they are now."""
        return {
            DEADLOCKS: [_deadlock_row(deadlock) for deadlock in self._deadlocks],
            COMPONENTS: [_component_row(number, each) for number, each in self._stays],
        }

    def forget_ended(self) -> None:
        """Follow only those that have not ended."""
        self._deadlocks = [each for each in self._deadlocks if isnan(each.broken_at)]
        self._stays = [stay for stay in self._stays if isnan(stay[1].left_at)]


def ended(values: Values) -> Values:
    """Those that will not change any more."""
    return {
        table: [row for row in rows if not isnan(row[_ENDS[table]])]
        for table, rows in values.items()
    }


def standing(values: Values) -> Values:
    """Those that may change."""
    return {
        table: [row for row in rows if isnan(row[_ENDS[table]])] for table, rows in values.items()
    }


def _deadlock_row(deadlock: Deadlock) -> dict[str, Any]:
    columns = {name: getattr(deadlock, name) for name in DEADLOCKS.columns}
    return columns | {"victims": tuple(deadlock.victims), "waits": tuple(deadlock.waits)}


def _component_row(number: int, membership: Membership) -> dict[str, Any]:
    of_membership = (name for name in COMPONENTS.columns if name != "number")
    return {"number": number} | {name: getattr(membership, name) for name in of_membership}
