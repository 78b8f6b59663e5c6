"""Timeouts as one table: how long each request may take."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from genesis_lab.errors import InvalidSetting

Route = tuple[str | None, str | None]
"""A target and a request type; None: any."""


class Timeouts(Mapping[Route, float | None]):
    """A timeout per target and request type: an immutable table with a default.

    Of the entries that match a request, the most specific one counts: that of its target and type,
    then that of its target, then that of its type, then the default.

    Parameters
    ----------
    timeouts
        Seconds by `(target, request_type)`, one of which may be None, for any. A timeout may be 0,
        `math.inf`, or None for no limit.
    default
        The timeout where no entry matches [s].

    Raises
    ------
    InvalidSetting
        A key is no such pair, or a timeout is negative or no number.

    Examples
    --------
    >>> timeouts = Timeouts(
    ...     {("risk_manager", "exposure"): 0.25, ("exchange", None): 2.0, (None, "ping"): 0.1}
    ... )
    >>> timeouts.of("risk_manager", "exposure"), timeouts.of("exchange", "ping")
    (0.25, 2.0)
    >>> timeouts.of("portfolio", "ping"), timeouts.of("portfolio", "positions")
    (0.1, 5.0)
    """

    __slots__ = ("_default", "_timeouts")

    def __init__(
        self, timeouts: Mapping[Route, float | None], *, default: float | None = 5.0
    ) -> None:
        _check_table(timeouts)
        _check_timeout("default", default)
        self._timeouts = MappingProxyType(dict(timeouts))
        self._default = default

    @property
    def default(self) -> float | None:
        """The timeout where no entry matches [s]; None: no limit."""
        return self._default

    def of(self, target: str, request_type: str) -> float | None:
        """The timeout of a request [s]; None: no limit."""
        for key in ((target, request_type), (target, None), (None, request_type)):
            if key in self._timeouts:
                return self._timeouts[key]
        return self._default

    def __getitem__(self, route: Route) -> float | None:
        return self._timeouts[route]

    def __iter__(self) -> Iterator[Route]:
        return iter(self._timeouts)

    def __len__(self) -> int:
        return len(self._timeouts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeouts):
            return NotImplemented
        return (self._timeouts, self._default) == (other._timeouts, other._default)

    def __hash__(self) -> int:
        return hash((frozenset(self._timeouts.items()), self._default))

    def __repr__(self) -> str:
        return f"Timeouts({dict(self._timeouts)!r}, default={self._default!r})"


def _check_table(timeouts: object) -> None:
    if not isinstance(timeouts, Mapping):
        expected = "a mapping of (target, request_type) to seconds"
        raise InvalidSetting("timeouts", timeouts, expected)
    for key, timeout in timeouts.items():
        if not _is_route(key):
            expected = "keys (target, request_type), of which one may be None"
            raise InvalidSetting("timeouts", key, expected)
        _check_timeout(f"timeouts[{key!r}]", timeout)


def _is_route(key: object) -> bool:
    return (
        isinstance(key, tuple)
        and len(key) == 2  # noqa: PLR2004  # a target, and a request type
        and all(part is None or isinstance(part, str) for part in key)
        and key != (None, None)
    )


def _check_timeout(name: str, value: object) -> None:
    if value is not None and not (isinstance(value, int | float) and value >= 0):
        raise InvalidSetting(name, value, "seconds >= 0, math.inf or None")
