import gzip
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_lab.errors import LabError
from genesis_lab.workloads.ticks import (
    NoTrades,
    TickFormat,
    Ticks,
    UnknownTickFormat,
    UnreadableTicks,
    read_ticks,
)
from genesis_lab.workloads.ticks.opening import unpacked

REAL = Path(__file__).parents[2] / ".." / "shared" / "data"
T0 = 1_723_161_254_000_000_001

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines into a file of a name, without a newline after the last."""

    def write_lines(*lines: str, name: str = "ticks.txt") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write_lines


def trade(ns: int, *, stream: str | None = "btcusdt@trade", **changed: object) -> str:
    event = {"e": "trade", "s": "BTCUSDT", "p": "61837.63000000", "q": "0.02000000"} | changed
    return f"{ns} {json.dumps({'stream': stream, 'data': event} if stream else event)}"


def absolute_ns(ticks: Ticks) -> list[int]:
    since_start = (ticks.frame["time"] * 1e9).round().astype("int64")
    return [int(ns) for ns in ticks.started_at_ns + since_start]


def prices(ticks: Ticks) -> list[float]:
    return [float(price) for price in ticks.frame["price"]]


def symbols(ticks: Ticks) -> list[str]:
    return [str(symbol) for symbol in ticks.frame["symbol"]]


# ------------------------------------------------------------------------- Binance WebSocket


def test_websocket_trades_carry_the_receivers_time_to_the_nanosecond(write: Write) -> None:
    ticks = read_ticks(write(trade(T0), trade(T0 + 1), trade(T0 + 86_400_000_000_007)))
    assert ticks.started_at_ns == T0
    assert absolute_ns(ticks) == [T0, T0 + 1, T0 + 86_400_000_000_007]
    assert ticks.frame["time"].iloc[0] == 0.0


def test_frame_has_the_documented_columns_and_types(write: Write) -> None:
    frame = read_ticks(write(trade(T0, p="1.5", q="2"), trade(T0 + 10, s="ETHUSDT", p=3))).frame
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "time": "float64",
        "symbol": "category",
        "price": "float64",
        "quantity": "float64",
    }
    assert frame.to_dict("list") == {
        "time": [0.0, 1e-8],
        "symbol": ["BTCUSDT", "ETHUSDT"],
        "price": [1.5, 3.0],
        "quantity": [2.0, 0.02],
    }


def test_bare_websocket_messages_are_trades_too(write: Write) -> None:
    assert len(read_ticks(write(trade(T0, stream=None))).frame) == 1


def test_aggregate_trades_of_a_websocket_are_trades_too(write: Write) -> None:
    ticks = read_ticks(write(trade(T0, e="aggTrade"), trade(T0 + 1, e="aggTrade")))
    assert (ticks.report.trades, ticks.report.other_messages) == (2, 0)


def test_aggregates_of_single_trades_in_the_same_capture_are_not_counted_twice(
    write: Write,
) -> None:
    path = write(
        trade(T0, p="1"),
        trade(T0 + 1, e="aggTrade", p="2"),
        trade(T0 + 2, e="aggTrade", s="ETHUSDT", p="3"),
    )
    ticks = read_ticks(path)
    assert prices(ticks) == [1.0, 3.0]
    assert ticks.report.other_messages == 1


@pytest.mark.parametrize(
    "message",
    [
        '{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","a":"2"}}',
        '{"lastUpdateId":1,"bids":[["1","2"]],"asks":[]}',
        '{"result":null,"id":1}',
        '{"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]}',
        '{"stream":"btcusdt@trades-of-note","data":{"e":"trade_note"}}',
        "[]",
    ],
)
def test_valid_messages_that_are_no_trades_are_counted_apart(write: Write, message: str) -> None:
    report = read_ticks(write(f"{T0} {message}", trade(T0 + 1))).report
    assert (report.lines, report.trades, report.other_messages, report.bad_lines) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not '<ns> <JSON>'"),
        (str(T0), "not '<ns> <JSON>'"),
        (f'{T0} {{"stream":"btcusdt@tra', "what follows the time is not JSON"),
        (f"{T0} " + "[" * 100_000, "what follows the time is not JSON"),
        ("soon {}", "time 'soon' is not a whole number"),
        ("1723161254000 {}", "time '1723161254000' is not in nanoseconds since the epoch"),
        (trade(T0, p="cheap"), "price 'cheap' is not a number"),
        (trade(T0, p=None), "price None is not a number"),
        (trade(T0, p="0"), "price '0' is not positive and finite"),
        (trade(T0, p="inf"), "price 'inf' is not positive and finite"),
        (trade(T0, q="nan"), "quantity 'nan' is not positive and finite"),
        (trade(T0, q="-1"), "quantity '-1' is not positive and finite"),
        (trade(T0, s=""), "symbol '' is not a name"),
        (trade(T0, s="BTC\ud800"), r"symbol 'BTC\ud800' is not a name"),
        (trade(T0, e=["trade"]), "event ['trade'] is not a name"),
        (trade(T0, e=None), "event None is not a name"),
        (trade(T0, p=True), "price True is not a number"),
        (trade(T0, p="1_0"), "price '1_0' is not a number"),
        (trade(T0, p="\u0661\u0662"), "price '\u0661\u0662' is not a number"),
        (trade(T0, p=[1]), "price [1] is not a number"),
        (trade(T0, p=10**400), f"price 1{'0' * 79} is not positive and finite"),
        (trade(T0, p="9" * 400), f"price '{'9' * 79} is not positive and finite"),
        (f'{T0} {{"e":"trade","s":"BTCUSDT","q":"1"}}', "a trade without 'p'"),
    ],
)
def test_bad_websocket_lines_are_counted_and_the_first_is_explained(
    write: Write, line: str, reason: str
) -> None:
    report = read_ticks(write(trade(T0), line, trade(T0 + 1), "again")).report
    assert (report.lines, report.trades, report.bad_lines) == (4, 2, 2)
    assert (report.first_bad_line, report.first_bad_reason) == (2, reason)


def test_bytes_that_are_not_text_make_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(b"\n".join([trade(T0).encode(), b"\xff\xfe\x00", trade(T0).encode()]))
    report = read_ticks(path).report
    assert (report.trades, report.bad_lines) == (2, 1)
    assert (report.first_bad_line, report.first_bad_reason) == (2, "not UTF-8")


def test_torn_first_line_does_not_hide_the_format(write: Write) -> None:
    report = read_ticks(write('":"trade"}}', trade(T0))).report
    assert (report.trades, report.first_bad_line) == (1, 1)


@pytest.mark.parametrize(
    ("name", "trades", "messages"), [("btcusdt", 9_757, 31_492), ("ethusdt", 6_106, 27_512)]
)
def test_real_captures_are_read_in_full(name: str, trades: int, messages: int) -> None:
    path = REAL / f"{name}_20240808.gz"
    if not path.exists():
        pytest.skip("the real captures are not part of the project")
    ticks = read_ticks(path)
    assert ticks.report.trades == len(ticks.frame) == trades
    assert ticks.report.other_messages == messages
    assert (ticks.report.bad_lines, ticks.report.backwards) == (0, 0)
    assert set(symbols(ticks)) == {name.upper()}


# -------------------------------------------------------------------------------- aggTrades

SPOT_MICROSECONDS = (
    "3358880271,93548.80000000,0.00106000,4359098466,4359098466,1735689600012345,True,True",
    "3358880272,93548.81000000,0.00200000,4359098467,4359098469,1735689600112346,False,True",
)
SPOT_MILLISECONDS = (
    "2839440071,42283.58000000,0.04410000,3357426710,3357426711,1704067200012,False,True",
    "2839440072,42283.59000000,0.00100000,3357426712,3357426712,1704067200112,True,True",
)
FUTURES = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
    "1989447812,42314.0,0.223,4386947617,4386947619,1704067200012,true",
    "1989447813,42314.1,0.002,4386947620,4386947620,1704067200112,false",
)


@pytest.mark.parametrize(
    ("lines", "expected_ns", "expected_prices"),
    [
        (
            SPOT_MICROSECONDS,
            [1_735_689_600_012_345_000, 1_735_689_600_112_346_000],
            [93548.80, 93548.81],
        ),
        (
            SPOT_MILLISECONDS,
            [1_704_067_200_012_000_000, 1_704_067_200_112_000_000],
            [42283.58, 42283.59],
        ),
        (FUTURES, [1_704_067_200_012_000_000, 1_704_067_200_112_000_000], [42314.0, 42314.1]),
    ],
    ids=["spot since 2025", "spot before 2025", "futures"],
)
def test_aggtrades_tell_the_unit_of_their_time_by_its_size(
    write: Write, lines: tuple[str, ...], expected_ns: list[int], expected_prices: list[float]
) -> None:
    ticks = read_ticks(write(*lines))
    assert absolute_ns(ticks) == expected_ns
    assert prices(ticks) == expected_prices
    assert (ticks.report.lines, ticks.report.trades, ticks.report.bad_lines) == (2, 2, 0)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT-aggTrades-2025-01-01.csv", "BTCUSDT"),
        ("BTCUSD_PERP-aggTrades-2025-01.csv", "BTCUSD_PERP"),
        ("january.csv", "UNKNOWN"),
    ],
)
def test_aggtrades_take_their_symbol_from_the_name_of_the_file(
    write: Write, name: str, symbol: str
) -> None:
    assert symbols(read_ticks(write(*FUTURES, name=name))) == [symbol, symbol]


def test_published_zip_is_read_as_it_is(write: Write, tmp_path: Path) -> None:
    csv = write(*SPOT_MICROSECONDS, name="BTCUSDT-aggTrades-2025-01-01.csv")
    path = tmp_path / "BTCUSDT-aggTrades-2025-01-01.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(csv, csv.name)
    ticks = read_ticks(path)
    pd.testing.assert_frame_equal(ticks.frame, read_ticks(csv).frame)
    assert ticks.source == "BTCUSDT-aggTrades-2025-01-01.zip"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2.0,3.0,4,5", "5 fields, not 7 or 8"),
        (
            "1,2.0,3.0,4,5,1704067200,true",
            "time 1704067200 is neither milliseconds nor microseconds since the epoch",
        ),
        (
            "1,2.0,3.0,4,5,1704067200000000000,true",
            "time 1704067200000000000 is neither milliseconds nor microseconds since the epoch",
        ),
        ("1,2.0,3.0,4,5,-1704067200000,true", "time '-1704067200000' is not a whole number"),
        ("1,2.0,3.0,4,5,99999999999999,true", "time 99999999999999 lies after 2262"),
        (
            "1,2.0,3.0,4,5,\u0661704067200000,true",
            "time '\u0661704067200000' is not a whole number",
        ),
        ("1,two,3.0,4,5,1704067200000,true", "price 'two' is not a number"),
        ("1,2.0,0,4,5,1704067200000,true", "quantity '0' is not positive and finite"),
    ],
)
def test_bad_aggtrades_are_counted_and_the_first_is_explained(
    write: Write, line: str, reason: str
) -> None:
    report = read_ticks(write(*FUTURES, line)).report
    assert (report.lines, report.trades, report.bad_lines) == (3, 2, 1)
    # The header is not counted among the lines, but it is the file's first.
    assert (report.first_bad_line, report.first_bad_reason) == (4, reason)


# ------------------------------------------------------------------------------------ plain

HEADER = "time,symbol,price,quantity"


@pytest.mark.parametrize(
    "time",
    [
        "1723161254.000000001",
        "01723161254.0000000010",
        "1.723161254000000001e9",
        "2024-08-08T23:54:14.000000001Z",
        "2024-08-08 23:54:14.000000001",
        "2024-08-09T01:54:14.000000001+02:00",
    ],
)
def test_plain_time_keeps_its_nanoseconds_in_every_notation(write: Write, time: str) -> None:
    ticks = read_ticks(write(HEADER, f"{time},BTCUSDT,57000.1,0.5"))
    assert ticks.started_at_ns == T0
    assert ticks.report.bad_lines == 0


def test_plain_columns_are_found_by_name(write: Write) -> None:
    path = write('\ufeff"price",venue,time,quantity,symbol', '2.5,x,100,3,"BTC,USDT"')
    ticks = read_ticks(path)
    assert ticks.started_at_ns == 100 * 10**9
    assert ticks.frame.to_dict("list") == {
        "time": [0.0],
        "symbol": ["BTC,USDT"],
        "price": [2.5],
        "quantity": [3.0],
    }


def test_plain_file_may_have_windows_line_ends(write: Write) -> None:
    ticks = read_ticks(write(f"{HEADER}\r", "1,A,2,3\r", "2,A,2,3\r"))
    assert (ticks.report.trades, ticks.report.bad_lines) == (2, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,A,2", "3 fields where the header has 4"),
        ("1,A,2,", "quantity '' is not a number"),
        ("1,,2,3", "symbol '' is not a name"),
        ("noon,A,2,3", "time 'noon' is neither seconds nor ISO 8601"),
        ("nan,A,2,3", "time 'nan' is not in seconds since the epoch"),
        ("1e999999999,A,2,3", "time '1e999999999' is not in seconds since the epoch"),
        ("1_0,A,2,3", "time '1_0' is neither seconds nor ISO 8601"),
        ("\u0661,A,2,3", "time '\u0661' is neither seconds nor ISO 8601"),
        (
            "\u0662024-08-08T23:54:14,A,2,3",
            "time '\u0662024-08-08T23:54:14' is neither seconds nor ISO 8601",
        ),
        ('1,"A"\rB,2,3', "not a line of CSV"),
        ("1e999999,A,2,3", "time '1e999999' is not in seconds since the epoch"),
        ("2024-02-30T00:00:00,A,2,3", "time '2024-02-30T00:00:00': day is out of range for month"),
        (
            "1723161254000,A,2,3",
            "time '1723161254000' lies before 1970 or after 2262; is it in seconds?",
        ),
        ("-1,A,2,3", "time '-1' lies before 1970 or after 2262; is it in seconds?"),
    ],
)
def test_bad_plain_lines_are_counted_and_the_first_is_explained(
    write: Write, line: str, reason: str
) -> None:
    report = read_ticks(write(HEADER, "1,A,2,3", line, "2,A,2,3")).report
    assert (report.lines, report.trades, report.bad_lines) == (3, 2, 1)
    assert (report.first_bad_line, report.first_bad_reason) == (3, reason)


@pytest.mark.parametrize(
    "time",
    [
        pd.to_datetime([T0, T0 + 5]),
        pd.to_datetime([T0, T0 + 5]).tz_localize("UTC").tz_convert("Asia/Tokyo"),
        ["1723161254.000000001", "1723161254.000000006"],
        ["2024-08-08T23:54:14.000000001Z", "2024-08-08T23:54:14.000000006Z"],
    ],
    ids=["timestamps", "timestamps with a zone", "decimal text", "ISO text"],
)
def test_parquet_keeps_its_nanoseconds(tmp_path: Path, time: Any) -> None:
    path = tmp_path / "ticks.bin"
    columns = {"time": time, "symbol": "A", "price": [2.5, 3], "quantity": [1, 2]}
    pd.DataFrame(columns).to_parquet(path)
    ticks = read_ticks(path)
    assert absolute_ns(ticks) == [T0, T0 + 5]
    assert prices(ticks) == [2.5, 3.0]
    assert symbols(ticks) == ["A", "A"]


def test_parquet_of_floats_is_as_exact_as_floats_are(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    columns = {"time": [0.25, 1.5], "symbol": ["A", "B"], "price": [2.5, 3], "quantity": [1, 2]}
    pd.DataFrame(columns).to_parquet(path)
    assert absolute_ns(read_ticks(path, format="plain")) == [250_000_000, 1_500_000_000]


def test_bad_parquet_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    columns = {
        "time": pd.Series(["2024-08-08", None, "2024-08-09", "2024-08-10"], dtype="datetime64[ns]"),
        "symbol": ["A", "A", None, "A"],
        "price": [1.0, 2.0, 3.0, np.inf],
        "quantity": 1.0,
    }
    pd.DataFrame(columns).to_parquet(path)
    report = read_ticks(path).report
    assert (report.lines, report.trades, report.bad_lines, report.first_bad_line) == (4, 1, 3, 2)


numbers = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
rows_of_ticks = st.lists(
    st.tuples(
        # A day; the test sorts the rows, so that nothing goes backwards.
        st.integers(0, 86_400 * 10**9),
        st.sampled_from(["BTCUSDT", "ETHUSDT", 'odd,"symbol"']),
        numbers,
        numbers,
    ),
    min_size=1,
)


@given(started_at_ns=st.integers(0, 4 * 10**18), rows=rows_of_ticks)
def test_plain_file_gives_back_exactly_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    started_at_ns: int,
    rows: list[tuple[int, str, float, float]],
) -> None:
    rows = sorted((started_at_ns + ns, *rest) for ns, *rest in rows)  # type: ignore[misc]
    frame = pd.DataFrame(rows, columns=["time", "symbol", "price", "quantity"])
    times = frame["time"].tolist()
    frame["time"] = [f"{ns // 10**9}.{ns % 10**9:09d}" for ns in times]
    path = tmp_path_factory.mktemp("plain") / "ticks.csv.gz"
    frame.to_csv(path, index=False)

    ticks = read_ticks(path)

    assert absolute_ns(ticks) == times
    assert symbols(ticks) == frame["symbol"].tolist()
    assert prices(ticks) == frame["price"].tolist()
    assert ticks.frame["quantity"].tolist() == frame["quantity"].tolist()
    assert ticks.report.bad_lines == 0


# ------------------------------------------------------------------------- whatever the format


def test_trades_that_are_out_of_order_are_sorted_and_counted(write: Write) -> None:
    path = write(HEADER, "10,A,1,1", "12,A,2,1", "11,A,3,1", "11.5,A,4,1", "12,B,5,1", "9,A,6,1")
    ticks = read_ticks(path)
    assert ticks.started_at_ns == 9 * 10**9
    assert ticks.frame["time"].tolist() == [0.0, 1.0, 2.0, 2.5, 3.0, 3.0]
    assert prices(ticks) == [6.0, 1.0, 3.0, 4.0, 2.0, 5.0]
    assert symbols(ticks) == ["A", "A", "A", "A", "A", "B"]
    assert (ticks.report.backwards, ticks.report.first_backwards_line) == (3, 4)


def test_file_that_runs_backwards_is_not_replayed_in_no_time(write: Write) -> None:
    ticks = read_ticks(write(HEADER, *(f"{second},A,1,1" for second in range(100, 0, -1))))
    assert ticks.frame["time"].tolist() == [float(second) for second in range(100)]


@pytest.mark.parametrize(
    "lines",
    [(trade(T0), trade(T0 + 1)), SPOT_MILLISECONDS, FUTURES, (HEADER, "1,A,2,3")],
    ids=["websocket", "spot", "futures", "plain"],
)
def test_format_and_compression_are_known_by_content_whatever_the_name(
    write: Write, tmp_path: Path, lines: tuple[str, ...]
) -> None:
    plain = write(*lines, name="ticks.parquet")
    packed = tmp_path / "ticks.csv"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    pd.testing.assert_frame_equal(read_ticks(packed).frame, read_ticks(plain).frame)


def test_given_format_overrides_what_the_content_looks_like(write: Write) -> None:
    path = write(HEADER, trade(T0))
    assert read_ticks(path, format="binance-websocket").report.trades == 1
    with pytest.raises(NoTrades):
        read_ticks(path)


def test_capture_whose_writer_was_killed_is_read_up_to_where_it_breaks_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = [trade(T0 + n, p=str(price)) for n, price in enumerate(rng.uniform(1, 2, 2_000))]
    whole = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "capture.gz"
    path.write_bytes(whole[: len(whole) // 2])
    ticks = read_ticks(path)
    assert ticks.report.cut_short
    assert 500 < ticks.report.trades < 1_500
    assert ticks.report.bad_lines == 0
    assert str(ticks.report).endswith("the compressed stream breaks off")


def test_report_of_a_clean_file_is_one_line(write: Write) -> None:
    path = write(trade(T0), f"{T0} {{}}")
    assert str(read_ticks(path).report) == (
        "2 lines: 1 trade, 1 other message, no bad lines, time never went backwards"
    )


def test_report_names_the_first_bad_and_the_first_backwards_line(write: Write) -> None:
    path = write(HEADER, "5,A,1,1", "6,A,-1,1", "4,A,1,1", "x")
    assert str(read_ticks(path).report) == (
        "4 lines: 2 trades, 0 other messages, "
        "2 bad lines (the first is line 3: price '-1' is not positive and finite), "
        "time went backwards 1 time (the first at line 4)"
    )


def test_gap_statistics_are_those_of_the_times_between_trades(write: Write) -> None:
    # Gaps of 1, 1, 1 and 5 seconds: mean 2, variance 3.
    lines = (f"{second},A,1,1" for second in (100, 101, 102, 103, 108))
    gaps = read_ticks(write(HEADER, *lines)).gap_statistics()
    assert gaps.to_dict() == pytest.approx(
        {
            "mean": 2.0,
            "median": 1.0,
            "p90": 3.8,
            "p99": 4.88,
            "longest": 5.0,
            "coefficient_of_variation": 3**0.5 / 2,
        }
    )


@pytest.mark.parametrize("seconds", [(1,), (1, 1, 1)], ids=["one trade", "all at once"])
def test_gap_statistics_are_nan_where_the_trades_cannot_tell(
    write: Write, seconds: tuple[int, ...]
) -> None:
    gaps = read_ticks(write(HEADER, *(f"{second},A,1,1" for second in seconds))).gap_statistics()
    assert np.isnan(gaps["coefficient_of_variation"])


def test_ticks_show_what_they_hold(write: Write) -> None:
    path = write(HEADER, "0,A,1,1", "1,B,1,1", "2,C,1,1", "1000,D,1,1", name="<day>.csv")
    assert repr(read_ticks(path)) == (
        "Ticks from <day>.csv\n"
        "  trades: 4 of A, B, C and 1 more\n"
        "  started: 1970-01-01 00:00:00 UTC\n"
        "  span: 1,000.000 s\n"
        "  mean gap: 333 s\n"
        "  report: 4 lines: 4 trades, 0 other messages, no bad lines, time never went backwards"
    )


def test_notebook_shows_a_table_with_names_escaped(write: Write) -> None:
    html = read_ticks(write(HEADER, "0,A&B,1,1", name="<day>.csv"))._repr_html_()
    assert "<caption>Ticks from &lt;day&gt;.csv</caption>" in html
    assert "<tr><th>trades</th><td>1 of A&amp;B</td></tr>" in html


# ------------------------------------------------------------------------------------ errors


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.gz"
    with pytest.raises(UnreadableTicks) as caught:
        read_ticks(path)
    assert str(caught.value) == f"cannot read ticks from {path}: there is no such file"
    assert isinstance(caught.value, LabError)


def test_folder_is_not_a_file_of_ticks(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTicks) as caught:
        read_ticks(tmp_path)
    assert str(caught.value) == f"cannot read ticks from {tmp_path}: it is not a file"


@pytest.mark.parametrize(
    "content",
    [b"", gzip.compress(b""), b"\n \n"],
    ids=["no bytes", "gzip of nothing", "blank lines"],
)
def test_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty"
    path.write_bytes(content)
    with pytest.raises(UnreadableTicks) as caught:
        read_ticks(path)
    assert str(caught.value) == f"cannot read ticks from {path}: it is empty"


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"x" * 999)[:-8] + b"\0" * 8,
        b"\x1f\x8b\x08\x00rubbish after the magic bytes",
        b"PK\x03\x04rubbish after the magic bytes",
        b"PAR1rubbish after the magic bytes",
    ],
    ids=["gzip checksum", "gzip", "zip", "parquet"],
)
def test_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(UnreadableTicks) as caught:
        read_ticks(path, format="plain")
    assert str(caught.value).startswith(f"cannot read ticks from {path}: ")


@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_file_that_unpacks_to_hundreds_of_times_its_size_is_refused(
    tmp_path: Path, pack: str
) -> None:
    path, content = tmp_path / "bomb", f"{HEADER}\n".encode() + b"1,A,2,3\n" * 12_000_000
    if pack == "gzip":
        path.write_bytes(gzip.compress(content))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ticks.csv", content)
    limit = 2**26 + 200 * path.stat().st_size
    assert limit < len(content)
    with pytest.raises(UnreadableTicks) as caught:
        sum(map(len, lines_in(path)))
    assert caught.value.reason == (
        f"it unpacks to more than {limit:,} bytes, 200 times its size and 64 MiB"
    )


def lines_in(path: Path) -> Iterator[bytes]:
    with unpacked(path) as file:
        yield from file.lines()


def test_line_without_an_end_is_one_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "ticks"
    path.write_bytes(f"{HEADER}\n1,A,2,3\n1,A,2,{'0' * 3 * 2**20}3\n2,A,2,3".encode())
    report = read_ticks(path).report
    assert (report.trades, report.bad_lines, report.first_bad_line) == (2, 1, 3)
    assert report.first_bad_reason == "longer than 1,048,576 bytes"


def test_zip_of_several_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.csv", "1")
        archive.writestr("two.csv", "2")
    with pytest.raises(UnreadableTicks) as caught:
        read_ticks(path)
    assert str(caught.value) == f"cannot read ticks from {path}: a zip of 2 files, expected one"


EXPECTED = (
    "expected one of binance-websocket: "
    """lines of '<receiver ns> {"stream": ..., "data": {...}}'; """
    "binance-aggtrades: Binance's aggTrades CSV "
    "(<id>,<price>,<quantity>,<id>,<id>,<time>,<true|false>...); "
    "plain: CSV or Parquet with the columns time,symbol,price,quantity"
)


def test_unknown_format_shows_the_first_line_and_what_was_expected(write: Write) -> None:
    path = write("open,high,low,close", "1,2,3,4")
    with pytest.raises(UnknownTickFormat) as caught:
        read_ticks(path)
    assert str(caught.value) == (
        f"unknown tick format of {path}: found the first line 'open,high,low,close', {EXPECTED}"
    )


def test_parquet_of_other_columns_is_of_unknown_format(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    pd.DataFrame({"open": [1.0], "close": [2.0]}).to_parquet(path)
    with pytest.raises(UnknownTickFormat) as caught:
        read_ticks(path)
    assert caught.value.found == "Parquet with the columns open,close"


def test_name_of_no_format_is_refused(write: Write) -> None:
    name: Any = "binance"
    with pytest.raises(UnknownTickFormat) as caught:
        read_ticks(write(trade(T0)), format=name)
    assert caught.value.found == "the name 'binance'"


@pytest.mark.parametrize(
    ("lines", "format", "report"),
    [
        (
            [f"{T0} {{}}"],
            "binance-websocket",
            "1 line: 0 trades, 1 other message, no bad lines, time never went backwards",
        ),
        (
            [HEADER],
            "plain",
            "0 lines: 0 trades, 0 other messages, no bad lines, time never went backwards",
        ),
        (
            [FUTURES[0], "torn"],
            "binance-aggtrades",
            (
                "1 line: 0 trades, 0 other messages, 1 bad line "
                "(the first is line 2: 1 fields, not 7 or 8), time never went backwards"
            ),
        ),
    ],
)
def test_file_without_trades_says_what_it_held(
    write: Write, lines: list[str], format: TickFormat, report: str
) -> None:
    path = write(*lines)
    with pytest.raises(NoTrades) as caught:
        read_ticks(path)
    assert str(caught.value).startswith(f"no trade in {path}: {report}; read as {format}, expected")
