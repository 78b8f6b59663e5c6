"""The lab's own exchange format: columns `time,symbol,price,quantity`, as CSV or Parquet.

`time` is in seconds since the epoch or ISO 8601 (UTC where it names no offset; Parquet's timestamps
too). It never passes through a float, which at today's epoch resolves 240 ns only; Parquet's
float columns have lost that before we see them. What is finer than a nanosecond is rounded.
Columns may come in any order, and further ones are ignored.
"""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from pathlib import Path

import pandas as pd

from genesis_lab.workloads.ticks.lines import (
    LAST_NS,
    NS_PER_SECOND,
    BadLine,
    LineFormat,
    NotATrade,
    Record,
    Trade,
    is_plain,
    named,
    positive,
    shown,
)

COLUMNS = ("time", "symbol", "price", "quantity")
Row = tuple[object, object, object, object]
"""The values of `COLUMNS` on one line."""

_MOST_DIGITS = 18  # of a number of seconds that may be meant, before the point
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(?P<second>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)"
    r"(?:\.(?P<fraction>\d+))?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def parse_row(row: Row) -> Trade:
    """Return the trade in one row."""
    time, symbol, price, quantity = row
    return Trade(
        _nanoseconds(time),
        named(symbol),
        positive("price", price),
        positive("quantity", quantity),
    )


def rows_of(frame: pd.DataFrame) -> Iterator[Row]:
    """Return the rows of a frame that has (at least) the columns."""
    return zip(*(frame[column] for column in COLUMNS), strict=True)


class _Parser:
    """Parses the lines of one CSV file; its header says where the columns are."""

    def __init__(self, _path: Path) -> None:
        self._header: list[str] = []

    def __call__(self, line: str) -> Record:
        fields = _fields(line)
        if not self._header:
            return self._take_header(fields)
        if len(fields) != len(self._header):
            reason = f"{len(fields)} fields where the header has {len(self._header)}"
            raise BadLine(reason)
        return parse_row(self._columns(fields))

    def _take_header(self, fields: list[str]) -> NotATrade:
        if not set(COLUMNS) <= set(fields):
            reason = f"not a header with {', '.join(COLUMNS)}"
            raise BadLine(reason)
        self._header = fields
        self._columns = itemgetter(*map(fields.index, COLUMNS))
        return NotATrade.HEADER


def _fields(line: str) -> list[str]:
    line = line.removeprefix("\ufeff")  # spreadsheets begin their CSV with it
    # Quotes are rare, and `split` takes a third of the time.
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line]))
    except csv.Error:  # its words differ from one Python to the next
        reason = "not a line of CSV"
        raise BadLine(reason) from None


def _nanoseconds(time: object) -> int:
    if isinstance(time, pd.Timestamp):
        return _in_range(time, _timestamp_ns(time))
    text = str(time).strip()
    try:
        seconds = Decimal(text if is_plain(text) else "none")
    except InvalidOperation:
        return _in_range(time, _iso_ns(text))
    # Its size is known before it is computed with: 1e999999 has a million digits.
    if not seconds.is_finite() or seconds.adjusted() > _MOST_DIGITS:
        reason = f"time {shown(time)} is not in seconds since the epoch"
        raise BadLine(reason)
    return _in_range(time, round(seconds * NS_PER_SECOND))


def _timestamp_ns(time: pd.Timestamp) -> int:
    try:
        aware = time.tz_localize("UTC") if time.tz is None else time
        return int(aware.as_unit("ns").value)
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        return -1


def _iso_ns(text: str) -> int:
    found = _ISO.fullmatch(text)
    if found is None:
        reason = f"time {shown(text)} is neither seconds nor ISO 8601"
        raise BadLine(reason)
    try:
        second = datetime.fromisoformat(found["second"] + (found["offset"] or "Z"))
    except ValueError as wrong:
        reason = f"time {shown(text)}: {wrong}"
        raise BadLine(reason) from None
    # `datetime` ends at microseconds, so it gets the whole second only.
    whole = (second - _EPOCH) // timedelta(seconds=1)
    return whole * NS_PER_SECOND + round(Decimal(f"0.{found['fraction'] or 0}") * NS_PER_SECOND)


def _in_range(time: object, ns: int) -> int:
    """Refuse instants that int64 cannot hold: milliseconds read as seconds end up there."""
    if not 0 <= ns <= LAST_NS:
        reason = f"time {shown(time)} lies before 1970 or after 2262; is it in seconds?"
        raise BadLine(reason)
    return ns


def _recognises(line: str) -> bool:
    try:
        return set(COLUMNS) <= set(_fields(line))
    except BadLine:
        return False


FORMAT = LineFormat(
    name="plain",
    expected=f"CSV or Parquet with the columns {','.join(COLUMNS)}",
    recognises=_recognises,
    parser_for=_Parser,
)
