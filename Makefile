# Two commands are all a newcomer needs: `make run` and `make test`.  Everything lives in .venv; `make clean` forgets it.
#
#   make run [UPSTREAM=http://127.0.0.1:9000] [ARGS="--http 8000"]
#   make test [PYTEST_ARGS="tests/http1"]
#   make bench [BENCH="keepalive --rounds 3"]

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UPSTREAM ?=
ARGS ?=
PYTEST_ARGS ?=
BENCH ?= keepalive
JOBS ?= 2
CHECKED := src tests benchmarks

.PHONY: help run test lint check format bench clean

help:
	@echo 'make run     a gate on https://localhost:8443 (UPSTREAM=http://host:port, else the demo application)'
	@echo 'make test    everything that CI checks: ruff, mypy, import-linter, pytest'
	@echo 'make lint    the same without pytest'
	@echo 'make format  lets ruff rewrite what it can'
	@echo 'make bench   beside nginx, HAProxy and Caddy (see docs/performance.md)'
	@echo 'make clean   removes the virtual environment and all caches'

# The stamps sit inside the environment, so that removing it removes them.
$(BIN)/python:
	.ci/make-venv $(VENV)

$(VENV)/.stamp-run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.stamp-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@ $(VENV)/.stamp-run

run: $(VENV)/.stamp-run
	exec $(BIN)/twistd -n --pidfile= tlsgate $(if $(UPSTREAM),--upstream '$(UPSTREAM)') $(ARGS)

test: lint
	.ci/system-packages
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope $(PYTEST_ARGS)

lint: $(VENV)/.stamp-test
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint

format: $(VENV)/.stamp-test
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

bench: $(VENV)/.stamp-test
	$(BIN)/python -m benchmarks $(BENCH)

# State folders are the user's data and stay.
clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache _trial_temp
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
