"""The command line: `genesis-lab`.

What needs pandas or matplotlib is imported by the command that needs it, so that `--help` answers
at once. Bad input ends in one line on stderr and an exit code other than 0, never in a traceback.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from genesis_lab import __version__
from genesis_lab.cli.comparison import compare, report
from genesis_lab.cli.ending import NAME, complain
from genesis_lab.cli.trading_day import run_trading_day
from genesis_lab.errors import LabError
from genesis_lab.experiments import EXPERIMENTS

# typer has its own copy of click, under a private name; older ones have click itself.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(rich_markup_mode=None, add_completion=False)
run = typer.Typer(rich_markup_mode=None)
app.command()(compare)
app.command()(report)
app.add_typer(run, name="run", help="Run an experiment on what you bring; so far, trading-day.")
run.command("trading-day", short_help=EXPERIMENTS["trading-day"])(run_trading_day)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, `sys.argv` unless told; the exit code."""
    try:
        return app(arguments, prog_name=NAME, standalone_mode=False) or 0
    except _UsageError as error:
        return complain(error.format_message(), code=2)
    except LabError as error:
        return complain(str(error), code=1)
    except OSError as error:
        return complain(": ".join(filter(None, (error.filename, error.strerror))), code=1)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Run the same components on several message buses, and see where each deadlocks and why."""
    if version:
        typer.echo(f"{NAME} {__version__}")
    else:
        _help_without_command(context)


@run.callback(invoke_without_command=True)
def _run(context: typer.Context) -> None:
    _help_without_command(context)


def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_experiments() -> None:
    """Show the experiments, each with its question."""
    width = max(map(len, EXPERIMENTS))
    for name, question in EXPERIMENTS.items():
        typer.echo(f"{name:<{width}}  {question}")
