# make demo  sets everything up, runs the main job in the sandbox and serves the Dagster UI
# make test  sets everything up and runs all tests
# Both need Python 3.11 to 3.13 and nothing else, and may be run again at any time.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check dev docs bench chaos audit lock format clean

# The environment is rebuilt only when the pinned versions or the package's metadata change. It is
# byte-compiled once: where Python may not write bytecode, every import would cost two to three times as much.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12") if not (3, 11) <= sys.version_info < (3, 14) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python --editable .
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/ml-connector demo $(DEMO_ARGS)

dev: $(STAMP)
	@$(BIN)/ml-connector dev

test: $(STAMP)
	@scripts/install-systems
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser and not chaos"
	@$(BIN)/python -m pytest -m browser

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/dagster definitions validate -w workspace.yaml

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(STAMP)
	@$(BIN)/python scripts/generate_reference.py

bench: $(STAMP)
	@$(BIN)/python benchmarks/extract_load.py $(BENCH_ARGS)

# For so many minutes everything is killed, cut off and filled up; then every destination must equal the ERP.
MINUTES ?= 20
SEED ?= 1
# disk, or bucket: staging on an S3 stand-in that is harmed, too.
STAGING ?= disk
chaos: $(STAMP)
	@scripts/install-systems
	@$(BIN)/python -m ml_connector_dagster_tests.chaos --minutes $(MINUTES) --seed $(SEED) --staging $(STAGING)

# Known vulnerabilities of what is pinned. It needs the internet, so it is not part of check.
audit: $(STAMP)
	@$(BIN)/uv tool run pip-audit --requirement requirements.lock --no-deps --disable-pip

lock: $(STAMP)
	@$(BIN)/uv pip compile pyproject.toml --extra all --extra dev --universal --quiet --upgrade --no-header --no-annotate --output-file requirements.lock

clean:
	rm -rf $(VENV) .ml_connector .mypy_cache .ruff_cache .pytest_cache .hypothesis
