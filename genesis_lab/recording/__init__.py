"""From what a bus reports to pandas frames, to files and back.

From the top: `recorder` observes a bus, and can say meanwhile how much there is (`counts`); `trace`
is what a run left: to look at (`display`, `deadlock_report`, `sequence`, `loops`), to save and to
load (`parquet`), and to open elsewhere (`perfetto`). What tells or draws messages sees rows as
`messages`. Between them, `snapshot` is what a recorder knew at one moment, and `spool` what it has
put on disk: in `batches` with checksums, at moments that `flushing` finds (and in other files in
`spool_of_schema_1`). `frames` turns packed `rows` into frames, frames into Arrow tables and back,
and hashes them; `growing` does so for a record that goes on; `current` is what is not packed, as it
goes on changing. `records` is the schema, which all of
this follows; `columns` are the kinds of columns that it is made of; `manifest` says which run a
trace is of.

Only this package of those below `workloads` imports numpy, pandas and pyarrow.
"""

from genesis_lab.recording.manifest import CutShort, Manifest
from genesis_lab.recording.recorder import Recorder
from genesis_lab.recording.records import (
    SCHEMA,
    ComponentRecord,
    DeadlockRecord,
    DeliveryRecord,
    EventRecord,
    RequestRecord,
)
from genesis_lab.recording.trace import Trace

__all__ = [
    "Recorder",
    "Trace",
    "Manifest",
    "CutShort",
    "RequestRecord",
    "EventRecord",
    "DeliveryRecord",
    "DeadlockRecord",
    "ComponentRecord",
    "SCHEMA",
]
