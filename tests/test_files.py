import stat
from pathlib import Path
from threading import Barrier, Thread

import pytest

from genesis_lab.files import Lock, replace_file


def test_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [*tmp_path.iterdir()] == [path]


def test_two_writers_of_one_file_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    path, contents = tmp_path / "report.html", [bytes([writer]) * 100_000 for writer in range(4)]
    together = Barrier(len(contents))

    def write(content: bytes) -> None:
        together.wait()
        for _ in range(20):
            replace_file(path, content)

    writers = [Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents
    assert [*tmp_path.iterdir()] == [path]


def test_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_file(path, b"new")
    assert [*tmp_path.iterdir()] == [path]


def test_file_has_the_permissions_that_any_new_file_has(tmp_path: Path) -> None:
    replaced, plain = tmp_path / "replaced", tmp_path / "plain"
    replace_file(replaced, b"")
    plain.write_bytes(b"")
    assert stat.S_IMODE(replaced.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_lock_is_held_by_one_until_it_lets_go_or_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = Lock(path)
    with pytest.raises(BlockingIOError):
        Lock(path)
    first.release()
    second = Lock(path)
    with pytest.raises(BlockingIOError):
        Lock(path)
    del second
    Lock(path)
