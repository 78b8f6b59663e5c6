"""A notebook open in JupyterLab, as whoever sits before the browser uses it and sees it."""

import re
from dataclasses import dataclass

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

_PATIENCE = 60_000
"""How long anything may take [ms]; nothing takes a tenth of it on an idle machine."""
expect.set_options(timeout=_PATIENCE)

_DONE = re.compile(r"\[\d+\]:")
_RED = '[data-mime-type="application/vnd.jupyter.stderr"]'
"""Where an error is shown, or a warning."""
_ARE_DONE = f"""() => {{
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
    const are = pattern => prompts.filter(prompt => pattern.test(prompt.textContent)).length;
    const red = document.querySelector('{_RED}');
    return are(/[*]/) === 0 && (red || are(/[0-9]/) === prompts.length);
}}"""
"""Whether nothing runs, and all has run or one has failed, which ends the others."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell."""

    number: int
    """Its place among the code cells, from 1."""
    box: Locator

    @property
    def output(self) -> Locator:
        """What is below the code."""
        return self.box.locator(".jp-OutputArea-output")

    def fault(self) -> str | None:
        """What went wrong in it, if anything did."""
        red = self.box.locator(_RED)
        if red.count():
            return f"cell {self.number}: {_last_line(red.last)}"
        prompt = self.box.locator(".jp-InputPrompt").text_content() or ""
        return None if _DONE.fullmatch(prompt) else f"cell {self.number} has not run: {prompt}"


class OpenNotebook:
    """A notebook in a page of the browser.

    Parameters
    ----------
    page
        An empty one.
    address
        Where to find the notebook.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self._complaints: list[str] = []
        page.set_default_timeout(_PATIENCE)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complaints.append(f"uncaught: {error}"))
        page.goto(address)
        # Not until the kernel has started: before that, `Run All Cells` asks which one to take.
        self._is_idle = page.get_by_text("Python 3 (ipykernel) | Idle")
        refusal = page.get_by_role("dialog")
        self._is_idle.or_(refusal).first.wait_for()
        assert not refusal.is_visible(), refusal.text_content()

    @property
    def cells(self) -> list[Cell]:
        """The code cells, from top to bottom."""
        boxes = self.page.locator(".jp-Notebook .jp-CodeCell").all()
        return [Cell(number, box) for number, box in enumerate(boxes, start=1)]

    def run_all(self) -> None:
        """Run all cells from the menu, and wait until they have run, or one has failed."""
        self._choose("Edit", "Clear Outputs of All Cells")
        self._choose("Run", "Run All Cells")
        self.page.wait_for_function(_ARE_DONE)

    def cell_with(self, code: str) -> Cell:
        """The code cell that has this in it."""
        [found] = [cell for cell in self.cells if code in (cell.box.text_content() or "")]
        return found

    def run(self, cell: Cell) -> None:
        """Run a cell, and wait until it has run."""
        self.begin(cell)
        self.wait(cell)

    def begin(self, cell: Cell) -> None:
        """Run a cell with the keyboard, and do not wait for it."""
        editor = cell.box.get_by_role("textbox")
        editor.click()
        expect(editor).to_be_focused()
        editor.press("Control+Enter")

    def wait(self, cell: Cell) -> None:
        """Wait until a cell has run, and the kernel is ready for the next one.

        After an error it is not at once: what it has been sent until then it does not run.
        """
        expect(cell.box.locator(".jp-InputPrompt")).to_have_text(_DONE)
        self._is_idle.wait_for()

    def stop(self) -> None:
        """Press the button that interrupts the kernel."""
        self.page.get_by_role("button", name="Interrupt the kernel").click()

    def faults(self) -> list[str]:
        """All that went wrong so far: in the cells, and in the browser itself."""
        of_cells = [cell.fault() for cell in self.cells]
        return [*filter(None, of_cells), *self._complaints]

    def _choose(self, menu: str, item: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complaints.append(f"console: {message.text}")


def _last_line(output: Locator) -> str:
    return (output.text_content() or "").strip().splitlines()[-1]
