import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from genesis_lab.extras import EXTRAS, MissingExtra, require_extra

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_library_that_is_installed_is_loaded() -> None:
    assert require_extra("json") is json


@pytest.mark.parametrize("module", EXTRAS)
def test_library_that_is_missing_is_named_with_the_extra_that_has_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = EXTRAS[module]
    with pytest.raises(
        MissingExtra,
        match=rf"^{module} is not installed: pip install 'genesis-lab\[{extra}\]'$",
    ):
        require_extra(module)
    wanted = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"][extra]
    assert module in [re.split(r"[<>=~]", requirement)[0] for requirement in wanted]


def test_library_that_lacks_something_itself_is_not_taken_for_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halfway.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'nothing_of_this_name'$"):
        require_extra("halfway")


@pytest.mark.parametrize("shown", ["gl.explorer()", "lab.dashboard()"])
def test_widgets_say_what_to_install(shown: str) -> None:
    code = f"""
import sys
sys.modules["ipywidgets"] = None
import genesis_lab as gl
with gl.live() as lab:
    try:
        {shown}
    except ImportError as error:
        print(error)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "ipywidgets is not installed: pip install 'genesis-lab[lab]'\n"
