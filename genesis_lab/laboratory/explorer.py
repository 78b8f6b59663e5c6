"""The explorer: sliders over a trial in virtual time, with its figures beside them.

Only widgets are here; what they show is made by `exploring`.
"""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesis_lab import plots
from genesis_lab.buses import ARCHITECTURES
from genesis_lab.extras import require_extra
from genesis_lab.laboratory.exploring import CLIENTS, Settings, cell, draw, explore, export, say

require_extra("ipywidgets")
import ipywidgets  # noqa: E402  # only then: if it is missing, the error says what to install

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genesis_lab.experiments.trials import Condition, TrialResult

_INTRODUCTION = (
    f"About {CLIENTS} clients ask components, which ask each other. The trial is bounded by that "
    "number, not by time: so it takes a fraction of a second, and nothing of it is cut off."
)
_FIGURES = ("timeline", "latency", "outcomes")


def explorer(*, folder: Path | str = "results/explorer") -> "Explorer":
    """Sliders over a trial in virtual time, its figures beside them, and a button to keep them.

    Parameters
    ----------
    folder
        Where the button writes to.
    """
    return Explorer(Path(folder))


class Explorer(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Controls, one per field of `Settings`; what happened, in a line; and the figures.

    Parameters
    ----------
    folder
        Where the button writes to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.controls: Mapping[str, Any] = _controls()
        """The widget of each setting, by the setting's name."""
        self.line = _named("line", ipywidgets.HTML())
        """What happened."""
        self.figures: Mapping[str, Any] = {name: _image(name) for name in _FIGURES}
        """`timeline`, `latency` and `outcomes`."""
        self.captions: Mapping[str, Any] = {name: ipywidgets.HTML() for name in _FIGURES}
        """What is to be seen in each."""
        self.button = _named("export", _export_button())
        """Writes the figures, their data and the code."""
        self.written = _named("written", ipywidgets.HTML())
        """What the button has written."""
        self.condition: Condition
        self.result: TrialResult
        """Of the trial that is shown."""
        super().__init__([self._panel(), self.written])
        self.add_class("genesis-explorer")
        for control in self.controls.values():
            control.observe(self._update, "value")
        self.button.on_click(self._export)
        self._update()

    @property
    def settings(self) -> Settings:
        """Where the controls stand."""
        return Settings(**{name: control.value for name, control in self.controls.items()})

    def __repr__(self) -> str:
        return "<Explorer of trials in virtual time: run this cell to move its sliders>"

    def _panel(self) -> Any:
        left = ipywidgets.VBox(
            [*self.controls.values(), self.button],
            layout={"flex": "0 0 332px", "padding": "0 12px 0 0"},
        )
        timeline, *halves = ([self.figures[name], self.captions[name]] for name in self.figures)
        half = {"flex": "1 1 0", "min_width": "0"}
        beside = ipywidgets.HBox([ipywidgets.VBox(each, layout=half) for each in halves])
        right = ipywidgets.VBox(
            [ipywidgets.HTML(_text(_INTRODUCTION)), self.line, *timeline, beside],
            layout={"flex": "1 1 500px", "min_width": "0", "max_width": "920px"},
        )
        return ipywidgets.HBox([left, right], layout={"flex_flow": "row wrap"})

    def _update(self, _change: object = None) -> None:
        """Run the trial and show it: the line at once, the figures one after another."""
        settings = self.settings
        architecture = ARCHITECTURES[settings.architecture]
        self.controls["timeout"].disabled = not architecture.honours_timeout
        self.controls["admission"].disabled = not architecture.honours_admission
        self.written.value = ""
        self.condition, self.result = settings.condition(), explore(settings)
        self.line.value = _text(f"<b>{escape(say(self.condition, self.result))}</b>")
        for drawing in draw(self.condition, self.result):
            self.figures[drawing.name].value = plots.svg_of(plots.figure_of(drawing.axes))
            self.captions[drawing.name].value = _text(escape(drawing.caption))

    def _export(self, _button: object) -> None:
        paths = export(self.condition, self.result, self._folder)
        names = ", ".join(path.name for path in paths)
        code = escape(cell(self.condition, self.result))
        self.written.value = (
            _text(
                f"Written into <code>{escape(str(paths[0].parent))}</code>: {escape(names)}. "
                f"This is <code>{paths[0].name}</code>, which draws the same figures in a notebook:"
            )
            + f"<pre>{code}</pre>"
        )


def _controls() -> dict[str, Any]:
    """A widget for each of the settings, at its default."""
    default = Settings()
    timeouts = {f"{seconds:g} s": seconds for seconds in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)}
    controls = {
        "architecture": ipywidgets.Dropdown(options=[*ARCHITECTURES], value=default.architecture),
        "components": ipywidgets.IntSlider(min=2, max=10, value=default.components),
        # Not a FloatSlider, which would make it 0.15000000000000002.
        "load": ipywidgets.SelectionSlider(
            options=[(f"{percent} %", percent / 100) for percent in range(5, 125, 5)],
            value=default.load,
        ),
        "service_time": ipywidgets.SelectionSlider(
            options=[(f"{ms} ms", ms / 1000) for ms in (1, 2, 5, 10, 20, 50, 100)],
            value=default.service_time,
        ),
        "slowness": ipywidgets.SelectionSlider(
            options=[(f"{times} x", float(times)) for times in (1, 2, 5, 10, 20, 50)],
            value=default.slowness,
        ),
        "timeout": ipywidgets.SelectionSlider(
            options=[*timeouts.items(), ("none", None)], value=default.timeout
        ),
        "admission": ipywidgets.Dropdown(
            options=["serial", "call_chain", "re_entrant", "pool(2)", "pool(4)"],
            value=default.admission,
        ),
        "seed": ipywidgets.IntSlider(min=0, max=100, value=default.seed),
    }
    for name, control in controls.items():
        _named(name, control)
        control.description = _LABELS.get(name, name)
        control.tooltip = _TOOLTIPS[name]
        control.style.description_width = "90px"
        control.layout.width = "320px"
        if hasattr(control, "continuous_update"):
            control.continuous_update = False  # a trial for each pixel would fall behind
    return controls


_LABELS = {"service_time": "service time", "slowness": "one is slower"}
_TOOLTIPS = {
    "architecture": "the bus",
    "components": "how many components there are",
    "load": "the utilisation of each component, if nothing ever blocked and none was slow",
    "service_time": "how long a component works on a request, on average",
    "slowness": "how many times as long one of the components works",
    "timeout": "of every request; a synchronous bus ignores it",
    "admission": "how many messages a component takes at once; on a synchronous bus, one",
    "seed": "of all random draws",
}


def _named(name: str, widget: Any) -> Any:
    """The widget, with a class of its own."""
    widget.add_class(f"genesis-explorer-{name.replace('_', '-')}")
    return widget


def _image(name: str) -> Any:
    """An empty image: one that is replaced as a whole does not flicker, as an output would."""
    image = ipywidgets.Image(format="svg+xml", layout={"width": "100%", "height": "auto"})
    return _named(name, image)


def _export_button() -> Any:
    return ipywidgets.Button(
        description="write figures, data and code",
        tooltip="each figure as SVG, PDF and PNG, its data as CSV, and a cell that draws them all",
        icon="download",
        layout={"width": "320px"},
    )


def _text(html: str) -> str:
    """A paragraph with lines as close as those of the page, not as rows of widgets."""
    return f'<p role="status" style="line-height: 1.4; margin: 4px 0">{html}</p>'
