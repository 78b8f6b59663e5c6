import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from genesis_lab.workloads.ticks import Ticks, read_ticks

DATA = Path(__file__).parents[1] / "data"
SCRIPT = DATA / "make_btcusdt_synthetic.py"
SAMPLE = DATA / "btcusdt_synthetic.csv.gz"


@pytest.fixture(scope="module")
def sample() -> Ticks:
    return read_ticks(SAMPLE)


def remade(path: Path) -> Path:
    subprocess.run([sys.executable, SCRIPT, path], check=True)
    return path


def test_script_remakes_the_committed_sample_byte_for_byte(tmp_path: Path) -> None:
    # The bytes of the text: those of the compressed file are zlib's choice.
    with gzip.open(remade(tmp_path / "again.gz")) as again, gzip.open(SAMPLE) as committed:
        assert again.read() == committed.read()


def test_neither_name_nor_time_of_writing_changes_the_sample(tmp_path: Path) -> None:
    first, second = remade(tmp_path / "first.gz"), remade(tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    modified = first.read_bytes()[4:8]  # the gzip header's field
    assert modified == bytes(4)


def test_sample_is_small_enough_for_git() -> None:
    assert SAMPLE.stat().st_size < 300_000


def test_sample_is_clean(sample: Ticks) -> None:
    report = sample.report
    assert (report.lines, report.trades) == (10_000, 10_000)
    assert (report.bad_lines, report.backwards, report.cut_short) == (0, 0, False)
    assert sample.frame["symbol"].unique().tolist() == ["BTCUSDT"]


@pytest.mark.parametrize(
    ("statistic", "fact", "tolerance"),
    [
        ("mean", 0.035, 0.05),
        ("median", 1.7e-6, 0.05),
        ("p90", 0.1, 0.05),
        ("p99", 0.6, 0.05),
        ("longest", 2.0, 0.05),
        ("coefficient_of_variation", 3.2, 0.05),
    ],
)
def test_sample_has_the_gaps_of_the_market_it_stands_for(
    sample: Ticks, statistic: str, fact: float, tolerance: float
) -> None:
    assert sample.gap_statistics()[statistic] == pytest.approx(fact, rel=tolerance)


def test_half_of_the_samples_trades_come_in_bursts(sample: Ticks) -> None:
    short = sample.frame["time"].diff().iloc[1:].to_numpy() < 2e-6
    assert short.mean() == pytest.approx(0.53, abs=0.02)
    follows_a_short_one = short[1:][short[:-1]]
    assert follows_a_short_one.mean() == pytest.approx(0.81, abs=0.02)


def test_samples_prices_and_quantities_are_plausible(sample: Ticks) -> None:
    price, quantity = sample.frame["price"], sample.frame["quantity"]
    assert price.between(56_000, 58_000).all()
    assert ((price * 100).round() / 100 == price).all()
    assert (price.diff() == 0).mean() == pytest.approx(0.59, abs=0.02)
    assert quantity.between(0.00001, 1).all()
    assert quantity.median() == pytest.approx(0.0006, rel=0.2)
