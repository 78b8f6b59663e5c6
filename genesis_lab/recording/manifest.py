"""What a trace says of its run, beside the frames; it is saved as JSON."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import trio

import genesis_lab
from genesis_lab.errors import DamagedTrace, NewerSchema
from genesis_lab.files import replace_file
from genesis_lab.observers import BusDescription
from genesis_lab.recording.records import SCHEMA


def versions() -> dict[str, str]:
    """Those of Python and of the packages that a run depends on."""
    return {
        "python": platform.python_version(),
        "genesis_lab": genesis_lab.__version__,
        "trio": trio.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "pyarrow": pa.__version__,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Where a trace comes from. Without a bus it has no architecture, seed or clock."""

    schema: int = SCHEMA
    """The version of the schema."""
    architecture: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """The settings of the bus."""
    seed: int | None = None
    clock: str | None = None
    """`virtual` or `real`."""
    versions: Mapping[str, str] = field(default_factory=versions)
    """As `versions` says."""
    digest: str | None = None
    """What `Trace.digest` was when the trace was saved; None before."""


def manifest_of(description: BusDescription) -> Manifest:
    """The manifest of a run on a bus."""
    return Manifest(
        architecture=description.architecture,
        # As it comes back from JSON, so that a loaded manifest equals the saved one.
        configuration=json.loads(json.dumps(dict(description.configuration), default=repr)),
        seed=description.seed,
        clock=description.clock,
    )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the file in one step: it is there as a whole, or not at all."""
    replace_file(path, json.dumps(asdict(manifest), indent=2).encode())


def read_manifest(path: Path) -> Manifest:
    """Read the file back.

    Raises
    ------
    DamagedTrace
        It is not what `write_manifest` writes.
    NewerSchema
        A later genesis_lab wrote it.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedTrace(str(path), f"not JSON: {error}") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(schema, int):
        raise DamagedTrace(str(path), "it does not say which schema it has")
    if schema > SCHEMA:
        raise NewerSchema(str(path), schema, SCHEMA)
    names = [field.name for field in fields(Manifest)]
    missing = [name for name in names if name not in content]
    if missing:
        raise DamagedTrace(str(path), f"it lacks {', '.join(missing)}")
    return Manifest(**{name: content[name] for name in names})
