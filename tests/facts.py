"""What a run left behind, as plain rows: easier to compare with what should be than frames are."""

from typing import TYPE_CHECKING, Any

import genesis_lab as gl

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[Any, ...]


class Facts(gl.Recorder):
    """A recorder whose records are lists of rows, in which a time that never came is None."""

    times_closed = 0

    def bus_closed(self) -> None:
        self.times_closed += 1
        super().bus_closed()

    def requests(self, *columns: str) -> list[Row]:
        return _rows(self.trace().requests, columns)

    def deliveries(self, *columns: str) -> list[Row]:
        return _rows(self.trace().deliveries, columns)

    def events(self, *columns: str) -> list[Row]:
        return _rows(self.trace().events, columns)

    def deadlocks(self, *columns: str) -> list[Row]:
        return _rows(self.trace().deadlocks, columns)


def _rows(frame: "pd.DataFrame", columns: tuple[str, ...]) -> list[Row]:
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [tuple(record[column] for column in columns) for record in records]
