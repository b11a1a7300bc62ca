# Everything happens in .venv; nothing is installed system-wide.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup pictures demo test test-all check docs format lock wheel bench bench-api verdict-quality chaos load clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: .venv/.ready ## Create .venv with the locked packages

.venv/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed and $(PYTHON) is another; try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "installing the locked packages"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements-dev.lock || \
	  { echo "uv could not install; trying pip" >&2; \
	    $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-dev.lock; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: setup ## See it work: sample months, two pairs judged, reports
	@$(BIN)/driftgate demo

# Much of a test's time is waiting for a process to start. In the order of the folders the slow files come early, and
# none of them is left to one process at the end.
TEST_PROCESSES ?= 3

PYTEST = $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --durations 15

test: setup ## Run the tests, but for the slow ones
	@$(PYTEST) -m "not slow"

test-all: setup ## Run the slow tests as well
	@$(PYTEST)

check: setup ## Lint, format, types, layering
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: setup ## Build the documentation into site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "open site/index.html"

format: setup ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup ## Resolve the dependencies anew
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 pyproject.toml --output-file requirements.lock
	@$(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 --extra dev --constraint requirements.lock pyproject.toml \
	  --output-file requirements-dev.lock

wheel: setup ## Build the wheel into dist, and try it in an empty environment
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t wheel
	@$(BIN)/python -m pytest -n 0 tests/end_to_end/test_wheel.py

bench-api: setup ## What serving costs, against the textbook way
	@$(BIN)/python -m benchmarks.api

HOST ?= http://127.0.0.1:8000
LOAD_USERS ?= 10
LOAD_SECONDS ?= 30

load: setup ## Load on a running API, at HOST for LOAD_SECONDS
	@$(BIN)/locust --headless --only-summary --locustfile services/locust/locustfile.py --host $(HOST) \
	  --users $(LOAD_USERS) --spawn-rate $(LOAD_USERS) --run-time $(LOAD_SECONDS)s --stop-timeout 10

verdict-quality: setup ## False alarms, power and steadiness of the verdict, by simulation
	@$(BIN)/python -m benchmarks.verdict_quality

CHAOS_SEED ?= 0
CHAOS_KILLS ?= 200

chaos: setup ## Kill processes at random moments: nothing may be lost or left
	@$(BIN)/python -m tests.chaos --seed $(CHAOS_SEED) --kills $(CHAOS_KILLS) --disks 20

bench: setup ## What it costs, against the textbook way
	@$(BIN)/python -m benchmarks.run

pictures: setup ## Make the README's pictures anew, from the pages of sample months
	@$(BIN)/python docs/site/pictures.py

clean: ## Remove .venv and the state of this machine (reports stay)
	rm -rf .venv .driftgate .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
