"""What nbval lets pass, and should not: `tests/notebooks/test_guard.py` plants each of the faults.

nbval looks for the error that a cell displays. IPython prints some without displaying them, and a
cell that was never executed, or was interrupted, can look like one that did well. The kernel's own
reply knows better.
"""

import os
from collections.abc import Generator
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from xdist.scheduler import LoadScopeScheduling

# Kernels inherit it. How far a progress bar gets is a matter of time.
os.environ["TQDM_DISABLE"] = "1"

# matplotlib writes its version into an SVG, and numbers its parts as it likes. nbval itself leaves
# out PNG and JPEG.
_NOT_COMPARED = ("image/svg+xml",)

_SHARING = (".ipynb", "test_jupyterlab.py")
"""Files whose tests share what only one worker should have: a kernel, or a browser."""


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Compare no images, and mark notebooks as slow."""
    if isinstance(collector, IPyNbFile):
        collector.skip_compare += _NOT_COMPARED
        collector.add_marker("slow")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Keep a notebook's cells together, in order, on one of the workers."""
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    # Not --dist=loadgroup: xdist 3.8 writes groups into a field that pytest 9.2 no longer has.
    def _split_scope(self, nodeid: str) -> str:
        """What has to stay together with this test: its file, or the test alone."""
        file, _, _ = nodeid.partition("::")
        return file if file.endswith(_SHARING) else nodeid


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a cell that was never executed, that raises, or that takes too long."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    if item.cell.execution_count is None:
        item.raise_cell_error("It was never executed, so nothing is compared: make notebooks")
    replies = _replies(item.parent.kernel)
    yield
    if item.parent.timed_out:
        item.raise_cell_error(f"It took over {item.config.option.nbval_cell_timeout:g} s")
    error = replies[-1]
    if error["status"] == "error" and not item.options["check_exception"]:
        item.raise_cell_error(
            f"It raised {error['ename']}: {error['evalue']}", "\n".join(error["traceback"])
        )


def _replies(kernel: Any) -> list[dict[str, Any]]:
    """What the kernel answers from now on, which fills up as nbval reads it."""
    replies: list[dict[str, Any]] = []
    get_message = type(kernel).get_message

    def reading(stream: str, timeout: float | None = None) -> Any:
        message = get_message(kernel, stream, timeout=timeout)
        if message["msg_type"] == "execute_reply":
            replies.append(message["content"])
        return message

    kernel.get_message = reading
    return replies
