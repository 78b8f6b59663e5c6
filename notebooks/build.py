"""The notebooks, executed from their sources: `python notebooks/build.py`.

People edit `source/*.md`; the notebooks beside that folder change here and nowhere else. The same
sources give the same bytes, so a notebook keeps nothing of the machine and the moment: no timings,
no versions, no random ids, no addresses, and of a traceback the last line, since the others name
files. What the tests may not see in an output, they should not find in a file either: both take the
patterns in `sanitize.cfg`.
"""

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbval.plugin import comment_markers, get_sanitize_patterns, metadata_tags

NOTEBOOKS = Path(__file__).parent
CELL_TIMEOUT = 60
"""How long a cell may take [s]; as in the tests."""

_METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}
_PATTERNS = get_sanitize_patterns((NOTEBOOKS / "sanitize.cfg").read_text("utf-8"))
_WIDGET = "application/vnd.jupyter.widget-view+json"
_EXEMPTING = {*comment_markers, *metadata_tags} - {"raises-exception"}


def source_of(notebook: Path) -> Path:
    """Where the source of a notebook is."""
    return notebook.parent / "source" / f"{notebook.stem}.md"


def notebook_of(source: Path) -> Path:
    """Where the notebook of a source is."""
    return source.parents[1] / f"{source.stem}.ipynb"


def read_source(source: Path) -> NotebookNode:
    """The notebook as its source has it, without outputs."""
    return canonical(jupytext.read(source, fmt="md:myst"))


def canonical(notebook: NotebookNode) -> NotebookNode:
    """The notebook in the only form in which it is kept."""
    ids = _ids(notebook)
    cells = [_canonical_cell(cell, next(ids)) for cell in notebook.cells]
    kept: NotebookNode = nbformat.from_dict(
        {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    )
    return kept


def as_text(notebook: NotebookNode) -> str:
    """What the file of a notebook holds."""
    return f"{nbformat.writes(notebook)}\n"


def objections(notebook: NotebookNode) -> Iterator[str]:
    """What is wrong with a notebook before it is executed, cell by cell."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        # nbval's kernel keeps no history, in which IPython looks for the semicolon.
        if cell.source.rstrip().endswith(";"):
            yield f"cell {number} ends in `;`: its output would be hidden here and seen in the test"
        found = {*re.findall(r"[\w-]+", cell.source), *cell.metadata.get("tags", [])}
        for marker in sorted(found & _EXEMPTING):
            yield f"cell {number} is exempt from the tests: {marker}"


async def execute(source: Path) -> NotebookNode:
    """The executed notebook.

    Raises
    ------
    CellExecutionError, CellTimeoutError, DeadKernelError
        A cell raised, unless it is tagged `raises-exception`; took too long; killed the kernel.
    """
    notebook = read_source(source)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        record_timing=False,
        # How a kernel cuts its output into messages is a matter of time.
        coalesce_streams=True,
        resources={"metadata": {"path": str(notebook_of(source).parent)}},
    )
    await client.async_execute()
    return canonical(notebook)


async def build(folder: Path) -> list[str]:
    """Execute every source in a folder, as many at a time as there are cores.

    Returns
    -------
    list of str
        What went wrong; notebooks in which nothing did are written all the same.
    """
    free_cores = asyncio.Semaphore(os.cpu_count() or 1)

    async def build_one(source: Path) -> list[str]:
        if wrong := [*objections(read_source(source))]:
            return [f"{source.name}: {objection}" for objection in wrong]
        async with free_cores:
            try:
                notebook = await execute(source)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                return [f"{source.name}: {error}"]
        notebook_of(source).write_text(as_text(notebook), encoding="utf-8", newline="\n")
        return []

    sources = sorted((folder / "source").glob("*.md"))
    return [*chain.from_iterable(await asyncio.gather(*map(build_one, sources)))]


def _ids(notebook: NotebookNode) -> Iterator[str]:
    """An id for each cell, from what it says: editing one leaves the others' alone."""
    seen = Counter[str]()
    for cell in notebook.cells:
        name = sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


def _canonical_cell(cell: NotebookNode, id: str) -> dict[str, Any]:
    tags = cell.metadata.get("tags")
    kept: dict[str, Any] = {
        "cell_type": cell.cell_type,
        "id": id,
        "metadata": {"tags": tags} if tags else {},
        "source": cell.source,
    }
    if cell.cell_type == "code":
        kept["execution_count"] = cell.execution_count
        kept["outputs"] = [_canonical_output(output) for output in cell.outputs]
    return kept


def _canonical_output(output: NotebookNode) -> dict[str, Any]:
    kept: dict[str, Any] = _sanitized(output)
    # The number of a widget in a kernel that is gone: where it is missing, its text is shown.
    kept.get("data", {}).pop(_WIDGET, None)
    if output.output_type == "error":
        kept["traceback"] = [f"{kept['ename']}: {kept['evalue']}"]
    return kept


def _sanitized(value: Any) -> Any:
    """The same, with what differs from run to run replaced in all its texts."""
    match value:
        case str():
            for pattern, replacement in _PATTERNS:
                value = re.sub(pattern, replacement, value)
            return value
        case dict():
            # Not images: in base64 a pattern could match anything.
            return {
                key: item if key.startswith("image/") else _sanitized(item)
                for key, item in value.items()
            }
        case list():
            return [*map(_sanitized, value)]
        case _:
            return value


def main() -> int:
    """Execute all notebooks; 1 if anything went wrong."""
    os.environ["TQDM_DISABLE"] = "1"  # how far a bar gets is a matter of time
    wrong = asyncio.run(build(NOTEBOOKS))
    for complaint in wrong:
        sys.stderr.write(f"{complaint}\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
