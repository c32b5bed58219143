# `make help` lists the targets. Everything lands below this directory: .venv/ (packages), .demo/ (the demo's working folder).
# PYTHON=python3.12 chooses the interpreter that .venv/ is made with; by default the newest of 3.10 to 3.13 on PATH.

PYTHON ?=
ONCE ?=
PORT ?=
MODEL_SERVER_PORT ?=
MINUTES ?= 40
PYTEST_OPTIONS ?=
WORKERS ?= 2

export PYTHON
PY := .venv/bin/python
# Two at a time, the long ones first.
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder
TESTS := tests/e2e tests/browser tests/with_airflow tests/with_tensorflow tests/faults tests/fuzz tests/unit

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo check test test-all test-matrix test-cluster test-faults test-fuzz soak screenshots bench docs lock clean

help: ## this list
	@printf 'tendies: release and batch inference for TensorFlow Model Server, in Apache Airflow.\n\n'
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 19
	@printf '\nPYTHON=python3.12 chooses the interpreter. The whole pipeline, with real pictures, in a few minutes: make demo\n'

setup: ## make .venv/ with everything that runs tendies (once; about a minute, 3 GB)
	@tools/setup run

setup-dev: setup
	@tools/setup dev

demo: setup ## Airflow + Model Server + three models on real pictures; ONCE=1 ends by itself, PORT=8080 is Airflow's
	@$(PY) -m examples.demo

check: setup-dev ## formatting, lint, types, layers, shell scripts
	@tools/check

test: setup-dev ## the tests, without the slow ones
	@$(PYTEST) -m "not slow" $(PYTEST_OPTIONS) $(TESTS)

test-all: setup-dev ## every test
	@$(PYTEST) $(PYTEST_OPTIONS) $(TESTS)

test-matrix: setup-dev ## the Airflow tests again, on the oldest Airflow that tendies takes
	@$(PY) -m tools.test_matrix -m "not slow" $(PYTEST_OPTIONS)

test-cluster: setup-dev ## a batch on Celery workers, PostgreSQL, Redis and three Model Servers, while all of them break
	@tools/debian_packages postgresql redis-server iproute2 || [ $$? = 3 ]
	@$(PY) -m pytest tests/cluster -s $(PYTEST_OPTIONS)

test-faults: setup-dev ## what is promised when things go wrong: every fault on every operation (docs/explanation/faults.md)
	@$(PYTEST) tests/faults $(PYTEST_OPTIONS)

test-fuzz: setup-dev ## search for ten minutes for input that makes a reader fail
	@$(PYTEST) tests/fuzz --hypothesis-profile=deep --timeout=3600 $(PYTEST_OPTIONS)

soak: setup-dev ## a day of releases, batches and faults, squeezed into MINUTES=40
	@$(PY) -m tests.soak --minutes $(MINUTES)

screenshots: setup-dev ## every page of the UI at 1440, 1024 and 390 pixels, light and dark, into docs/pictures/pages
	@TENDIES_SCREENSHOTS=docs/pictures/pages $(PY) -m pytest -n 0 tests/browser/take_screenshots.py $(PYTEST_OPTIONS)

bench: setup-dev ## measure what bench/README.md promises, some 70 minutes
	@$(PY) -m bench

docs: setup-dev ## build the documentation as a site in .docs/site; a dead link or a warning fails
	@$(PY) -m pytest -q tests/unit/docs $(PYTEST_OPTIONS)
	@$(PY) tools/build_docs.py

lock: setup ## make requirements*.txt again from pyproject.toml
	@$(PY) -m tools.lock

clean: ## delete what the targets made: .venv/, .demo/ with its models, pictures and results, .bench/, caches
	@$(if $(wildcard $(PY)),$(PY) -m examples.demo --clean)
	@echo "Deleting packages (.venv, .matrix), the demo with everything added to it (.demo), benchmarks (.bench) and caches:"
	rm -rf .venv .matrix .demo .bench .docs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .setup.lock
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
