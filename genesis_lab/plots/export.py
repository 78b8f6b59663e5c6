"""A figure's files: vector and pixels, the numbers in it, and where they come from.

The same figure gives the same bytes: no file says when it was written, and no id in it is random.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import __version__ as matplotlib_version
from matplotlib.figure import Figure

from genesis_lab import __version__
from genesis_lab.files import replace_file
from genesis_lab.plots.style import lay_out, paper
from genesis_lab.recording import Trace

# Each format has its own name for a description, and its own date, which has to stay out.
_METADATA: dict[str, tuple[str, dict[str, None]]] = {
    "svg": ("Description", {"Date": None}),
    "pdf": ("Subject", {"CreationDate": None}),
    "png": ("Description", {}),
}


def save_figure(
    fig: Figure, stem: Path | str, *, data: pd.DataFrame, provenance: Mapping[str, Any]
) -> list[Path]:
    """Write a figure as SVG, PDF and PNG, with its data as CSV and its provenance as JSON.

    Parameters
    ----------
    fig
        Its size is that on the page.
    stem
        The path of the files without their suffixes; the folder is made if there is none.
    data
        What the figure shows.
    provenance
        Where that comes from, as JSON can say it; it is inside of each image as well.

    Returns
    -------
    list of Path
        What was written.
    """
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    origin = json.dumps(provenance, indent=2, sort_keys=True)
    with paper(), _laid_out(fig):
        contents = {suffix: _rendered(fig, suffix, origin) for suffix in _METADATA}
    contents["csv"] = data.to_csv(index=False, lineterminator="\n").encode()
    contents["json"] = f"{origin}\n".encode()
    written = []
    for suffix, content in contents.items():
        # Not with_suffix, which would cut a name at its last dot.
        path = stem.with_name(f"{stem.name}.{suffix}")
        replace_file(path, content)
        written.append(path)
    return written


def provenance_of(trace: Trace, **parameters: object) -> dict[str, object]:
    """Where a figure of a trace comes from: the run's seed, settings, versions and digest.

    Parameters
    ----------
    trace
        What the figure shows.
    **parameters
        What else the run, or the figure, depends on.
    """
    manifest = trace.manifest
    return {
        "architecture": manifest.architecture,
        "configuration": manifest.configuration,
        "seed": manifest.seed,
        "versions": manifest.versions,
        "digest": trace.digest(),
        "drawn_with": {"genesis_lab": __version__, "matplotlib": matplotlib_version},
        "parameters": parameters,
    }


def svg_of(fig: Figure) -> bytes:
    """The figure as SVG."""
    with paper(), _laid_out(fig):
        return _rendered(fig, "svg")


@contextmanager
def _laid_out(fig: Figure) -> Iterator[None]:
    """The figure with its layout as it is: once for all formats, not twice for each."""
    engine = fig.get_layout_engine()
    lay_out(fig)
    fig.set_layout_engine(None)  # with "none", a placeholder, all would be drawn twice
    try:
        yield
    finally:
        fig.set_layout_engine(engine)


def _rendered(fig: Figure, suffix: str, origin: str | None = None) -> bytes:
    key, no_date = _METADATA[suffix]
    image = BytesIO()
    fig.savefig(image, format=suffix, metadata={key: origin, **no_date})
    return image.getvalue()
