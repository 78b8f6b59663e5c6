"""What lies where in a folder of results.

report.html, report.md     the report
figures/, tables/          what is in it, one by one
traces/                    whole traces of the trials worth a look
trials/                    every trial, a small file each
sweep.json                 which trials the report is about
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryFile

from genesis_lab.errors import LabError
from genesis_lab.experiments.storage import DamagedResult
from genesis_lab.files import replace_file
from genesis_lab.recording.manifest import versions


class NoResults(LabError):
    """A folder holds no results of a comparison."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return (
            f"{self.folder}: no results here; `genesis-lab compare --out {self.folder}` makes some"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """What was asked for, and which files hold the answer."""

    seed: int
    """The first replicate's."""
    replicates: int | None
    """How many; None: as many as each experiment says."""
    quick: bool
    trials: Mapping[str, Sequence[str]]
    """The file of each trial, relative to the folder of trials, by experiment."""
    versions: Mapping[str, str] = field(default_factory=versions)
    """What the trials were run with; a later report is made from them, whatever there is then."""


class ResultFolder:
    """The folder of a comparison.

    Parameters
    ----------
    root
        It need not exist yet.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.trials = self.root / "trials"
        self.tables = self.root / "tables"
        self.figures = self.root / "figures"
        self._sweep = self.root / "sweep.json"

    def trace(self, experiment: str, showcase: str) -> Path:
        """Where the trace of one of an experiment's showcases is."""
        return self.root / "traces" / experiment / showcase

    def check_writable(self) -> None:
        """Make the folder, and raise an `OSError` if nothing can be written there."""
        self.root.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=self.root):
            pass

    def write_sweep(self, record: SweepRecord) -> None:
        """Say which trials the results are."""
        replace_file(self._sweep, json.dumps(asdict(record), indent=1).encode())

    def read_sweep(self) -> SweepRecord:
        """Which trials the results are.

        Raises
        ------
        NoResults
            Nobody has said so.
        DamagedResult
            The file is not as `write_sweep` writes it.
        """
        if not self._sweep.is_file():
            raise NoResults(str(self.root))
        try:
            content = json.loads(self._sweep.read_bytes())
            return SweepRecord(**{each.name: content[each.name] for each in fields(SweepRecord)})
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedResult(str(self._sweep), f"{type(error).__name__}: {error}") from error
