"""A bus that lives across notebook cells, on a background thread, in real time.

From the top: `lab` is the laboratory that a cell has in hand; `display` is how it looks there;
`snapshot` is what it says of itself at one moment. `thread` runs the bus; `calls` are what a cell
asks of it, and waits for. `latencies` are those of the last requests; `watching` stands between the
bus and a component, and keeps what that raises. `errors` are the exceptions of all this.

`dashboard` is a widget that shows a laboratory while it is at work: `page` says it as HTML, and
`network` places components and messages in its picture. `explorer` is one with sliders over a trial
in virtual time, which needs no laboratory: `exploring` runs the trial and draws what came of it.
The two need ipywidgets, and are loaded when they are used.

The package is not called `live`, since `genesis_lab.live` is the function.
"""

from genesis_lab.laboratory.lab import LiveLab, live
from genesis_lab.laboratory.latencies import Latency
from genesis_lab.laboratory.snapshot import LabSnapshot, State
from genesis_lab.laboratory.watching import ComponentError

__all__ = [
    "live",
    "LiveLab",
    "LabSnapshot",
    "State",
    "Latency",
    "ComponentError",
]
