import ast
from pathlib import Path

import pandas as pd
import pytest

import genesis_lab as gl
from genesis_lab.recording import records
from genesis_lab.recording.rows import DeliveryRows, EventRows, RequestRows
from tests.recording.reports import TABLES, frames

INT, FLOAT, WORDS, TUPLES = "int64", "float64", "category", "object"

COLUMNS = {
    "requests": {
        "id": INT,
        "cause": INT,
        "chain": INT,
        "attempt": INT,
        "source": WORDS,
        "target": WORDS,
        "request_type": WORDS,
        "outcome": WORDS,
        "error": WORDS,
        "error_message": WORDS,
        "timeout": FLOAT,
        "intended_at": FLOAT,
        "sent_at": FLOAT,
        "arrived_at": FLOAT,
        "started_at": FLOAT,
        "served_at": FLOAT,
        "finished_at": FLOAT,
        "blocked": FLOAT,
    },
    "events": {
        "id": INT,
        "cause": INT,
        "chain": INT,
        "source": WORDS,
        "event_type": WORDS,
        "subscribers": INT,
        "intended_at": FLOAT,
        "sent_at": FLOAT,
        "finished_at": FLOAT,
    },
    "deliveries": {
        "id": INT,
        "event": INT,
        "chain": INT,
        "source": WORDS,
        "target": WORDS,
        "event_type": WORDS,
        "outcome": WORDS,
        "error": WORDS,
        "error_message": WORDS,
        "intended_at": FLOAT,
        "sent_at": FLOAT,
        "arrived_at": FLOAT,
        "started_at": FLOAT,
        "served_at": FLOAT,
        "finished_at": FLOAT,
        "blocked": FLOAT,
    },
    "deadlocks": {
        "formed_at": FLOAT,
        "members": TUPLES,
        "components": TUPLES,
        "victims": TUPLES,
        "waits": TUPLES,
        "broken_at": FLOAT,
        "broken_by": WORDS,
    },
    "components": {
        "number": INT,
        "id": WORDS,
        "admission": WORDS,
        "capacity": FLOAT,
        "joined_at": FLOAT,
        "left_at": FLOAT,
    },
}


@pytest.mark.parametrize("table", TABLES)
def test_frame_without_records_has_all_columns_and_dtypes(table: str) -> None:
    frame = frames(gl.Recorder().trace())[table]
    assert len(frame) == 0
    assert frame.dtypes.astype(str).to_dict() == COLUMNS[table]
    assert frame.index.equals(pd.RangeIndex(0))


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        (
            "requests",
            "outcome",
            (
                "answered timed_out failed unknown_target target_gone deadlocked rejected "
                "cancelled pending"
            ),
        ),
        ("deliveries", "outcome", "handled failed dropped cancelled pending"),
        ("deadlocks", "broken_by", "timed_out cancelled refused"),
        ("requests", "source", ""),
        ("requests", "error", ""),
    ],
)
def test_frame_without_records_has_the_categories_of_closed_sets_only(
    table: str, column: str, words: str
) -> None:
    categories = frames(gl.Recorder().trace())[table][column].cat.categories
    assert list(categories) == words.split()
    assert categories.dtype == "str"


def test_every_column_is_documented_under_its_field() -> None:
    module = ast.parse(Path(records.__file__).read_text("utf-8"))
    classes = [
        node
        for node in module.body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Record")
    ]
    undocumented = [
        f"{node.name}.{ast.unparse(field.target)}"
        for node in classes
        for field, below in zip(node.body, [*node.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign)
        and not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant))
    ]
    assert len(classes) == 5
    assert undocumented == []


@pytest.mark.parametrize("rows", [RequestRows, DeliveryRows, EventRows])
def test_packed_row_takes_101_bytes_at_most(rows: type[RequestRows]) -> None:
    assert rows.layout.struct.size <= 101
    assert rows.layout.struct.size == rows.layout.dtype.itemsize
