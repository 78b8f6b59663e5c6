"""Thousands of damaged files: each is read, with its bad lines counted, or refused in one way."""

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from genesis_lab.errors import LabError
from genesis_lab.workloads.ticks import read_ticks

T0 = 1_723_161_254_000_000_001
WEBSOCKET = "\n".join(
    [
        f'{T0} {{"stream":"a@trade","data":{{"e":"trade","s":"A","p":"1.5","q":"2"}}}}',
        f'{T0 + 5} {{"e":"trade","s":"B","p":2.5,"q":1}}',
        f'{T0 + 9} {{"e":"aggTrade","s":"A","p":"3","q":"1"}}',
        f'{T0 + 9} {{"stream":"a@bookTicker","data":{{"u":1,"b":"1"}}}}',
        f'{T0 + 12} {{"stream":"!ticker@arr","data":[{{"e":"24hrTicker"}}]}}',
    ]
).encode()
SPOT = (
    b"3358880271,93548.80000000,0.00106000,4359098466,4359098466,1735689600012345,True,True\n"
    b"3358880272,93548.81000000,0.00200000,4359098467,4359098469,1735689600112346,False,True\n"
)
FUTURES = (
    b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    b"1989447812,42314.0,0.223,4386947617,4386947619,1704067200012,true\n"
    b"1989447813,42314.1,0.002,4386947620,4386947620,1704067200112,false\n"
)
PLAIN = (
    b"time,symbol,price,quantity\n1723161254.000000001,A,2.5,1\n"
    b'2024-08-08T23:54:15.5Z,"B,C",3,2\r\n1e9,A,4,1\n2024-08-09 01:54:14+02:00,A,5,1\n'
)


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ticks.csv", content)
    return file.getvalue()


def parquet() -> bytes:
    columns = {
        "time": pd.to_datetime([T0, T0 + 5, T0 + 9]),
        "symbol": ["A", "B", "A"],
        "price": [1.5, 2.5, 3.5],
        "quantity": [1, 2, 3],
    }
    return bytes(pd.DataFrame(columns).to_parquet())


def as_it_is(content: bytes) -> bytes:
    return content


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


TEXTS = {"websocket": WEBSOCKET, "spot": SPOT, "futures": FUTURES, "plain": PLAIN}
PACKED = {"gzip": gzipped(PLAIN * 3), "zip": zipped(PLAIN), "parquet": parquet()}

NASTY = [
    *(
        b'"',
        b"\r",
        b"\n",
        b"\0",
        b",",
        b" ",
        b"{",
        b"[",
        b"}",
        b"-",
        b"_",
        b".",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(b"true", b"null", b"NaN", b"Infinity", b"[1]", b"{}", b"1_0", b"0x10", b"sNaN", b"-0"),
    *(b"99999999999999", b"1e999999999", b"1e-999999999", b"9" * 400, b"9" * 5000, b"[" * 2000),
    *(rb"\ud800", "\u0661\u0662".encode(), "\u00b2".encode(), b"9999-12-31T23:59:59-23:59"),
    *(b"0001-01-01T00:00:00+23:59", b'"\r"', b'""', b"2024-13-45T99:99:99", b"24:00:00"),
]


def flip(draw: random.Random, content: bytearray) -> None:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def cut(draw: random.Random, content: bytearray) -> None:
    start = draw.randrange(len(content))
    del content[start : start + draw.randrange(1, 30)]


def repeat(draw: random.Random, content: bytearray) -> None:
    start = draw.randrange(len(content))
    at = draw.randrange(len(content))
    content[at:at] = content[start : start + draw.randrange(1, 40)]


def insert(draw: random.Random, content: bytearray) -> None:
    at = draw.randrange(len(content))
    content[at:at] = draw.choice(NASTY)


def replace_word(draw: random.Random, content: bytearray) -> None:
    """What stands between two separators becomes something nasty."""
    ends = [0, *(at for at, byte in enumerate(content) if byte in b',: \n"'), len(content)]
    at = draw.randrange(len(ends) - 1)
    content[ends[at] + 1 : ends[at + 1]] = draw.choice(NASTY)


def break_off(draw: random.Random, content: bytearray) -> None:
    del content[draw.randrange(len(content)) :]


MUTATIONS: list[Callable[[random.Random, bytearray], None]] = [
    *(flip, flip, cut, repeat, insert, insert),
    *(replace_word, replace_word, replace_word, break_off),
]


def mutated(sample: bytes, draw: random.Random) -> bytes:
    content = bytearray(sample)
    for _ in range(draw.randint(1, 3)):
        if content:
            draw.choice(MUTATIONS)(draw, content)
    return bytes(content)


def not_named(path: Path, error: LabError) -> bool:
    """False: an error that names the file."""
    assert str(path) in str(error)
    return False


def is_read(content: bytes, path: Path) -> bool:
    """Whether a file is read, and as it should be; otherwise it is refused by name."""
    path.write_bytes(content)
    try:
        ticks = read_ticks(path, progress=False)
    except LabError as error:
        return not_named(path, error)
    report, frame = ticks.report, ticks.frame
    assert report.lines == report.trades + report.other_messages + report.bad_lines
    assert (report.bad_lines == 0) == (report.first_bad_reason is None)
    assert len(frame) == report.trades > 0
    assert frame["time"].is_monotonic_increasing
    assert frame[["price", "quantity"]].gt(0).all(axis=None)
    assert frame.notna().all(axis=None)
    assert repr(ticks).encode()
    return True


@pytest.mark.parametrize("pack", [as_it_is, gzipped, zipped])
@pytest.mark.parametrize("name", TEXTS)
def test_damaged_text_is_read_but_for_its_bad_lines(
    name: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    draws = [random.Random(f"{name} {pack.__name__} {number}") for number in range(150)]
    read = [is_read(pack(mutated(TEXTS[name], draw)), tmp_path / "ticks") for draw in draws]
    assert sum(read) > 75


@pytest.mark.parametrize("name", PACKED)
def test_damaged_archive_is_read_or_refused(name: str, tmp_path: Path) -> None:
    draws = [random.Random(f"{name} {number}") for number in range(150)]
    for draw in draws:
        is_read(mutated(PACKED[name], draw), tmp_path / "ticks")


@pytest.mark.parametrize("column", ["time", "symbol", "price", "quantity"])
def test_parquet_of_odd_values_is_read_but_for_its_bad_rows(column: str, tmp_path: Path) -> None:
    words = ["1", None, "", *(word.decode(errors="replace") for word in NASTY)]
    columns = {name: ["1"] * len(words) for name in ("time", "symbol", "price", "quantity")}
    pd.DataFrame({**columns, column: words}).to_parquet(tmp_path / "ticks")
    assert is_read((tmp_path / "ticks").read_bytes(), tmp_path / "ticks")
