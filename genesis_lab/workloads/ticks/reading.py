"""From a file to `Ticks`: recognises its format and accounts for every line.

Lines are parsed one by one in Python rather than by a CSV engine: the engines skip what they cannot
parse, or stop there, and neither says which line it was. A million lines take a few seconds.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from genesis_lab.errors import LabError
from genesis_lab.workloads.ticks import binance_aggtrades, binance_websocket, plain
from genesis_lab.workloads.ticks.lines import (
    NS_PER_SECOND,
    BadLine,
    LineFormat,
    NotATrade,
    Record,
    Trade,
)
from genesis_lab.workloads.ticks.opening import (
    LONGEST_LINE,
    Unpacked,
    UnreadableTicks,
    damage_named,
    damaged,
    starts_with,
    unpacked,
)
from genesis_lab.workloads.ticks.values import ReadReport, Ticks

TickFormat = Literal["binance-websocket", "binance-aggtrades", "plain"]

_FORMATS: dict[TickFormat, LineFormat] = {
    "binance-websocket": binance_websocket.FORMAT,
    "binance-aggtrades": binance_aggtrades.FORMAT,
    "plain": plain.FORMAT,
}
_Line = TypeVar("_Line")
_PARQUET = b"PAR1"


class UnknownTickFormat(LabError):
    """A file whose content, or whose given format's name, is none that the lab reads."""

    def __init__(self, path: Path, found: str) -> None:
        self.path = path
        self.found = found
        super().__init__(path, found)

    def __str__(self) -> str:
        known = "; ".join(f"{each.name}: {each.expected}" for each in _FORMATS.values())
        return f"unknown tick format of {self.path}: found {self.found}, expected one of {known}"


class NoTrades(LabError):
    """A file that was read to its end and holds no trade."""

    def __init__(self, path: Path, format: str, report: ReadReport) -> None:
        self.path = path
        self.format = format
        self.report = report
        super().__init__(path, format, report)

    def __str__(self) -> str:
        expected = _FORMATS[cast("TickFormat", self.format)].expected
        return f"no trade in {self.path}: {self.report}; read as {self.format}, expected {expected}"


def read_ticks(
    path: str | os.PathLike[str], *, format: TickFormat | None = None, progress: bool = True
) -> Ticks:
    """Return the trades in a file, in the order of their times.

    Parameters
    ----------
    path
        Plain, gzip (which may break off, as when its writer was killed: what is there is read) or
        zip of one file; its name does not matter. It may unpack to 200 times its size and 64 MiB.
    format
        How to read it; by default the first lines tell.
    progress
        Whether to show a bar when reading takes over two seconds; never shown where the output is
        not a terminal or a notebook.

    Raises
    ------
    UnreadableTicks
        If there is no such file, or it is empty, damaged, or unpacks to more than it may.
    UnknownTickFormat
        If it is in none of the formats.
    NoTrades
        If it is, but has no trade.

    Notes
    -----
    `"binance-websocket"`
        `<receiver's ns> <JSON>` lines with `trade` or `aggTrade` events among others; the time is
        the receiver's. Aggregates of a symbol whose single trades are there too are left out.
    `"binance-aggtrades"`
        Binance's published CSV, spot or futures, milliseconds or microseconds; the symbol is taken
        from the name of the file.
    `"plain"`
        CSV or Parquet with the columns `time` (seconds since the epoch, or ISO 8601), `symbol`,
        `price` and `quantity`.
    """
    path = Path(path)
    if format is not None and format not in get_args(TickFormat):
        raise UnknownTickFormat(path, f"the name {format!r}")
    try:
        _check_there_is_content(path)
        if format in {None, "plain"} and starts_with(path, _PARQUET):
            return _read_parquet(path)
        return _read_lines(path, format or _recognise(path), progress=progress)
    except (OSError, EOFError) as error:
        raise damaged(path, error) from error


def _check_there_is_content(path: Path) -> None:
    if not path.exists():
        raise UnreadableTicks(path, "there is no such file")
    if not path.is_file():
        raise UnreadableTicks(path, "it is not a file")
    if path.stat().st_size == 0:
        raise UnreadableTicks(path, "it is empty")


def _recognise(path: Path) -> TickFormat:
    with unpacked(path) as file:
        head = file.beginning(1 << 16).decode(errors="replace")
    if not head.strip():
        raise UnreadableTicks(path, "it is empty")
    # Not the first line alone: it may be a torn one.
    for line in head.splitlines()[:20]:
        for name, each in _FORMATS.items():
            if each.recognises(line):
                return name
    raise UnknownTickFormat(path, f"the first line {head.splitlines()[0][:80]!r}")


def _read_lines(path: Path, format: TickFormat, *, progress: bool) -> Ticks:
    parse = _FORMATS[format].parser_for(path)

    def parse_bytes(line: bytes) -> Record:
        if len(line) >= LONGEST_LINE:
            reason = f"longer than {LONGEST_LINE:,} bytes"
            raise BadLine(reason)
        try:
            return parse(line.decode().rstrip("\r\n"))
        except UnicodeDecodeError:
            reason = "not UTF-8"
            raise BadLine(reason) from None

    account = _Account()
    with unpacked(path) as file:
        source = _with_progress(file, path, progress=progress)
        account.take_all(_until_cut(source, account), parse_bytes)
    return account.ticks(path, format)


def _read_parquet(path: Path) -> Ticks:
    with damage_named(path):
        frame = pd.read_parquet(path)
    if not (set(plain.COLUMNS) <= set(frame.columns) and frame.columns.is_unique):
        raise UnknownTickFormat(path, f"Parquet with the columns {','.join(map(str, frame))}")
    account = _Account()
    account.take_all(_rows(path, frame), plain.parse_row)
    return account.ticks(path, "plain")


def _rows(path: Path, frame: pd.DataFrame) -> Iterator[plain.Row]:
    with damage_named(path):  # a text is decoded when it is asked for
        yield from plain.rows_of(frame)


def _with_progress(file: Unpacked, path: Path, *, progress: bool) -> Iterator[bytes]:
    # disable=None: only where the output is a terminal (or a notebook).
    with tqdm(
        total=path.stat().st_size,
        desc=path.name,
        unit="B",
        unit_scale=True,
        delay=2,
        disable=None if progress else True,
    ) as bar:
        for number, line in enumerate(file.lines()):
            if number % 4096 == 0:
                bar.update(file.raw.tell() - bar.n)
            yield line
        bar.update(file.raw.tell() - bar.n)


def _until_cut(lines: Iterable[bytes], account: "_Account") -> Iterator[bytes]:
    """Yield lines up to where a gzip stream breaks off, as it does when its writer was killed."""
    try:
        yield from lines
    except EOFError:
        account.cut_short = True


class _Account:
    """Takes every line of a file in order; knows at the end what the file held."""

    def __init__(self) -> None:
        self.cut_short = False
        self._lines = 0
        self._messages = 0
        self._bad_lines = 0
        self._first_bad: tuple[int, str] | None = None
        # Arrays, not lists: a month of trades fits in memory.
        self._ns = array("q")
        self._line_numbers = array("q")
        self._symbols = array("i")
        self._prices = array("d")
        self._quantities = array("d")
        self._aggregated = array("b")
        self._codes: dict[str, int] = {}

    def take_all(self, lines: Iterable[_Line], parse: Callable[[_Line], Record]) -> None:
        for number, line in enumerate(lines, start=1):
            try:
                record = parse(line)
            except BadLine as bad:
                self._reject(number, str(bad))
            else:
                self._take(number, record)

    def _reject(self, number: int, reason: str) -> None:
        self._lines += 1
        self._bad_lines += 1
        self._first_bad = self._first_bad or (number, reason)

    def _take(self, number: int, record: Record) -> None:
        if record is NotATrade.HEADER:
            return
        self._lines += 1
        if isinstance(record, Trade):
            self._ns.append(record.ns)
            self._line_numbers.append(number)
            self._symbols.append(self._codes.setdefault(record.symbol, len(self._codes)))
            self._prices.append(record.price)
            self._quantities.append(record.quantity)
            self._aggregated.append(record.aggregated)
        else:
            self._messages += 1

    def ticks(self, path: Path, format: TickFormat) -> Ticks:
        kept = ~self._repeated()
        ns = np.asarray(self._ns, dtype=np.int64)[kept]
        late = np.flatnonzero(ns < np.maximum.accumulate(ns))
        order = np.argsort(ns, kind="stable")
        number, reason = self._first_bad or (None, None)
        report = ReadReport(
            lines=self._lines,
            trades=len(ns),
            other_messages=self._messages + int(np.count_nonzero(~kept)),
            bad_lines=self._bad_lines,
            first_bad_line=number,
            first_bad_reason=reason,
            backwards=len(late),
            first_backwards_line=(
                int(np.asarray(self._line_numbers)[kept][late[0]]) if len(late) else None
            ),
            cut_short=self.cut_short,
        )
        if not len(ns):
            raise NoTrades(path, format, report)
        return Ticks(
            frame=pd.DataFrame(
                {
                    # Subtracted as integers: the difference is exact, and so is its quotient.
                    "time": (ns[order] - ns.min()) / NS_PER_SECOND,
                    "symbol": pd.Categorical.from_codes(
                        np.asarray(self._symbols, dtype=np.int64)[kept][order],
                        categories=pd.Index(list(self._codes)),
                    ),
                    "price": np.asarray(self._prices)[kept][order],
                    "quantity": np.asarray(self._quantities)[kept][order],
                }
            ),
            started_at_ns=int(ns.min()),
            report=report,
            source=path.name,
        )

    def _repeated(self) -> npt.NDArray[np.bool_]:
        """Return which trades are aggregates of single trades that are in the file as well."""
        symbols = np.asarray(self._symbols, dtype=np.int64)
        aggregated = np.asarray(self._aggregated, dtype=bool)
        return aggregated & np.isin(symbols, symbols[~aggregated])
