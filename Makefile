# `make run` does the main job, `make test` proves it; both install what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Python compiles what it imports, when it first does: to compile all of it takes longer than a run.
PIP_INSTALL := $(PIP) install --no-compile
# What `run` is given, e.g. make run ARGS="--dry-run"
ARGS ?=
TESTS ?= tests

.PHONY: help install install-dev install-large run test test-long lint type-check chaos check excel screenshots wheel format lock clean

help: ## show this
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## make .venv with everything that runs need

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Triagedesk needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
	            "Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "This Python cannot make virtual environments (on Debian: apt install python3-venv)."; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.python requirements.lock pyproject.toml
	@echo "Installing the locked dependencies into $(VENV) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m triagedesk.classify.weights
	@touch $@

install-dev: $(VENV)/.installed-dev ## the same and the tools that tests and checks need

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@echo "Installing the locked development tools into $(VENV) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

install-large: install-dev ## the same and what few tests and the benchmarks ask for
	@$(PIP_INSTALL) --require-hashes -r requirements-large.lock

run: install ## the main job: your desk when configured, else the sample
	@$(BIN)/triagedesk run $(ARGS)

test: install-dev ## every test this machine can run; says what was skipped and why
	$(BIN)/python -m pytest -n 3 --dist loadgroup $(TESTS)

test-long: install-large ## the same, and those that take long
	TRIAGEDESK_LONG_TESTS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(TESTS)

lint: install-dev ## format, lint and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

type-check: install-dev ## mypy strict
	$(BIN)/mypy

chaos: install-dev ## kill and starve everything for half an hour; prints what was lost (nothing)
	@cd tests && ../$(BIN)/python -m chaos $(ARGS)

check: lint type-check test ## everything a change must pass

screenshots: install-dev ## pictures of every view of the page, in docs/images (needs Chromium)
	@mkdir -p docs/images
	PAGE_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/integration/test_page_screenshots.py

excel: install ## an example workbook of the sample desk
	@rm -f out/example/sample.db*
	@OUTPUT_DIR=out/example $(BIN)/triagedesk run --no-email --report out/example/example.xlsx

wheel: install-dev ## the wheel, with the model's weights, in dist/
	@rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation

format: install-dev ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  --group build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  --group build --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  --group large -o requirements-large.lock

clean: ## remove everything that was made, but for .env and out/
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
