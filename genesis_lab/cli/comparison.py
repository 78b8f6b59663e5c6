"""`genesis-lab compare` and `genesis-lab report`: all questions at once, one page of answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genesis_lab.cli.ending import INTERRUPTED, complain
from genesis_lab.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from genesis_lab.reports.report import Report


def compare(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT ...]",
            help="What to run; `genesis-lab list` shows which there are.",
            show_default="all of them",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the results go; what is there is reused.")
    ] = Path("results"),
    replicates: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How often each condition is run, each time under the next seed.",
            show_default="as many as each experiment says",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Processes that run trials.", show_default="one per processor"
        ),
    ] = None,
    trial_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long a trial may take, in wall time; one that takes longer is ended and "
            "named, and the others are run.",
            show_default="as long as it does",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer and smaller conditions: a first look.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="The first replicate's seed.")] = 0,
) -> None:
    """Run the experiments, and report which claims of the hybrid design hold."""
    from genesis_lab.reports.comparison import compare as run_comparison

    names = experiments or list(EXPERIMENTS)
    try:
        made = run_comparison(
            names,
            out=out,
            seed=seed,
            replicates=replicates,
            quick=quick,
            workers=workers,
            trial_timeout=trial_timeout,
        )
    except KeyboardInterrupt:
        message = f"interrupted; what is finished is in {out}, and the same command goes on there"
        raise typer.Exit(complain(message, code=INTERRUPTED)) from None
    _show(made, out)


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The results of a comparison.")],
) -> None:
    """Write the report of a comparison again, from what is stored; nothing is run."""
    from genesis_lab.reports.comparison import report as write_report

    _show(write_report(folder), folder)


def _show(made: "Report", out: Path) -> None:
    """The scoreboard, what is missing, and where all of it is."""
    from genesis_lab.reports.report import verdict_lines

    for line in verdict_lines(made):
        typer.echo(line)
    typer.echo(f"\nsaved in {out}: report.html, report.md, figures, tables, traces")
