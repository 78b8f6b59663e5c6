"""Input that is checked at the door: before an id is given, and so that a record can hold it."""

from math import inf, isfinite, isnan
from numbers import Real

from genesis_lab.errors import InvalidSetting, InvalidTimeout


def seconds_of(timeout: object) -> float:
    """A timeout in seconds; None is no limit.

    Raises
    ------
    InvalidTimeout
        It is neither None nor a number of at least zero.
    """
    if timeout is None:
        return inf
    seconds = _number(timeout)
    if seconds is None or not seconds >= 0:
        raise InvalidTimeout(timeout)
    return seconds


def check_instant(name: str, value: object) -> float:
    """An instant in seconds.

    Raises
    ------
    InvalidSetting
        It is no finite number.
    """
    seconds = _number(value)
    if seconds is None or not isfinite(seconds):
        raise InvalidSetting(name, value, "a finite number of seconds")
    return seconds


def check_seconds(name: str, value: object) -> float:
    """A duration in seconds, which may be infinite.

    Raises
    ------
    InvalidSetting
        It is no number of at least zero.
    """
    seconds = _number(value)
    if seconds is None or not seconds >= 0:
        raise InvalidSetting(name, value, "seconds >= 0")
    return seconds


def check_capacity(name: str, value: object) -> float:
    """How many there may be of something, at least one; it may be infinite.

    Raises
    ------
    InvalidSetting
        It is no number of at least one.
    """
    number = _number(value)
    if number is None or not number >= 1:
        raise InvalidSetting(name, value, "a number >= 1")
    return number


def _number(value: object) -> float | None:
    """A real number as a float; None for what is none: text, booleans, what no float can hold."""
    if type(value) is float:  # the common case, without the look-up of an abstract base class
        return None if isnan(value) else value
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):
        return None
