# `make run` and `make test` each work as the first command on a fresh clone; both set up what they need in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
# Tests of minutes with servers and kills. `make test` runs all others and `make test-long` these, so none is left out.
LONG := slow and server
# -rs names every test that was skipped, with its reason.
PYTEST := $(BIN)/python -m pytest -q -rs

export PREFECT_SERVER_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1
# Threads that spin while they wait cost a small or shared machine most of its speed.
export OMP_WAIT_POLICY = PASSIVE
export HF_HUB_DISABLE_TELEMETRY = 1

.PHONY: run install test test-long check bench format clean

run: $(READY)
	@$(BIN)/opendlign run --preset mini

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@PYTHON=$(PYTHON) VENV=$(VENV) sh .ci/install
	@touch $(READY)

test: $(READY)
	$(PYTEST) -n $(WORKERS) --dist loadgroup -m "not ($(LONG))"
	@echo "left out: the tests of minutes that kill servers and workers ($(LONG)); make test-long runs them"

test-long: $(READY)
	$(PYTEST) -m "$(LONG)"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	@for script in bench/[a-z]*.py; do \
	  name=$$(basename $$script .py); echo "== $$name"; $(BIN)/python -m bench.$$name || exit 1; done

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) store out
