import subprocess
import sys

import pytest

import genesis_lab as gl
from genesis_lab.plots import ARCHITECTURE_LOOKS, series_label, series_look

ADMISSIONS = ("serial", "call_chain", "re_entrant", "pool(2)")


def test_plots_are_there_without_matplotlib_until_one_is_used() -> None:
    code = (
        "import sys\n"
        "from genesis_lab import plots\n"
        "assert 'plot_timeline' in dir(plots)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.new_axes\n"
        "assert 'matplotlib' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_serial_series_looks_and_is_called_as_its_architecture() -> None:
    assert series_look("hybrid") == series_look("hybrid", "serial") == ARCHITECTURE_LOOKS["hybrid"]
    assert series_label("hybrid") == series_label("hybrid", "serial") == "hybrid"


def test_admission_is_told_by_the_marker_and_in_words() -> None:
    looks = [series_look("hybrid", admission) for admission in ADMISSIONS]
    assert [look.fill for look in looks] == ["full", "none", "left", "bottom"]
    assert {(look.color, look.linestyle, look.marker) for look in looks} == {
        (looks[0].color, looks[0].linestyle, looks[0].marker)
    }
    assert series_label("hybrid", "pool(2)") == "hybrid, pool(2)"


def test_series_that_there_is_not_is_refused() -> None:
    with pytest.raises(gl.LabError, match=r"^architecture='bus': expected 'synchronous' or "):
        series_look("bus")
    with pytest.raises(gl.LabError, match=r"^admission='SERIAL': expected 'serial' or 'call_ch"):
        series_look("hybrid", "SERIAL")
