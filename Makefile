# Everything runs in .venv, which is made from requirements.lock on first use and again only when that changes.
PYTHON ?= python3
ARGS ?=
SEED ?=
MINUTES ?= 10
# How many processes run tests at once. Tests wait more than they work, so it takes four to keep two processors busy.
JOBS ?= 4

# Where bytecode is not kept, every process that a test starts compiles all that it imports: 2.5 times the work.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help demo console console-pictures examples unit test image-test mutants chaos alerts soak fuzz simulate contracts lint format bench bench-debezium bench-questions plots lock sbom licences clean

help: ## List the targets
	@echo "whopays: who pays for this project?"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.13  chooses the interpreter (3.11 or later) that .venv is made with"

demo: $(READY) ## A small story of two organizations, on a real PostgreSQL and a real Kafka
	@$(BIN)/whopays demo $(ARGS)

console: $(READY) ## The same story, then the console on its data at http://127.0.0.1:8080, until Ctrl-C
	@$(BIN)/whopays demo --console $(ARGS)

console-pictures: $(READY) ## Take the pictures in docs/console; ARGS='--only project' takes one
	@$(BIN)/python -m tests.console.pictures $(ARGS)

examples: $(READY) ## Three pipelines to copy, at work on real servers, and compared with what must come out
	@$(BIN)/python -m examples

unit: $(READY) ## Run the tests that need no server; ARGS='-k binding -x' goes to pytest
	PROPERTIES=few $(BIN)/pytest -n 2 --dist loadfile -p no:logging tests/unit $(ARGS)

test: $(READY) ## Run all tests, JOBS=4 at a time; ARGS='-k binding -x' goes to pytest (docs/tests.md)
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

image-test: $(READY) ## Build the image without a container engine, run every part of whopays in it, state its size and contents
	$(BIN)/pytest -m image tests/image $(ARGS)

mutants: $(READY) ## Change the code at random and list what no test notices; ARGS='--seed 7 --count 60'
	$(BIN)/python -m tests.mutants $(ARGS)

chaos: $(READY) ## Break everything for more than an hour and check that nothing is lost; SEED=7 repeats a run, ARGS='-k broker' selects
	SEED=$(SEED) $(BIN)/pytest -m chaos tests/faults tests/services $(ARGS)

alerts: $(READY) ## Provoke each alert on real servers before a real Prometheus: a quarter of an hour; ARGS='-k relay'
	$(BIN)/pytest -m chaos tests/alerting $(ARGS)

soak: $(READY) ## Break things at random under load for MINUTES=60, and report; ARGS='--seed 7 --report docs/reliability'
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

fuzz: $(READY) ## Ask the HTTP service all that its OpenAPI document allows and forbids; ARGS='--examples 50 --seed 7'
	@$(BIN)/python -m tests.fuzz $(ARGS)

simulate: $(READY) ## Explore the models of the protocols exhaustively; ARGS=--large goes further, ARGS=--stories tells why
	@$(BIN)/python -m tests.unit.simulation $(ARGS)

contracts: $(READY) ## Make schemas/published/v1/ and docs/messages.md from the models; RELEASE=0.2.0 keeps them as released
	$(BIN)/python -m schemas.exporting $(if $(RELEASE),--release $(RELEASE))

lint: $(READY) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Put the code into its one format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Measure every workload, half an hour; ARGS=--quick only shows that it runs, ARGS=--help lists more
	$(BIN)/python -m benchmarks $(ARGS)

bench-debezium: $(READY) ## Measure the relay alone beside Debezium; ARGS goes to the benchmark
	$(BIN)/python -m benchmarks.relaying --debezium $(ARGS)

bench-questions: $(READY) ## Measure questions over HTTP in a database of 1,000,000 projects; ARGS goes to the benchmark
	$(BIN)/python -m benchmarks.questions $(ARGS)

plots: $(READY) ## Draw what ARGS='--json docs/performance/results.json' made bench write
	$(BIN)/python -m benchmarks plot docs/performance/results.json docs/performance

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(ARGS)

lock: $(BIN)/uv ## Pin the dependencies of pyproject.toml; ARGS=--upgrade takes newer versions
	$(LOCK) --extra embedded --extra export --extra serve --extra traces --group dev --output-file requirements.lock pyproject.toml
	$(LOCK) --extra serve --extra traces --constraint requirements.lock --output-file requirements-runtime.lock pyproject.toml

sbom: $(READY) ## Write what the image contains to build/whopays.cdx.json, as a CycloneDX bill of materials
	@$(BIN)/python -m tests.supply_chain sbom build/whopays.cdx.json

licences: $(READY) ## List the licences of all packages; fails on one that nobody accepted
	@$(BIN)/python -m tests.supply_chain licences

clean: ## Remove .venv and whatever the tools left behind
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip comes second because it is ten times slower, but knows package mirrors that only its own configuration names.
$(READY): requirements.lock pyproject.toml clients/python/pyproject.toml | $(BIN)/uv
	@echo "Installing the packages of requirements.lock into .venv"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock \
		|| { echo "uv could not install them; trying pip" >&2; \
			$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock; }
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . --editable clients/python
	@touch $@

# The installer's own version and hashes stand in the lock like any other's.
$(BIN)/uv: | $(BIN)/python
	@awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r .venv/uv.lock

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { \
		echo "There is no $(PYTHON) here. Install Python 3.11 or later, or name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "whopays needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "$(PYTHON) lacks its venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
