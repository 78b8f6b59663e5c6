"""A live laboratory in a real notebook kernel: cells, interrupts, restarts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.laboratory.kernels import Cell, Kernel
from tests.laboratory.parts import wait_until

OPENING = """
import asyncio
import atexit
from pathlib import Path

atexit.register(Path(ENDED).touch)  # before the lab is there, hence after it has been closed

import trio
import genesis_lab as gl

class Component(gl.Component):
    admission = gl.RE_ENTRANT

    async def process_request(self, request_type, data, source):
        if request_type == "wait":
            Path(data).touch()
            await trio.sleep_forever()
        return data

    async def on_event(self, event_type, data, source):
        if event_type == "linger":
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    Path(data).touch()
                    await trio.sleep(5)
        raise ValueError(f"bad price: {data}")

async def wait(file):
    Path(file).touch()
    await trio.sleep_forever()

async def spin(file):
    Path(file).touch()
    while True:
        pass

def outcomes():
    requests = lab.trace().requests
    return list(zip(requests["request_type"], requests["outcome"]))[-1]

lab = gl.live(gl.HybridCoordinator)
lab.register(Component("a"))
lab.subscribe("a", "price")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel")


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Iterator[Kernel]:
    kernel = Kernel(folder / "log")
    kernel.run(opening(folder))
    yield kernel
    kernel.shut_down()


def opening(folder: Path) -> str:
    return OPENING.replace("ENDED", repr(str(folder / "ended")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What a cell touches when it has begun to wait."""
    return tmp_path / "waiting"


def interrupted(kernel: Kernel, code: str, file: Path) -> Cell:
    """A cell that is interrupted while it waits, which it says by touching the file."""
    cell = kernel.begin(code.replace("FILE", repr(str(file))))
    wait_until(file.exists)
    kernel.interrupt()
    return kernel.end(cell)


def test_a_cell_gets_its_reply_plainly_or_by_await(kernel: Kernel) -> None:
    assert kernel.run("lab.request('a', 'ask', 1)").value == "1"
    assert kernel.run("await lab.request('a', 'ask', 2)").value == "2"
    together = "await asyncio.gather(*(lab.request('a', 'ask', n) for n in range(3)))"
    assert kernel.run(together).value == "[0, 1, 2]"


def test_a_plain_statement_of_a_cell_that_awaits_elsewhere_gets_its_reply(kernel: Kernel) -> None:
    cell = "reply = lab.request('a', 'ask', 1)\nawait asyncio.sleep(0)\nreply"
    assert kernel.run(cell).value == "1"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(
            "lab.request('a', 'wait', FILE, timeout=None)", "KeyboardInterrupt", id="plain"
        ),
        pytest.param(
            "await lab.request('a', 'wait', FILE, timeout=None)", "CancelledError", id="awaited"
        ),
        pytest.param(
            "lab.request('a', 'wait', FILE, timeout=None)\nawait asyncio.sleep(0)",
            "CancelledError",
            id="plain beside await",
        ),
    ],
)
def test_an_interrupt_takes_back_what_the_cell_waits_for_and_the_lab_lives_on(
    kernel: Kernel, file: Path, code: str, error: str
) -> None:
    assert interrupted(kernel, code, file).error == error
    assert kernel.run("outcomes()").value == "('wait', 'cancelled')"
    assert kernel.run("lab.request('a', 'ask', 7)").value == "7"
    assert kernel.run("lab").value.startswith("<LiveLab on hybrid, open: a")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("other.close()\nawait asyncio.sleep(0)", id="close"),
        pytest.param("with other:\n    await asyncio.sleep(0)", id="block"),
    ],
)
def test_an_interrupt_ends_the_wait_for_a_lab_that_closes(
    kernel: Kernel, file: Path, code: str
) -> None:
    kernel.run(
        "other = gl.live(grace=0.0)\n"
        "other.register(Component('a'))\n"
        "other.subscribe('a', 'linger')\n"
        f"other.emit_event('linger', {str(file)!r})"
    )
    assert interrupted(kernel, code, file).error == "CancelledError"
    assert kernel.run("lab.request('a', 'ask', 7)").value == "7"


def test_an_error_of_a_component_is_in_the_lab_s_errors_and_in_no_cell_s_output(
    kernel: Kernel,
) -> None:
    assert kernel.run("lab.emit_event('price', -1); lab.drain()") == Cell()
    assert kernel.run("1 + 1") == Cell(value="2")
    assert kernel.run("lab.errors[-1].error").value == "'ValueError: bad price: -1'"
    assert "bad price: -1" in kernel.run("lab._repr_html_()").value


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("gl.run(lambda: spin(FILE))", id="it computes"),
        pytest.param("gl.run(lambda: wait(FILE), clock='real')", id="it waits"),
        pytest.param(
            "async def main():\n"
            "    async with trio.open_nursery() as nursery:\n"
            "        nursery.start_soon(spin, FILE)\n"
            "gl.run(main)",
            id="in a nursery",
        ),
        pytest.param(
            "await asyncio.sleep(0)\ngl.run(lambda: spin(FILE))", id="it computes beside await"
        ),
        pytest.param(
            "await asyncio.sleep(0)\ngl.run(lambda: wait(FILE), clock='real')",
            id="it waits beside await",
        ),
    ],
)
def test_an_interrupted_run_raises_keyboard_interrupt_and_the_kernel_goes_on(
    kernel: Kernel, file: Path, code: str
) -> None:
    assert interrupted(kernel, code, file).error == "KeyboardInterrupt"
    assert kernel.run("gl.run(lambda: gl.sleep(3)).at").value == "3.0"
    assert kernel.run("await asyncio.sleep(0, 1)").value == "1"
    assert kernel.run("lab.request('a', 'ask', 7)").value == "7"


def test_trio_runs_in_a_cell_while_the_lab_is_open(kernel: Kernel) -> None:
    assert kernel.run("trio.run(trio.sleep, 0)") == Cell()
    assert kernel.run("lab.request('a', 'ask', 7)").value == "7"


def test_a_kernel_ends_in_order_and_starts_again_while_a_lab_is_busy(
    kernel: Kernel, folder: Path, file: Path
) -> None:
    kernel.begin(f"lab.request('a', 'wait', {str(file)!r}, timeout=None)")
    wait_until(file.exists)
    kernel.restart()
    assert (folder / "ended").exists()
    assert "genesis_lab/laboratory" not in (folder / "log").read_text()
    kernel.run(opening(folder))
    assert kernel.run("lab.request('a', 'ask', 7)").value == "7"
