"""How hypothesis runs, what is logged, and what a test leaves behind: nothing.

In CI hypothesis takes the same examples each time, and no example's time is limited.
"""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

import genesis_lab as gl
from genesis_lab import scopes

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """Keep thousands of deadlocks on purpose out of a failing test's report."""
    caplog.set_level(logging.CRITICAL, logger="genesis_lab")


@pytest.fixture(autouse=True)
def _forget_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry forget what a test adds."""
    monkeypatch.setattr(gl.ARCHITECTURES, "_by_name", dict(gl.ARCHITECTURES))


@pytest.fixture(scope="module", params=["light", "trio"])
def both_scopes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a module's tests twice: services under the light scope, and under trio's own."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "trio":
            patch.setattr(scopes, "MOVED", ("as if",))
        yield
