import filecmp
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.cli import main
from genesis_lab.experiments import EXPERIMENTS, trading_day
from genesis_lab.workloads.ticks import TickFormat
from tests.experiments.market import write_ticks

CAPTURE = Path(__file__).parents[2] / "shared" / "data" / "btcusdt_20240808.gz"


class Said(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line."""

    def run(*arguments: object) -> Said:
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def ticks(tmp_path: Path) -> Path:
    return write_ticks(tmp_path / "ticks.csv")


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from genesis_lab.cli import main\n"
        "assert main(['--help']) == 0\n"
        "assert main(['run', 'trading-day', '--help']) == 0\n"
        "heavy = {'pandas', 'matplotlib', 'numpy', 'pyarrow', 'trio', 'tqdm', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_command_is_installed_under_its_name() -> None:
    command = Path(sys.executable).with_name("genesis-lab")
    done = subprocess.run([command, "--version"], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"genesis-lab {gl.__version__}\n", "")


def test_help_names_every_command(say: Any) -> None:
    top = say("--help")
    assert top.code == 0
    assert re.findall(r"^  (\w+)  ", top.out, re.MULTILINE) == ["compare", "report", "list", "run"]
    assert say() == top
    runs = say("run", "--help")
    assert re.findall(r"^  ([a-z][\w-]+)  ", runs.out, re.MULTILINE) == ["trading-day"]
    assert say("run") == runs


def options(help_text: str) -> Iterator[tuple[str, str]]:
    """Each option and what is said about it."""
    _, listed = help_text.split("Options:\n")
    for entry in re.split(r"^  (?=--)", listed, flags=re.MULTILINE)[1:]:
        name, _, explanation = " ".join(entry.split()).partition(" ")
        yield name, explanation


def test_help_explains_every_option(say: Any) -> None:
    explained = dict(options(say("run", "trading-day", "--help").out))
    assert [*explained] == [
        "--ticks",
        "--format",
        "--architecture",
        "--admission",
        "--seed",
        "--out",
        "--help",
    ]
    assert all(len(explanation) > 15 for explanation in explained.values())


def test_help_names_every_choice(say: Any) -> None:
    explained = {
        name: explanation.replace("- ", "-")  # a name is broken at its hyphen
        for name, explanation in options(say("run", "trading-day", "--help").out)
    }
    admissions = ["serial", "call_chain", "re_entrant", "pool(n)"]
    assert not unnamed(gl.ARCHITECTURES, explained["--architecture"])
    assert not unnamed(admissions, explained["--admission"])
    assert not unnamed(get_args(TickFormat), explained["--format"])


def unnamed(choices: Iterable[str], explanation: str) -> list[str]:
    return [choice for choice in choices if choice not in explanation]


def test_list_shows_each_experiment_with_its_question(say: Any) -> None:
    listed = say("list")
    assert (listed.code, listed.err) == (0, "")
    lines = (re.split(r"  +", line) for line in listed.out.splitlines())
    assert dict(lines) == EXPERIMENTS


def test_trading_day_is_summed_up_side_by_side(say: Any, ticks: Path) -> None:
    said = say("run", "trading-day", "--ticks", ticks)
    assert (said.code, said.err) == (0, "")
    assert re.sub(r"(?m)^\| (CPU time \[s\]|digest) .*\n", "", said.out) == SUMMARY
    assert re.search(r"(?m)^\| CPU time \[s\] +(\| +[\d.e-]+ ){3}\|$", said.out)


SUMMARY = """\
ticks.csv, seed 0: 240 lines: 240 trades, 0 other messages, no bad lines, time never went backwards

|                                   |  synchronous |       hybrid | hybrid-call_chain |
|-----------------------------------|-------------:|-------------:|------------------:|
| ended                             |      stalled |    completed |         completed |
| ended at [s]                      |       19.625 |       29.875 |            29.875 |
| ticks published                   |          158 |          240 |               240 |
| largest lag of a tick [s]         |     for ever |            0 |                 0 |
| signals                           |            1 |            1 |                 1 |
| refused by risk manager           |            0 |            0 |                 0 |
| rejected by exchange              |            0 |            0 |                 0 |
| trades                            |            0 |            1 |                 1 |
| books agree                       |          yes |          yes |               yes |
| requests                          |            2 |            3 |                 3 |
| - answered                        |            0 |            2 |                 3 |
| - timed_out                       |            0 |            1 |                 0 |
| - pending                         |            2 |            0 |                 0 |
| request latency, p50 [s]          |            - |         0.25 |                 0 |
| request latency, p99 [s]          |            - |         0.25 |           0.02906 |
| age of price at strategy, p99 [s] |     for ever |            0 |                 0 |
| events                            |          159 |          242 |               242 |
| deliveries                        |          317 |          484 |               484 |
| - handled                         |          315 |          484 |               484 |
| - dropped                         |            0 |            0 |                 0 |
| - pending                         |            2 |            0 |                 0 |
| deadlocks formed                  |            1 |            1 |                 0 |
| deadlocks broken                  |            0 |            1 |                 0 |
| - timed_out                       |            0 |            1 |                 0 |

- synchronous: deadlock at 19.625000 s, for ever: strategy_manager (price_update) waits for
  risk_manager (check_order), which waits for strategy_manager (exposure), which waits for the first
- hybrid: 1 deadlock, broken (timed_out) after at most 0.25 s; masked, not cured
- hybrid-call_chain: no deadlock formed
"""


def test_trading_day_without_ticks_replays_the_sample(say: Any) -> None:
    said = say("run", "trading-day", "--architecture", "synchronous")
    assert said.out.startswith("btcusdt_synthetic.csv.gz, seed 0: 10,000 lines: ")


def test_no_line_is_longer_than_a_terminal_is_wide(say: Any, ticks: Path) -> None:
    chosen = [word for name in gl.ARCHITECTURES for word in ("--architecture", name)]
    said = say("run", "trading-day", "--ticks", ticks, *chosen)
    assert max(map(len, said.out.splitlines())) <= 100
    assert "hybrid-raise-call_chain" in said.out


def test_seed_changes_the_day(say: Any, ticks: Path) -> None:
    hybrid = ("run", "trading-day", "--ticks", ticks, "--architecture", "hybrid")
    digests = [re.findall(r"\| digest .*", say(*hybrid, "--seed", seed).out) for seed in (7, 7, 8)]
    assert digests[0] == digests[1] != digests[2]


def run_into(folder: Path, ticks: Path, say: Any) -> Said:
    said: Said = say("run", "trading-day", "--ticks", ticks, "--out", folder)
    assert (said.code, said.err) == (0, "")
    return said


def test_out_gets_frames_summary_and_a_timeline_of_each_run(
    say: Any, ticks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results" / "day"
    said = run_into(out, ticks, say)
    conditions = ["synchronous", "hybrid", "hybrid-call_chain"]
    figures = [
        f"timeline-{name}.{suffix}"
        for name in conditions
        for suffix in ("svg", "pdf", "png", "csv", "json")
    ]
    assert {path.name for path in out.iterdir()} == {
        *conditions,
        *figures,
        "summary.csv",
        "summary.md",
    }
    summary = pd.read_csv(out / "summary.csv", index_col="condition")
    assert summary["ended"].to_dict() == {
        "synchronous": "stalled",
        "hybrid": "completed",
        "hybrid-call_chain": "completed",
    }
    for name in conditions:
        assert gl.Trace.load(out / name).digest() == summary.loc[name, "digest"]
    text = re.sub(r"(?m)^\| CPU time .*\n", "", said.out)
    assert f"{(out / 'summary.md').read_text()}\nsaved in {out}\n" == text


def test_same_command_gives_the_same_files(say: Any, ticks: Path, tmp_path: Path) -> None:
    for folder in ("first", "second", "second"):  # what is there already is replaced
        run_into(tmp_path / folder, ticks, say)
    files = [path for path in (tmp_path / "first").rglob("*") if path.is_file()]
    assert len(files) == 2 + 3 * (5 + 6)
    for file in files:
        again = tmp_path / "second" / file.relative_to(tmp_path / "first")
        assert filecmp.cmp(file, again, shallow=False), file.name


def test_interrupted_run_keeps_what_was_finished(
    say: Any, ticks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = trading_day.replay

    def interrupted(*arguments: Any, **settings: Any) -> Any:
        if arguments[1].architecture == "hybrid":
            raise KeyboardInterrupt
        return replay(*arguments, **settings)

    monkeypatch.setattr(trading_day, "replay", interrupted)
    out = tmp_path / "results"
    said = say("run", "trading-day", "--ticks", ticks, "--out", out)
    assert said.code == 130
    assert said.err == f"genesis-lab: interrupted; what was finished is in {out}\n"
    assert gl.Trace.load(out / "synchronous").requests["outcome"].tolist() == ["pending"] * 2
    assert pd.read_csv(out / "summary.csv")["condition"].tolist() == ["synchronous"]


def test_interrupted_run_without_a_folder_says_only_that(
    say: Any, ticks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trading_day, "replay", interrupted)
    said = say("run", "trading-day", "--ticks", ticks)
    assert (said.code, said.err) == (130, "genesis-lab: interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--architecture", "new"],
            f"architecture='new': expected {' or '.join(map(repr, gl.ARCHITECTURES))}",
        ),
        (
            ["--admission", "open"],
            "admission='open': expected serial, call_chain, interleaved, re_entrant or pool(n)",
        ),
        (["--ticks", "nowhere.gz"], "cannot read ticks from nowhere.gz: there is no such file"),
    ],
)
def test_bad_value_is_one_line(say: Any, arguments: list[str], complaint: str) -> None:
    assert say("run", "trading-day", *arguments) == Said(1, "", f"genesis-lab: {complaint}\n")


def test_unknown_format_is_one_line(say: Any, ticks: Path) -> None:
    said = say("run", "trading-day", "--ticks", ticks, "--format", "new")
    start = f"genesis-lab: unknown tick format of {ticks}: found the name 'new', expected one of "
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(start)
    assert said.err.count("\n") == 1


def test_folder_that_cannot_be_made_is_one_line(say: Any, ticks: Path) -> None:
    said = say("run", "trading-day", "--ticks", ticks, "--out", ticks / "results")
    assert said == Said(1, "", f"genesis-lab: {ticks / 'results'}: Not a directory\n")


def test_folder_with_something_else_is_left_alone(say: Any, ticks: Path, tmp_path: Path) -> None:
    precious = tmp_path / "results" / "synchronous" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("all of it")
    said = say("run", "trading-day", "--ticks", ticks, "--out", tmp_path / "results")
    assert said.code == 1
    assert said.err == (
        f"genesis-lab: folder='{precious.parent}': expected a new or an empty folder, or one with "
        "a trace\n"
    )
    assert [*precious.parent.iterdir()] == [precious]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "trading-day", "--seed", "-1"], "Invalid value for '--seed': "),
        (["run", "trading-day", "--seed", "many"], "Invalid value for '--seed': "),
        (["run", "trading-day", "--bogus"], "No such option: --bogus"),
        (["run", "trading-day", "more"], "Got unexpected extra argument"),
        (["run", "trading-week"], "No such command 'trading-week'."),
        (["walk"], "No such command 'walk'."),
    ],
)
def test_wrong_usage_is_one_line(say: Any, arguments: list[str], complaint: str) -> None:
    said = say(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"genesis-lab: {complaint}")
    assert said.err.count("\n") == 1


def test_real_capture_stops_the_old_bus_at_its_first_signal(say: Any) -> None:
    if not CAPTURE.exists():
        pytest.skip("the capture is not part of the repository")
    said = say("run", "trading-day", "--ticks", CAPTURE, "--architecture", "synchronous")
    assert max(map(len, said.out.splitlines())) <= 100
    assert "| ticks published                   |          110 |\n" in said.out
    assert "- synchronous: deadlock at 5.357154 s, for ever: strategy_manager " in said.out
