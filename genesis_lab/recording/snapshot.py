"""What a recorder knew at one moment, for as long as a trace of it is looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from genesis_lab.recording.current import Values
from genesis_lab.recording.frames import (
    Words,
    arrow_of_frame,
    arrow_of_values,
    frame_of_arrow,
    frame_of_rows,
)
from genesis_lab.recording.growing import GrowingFrame
from genesis_lab.recording.records import Table
from genesis_lab.recording.rows import RowArray
from genesis_lab.recording.spool import Spooled

Views = Mapping[Table, Sequence[RowArray]]
"""Packed rows of requests, events and deliveries, chunk by chunk."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """Rows, what their numbers stand for, and what has been spooled before them."""

    rows: Views
    words: Words
    values: Values
    still_open: Views = field(default_factory=dict)
    """Rows of messages that have not ended."""
    growing: Mapping[Table, GrowingFrame] = field(default_factory=dict)
    """What has been converted of the rows; empty where no frame is made."""
    spooled: Spooled | None = None

    def arrow(self, table: Table) -> pa.Table:
        """The rows in memory, as Arrow has them."""
        if table in self.values:
            return arrow_of_values(table, self.values[table])
        rows = [*self.rows[table], *self.still_open.get(table, ())]
        if not any(map(len, rows)):
            return table.arrow_schema.empty_table()  # what most tables are at a flush; much faster
        return arrow_of_frame(table, frame_of_rows(table, rows, self.words))

    def frame(self, table: Table) -> pd.DataFrame:
        """All rows, the spooled ones too."""
        if self.spooled is not None:
            return frame_of_arrow(table, [*self.spooled.parts(table), self.arrow(table)])
        if table in self.values:
            return frame_of_arrow(table, [self.arrow(table)])
        return self.growing[table].frame(self.rows[table], self.still_open[table], self.words)
