"""What a trace says of its run, beside the frames; it is saved as JSON."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
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
class CutShort:
    """How much of a spool could not be read, at least; it is not in the trace."""

    bytes: int = 0
    """How many bytes belong to no whole batch."""
    batches: int = 0
    """How many batches of rows are missing."""
    deliveries: int = 0
    """How many deliveries were left out because their events are missing."""

    def __str__(self) -> str:
        return (
            f"batches of rows that are missing: {self.batches:,}; "
            f"unreadable bytes: {self.bytes:,}; "
            f"deliveries left out without their events: {self.deliveries:,}"
        )


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
    files: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each file that the trace was saved in, by name; empty before."""
    cut_short: CutShort | None = None
    """What a spool that the trace was recovered from had lost; None where that was nothing."""


def manifest_of(description: BusDescription) -> Manifest:
    """The manifest of a run on a bus."""
    return Manifest(
        architecture=description.architecture,
        # As it comes back from JSON, so that a loaded manifest equals the saved one.
        configuration=json.loads(json.dumps(dict(description.configuration), default=repr)),
        seed=description.seed,
        clock=description.clock,
    )


_CHECKSUM = "checksum"
_OF_SCHEMA_1 = ("schema", "architecture", "configuration", "seed", "clock", "versions", "digest")


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the file in one step: it is there as a whole, or not at all."""
    content = asdict(manifest)
    content[_CHECKSUM] = _checksum(json.loads(json.dumps(content)))
    replace_file(path, json.dumps(content, indent=2).encode())


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
    except OSError as error:
        raise DamagedTrace(str(path), str(error)) from error
    except ValueError as error:
        raise DamagedTrace(str(path), f"not JSON: {error}") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is not int or schema < 1:
        raise DamagedTrace(str(path), "it does not say which schema it has")
    if schema > SCHEMA:
        raise NewerSchema(str(path), schema, SCHEMA)
    expected: tuple[str, ...] = _OF_SCHEMA_1
    if schema > 1:
        expected = (*(field.name for field in fields(Manifest)), _CHECKSUM)
    if missing := [name for name in expected if name not in content]:
        raise DamagedTrace(str(path), f"it lacks {', '.join(missing)}")
    if schema > 1 and content.pop(_CHECKSUM) != _checksum(content):
        raise DamagedTrace(str(path), "it differs from its checksum")
    if content.get("cut_short"):
        content["cut_short"] = CutShort(**content["cut_short"])
    return Manifest(
        **{field.name: content[field.name] for field in fields(Manifest) if field.name in content}
    )


def _checksum(content: Mapping[str, Any]) -> str:
    """The SHA-256 of what the manifest says, however it is laid out."""
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
