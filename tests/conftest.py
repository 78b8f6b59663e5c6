"""How hypothesis runs: in CI the same examples each time, and no limit on one example's time."""

import logging
import os

import pytest
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """Keep thousands of deadlocks on purpose out of a failing test's report."""
    caplog.set_level(logging.CRITICAL, logger="genesis_lab")
