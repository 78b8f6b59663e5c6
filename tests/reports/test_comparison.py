"""One comparison, for real: its files, its report, and what happens when something is amiss."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from genesis_lab import Trace
from genesis_lab.cli import main
from genesis_lab.errors import InvalidSetting
from genesis_lab.experiments import EXPERIMENTS, load_experiment
from genesis_lab.experiments.claims import CLAIMS, Judgement, Verdict
from genesis_lab.experiments.storage import DamagedResult
from genesis_lab.experiments.sweeps import UnfinishedTrials
from genesis_lab.reports import comparison
from genesis_lab.reports.comparison import compare, report, scoreboard_of
from genesis_lab.reports.folder import NoResults
from genesis_lab.reports.report import Report

pytestmark = pytest.mark.slow

EXPERIMENT = "circular"
EACH = " or ".join(map(repr, EXPERIMENTS))
COMMAND = Path(sys.executable).with_name("genesis-lab")


def run(folder: Path) -> Report:
    return compare([EXPERIMENT], out=folder, quick=True, replicates=1, workers=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("comparison") / "results"
    return folder, run(folder)


@pytest.fixture
def folder(made: tuple[Path, Report], tmp_path: Path) -> Path:
    """A copy of the results, to be done with as one likes."""
    return Path(shutil.copytree(made[0], tmp_path / "results"))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_results_are_where_the_folder_says(made: tuple[Path, Report]) -> None:
    folder, _ = made
    assert sorted(path.name for path in folder.iterdir()) == [
        *("figures", "report.html", "report.md", "sweep.json", "tables", "traces", "trials")
    ]
    assert {path.name for path in (folder / "tables").iterdir()} == {
        f"{EXPERIMENT}.csv",
        "scoreboard.csv",
    }
    experiment = load_experiment(EXPERIMENT)
    for showcase in experiment.showcases:
        trace = Trace.load(folder / "traces" / EXPERIMENT / showcase)
        assert len(trace.requests) > 0
    assert len(list((folder / "trials").rglob("*.parquet"))) == len(experiment.conditions(True))


def test_every_figure_has_its_files(made: tuple[Path, Report]) -> None:
    folder, report = made
    (section,) = report.sections
    assert section.figures
    for stem in ["figures/scoreboard", *(figure.stem for figure in section.figures)]:
        for suffix in ("svg", "pdf", "png", "csv", "json"):
            assert (folder / f"{stem}.{suffix}").stat().st_size > 0


def test_scoreboard_says_what_the_verdict_says(made: tuple[Path, Report]) -> None:
    folder, report = made
    (section,) = report.sections
    (verdict,) = section.verdicts
    scoreboard = pd.read_csv(folder / "tables" / "scoreboard.csv")
    assert scoreboard["claim"].tolist() == [CLAIMS["circular calls"].statement]
    assert scoreboard["verdict"].tolist() == [verdict.judgement]
    assert scoreboard["sentence"].tolist() == [verdict.sentence]


def test_page_is_one_file_that_loads_nothing(made: tuple[Path, Report]) -> None:
    page = (made[0] / "report.html").read_text()
    sources = re.findall(r'src="([^"]{30})', page)
    assert len(sources) == len(made[1].sections[0].figures)
    assert {source[:26] for source in sources} == {"data:image/svg+xml;base64,"}
    assert not re.search(r"<script|<link|@import|url\(|https?://", page)


def test_report_shows_each_claim_in_a_line(made: tuple[Path, Report]) -> None:
    _, report = made
    [verdict] = report.sections[0].verdicts
    trials = len(load_experiment(EXPERIMENT).conditions(True))
    assert repr(report).splitlines() == [
        f"Comparison of circular: {trials} trials, from seed 0",
        f"  {verdict.judgement}  {CLAIMS['circular calls'].statement}",
    ]


def test_notebook_shows_a_report_as_its_scoreboard(made: tuple[Path, Report]) -> None:
    folder, report = made
    html = report._repr_html_()
    [claim] = re.findall("<tr>(.*?)</tr>", html)[1:]
    shown = [unescape(cell) for cell in re.findall("<t[hd] [^>]*>(.*?)</t[hd]>", claim)]
    [verdict] = report.sections[0].verdicts
    assert shown[:2] == [CLAIMS["circular calls"].statement, verdict.judgement]
    assert shown[2].startswith(f"{verdict.measured}: {verdict.effect:.3g} [")
    assert shown[2] in (folder / "report.md").read_text("utf-8")
    assert shown[3] == f"{verdict.sentence} (circular)"


def test_page_opens_with_the_scoreboard(made: tuple[Path, Report]) -> None:
    for name in ("report.html", "report.md"):
        page = (made[0] / name).read_text()
        first_claim = page.index(CLAIMS["circular calls"].statement)
        assert first_claim < page.index("trials)")
        assert made[1].sections[0].verdicts[0].judgement in page


def test_same_comparison_gives_the_same_bytes(made: tuple[Path, Report], tmp_path: Path) -> None:
    run(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(made[0])


def test_report_comes_from_what_is_stored_alone(
    made: tuple[Path, Report], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("figures", "tables"):
        shutil.rmtree(folder / name)
    (folder / "report.html").unlink()

    def never(*_args: object, **_options: object) -> None:
        pytest.fail("a report runs nothing")

    monkeypatch.setattr("genesis_lab.experiments.trials.run", never)
    report(folder)
    assert contents(folder) == contents(made[0])


def test_report_names_what_the_trials_were_run_with(folder: Path) -> None:
    sweep = folder / "sweep.json"
    record = json.loads(sweep.read_bytes())
    record["versions"]["numpy"] = "0.9"
    sweep.write_text(json.dumps(record))
    report(folder)
    assert "numpy 0.9" in (folder / "report.md").read_text("utf-8")
    [figure] = (folder / "figures").rglob("*latency.json")
    assert json.loads(figure.read_bytes())["versions"]["numpy"] == "0.9"


def test_experiment_whose_trials_are_missing_is_left_out_and_named(folder: Path) -> None:
    trials = sorted((folder / "trials").rglob("*.parquet"))
    trials[0].unlink()
    made = report(folder)
    assert made.unfinished == {EXPERIMENT: (1, len(trials))}
    assert made.sections == []
    shown = [(folder / name).read_text() for name in ("report.html", "report.md")]
    for text in [*shown, repr(made), made._repr_html_()]:
        assert f"{EXPERIMENT} is left out: 1 of its {len(trials)} trials are missing" in text


def test_report_is_written_without_the_trials_that_hang_before_they_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_trials: object, trial_timeout: float | None, **_options: object) -> None:
        assert trial_timeout == 5.0
        next(folder.rglob("trials/**/*.parquet")).unlink()
        raise UnfinishedTrials(("one",), ())

    monkeypatch.setattr(comparison, "sweep", hang)
    (folder / "report.md").unlink()
    with pytest.raises(UnfinishedTrials, match=r"^1 of the trials did not return in time: one$"):
        compare([EXPERIMENT], out=folder, quick=True, replicates=1, workers=2, trial_timeout=5.0)
    assert f"{EXPERIMENT} is left out: 1 of its " in (folder / "report.md").read_text()


def test_damaged_trial_is_named(folder: Path) -> None:
    damaged = next((folder / "trials").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-10])
    with pytest.raises(DamagedResult, match=re.escape(str(damaged))):
        report(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"seed": 1}'])
def test_damaged_record_of_the_sweep_is_named(folder: Path, content: str) -> None:
    (folder / "sweep.json").write_text(content)
    with pytest.raises(DamagedResult, match=r"sweep\.json: not a readable result"):
        report(folder)


def test_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoResults) as caught:
        report(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no results here; `genesis-lab compare --out {tmp_path}` makes some"
    )


def test_scoreboard_keeps_the_order_of_the_claims() -> None:
    verdicts = [_verdict("performance", "refuted"), _verdict("circular calls", "holds")]
    assert scoreboard_of(verdicts)["verdict"].tolist() == ["holds", "refuted"]


def test_verdict_is_on_a_claim_and_one_of_three() -> None:
    with pytest.raises(InvalidSetting, match=r"^claim='beauty': expected 'circular calls' or"):
        _verdict("beauty", "holds")
    with pytest.raises(InvalidSetting, match=r"^judgement='maybe': expected 'holds' or"):
        _verdict("performance", "maybe")  # type: ignore[arg-type] # that is the point


def _verdict(claim: str, judgement: Judgement) -> Verdict:
    return Verdict(
        claim=claim,
        judgement=judgement,
        measured="ratio",
        effect=2.0,
        low=1.5,
        high=2.5,
        unit="x",
        sentence="So it is.",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nonsense"], 1, "experiment='nonsense': expected 'circular' or "),
        (["circulra"], 1, f"experiment='circulra': expected {EACH}; did you mean 'circular'?"),
        (["--quik"], 2, "No such option: --quik (Possible options: --quick)"),
        (["circular", "--replicates", "0"], 1, "replicates=0: expected a whole number >= 1"),
        (["circular", "--workers", "0"], 1, "workers=0: expected a whole number >= 1"),
        (["circular", "--seed", "-1"], 1, "seed=-1: expected a whole number >= 0"),
        (["circular", "--trial-timeout", "0"], 1, "trial_timeout=0.0: expected seconds > 0"),
        (["circular", "--seed", "x"], 2, "Invalid value for '--seed'"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["compare", *arguments, "--out", str(tmp_path / "results")]) == code
    line = capsys.readouterr().err
    assert line.startswith(f"genesis-lab: {message}")
    assert line.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_folder_that_cannot_be_made_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "results"
    assert main(["compare", EXPERIMENT, "--quick", "--out", str(out)]) == 1
    assert capsys.readouterr().err == f"genesis-lab: {out}: Not a directory\n"


def test_report_of_nothing_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"genesis-lab: {tmp_path}: no results here; ")


def test_interrupted_comparison_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    out = tmp_path / "results"
    options = [EXPERIMENT, "--quick", "--workers", "2", "--out", str(out)]
    with subprocess.Popen(
        [COMMAND, "compare", *options, "--replicates", "200"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while len(list(out.rglob("*.parquet"))) < 20:
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGINT)
        said, complained = running.communicate(timeout=60)
    assert (running.returncode, said) == (130, "")
    assert complained == (
        f"genesis-lab: interrupted; what is finished is in {out}, "
        "and the same command goes on there\n"
    )
    finished = {path: path.stat().st_mtime_ns for path in out.rglob("trials/**/*.parquet")}
    assert len(finished) >= 20
    compare([EXPERIMENT], out=out, quick=True, replicates=1, workers=1)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
