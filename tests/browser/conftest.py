"""A real browser, without the net."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

_CHROMIUM = shutil.which("chromium")
_FLAGS = [
    "--no-sandbox",  # which needs rights that a container, or root, does not have
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # There is no net: whatever is not on this machine is an error in the console.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Chromium, with a window in which a newcomer may see it; CI has to have it."""
    if _CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed")
        pytest.skip("there is no chromium on this machine")
    home = {"HOME": str(tmp_path_factory.mktemp("chromium"))}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=_FLAGS, env={**os.environ, **home}
        )
        # One context for all, so that it keeps the scripts of the pages.
        with chromium.new_context(viewport={"width": 1300, "height": 900}) as context:
            yield context
        chromium.close()
