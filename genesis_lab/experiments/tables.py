"""Tables of text, which are Markdown and line up in a terminal, too."""

from collections.abc import Iterable, Iterator

import pandas as pd


def as_markdown(table: pd.DataFrame, *, width: int = 100) -> str:
    """The table in pipes; if its columns do not fit into the width, as several of them.

    Parameters
    ----------
    table
        Texts; the index is the first column.
    width
        Of the lines [characters]. A single column that does not fit gets longer ones.
    """
    return "\n\n".join(map(_block, _blocks(table, width)))


def _blocks(table: pd.DataFrame, width: int) -> Iterator[pd.DataFrame]:
    """As many columns at a time as fit beside the index."""
    left = _width(table.index) + len("|  |")
    begin, used = 0, left
    for number, column in enumerate(table):
        wide = _width([str(column), *table[column]]) + len("  |")
        if used + wide > width and number > begin:
            yield table.iloc[:, begin:number]
            begin, used = number, left
        used += wide
    yield table.iloc[:, begin:]


def _block(table: pd.DataFrame) -> str:
    """One table: texts to the left, values to the right."""
    columns = [["", *table.index], *([str(name), *table[name]] for name in table)]
    widths = [_width(column) for column in columns]
    lines = [
        f"| {first:<{widths[0]}} | "
        + " | ".join(f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True))
        + " |"
        for first, *values in zip(*columns, strict=True)
    ]
    rule = [f"|{'-' * (widths[0] + 2)}|", *(f"{'-' * (width + 1)}:|" for width in widths[1:])]
    return "\n".join([lines[0], "".join(rule), *lines[1:]])


def _width(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)
