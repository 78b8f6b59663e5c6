"""Python ends cleanly and as the script says, whatever is going on in its labs."""

import subprocess
import sys

import pytest

from tests.laboratory.parts import DEADLINE

pytestmark = pytest.mark.slow

OPENING = """
import os, sys, threading, time
import trio
import genesis_lab as gl

class Slow(gl.Component):
    async def process_request(self, request_type, data, source):
        await trio.sleep_forever()

    async def on_event(self, event_type, data, source):
        await trio.sleep_forever()

class Stubborn(Slow):
    async def process_request(self, request_type, data, source):
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()

class Hog(Slow):
    async def process_request(self, request_type, data, source):
        await trio.lowlevel.checkpoint()
        hogging.set()
        while True:
            time.sleep(0.01)

hogging = threading.Event()
labs = [gl.live(name) for name in ("hybrid", "synchronous")]
for lab in labs:
    for component in (Slow("slow"), Stubborn("stubborn"), Hog("hog")):
        lab.register(component)

def ask(target):
    for lab in labs:
        asking = lambda lab=lab: lab.request(target, "ask", None, timeout=None)
        threading.Thread(target=asking, daemon=True).start()
        while not lab.snapshot().bus.in_flight:
            time.sleep(0.001)
"""

IDLE = ""
REQUESTS_ARE_OPEN = "ask('slow')"
AN_EVENT_IS_HANDLED = "labs[0].subscribe('slow', 'news'); labs[0].emit_event('news', None)"
A_COMPONENT_IS_SHIELDED = "ask('stubborn')"
A_COMPONENT_HOGS_THE_THREAD = """
threading.Thread(target=ask, args=("hog",), daemon=True).start()
hogging.wait()
"""


def end_of(*lines: str, first: str = "") -> tuple[int, str, str]:
    """How a script ends: its exit code, and what it printed."""
    script = "\n".join([first, OPENING, *lines])
    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(IDLE, id="idle"),
        pytest.param(REQUESTS_ARE_OPEN, id="requests are open"),
        pytest.param(AN_EVENT_IS_HANDLED, id="an event is handled"),
        pytest.param(A_COMPONENT_IS_SHIELDED, id="a component is shielded"),
        pytest.param(A_COMPONENT_HOGS_THE_THREAD, id="a component hogs the thread"),
    ],
)
def test_a_script_ends_with_its_exit_code_and_nothing_else(what: str) -> None:
    assert end_of(what, "sys.exit(3)") == (3, "", "")


def test_a_script_that_fails_shows_its_own_traceback_only() -> None:
    code, output, errors = end_of(REQUESTS_ARE_OPEN, "raise SystemError('mine')")
    assert (code, output) == (1, "")
    assert errors.count("Traceback") == 1
    assert errors.endswith("SystemError: mine\n")


def test_what_is_in_flight_at_the_end_is_recorded_as_cancelled() -> None:
    at_last = "import atexit; atexit.register(lambda: print([*labs[0].trace().requests.outcome]))"
    assert end_of(REQUESTS_ARE_OPEN, first=at_last) == (0, "['cancelled']\n", "")
