# One entry for people and for CI: `make` lists what there is.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?= demo
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True
export OTEL_SDK_DISABLED := true

.DEFAULT_GOAL := help
.PHONY: help install demo test lint type format serve bench-features bench-steps bench-accuracy bench-search bench-truth catalogue golden lock clean nightly

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/installed ## create .venv from the lock

demo: install ## simulate a small business, train, score, print scores
	rm -rf $(DEMO)
	$(BIN)/holdfast simulate $(DEMO) --customers 3000 --seed 1
	$(BIN)/holdfast build $(DEMO)/business.toml
	$(BIN)/holdfast train $(DEMO)/business.toml
	$(BIN)/holdfast score $(DEMO)/business.toml
	@echo
	@echo "To answer over HTTP:"
	@echo "  $(BIN)/holdfast keys create me --business $(DEMO)/business.toml"
	@echo "  $(BIN)/holdfast serve $(DEMO)/business.toml"

test: install ## run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not nightly"

lint: install ## check style, spelling and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/codespell

type: install ## check types
	$(BIN)/mypy

format: install ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

serve: install ## answer over HTTP for the demo business
	$(BIN)/holdfast serve $(DEMO)/business.toml

PEERS  ?= .peers
$(PEERS)/installed: experiments/benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement experiments/benchmarks/peers.txt
	@touch $@

CUSTOMERS ?= 1000000
bench-features: install $(PEERS)/installed ## time 38 features beside DuckDB, polars, pandas and others (half an hour)
	$(BIN)/python -m experiments.benchmarks.features --customers $(CUSTOMERS) \
	  --peers $(PEERS)/bin/python --out experiments/results/features.md

bench-steps: install ## time every step beside a peer and the limit
	$(BIN)/python -m experiments.benchmarks.steps --customers 100000 --out experiments/results/steps.md

PUBLIC ?= $(or $(HOLDFAST_DATA),downloads)
bench-accuracy: install $(PEERS)/installed ## judge the models on public data (PUBLIC=folder of the data sets)
	$(BIN)/python -m experiments.benchmarks.accuracy --from $(PUBLIC) --peers $(PEERS)/bin/python \
	  --out experiments/results/accuracy.md

catalogue: install ## write the page of all features again
	$(BIN)/python -m features.catalogue_page > features/CATALOGUE.md

golden: install ## write the pinned feature names again
	$(BIN)/python tests/golden/write.py

bench-search: install ## time the search beside the usual one
	$(BIN)/python -m experiments.benchmarks.search --out experiments/results/search.md

bench-truth: install ## judge the models by a simulated truth
	$(BIN)/python -m experiments.benchmarks.truth --customers 20000 --seeds 3 --out experiments/results/truth.md

nightly: install ## every test, the long ones too
	$(BIN)/python -m pytest -n 2 --dist loadfile

lock: install ## resolve the newest allowed packages into requirements.lock (needs uv)
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra postgres --extra dev pyproject.toml --output-file requirements.lock

clean: ## remove what make made
	rm -rf $(VENV) .peers $(DEMO) dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
