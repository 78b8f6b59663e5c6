"""`genesis-lab run trading-day`: recorded ticks through the trading system, bus by bus."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genesis_lab.buses.architectures import ARCHITECTURES
from genesis_lab.cli.ending import INTERRUPTED, complain
from genesis_lab.experiments.compared import HYBRID, OLD_BUS

if TYPE_CHECKING:
    import pandas as pd

    from genesis_lab.experiments.trials import Condition
    from genesis_lab.workloads.ticks import Ticks
    from genesis_lab.workloads.trading_day import TradingDayResult

_DEFAULT_ARCHITECTURES = (OLD_BUS, HYBRID)
_WITHOUT_ADMISSION = [name for name in ARCHITECTURES if not ARCHITECTURES[name].honours_admission]
_WIDTH = 100  # of what is printed: it goes into READMEs and mails


def run_trading_day(
    ticks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Recorded trades to replay, plain, gzip or zip.",
            show_default="the synthetic sample",
        ),
    ] = None,
    tick_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="How to read them: binance-websocket, binance-aggtrades or plain.",
            show_default="the first lines tell",
        ),
    ] = None,
    architecture: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"A bus to run on; may be repeated. One of {', '.join(ARCHITECTURES)}.",
            show_default=" and ".join(_DEFAULT_ARCHITECTURES),
        ),
    ] = None,
    admission: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="How many messages a component takes at once; may be repeated. One of serial, "
            "call_chain, interleaved, re_entrant, pool(n). "
            f"Without effect on {', '.join(_WITHOUT_ADMISSION)}.",
            show_default="serial and call_chain",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Fixes all random draws.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where to save the frames, the summary and a timeline of each run."
        ),
    ] = None,
) -> None:
    """Replay recorded ticks through the trading system, bus by bus, and compare."""
    try:
        _compare_trading_days(
            ticks,
            tick_format,
            architecture or _DEFAULT_ARCHITECTURES,
            admission or ["serial", "call_chain"],
            seed,
            out,
        )
    except KeyboardInterrupt:
        finished = "" if out is None else f"; what was finished is in {out}"
        raise typer.Exit(complain(f"interrupted{finished}", code=INTERRUPTED)) from None


def _compare_trading_days(
    path: Path | None,
    tick_format: str | None,
    architectures: Sequence[str],
    admissions: Sequence[str],
    seed: int,
    out: Path | None,
) -> None:
    import pandas as pd

    from genesis_lab.experiments import trading_day
    from genesis_lab.experiments.trials import admission_named, grid
    from genesis_lab.reports.folder import ResultFolder
    from genesis_lab.workloads.ticks import read_ticks

    # Before minutes are spent on what cannot be run, or not be saved.
    for name in admissions:
        admission_named(name)
    conditions = grid(architectures, admission=admissions)
    if out is not None:
        ResultFolder(out).check_writable()
    known_format: Any = tick_format  # read_ticks says so if it is not
    ticks = read_ticks(path or trading_day.sample_ticks(), format=known_format)
    heading = _wrapped(f"{ticks.source}, seed {seed}: {ticks.report}")
    typer.echo(f"{heading}\n")
    measured, verdicts, cpu_times = {}, {}, {}
    for condition in conditions:
        name = trading_day.name_of(condition)
        day, cpu_times[name] = _replay(ticks, condition, seed)
        measured[name] = {**trading_day.measure_day(day), "digest": day.trace.digest()}
        verdicts[name] = trading_day.what_became_of(day.trace)
        if out is not None:
            _save_day(out, condition, day, ticks)
            _save_summary(out, heading, _frame(measured), verdicts)
    summary = _frame(measured).assign(cpu_time=pd.Series(cpu_times))
    typer.echo(_as_text(summary, verdicts))
    if out is not None:
        typer.echo(f"\nsaved in {out}")


def _replay(ticks: "Ticks", condition: "Condition", seed: int) -> tuple["TradingDayResult", float]:
    """The day, and its CPU time [s]."""
    from tqdm import tqdm

    from genesis_lab.experiments.trading_day import name_of, replay

    # disable=None: no bar where stderr is not a terminal.
    with tqdm(
        total=len(ticks.frame), desc=name_of(condition), unit="tick", leave=False, disable=None
    ) as bar:
        began = time.process_time()
        day = replay(ticks, condition, seed=seed, progress=bar.update)
        return day, time.process_time() - began


def _save_day(out: Path, condition: "Condition", day: "TradingDayResult", ticks: "Ticks") -> None:
    """The frames and a timeline of one run."""
    from genesis_lab import plots
    from genesis_lab.experiments.trading_day import name_of, telling_window, timeline

    name, trace = name_of(condition), day.trace
    trace.save(out / name)
    drawing = timeline(name, trace)
    with plots.paper():
        look = plots.series_look(condition.architecture)
        drawing.axes.set_title(name, color=look.color)
    start, end = telling_window(trace)
    admission = condition.parameters["admission"]
    plots.save_figure(
        plots.figure_of(drawing.axes),
        out / drawing.name,
        data=drawing.data,
        provenance=plots.provenance_of(
            trace, ticks=ticks.source, admission=admission, start=start, end=end
        ),
    )


def _frame(measured: Mapping[str, Mapping[str, object]]) -> "pd.DataFrame":
    """A row per condition; numbers as they are, whole ones too."""
    import pandas as pd

    return pd.DataFrame(measured, dtype=object).T


def _save_summary(
    out: Path, heading: str, measured: "pd.DataFrame", verdicts: Mapping[str, str]
) -> None:
    from genesis_lab.files import replace_file

    csv = measured.to_csv(index_label="condition", lineterminator="\n")
    replace_file(out / "summary.csv", csv.encode())
    text = f"{heading}\n\n{_as_text(measured, verdicts)}\n"
    replace_file(out / "summary.md", text.encode())


def _as_text(measured: "pd.DataFrame", verdicts: Mapping[str, str]) -> str:
    """A table, and a sentence on each of its columns."""
    from genesis_lab.experiments.tables import as_markdown
    from genesis_lab.experiments.trading_day import table

    sentences = (_wrapped(f"- {name}: {verdict}") for name, verdict in verdicts.items())
    return "\n".join([as_markdown(table(measured), width=_WIDTH), "", *sentences])


def _wrapped(text: str) -> str:
    """Lines that fit, with names and paths in one piece."""
    return fill(
        text,
        width=_WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
