"""The dashboard of a live laboratory: a widget that a thread of its own keeps up to date.

A thread, since the kernel's event loop stands still while a cell waits for a reply, which is when
there is most to see.
"""

import threading
import weakref
from collections import deque
from dataclasses import replace
from html import escape
from time import thread_time

from genesis_lab.extras import require_extra
from genesis_lab.laboratory.page import as_page
from genesis_lab.laboratory.snapshot import LabSnapshot, Snapshots

require_extra("ipywidgets")
import ipywidgets  # noqa: E402  # only then: if it is missing, the error says what to install

PERIOD = 0.25
"""From one picture to the next [s]."""
_SHARE = 0.04
"""The most that looking and drawing may take of a processor, however much there is to draw."""
_BEFORE = 8
"""Rates are over so many pictures."""

_dashboards: "weakref.WeakKeyDictionary[Snapshots, Dashboard]" = weakref.WeakKeyDictionary()


def dashboard(lab: Snapshots) -> "Dashboard":
    """The dashboard of a live laboratory, the same each time until it is closed.

    A notebook runs its cells again and again: the laboratory is looked at once, however often it
    is shown.
    """
    found = _dashboards.get(lab)
    if found is None or found.is_closed:
        found = _dashboards[lab] = Dashboard(lab)
    return found


class Dashboard(ipywidgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """What a laboratory is doing, drawn anew about four times a second.

    It ends with the laboratory, which it does not keep alive, or when it is closed.

    Parameters
    ----------
    lab
        Whose dashboard it is.
    """

    def __init__(self, lab: Snapshots) -> None:
        super().__init__()
        self.add_class("genesis-dashboard")
        self._closing = threading.Event()
        self._lab = weakref.ref(lab)
        self._seen: deque[LabSnapshot] = deque(maxlen=_BEFORE)
        self.refresh()
        self._thread = threading.Thread(
            target=self._go_on, name="genesis_lab dashboard", daemon=True
        )
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed."""
        return self._closing.is_set()

    def refresh(self) -> bool:
        """Draw the laboratory as it is now; whether there may be more to draw later."""
        try:
            lab = self._look()
            self._seen.append(lab)
            self.value = as_page(lab, self._seen[0])
        except Exception as error:  # noqa: BLE001  # in a thread it would be printed into some cell
            self.value = f"not drawn: {escape(f'{type(error).__name__}: {error}')}"
            return self._lab() is not None
        return lab.state == "open"

    def close(self) -> None:
        """Take it off the page; the laboratory goes on."""
        self._closing.set()
        super().close()

    def __repr__(self) -> str:
        return "<Dashboard of a live laboratory: run this cell to see it>"

    def _look(self) -> LabSnapshot:
        lab = self._lab()
        if lab is None:
            last = self._seen[-1]
            return replace(last, state="closed", bus=replace(last.bus, in_flight=(), deadlocks=()))
        return lab.snapshot()

    def _go_on(self) -> None:
        wait = PERIOD
        while not self._closing.wait(wait):
            began = thread_time()
            if not self.refresh():
                return
            took = max((lab.took for lab in self._seen), default=0.0) + thread_time() - began
            wait = max(PERIOD, took / _SHARE)
