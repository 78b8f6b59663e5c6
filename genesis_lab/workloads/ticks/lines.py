"""What a format makes of one line: a trade, something else that is valid, or a bad line.

The rules that all formats share live here, so that a price is bad for the same reason in each.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from numbers import Real
from pathlib import Path
from typing import NamedTuple

NS_PER_SECOND = 1_000_000_000
LAST_NS = 2**63 - 1
"""The last instant that an int64 of nanoseconds holds (April 2262), as pandas has it too."""

_SHOWN = 80
_MOST_DIGITS = 19
"""What every int64 fits in. The bound spares us `int` on a line of a million digits."""


class Trade(NamedTuple):
    """One trade. A named tuple because a file has millions: it is cheap to make."""

    ns: int
    """Nanoseconds since the epoch."""
    symbol: str
    price: float
    quantity: float
    aggregated: bool = False
    """Whether the exchange merged the fills of one order at one price into it."""


class NotATrade(Enum):
    """A valid line which carries no trade."""

    HEADER = auto()
    MESSAGE = auto()


class BadLine(Exception):
    """A line that its format does not allow. Counted by the reader; callers never see it."""


Record = Trade | NotATrade


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """A format of one record per line."""

    name: str
    expected: str
    """How its lines look, for the message about a file of no known format."""
    recognises: Callable[[str], bool]
    """Whether a line from the beginning of a file can only be of this format."""
    parser_for: Callable[[Path], Callable[[str], Record]]
    """A parser for the lines of one file, in order: it may remember the header."""


def positive(name: str, value: object) -> float:
    """Return a price or a quantity, which is finite and greater than zero."""
    number = _number(value)
    if number is None:
        reason = f"{name} {shown(value)} is not a number"
        raise BadLine(reason)
    if not 0 < number < math.inf:
        reason = f"{name} {shown(value)} is not positive and finite"
        raise BadLine(reason)
    return number


def _number(value: object) -> float | None:
    """Stricter than `float`, which takes `1_0`, other scripts' digits and truth values too."""
    is_number = (
        is_plain(value)
        if isinstance(value, str)
        else isinstance(value, Real | Decimal) and not isinstance(value, bool)
    )
    if not is_number:
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # a text or a number, as we have seen
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def is_plain(text: str) -> bool:
    """Whether a text may be a number: Python takes more for one than any format does."""
    return text.isascii() and "_" not in text


def shown(value: object) -> str:
    """A value in a message about a line, which has bounds."""
    return repr(value)[:_SHOWN]


def named(symbol: object) -> str:
    """Return a symbol, which is text and not empty."""
    if not isinstance(symbol, str) or not (name := symbol.strip()) or not _is_unicode(name):
        reason = f"symbol {shown(symbol)} is not a name"
        raise BadLine(reason)
    return name


def _is_unicode(text: str) -> bool:
    """Whether it is made of characters: JSON may have half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def digits(name: str, text: str) -> int:
    """Return a non-negative whole number; stricter than `int`, which takes `+1_0` too."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        reason = f"{name} {text[:40]!r} is not a whole number"
        raise BadLine(reason)
    return int(text)
