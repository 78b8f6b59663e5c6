"""The project's files agree with one another."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

import genesis_lab

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def conda_requirements() -> tuple[dict[str, Requirement], list[str]]:
    """What environment.yml takes from conda, by name, and what it leaves to pip."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    from_conda = [Requirement(entry) for entry in listed if isinstance(entry, str)]
    [from_pip] = [entry["pip"] for entry in listed if not isinstance(entry, str)]
    return {requirement.name: requirement for requirement in from_conda}, from_pip


def make_targets() -> set[str]:
    [phony] = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    return set(phony.split())


def test_package_and_distribution_have_the_same_version() -> None:
    assert genesis_lab.__version__ == PROJECT["version"]


def test_conda_environment_has_the_python_that_the_project_requires() -> None:
    from_conda, _ = conda_requirements()
    assert str(from_conda["python"].specifier) == PROJECT["requires-python"]


def test_makefile_checks_for_the_python_that_the_project_requires() -> None:
    [checked] = re.findall(r"sys\.version_info < \((\d+), (\d+)\)", MAKEFILE)
    assert ">=" + ".".join(checked) == PROJECT["requires-python"]


def test_conda_environment_takes_nothing_that_the_project_does_not_ask_for() -> None:
    from_conda, _ = conda_requirements()
    assert set(from_conda) - {"python", "pip"} <= {Requirement(line).name for line in EXTRAS["lab"]}
    assert "jupyterlab" in from_conda


def test_conda_environment_installs_the_project_with_extras_that_exist() -> None:
    from_conda, from_pip = conda_requirements()
    assert "pip" in from_conda
    [extras] = re.findall(r"^-e \.\[([\w,-]+)\]$", "\n".join(from_pip), re.MULTILINE)
    assert set(extras.split(",")) <= set(EXTRAS)


def test_every_make_target_says_what_it_does() -> None:
    documented = re.findall(r"^([a-z-]+):.*  ## \w", MAKEFILE, re.MULTILINE)
    assert set(documented) == make_targets()


def test_every_make_target_that_the_readme_names_exists() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    code = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", readme, re.DOTALL | re.MULTILINE))
    named = re.findall(r"(?:^|[`$;&]) *make ([a-z-]+)", code, re.MULTILINE)
    assert named, "README.md names no make target in its code"
    assert set(named) <= make_targets()
