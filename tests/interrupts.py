"""A signal just where a test wants it: at a line of the code in question."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Line = tuple[str, int]


@contextmanager
def interruptible() -> Iterator[None]:
    """Python's own handling of SIGINT, which a test runner's worker may have switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def lines_of(code: str, run: Callable[[], object]) -> list[Line]:
    """The lines that this thread reaches of the code whose path begins like this, in order."""
    reached: dict[Line, None] = {}
    with _watching(code, reached.setdefault):
        run()
    return list(reached)


@contextmanager
def interrupt_at(line: Line) -> Iterator[None]:
    """SIGINT when this thread first reaches the line."""
    signals = iter([signal.SIGINT])

    def on_line(reached: Line) -> None:
        if reached == line:
            for number in signals:
                signal.raise_signal(number)

    with _watching(line[0], on_line):
        yield


@contextmanager
def _watching(code: str, on_line: Callable[[Line], object]) -> Iterator[None]:
    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(code):
            return None
        if event == "line":
            on_line((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
