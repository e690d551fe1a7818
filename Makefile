# make demo: a server with sample clients.  make test: everything that CI runs.  make help: the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test soak check format bench docs openapi definitions lock clean

help: ## Show the targets.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bhr_api needs Python 3.11 or later; run make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed ## Start a server with sample clients on 127.0.0.1:8000.
	@$(BIN)/bhr-api demo --data-dir .data

tests/clients/node_modules: tests/clients/package-lock.json
	cd tests/clients && npm ci --silent --no-audit --no-fund
	@touch $@

test: $(VENV)/.installed-dev tests/clients/node_modules ## Run every test.
	$(BIN)/pytest -n auto --dist loadgroup -m 'not soak'

soak: $(VENV)/.installed-dev ## Run the long tests.
	$(BIN)/pytest -n auto --dist loadgroup -m soak

check: $(VENV)/.installed-dev ## Check format, lint and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev ## Measure this machine; see docs/performance.md.
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-dev ## Build the documentation into site/.
	$(BIN)/mkdocs build --strict --quiet

openapi: $(VENV)/.installed ## Write openapi/ anew.
	$(BIN)/bhr-api openapi

definitions: $(VENV)/.installed ## Rebuild the definition tables from FHIR's own files.
	$(BIN)/python tools/build_definitions.py ../shared/fhir/r4 src/bhr_api/fhir/tables

lock: $(VENV)/.installed-dev ## Resolve the dependencies anew.
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --allow-unsafe --output-file requirements.lock pyproject.toml tools/build-requirements.in
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --allow-unsafe --extra test --extra check --extra docs --extra dev --output-file requirements-dev.lock pyproject.toml tools/build-requirements.in

clean: ## Remove what was built, but not .data.
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache tests/clients/node_modules
