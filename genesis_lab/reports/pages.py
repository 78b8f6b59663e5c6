"""The report as one HTML page, which opens offline and prints well, and as Markdown."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from genesis_lab.experiments import EXPERIMENTS
from genesis_lab.experiments.tables import as_markdown
from genesis_lab.reports.report import Report, measured

_HEAD = 2_000  # bytes


def as_html(report: Report, root: Path) -> str:
    """The page; each figure is inside of it, from its SVG file below the folder of results."""
    return _rendered(
        "report.html.jinja",
        report,
        image=lambda stem: _data_uri(root / f"{stem}.svg"),
        width=lambda stem: _width(root / f"{stem}.svg"),
    )


def as_markdown_page(report: Report) -> str:
    """The same in Markdown; figures are links to the files beside it."""
    return _rendered("report.md.jinja", report, image=lambda stem: f"{stem}.png")


def _rendered(template: str, report: Report, **functions: Any) -> str:
    environment = Environment(
        loader=PackageLoader("genesis_lab.reports", "templates"),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(
        report=report,
        claims=report.scoreboard.to_dict("records"),
        command=_command(report),
        measured=measured,
        as_markdown=_table,
        **functions,
    )


def _command(report: Report) -> str:
    """What has to be typed to get the same numbers."""
    record = report.record
    replicates = "" if record.replicates is None else f" --replicates {record.replicates}"
    quick = " --quick" if record.quick else ""
    names = "" if list(record.trials) == list(EXPERIMENTS) else f" {' '.join(record.trials)}"
    return f"genesis-lab compare{names} --seed {record.seed}{replicates}{quick}"


def _table(table: pd.DataFrame) -> str:
    return as_markdown(table.set_index(table.columns[0]), width=10_000)


def _width(path: Path) -> str:
    """How wide the image is on paper, as it says in its first lines [pt]."""
    found = re.search(rb'<svg [^>]*width="([0-9.]+pt)"', path.read_bytes()[:_HEAD])
    assert found is not None, "matplotlib writes the width"
    return found[1].decode()


def _data_uri(path: Path) -> str:
    return f"data:image/svg+xml;base64,{b64encode(path.read_bytes()).decode()}"
