# The one place that names each command. Every target sets up what it needs in .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

# One venv: two installations into it at once would break it.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help compare lab notebooks bench test test-slow coverage lint format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

compare: $(VENV)/.run  ## which claims of the hybrid design hold? into results/ (ARGS="--quick": a first look)
	$(BIN)/genesis-lab compare $(ARGS)

lab: $(VENV)/.lab  ## open JupyterLab
	$(BIN)/jupyter lab notebooks/01-first-steps.ipynb

notebooks: $(VENV)/.test  ## execute the notebooks from their sources, and format those
	$(BIN)/jupytext --quiet --pipe '$(BIN)/ruff format -' notebooks/source/*.md
	$(BIN)/python notebooks/build.py

bench: $(VENV)/.bench  ## measure the buses against other libraries
	$(BIN)/python -m genesis_lab.bench

test: $(VENV)/.test  ## run the tests that are not slow, on all cores (ARGS="..." goes to pytest)
	$(BIN)/pytest -n auto -m "not slow" $(ARGS)

test-slow: $(VENV)/.test  ## run the slow tests and the notebooks (ARGS="..." goes to pytest)
	$(BIN)/pytest -n auto -m slow $(ARGS)

# Without the notebooks: they show, and test little.
coverage: $(VENV)/.test  ## run all tests and show which branches they miss
	$(BIN)/pytest -n auto -o testpaths=tests --cov $(ARGS)

lint: $(VENV)/.test  ## check style, types and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Notebooks change by `make notebooks` only.
format: $(VENV)/.test  ## format the code and mend what ruff can
	$(BIN)/ruff check --fix --config 'extend-exclude = ["*.ipynb"]'
	$(BIN)/ruff format --config 'extend-exclude = ["*.ipynb"]'

# results/ stays: a sweep can take hours.
clean:  ## remove the venv and the caches, not the results
	rm -rf $(VENV) dist .coverage htmlcov .hypothesis
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find genesis_lab notebooks tests -name __pycache__ -prune -exec rm -r {} +

# A stamp file says which extra is installed, and is stale once pyproject.toml has changed.
$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(INSTALL) .
	@touch $@

$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(INSTALL) '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "genesis_lab needs Python 3.11 or later: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a venv with pip: install its venv package (python3-venv on Debian)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
