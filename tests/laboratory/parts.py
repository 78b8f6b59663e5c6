"""Labs in real threads: what tests do there, and how they wait without looking at a clock."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import genesis_lab as gl
from tests.parts import Part

DEADLINE = 60.0
"""Real seconds after which a test is broken; nothing here takes more than one."""


async def until_cancelled(_part: Part, _data: Any) -> None:
    await gl.sleep(float("inf"))


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < give_up_at, "it never came"
        time.sleep(0.001)


def wait_until_served(lab: gl.LiveLab, *ids: str) -> None:
    """Wait until each of these components is serving something."""

    def all_serve() -> bool:
        serving = {each.id for each in lab.snapshot().bus.components if each.serving}
        return serving >= set(ids)

    wait_until(all_serve)


@contextmanager
def elsewhere(
    function: Callable[..., Any], *arguments: Any, **settings: Any
) -> Iterator[list[Any]]:
    """Call in another thread while the block runs; what it returned or raised, after the block."""
    results: list[Any] = []

    def call() -> None:
        try:
            results.append(function(*arguments, **settings))
        except gl.LabError as error:
            results.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield results
    finally:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def waiting_request(lab: gl.LiveLab, target: str) -> Any:
    """A request without a timeout, in another thread."""
    return elsewhere(partial(lab.request, target, "ask", None, timeout=None))


def outcomes(lab: gl.LiveLab) -> list[tuple[str, str]]:
    requests = lab.trace().requests
    return list(zip(requests["target"], requests["outcome"], strict=True))
