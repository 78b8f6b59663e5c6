import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import genesis_lab as gl
from genesis_lab.errors import DamagedTrace, InvalidSetting, NewerSchema
from genesis_lab.messages import Failure, Membership, Wait, WaitKind
from tests.recording.reports import (
    TABLES,
    frames,
    open_routes,
    recorder,
    report_one_of_each,
    report_request,
    rows,
)

FILES = [
    "components.parquet",
    "deadlocks.parquet",
    "deliveries.parquet",
    "events.parquet",
    "manifest.json",
    "requests.parquet",
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a trace of one request, one event, one delivery and one deadlock."""
    one_of_each().save(tmp_path / "trace")
    return tmp_path / "trace"


def one_of_each() -> gl.Trace:
    recorded = recorder()
    report_one_of_each(recorded)
    return recorded.trace()


def assert_same(trace: gl.Trace, other: gl.Trace) -> None:
    for name, frame in frames(trace).items():
        pd.testing.assert_frame_equal(getattr(other, name), frame, check_exact=True)


# -------------------------------------------------------------------------------- there and back


def test_loaded_trace_is_the_one_that_was_saved(saved: Path) -> None:
    trace, loaded = one_of_each(), gl.Trace.load(saved)
    assert_same(trace, loaded)
    assert loaded.digest() == trace.digest()
    assert loaded.manifest.digest == trace.digest()
    assert loaded.manifest.configuration == {"overflow": "block"}
    assert (loaded.manifest.seed, loaded.manifest.clock) == (7, "virtual")
    assert loaded.manifest.versions == trace.manifest.versions


def test_trace_of_nothing_can_be_saved_and_loaded(tmp_path: Path) -> None:
    trace = gl.Recorder().trace()
    trace.save(str(tmp_path))
    assert_same(trace, gl.Trace.load(str(tmp_path)))


def test_trace_of_a_run_can_be_saved_and_loaded(tmp_path: Path) -> None:
    recorded = gl.Recorder()

    async def main() -> None:
        async with gl.HybridCoordinator(inbox_capacity=float("inf"), observer=recorded) as bus:
            await bus.request("nobody", "ask", None, "me")
            await bus.emit_event("news", None, "me")

    gl.run(main)
    recorded.trace().save(tmp_path)
    loaded = gl.Trace.load(tmp_path)
    assert_same(recorded.trace(), loaded)
    assert loaded.manifest.configuration == recorded.trace().manifest.configuration
    assert loaded.manifest.configuration["inbox_capacity"] == float("inf")


TIMES = st.floats(allow_nan=True, allow_infinity=True)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
IDS = st.integers(-(2**63), 2**63 - 1)
REQUESTS = st.fixed_dictionaries(
    {
        "cause": IDS,
        "chain": IDS,
        "route": st.integers(0, 2),
        "attempt": st.integers(0, 2**32 - 1),
        "outcome": st.sampled_from(gl.Outcome),
        "error": st.none() | st.builds(Failure, NAMES, NAMES),
        "timeout": TIMES,
        "intended_at": TIMES,
        "sent_at": TIMES,
        "arrived_at": TIMES,
        "started_at": TIMES,
        "served_at": TIMES,
        "finished_at": TIMES,
        "blocked": TIMES,
    }
)
WAITS = st.builds(Wait, IDS, IDS, st.sampled_from(get_args(WaitKind)), NAMES, st.floats(0, 10))
STAYS = st.builds(
    Membership,
    id=NAMES,
    admission=NAMES,
    capacity=st.floats(1),
    joined_at=st.floats(0, 10),
    left_at=TIMES,
)
DEADLOCKS = st.builds(
    gl.Deadlock,
    formed_at=st.floats(0, 10),
    members=st.lists(IDS, unique=True).map(tuple),
    components=st.lists(NAMES).map(tuple),
    victims=st.lists(IDS),
    waits=st.lists(WAITS, max_size=5),
    broken_at=TIMES,
    broken_by=st.sampled_from([None, "timed_out", "cancelled", "refused"]),
)


@pytest.mark.slow
@given(
    routes=st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=3, max_size=3),
    requests=st.dictionaries(IDS, REQUESTS),
    deadlocks=st.lists(DEADLOCKS, unique_by=lambda each: (each.formed_at, each.members)),
    stays=st.lists(STAYS),
)
def test_any_trace_comes_back_as_it_was(
    routes: list[tuple[str, str, str]],
    requests: dict[int, dict[str, Any]],
    deadlocks: list[gl.Deadlock],
    stays: list[Membership],
) -> None:
    recorded = gl.Recorder()
    open_routes(recorded, *routes)
    for id, values in requests.items():
        report_request(recorded, id, **values)
    for each in deadlocks:
        recorded.deadlock_formed(each)
    for stay in stays:
        recorded.component_joined(stay)
    with tempfile.TemporaryDirectory() as folder:
        recorded.trace().save(folder)
        loaded = gl.Trace.load(folder)
    assert_same(recorded.trace(), loaded)
    assert loaded.digest() == recorded.trace().digest()


def test_saved_frames_can_be_read_without_the_lab(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == FILES
    for name, frame in frames(one_of_each()).items():
        read = pd.read_parquet(saved / f"{name}.parquet").astype(object)
        if name == "deadlocks":
            for column in ("members", "components", "victims"):
                read[column] = read[column].map(tuple)
            read["waits"] = read["waits"].map(lambda waits: tuple(Wait(**wait) for wait in waits))
        assert rows(read) == rows(frame)


def test_saved_frames_are_compressed_with_zstd(saved: Path) -> None:
    columns = pq.read_metadata(saved / "requests.parquet").row_group(0)
    assert {columns.column(n).compression for n in range(columns.num_columns)} == {"ZSTD"}


# ------------------------------------------------------------------------------------ overwriting


def test_trace_replaces_an_earlier_one_and_leaves_other_files_alone(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine", "utf-8")
    empty = gl.Recorder().trace()
    empty.save(saved)
    assert_same(empty, gl.Trace.load(saved))
    assert (saved / "notes.txt").read_text("utf-8") == "mine"


def test_trace_can_be_saved_again_after_an_interrupted_save(saved: Path) -> None:
    (saved / "manifest.json").unlink()
    one_of_each().save(saved)
    assert_same(one_of_each(), gl.Trace.load(saved))


STEPS = ("mkdir", "write_bytes", "rename", "replace", "rmdir", "open")


class Failing:
    """Lets the n-th step of a kind that changes files fail, as if the disk were full."""

    def __init__(self, at: int, patch: pytest.MonkeyPatch) -> None:
        self._left = at
        for name in STEPS:
            patch.setattr(Path, name, self._failing(getattr(Path, name)))

    def _failing(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*args: Any, **settings: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                raise OSError(ENOSPC, "no space left on device")
            return step(*args, **settings)

        return take

    @property
    def is_reached(self) -> bool:
        return self._left <= 0


@pytest.mark.parametrize("is_killed", [False, True])
def test_save_that_ends_at_any_step_leaves_the_old_trace_or_the_new_one(
    is_killed: bool, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = recorder()
    report_request(changed, blocked=0.5)
    old, new = one_of_each(), changed.trace()
    found = []
    for at in range(1, 100):
        old.save(saved)
        with monkeypatch.context() as patch:
            failing = Failing(at, patch)
            if is_killed:
                patch.setattr(shutil, "rmtree", lambda *_args, **_settings: None)
            with suppress(OSError):
                new.save(saved)
        if not failing.is_reached:
            break
        found.append(gl.Trace.load(saved).digest())
    assert {*found} == {old.digest(), new.digest()}
    assert gl.Trace.load(saved).digest() == new.digest()
    new.save(saved)
    if not is_killed:
        assert sorted(path.name for path in saved.iterdir()) == FILES


def _other_files(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work", "utf-8")


def _another_manifest(folder: Path) -> None:
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "a web page"}', "utf-8")
    (folder / "index.html").write_text("", "utf-8")


def _a_file(folder: Path) -> None:
    folder.write_text("years of work", "utf-8")


@pytest.mark.parametrize("make", [_other_files, _another_manifest, _a_file])
def test_trace_is_not_saved_over_anything_but_a_trace(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    make(folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidSetting) as refused:
        one_of_each().save(folder)
    assert str(refused.value) == (
        f"folder={str(folder)!r}: expected a new or an empty folder, or one with a trace"
    )
    assert sorted(tmp_path.rglob("*")) == before


# ----------------------------------------------------------------------------------------- damage


def test_folder_without_a_manifest_is_damaged(saved: Path) -> None:
    (saved / "manifest.json").unlink()
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(saved)
    assert str(damaged.value) == (
        f"{saved}: not a readable trace: there is no manifest.json, which is written last"
    )


def test_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(tmp_path / "never")
    assert str(damaged.value) == (
        f"{tmp_path / 'never'}: not a readable trace: there is no such folder"
    )


@pytest.mark.parametrize("table", TABLES)
def test_missing_frame_is_named(table: str, saved: Path) -> None:
    path = saved / f"{table}.parquet"
    path.unlink()
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(saved)
    assert str(damaged.value) == f"{path}: not a readable trace: the file is missing"


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("length", [0, 3, 100, -1])
def test_frame_that_breaks_off_is_named(table: str, length: int, saved: Path) -> None:
    path = saved / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(saved)
    assert str(damaged.value).startswith(f"{path}: not a readable trace: ")


def test_frame_with_other_columns_is_damaged(saved: Path) -> None:
    shutil.copy(saved / "events.parquet", saved / "requests.parquet")
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(saved)
    assert damaged.value.path == str(saved / "requests.parquet")


def test_frame_of_another_trace_differs_from_its_checksum(saved: Path, tmp_path: Path) -> None:
    other = recorder()
    report_request(other, blocked=0.25)
    other.trace().save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "requests.parquet", saved)
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(saved)
    assert str(damaged.value) == (
        f"{saved / 'requests.parquet'}: not a readable trace: "
        "it differs from its checksum in manifest.json"
    )


@pytest.mark.parametrize(
    "changes", [{"seed": 8}, {"configuration": {}}, {"files": {}}, {"digest": "0"}, {"mine": 1}]
)
def test_manifest_that_was_changed_differs_from_its_checksum(
    changes: dict[str, Any], saved: Path
) -> None:
    path = saved / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(saved)
    assert str(damaged.value) == f"{path}: not a readable trace: it differs from its checksum"


def test_manifest_may_be_laid_out_anew(saved: Path) -> None:
    path = saved / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(dict(reversed(content.items()))), "utf-8")
    assert_same(one_of_each(), gl.Trace.load(saved))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON: Expecting property name"),
        (b"\xff\xfe\xfa", "not JSON: "),
        (b"[]", "it does not say which schema it has"),
        (b'{"schema": "first"}', "it does not say which schema it has"),
        (b'{"schema": 1, "seed": 3, "clock": "real"}', "it lacks architecture, configuration, "),
    ],
)
def test_manifest_that_is_none_is_damaged(content: bytes, reason: str, saved: Path) -> None:
    path = saved / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(DamagedTrace) as damaged:
        gl.Trace.load(saved)
    assert str(damaged.value).startswith(f"{path}: not a readable trace: {reason}")


def test_trace_with_a_newer_schema_asks_for_a_newer_lab(saved: Path) -> None:
    path = saved / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"schema": 3}), "utf-8")
    with pytest.raises(NewerSchema) as newer:
        gl.Trace.load(saved)
    assert str(newer.value) == (
        f"{path}: written with schema 3, this genesis_lab reads up to 2: install a newer one"
    )
