# One command each: quickstart, test, check, bench. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
JAR    := gremlin_steps/_jars/neptune-ml-gremlin-plugin.jar
# TORCH=cpu leaves out what only a GPU needs (0.5 GB); torch imports without these five.
GPU_ONLY := triton|nvidia-cusolver|nvidia-nvtx|nvidia-cuda-cccl|cuda-bindings
TORCH ?=
# Of tests/benchmarks, for `make bench`; all but the long ones where there is none.
BENCHMARK ?=

# Tests mostly wait for one process that starts: two at a time. Modules go out whole (tests/workers.py).
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

MAVEN_FLAGS := -B -q -ntp -Dstyle.color=never
# Or some Mavens end with escapes that reset a terminal's colours, also where they write to none.
export MAVEN_OPTS += -Djansi.noreset=true

# The jar's tests are compiled once, against the oldest release, and run on both: one jar for the two. pom.xml says what
# of the differential table the newest release repeats.
NEWEST_TINKERPOP := 3.8.1

JVM_SOURCES := gremlin_steps/jvm/pom.xml $(shell find gremlin_steps/jvm/src/main -type f)

.PHONY: help setup quickstart test test-clients test-browser test-notebook test-ray test-gherkin chaos check lint bench audit lock clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.installed $(JAR) ## install into .venv, build the jar, fetch the server's jars
	@$(BIN)/neptuneml gremlin-server fetch >/dev/null

quickstart: setup ## the whole loop on the embedded server, on air-routes
	$(BIN)/neptuneml quickstart

# Threads of OpenMP spin while they wait for each other, which takes ten times as long where another worker has the core.
test: export OMP_WAIT_POLICY := passive
# Hundreds of processes start; where an environment sets this, each of them compiles the modules anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup ## everything but what the next five run
	cd gremlin_steps/jvm && mvn $(MAVEN_FLAGS) test
	cd gremlin_steps/jvm && mvn $(MAVEN_FLAGS) surefire:test -Dtinkerpop.version=$(NEWEST_TINKERPOP) -Ddifferential.percent=10
	$(BIN)/pytest $(WORKERS) -m "not clients and not gherkin and not browser and not notebook and not ray"

test-clients: setup ## clients in other languages (Java, JavaScript, Go)
	$(BIN)/pytest -m clients

test-browser: setup ## the reports in a real browser (Chromium)
	$(BIN)/pytest -m browser

test-notebook: setup ## graph-notebook's magics, in an environment of their own
	$(BIN)/pytest -m notebook

test-ray: setup ## trials on a Ray cluster of two nodes on this machine
	$(BIN)/pytest -m ray

test-gherkin: setup ## TinkerPop's own feature suite, with and without the plugin
	$(BIN)/pytest -m gherkin

chaos: setup ## processes killed at random moments, 20 for each kind of job
	$(BIN)/python -m tests.chaos

check: setup ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup ## speed beside baselines and targets; BENCHMARK=queries: that one; BENCHMARK=soak: ten minutes of load
	$(BIN)/python -m tests.benchmarks $(BENCHMARK)

audit: setup ## known vulnerabilities of what requirements.lock names; asks PyPI for advisories
	$(BIN)/uv tool run --python $(BIN)/python pip-audit --strict --disable-pip --require-hashes -r requirements.lock

lock: ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header -q -U -o requirements.lock

clean: ## remove what the other targets made
	rm -rf $(VENV) gremlin_steps/_jars gremlin_steps/jvm/target

$(BIN)/uv:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on the PATH: install Python 3.11, or name yours: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check uv

$(VENV)/.installed: pyproject.toml requirements.lock | $(BIN)/uv
	@awk -v skip='$(if $(filter cpu,$(TORCH)),^($(GPU_ONLY))==,^$$)' \
	  '/^[a-z]/ {drop = ($$0 ~ skip)} !drop' requirements.lock > $(VENV)/requirements.lock
	@echo "installing what requirements.lock names into $(VENV) (once)"
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync -q --compile-bytecode --require-hashes $(VENV)/requirements.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(JAR): $(JVM_SOURCES)
	@command -v mvn >/dev/null || { echo "Maven (mvn) is not on the PATH: install Maven 3.8 or later and a JDK 17 or 21" >&2; exit 1; }
	@echo "building the plugin's jar with Maven"
	@cd gremlin_steps/jvm && mvn $(MAVEN_FLAGS) -DskipTests package
	@mkdir -p $(@D) && cp gremlin_steps/jvm/target/$(@F) $@
