"""`python -m genesis_lab.bench [--quick] [--only FAMILY ...]`: the table, on standard output."""

import argparse
import sys
from collections.abc import Iterable, Sequence

from tqdm import tqdm

from genesis_lab.bench import (
    analysis,
    dashboard,
    deliveries,
    detection,
    exploring,
    queueing,
    recording,
    requests,
    scaling,
    sweeping,
)
from genesis_lab.bench.machine import machine_facts
from genesis_lab.bench.measuring import Family, measure
from genesis_lab.bench.table import Reading, breakdowns, facts_line, notes, table

FAMILIES: dict[str, Family] = {
    "requests": requests.FAMILY,
    "deliveries": deliveries.FAMILY,
    "recording": recording.FAMILY,
    "queueing": queueing.FAMILY,
    "detection": detection.FAMILY,
    "scaling": scaling.FAMILY,
    "analysis": analysis.FAMILY,
    "sweeping": sweeping.FAMILY,
    "dashboard": dashboard.FAMILY,
    "explorer": exploring.FAMILY,
}
_ROUNDS = 7
_QUICK_ROUNDS, _QUICK_PART = 5, 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print one line per claim; a bar that is not reached is no failure."""
    options = _parser().parse_args(arguments)
    readings, missing = _measured(options.only, quick=options.quick)
    sections = [
        facts_line(machine_facts()),
        table(readings),
        notes(readings),
        breakdowns(readings),
        "\n".join(sorted(missing)),
        "Medians of interleaved rounds, CPU time."
        + (" --quick: smaller sizes, fewer rounds." if options.quick else ""),
    ]
    sys.stdout.write("\n\n".join(filter(None, sections)) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m genesis_lab.bench", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=FAMILIES,
        default=FAMILIES,
        metavar="FAMILY",
        help=f"what to measure: {', '.join(FAMILIES)}; all, unless told",
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    return parser


def _measured(names: Iterable[str], *, quick: bool) -> tuple[list[Reading], set[str]]:
    readings: list[Reading] = []
    missing: set[str] = set()
    for name in names:
        family = FAMILIES[name]
        rounds = tqdm(range(_QUICK_ROUNDS if quick else _ROUNDS), desc=name, leave=False)
        size = family.size // _QUICK_PART if quick else family.size
        costs, absent = measure(family, size=size, rounds=rounds)
        readings += [Reading(claim, costs) for claim in family.claims]
        missing |= set(map(str, absent))
    return readings, missing


if __name__ == "__main__":
    main()
