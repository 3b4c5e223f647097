# One virtual environment serves every target. The package is installed editable, so that neither the demo
# nor the tests can run a stale copy of the source; versions come from constraints.txt.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install -q -c constraints.txt
PINS   := pyproject.toml constraints.txt

# Idle OpenMP threads that spin, and two test workers that each claim every core, cost more than they give.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export NUMBA_NUM_THREADS ?= 2

.PHONY: demo test lint docs results bench clean

demo: $(VENV)/.core
	$(BIN)/vidscale study shapes-h200 --out demo/shapes-h200
	$(BIN)/vidscale study li2024 --out demo/li2024 --quiet
	$(BIN)/vidscale frontier demo/li2024 --cost latency --gpu h200 --output-tokens 8 --quiet
	@echo; echo "The answer: demo/shapes-h200/summary.md; to look at and to send: demo/shapes-h200/report.html"

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

# Warnings are errors, and nothing is fetched.
docs: $(VENV)/.docs
	$(BIN)/python docs/make_cli.py --check
	$(BIN)/python -m sphinx -b html -W --keep-going -q -E -d build/doctrees docs site

results: $(VENV)/.core
	$(BIN)/python docs/make_results.py

bench: $(VENV)/.core
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf build dist demo site .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(PINS) | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(PINS) | $(BIN)/python
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.docs: $(PINS) | $(BIN)/python
	$(PIP) -e '.[docs]'
	@touch $@

$(VENV)/.lint: $(PINS) | $(BIN)/python
	$(PIP) -e '.[lint]'
	@touch $@
