"""The project's files agree with one another."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
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


# --- imports --------------------------------------------------------------------------------------


def test_no_modules_import_each_other() -> None:
    try:
        TopologicalSorter(imports_by_module()).prepare()
    except CycleError as error:
        pytest.fail(f"import each other: {' -> '.join(error.args[1])}")


def imports_by_module() -> Mapping[str, set[str]]:
    """What each module of the package imports of it: at any place, also for type checkers only.

    What a package loads lazily counts, by its stub; but not for `genesis_lab` itself, which is all
    of them.
    """
    top = ROOT / "genesis_lab"
    files = [*top.rglob("*.py"), *top.glob("*/**/*.pyi")]
    modules = {module_of(path) for path in files}
    imports: dict[str, set[str]] = {module: set() for module in modules}
    for path in files:
        module = module_of(path)
        imports[module] |= (set(imported_by(path, modules)) & modules) - {module, "genesis_lab"}
    return imports


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path: Path, modules: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = ".".join(path.parent.relative_to(ROOT).parts)
            source = ".".join(filter(None, (folder if node.level else "", node.module)))
            for alias in node.names:
                name = f"{source}.{alias.name}"
                yield name if name in modules else source
