"""The frames of one run, with its manifest: to look at, to save, to load again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from pathlib import Path

import pandas as pd

from genesis_lab.recording import display, parquet, perfetto
from genesis_lab.recording.deadlock_report import DeadlockReport, report_deadlock
from genesis_lab.recording.frames import digest
from genesis_lab.recording.loops import find_loops
from genesis_lab.recording.manifest import CutShort, Manifest
from genesis_lab.recording.records import (
    COMPONENTS,
    DEADLOCKS,
    DELIVERIES,
    EVENTS,
    REQUESTS,
    SCHEMA,
    TABLES,
    Table,
)
from genesis_lab.recording.sequence import SequenceDiagram, draw_sequence
from genesis_lab.recording.spool import read_spool


# eq=False: frames have no truth value, so a generated __eq__ would raise instead of answering.
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trace:
    """What happened on a bus: one frame per kind of record, and the manifest.

    The columns are those of `RequestRecord`, `EventRecord`, `DeliveryRecord`, `DeadlockRecord` and
    `ComponentRecord` in `genesis_lab.recording.records`. A frame is made when it is first looked
    at.
    """

    manifest: Manifest
    frame_of: Callable[[Table], pd.DataFrame]
    """Makes the frame of a table."""

    @property
    def cut_short(self) -> CutShort | None:
        """What a spool that the trace was recovered from had lost; None where that was nothing."""
        return self.manifest.cut_short

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row per request, in order of id."""
        return self.frame_of(REQUESTS)

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row per event, in order of id."""
        return self.frame_of(EVENTS)

    @cached_property
    def deliveries(self) -> pd.DataFrame:
        """One row per event and subscriber, in order of id."""
        return self.frame_of(DELIVERIES)

    @cached_property
    def deadlocks(self) -> pd.DataFrame:
        """One row per deadlock, in the order in which they formed."""
        return self.frame_of(DEADLOCKS)

    @cached_property
    def components(self) -> pd.DataFrame:
        """One row per component and stay on the bus, in the order in which they joined."""
        return self.frame_of(COMPONENTS)

    @cached_property
    def loops(self) -> pd.DataFrame:
        """One row per causal loop: messages that led to another one of the same kind.

        Whether or not time passes: requests that go back to where they came from, or events that
        make components emit in turn. The columns are those of `genesis_lab.recording.loops.Loop`.
        """
        return find_loops(self.requests, self.deliveries, self.events)

    def deadlock_report(self, number: int | None = None) -> DeadlockReport:
        """Who waits for whom in a deadlock, since when, who waits behind them, and how it ended.

        Parameters
        ----------
        number
            The row of `deadlocks`; by default the first one, and if there is none, the report says
            that no deadlock formed.

        Raises
        ------
        InvalidSetting
            There is no such row.
        """
        return report_deadlock(self, number)

    def sequence_diagram(
        self,
        *,
        start: float = 0.0,
        end: float = inf,
        chain: int | None = None,
        deadlock: int | None = None,
        limit: int = 100,
    ) -> SequenceDiagram:
        """Who sent what to whom in which order, and what came of it, as a Mermaid diagram.

        Requests are solid arrows and replies dashed ones; a cross ends what is lost: a reply that
        never came, or a delivery. Deliveries have open arrow heads. A deadlock is a note.

        Parameters
        ----------
        start, end
            What was sent in this window is shown, with its end whenever that was
            [s since the bus opened].
        chain
            Only the call chain with this id, and the deliveries of its events.
        deadlock
            Only the members and victims of this row of `deadlocks`, and what led to them.
        limit
            How many requests and deliveries are shown; the diagram says how many it leaves out.

        Raises
        ------
        InvalidSetting
            The end is before the start, there is no such chain or deadlock, or the limit is not a
            whole number of at least one.
        """
        return draw_sequence(
            self, start=start, end=end, chain=chain, deadlock=deadlock, limit=limit
        )

    def to_perfetto(self, path: Path | str) -> None:
        """Write a JSON file that the Perfetto viewer opens (https://ui.perfetto.dev).

        There is a track per component, with slices in which messages wait and are handled, arrows
        from a message to those that it sent, and instants at which deadlocks form and are broken.
        What is pending goes on to the last instant of the trace. Deliveries that never got into an
        inbox are left out. The same trace gives the same bytes.
        """
        Path(path).write_bytes(perfetto.as_json(self).encode())

    def digest(self) -> str:
        """The SHA-256 of all frames' values, in hexadecimal: equal runs have equal digests."""
        return digest(self._frames())

    def save(self, folder: Path | str) -> None:
        """Write the frames as Parquet files, and `manifest.json`, into a folder.

        A trace that is already there is replaced at the end, in one step: if `save` is interrupted
        or the disk is full, the old one is still there.

        Raises
        ------
        InvalidSetting
            The folder holds something, and that is not a trace.
        """
        frames = self._frames()
        manifest = replace(self.manifest, schema=SCHEMA, digest=digest(frames))
        parquet.save(Path(folder), manifest, frames)

    @classmethod
    def load(cls, folder: Path | str) -> "Trace":
        """The trace in a folder, exactly as it was saved.

        One that an earlier genesis_lab saved says less: its `manifest.schema` is an earlier one.

        Raises
        ------
        DamagedTrace
            There is no trace, or it is not as it was saved.
        NewerSchema
            A later genesis_lab saved it.
        """
        manifest, frames = parquet.load(Path(folder))
        return cls(manifest=manifest, frame_of=frames.__getitem__)

    @classmethod
    def recover(cls, spool: Path | str) -> "Trace":
        """The trace in a recorder's spool, whatever has ended the run.

        What was in flight at the last flush is `pending`, unless its end was written later. What
        cannot be read is left out, and `cut_short` says how much that is.

        Raises
        ------
        DamagedTrace
            There is no spool in the folder, or other files lie in the place of its own.
        NewerSchema
            A later genesis_lab wrote it.
        """
        manifest, frames = read_spool(Path(spool))
        return cls(manifest=manifest, frame_of=frames.__getitem__)

    def _frames(self) -> dict[Table, pd.DataFrame]:
        return {table: getattr(self, table.name) for table in TABLES}

    def __repr__(self) -> str:
        return display.as_text(self)

    def _repr_html_(self) -> str:
        return display.as_html(self)
