# Every step that continuous integration takes is a target here; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench

PEOPLE ?= 1000
PHOTO_MP ?= 0.5
SEED ?= 1

.PHONY: help setup run-local drill test test-keys test-office test-report test-photos-hostile test-gate-mutations test-large test-prism test-object-store lint types imports bench-mark bench-peers bench-stage bench-tokens bench-leaks bench-photos clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(VENV)/.locked: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else "supplier-views: error: Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=…")'
	@rm -rf $(VENV)
	@echo "setting up $(VENV) from requirements.lock (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(BENCH_VENV)/.locked: bench/requirements.lock pyproject.toml
	@rm -rf $(BENCH_VENV)
	@echo "setting up $(BENCH_VENV) from bench/requirements.lock (once)"
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r bench/requirements.lock
	@$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.locked  ## .venv with the locked packages and supplier-views in it

DATE ?= $(shell date -u +%F)
LOCAL := local/$(PEOPLE)-people-$(PHOTO_MP)-mp-seed-$(SEED)

run-local: setup  ## the whole nightly job on a synthetic export: make run-local PEOPLE=47000 PHOTO_MP=2
	@mkdir -p $(LOCAL)
	@test -f $(LOCAL)/export/hr-export.csv || $(BIN)/supplier-views demo-data \
	  --people $(PEOPLE) --seed $(SEED) --photo-mp $(PHOTO_MP) --out $(LOCAL)/export >$(LOCAL)/demo-data.json
	@$(BIN)/supplier-views keys init --keys file:$(LOCAL)/throw-away-keys --policies examples/suppliers >$(LOCAL)/keys.json
	@$(BIN)/supplier-views run --contract examples/hr-export.yaml --policies examples/suppliers \
	  --export '$(LOCAL)/export/hr-export.csv' --photos $(LOCAL)/export/photos --keys file:$(LOCAL)/throw-away-keys \
	  --out $(LOCAL)/releases --date $(DATE) >$(LOCAL)/summary.json || { cat $(LOCAL)/summary.json; exit 1; }
	@echo
	@echo "The releases are under $(LOCAL)/releases; the run's summary is $(LOCAL)/summary.json. Look next at"
	@echo "  $(LOCAL)/export/hr-export.csv and photos/        what HR has"
	@echo "  $(LOCAL)/releases/card-printer/*/                what the card bureau gets: README.txt, people.csv, photos/, manifest.json"
	@echo "  $(BIN)/supplier-views explain --contract examples/hr-export.yaml --policies examples/suppliers --supplier card-printer"

DRILL := local/drill-$(PEOPLE)-people-seed-$(SEED)
DRILL_TERMS = --contract examples/hr-export.yaml --policies examples/suppliers --keys file:$(DRILL)/throw-away-keys \
  --out $(DRILL)/releases
BEFORE := 2026-11-02
AFTER := 2026-11-03

drill: setup  ## publish two nights of a synthetic force, and attack them as a thief would: make drill PEOPLE=47000
	@mkdir -p $(DRILL)
	@for night in 1 2; do test -f $(DRILL)/night-$$night/hr-export.csv || $(BIN)/supplier-views demo-data --people $(PEOPLE) \
	  --seed $(SEED) --photo-mp 0.05 --night $$night --out $(DRILL)/night-$$night >$(DRILL)/demo-data-$$night.json; done
	@$(BIN)/supplier-views keys init --keys file:$(DRILL)/throw-away-keys --policies examples/suppliers >$(DRILL)/keys.json
	@$(BIN)/supplier-views run $(DRILL_TERMS) --export '$(DRILL)/night-1/hr-export.csv' --photos $(DRILL)/night-1/photos \
	  --date $(BEFORE) >$(DRILL)/run-1.json || { cat $(DRILL)/run-1.json; exit 1; }
	@$(BIN)/supplier-views run $(DRILL_TERMS) --export '$(DRILL)/night-2/hr-export.csv' --photos $(DRILL)/night-2/photos \
	  --date $(AFTER) >$(DRILL)/run-2.json || { cat $(DRILL)/run-2.json; exit 1; }
	@$(BIN)/supplier-views drill $(DRILL_TERMS) --export '$(DRILL)/night-2/hr-export.csv' --photos $(DRILL)/night-2/photos \
	  --date $(AFTER) --earlier $(BEFORE) '$(DRILL)/night-1/hr-export.csv' --report $(DRILL)/drill.json

test: setup  ## the tests, in under ten minutes on two cores
	$(BIN)/python -m pytest -n 2

SOFTHSM := $(shell command -v softhsm2-util)

test-keys: setup  ## key providers on a SoftHSM token and on moto; installs Debian's softhsm2 if it is missing
	@$(if $(SOFTHSM),:,apt-get update -qq && apt-get install -qq -y --no-install-recommends softhsm2)
	$(BIN)/python -m pytest -n 2 $(wildcard tests/providers/test_*.py) tests/providers/nightly_with_each_provider.py

SOFFICE := $(shell command -v soffice)

test-office: setup  ## tokens through LibreOffice and back; installs Debian's libreoffice-calc if it is missing
	@$(if $(SOFFICE),:,apt-get update -qq && apt-get install -qq -y --no-install-recommends libreoffice-calc)
	$(BIN)/python -m pytest tests/office/libreoffice_round_trip.py

CHROMIUM := $(shell command -v chromium)

test-report: setup  ## the page of a run in Chromium, with axe-core; installs Debian's chromium if it is missing
	@$(if $(CHROMIUM),:,apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium)
	$(BIN)/python -m pytest tests/reporting/page_in_chromium.py

test-photos-hostile: setup  ## thousands of mutated photos through the process that decodes; two to six minutes
	$(BIN)/python -m pytest -n 2 tests/photos/hostile_suite.py

test-gate-mutations: setup  ## every detector of the leak gate switched off in turn: a test must miss it; about five minutes of CPU
	$(BIN)/python tests/leaks/mutations.py

test-large: setup  ## tokens of columns with more than four gibibytes of text; a minute of CPU and 6 GiB of memory
	$(BIN)/python -m pytest tests/tokens/past_four_gibibytes.py

# Beam's Go runner, of the Beam version in requirements.lock; the checksum database vouches for what is built.
PRISM_VERSION := v2.77.0
PRISM := .prism/$(PRISM_VERSION)/prism
RUNS ?= 6

$(PRISM):
	@command -v go >/dev/null || { echo "supplier-views: error: Go builds Prism, and there is none; install Debian's golang-go" >&2; exit 1; }
	@echo "building Prism $(PRISM_VERSION) (once; two minutes of CPU)"
	@GOBIN=$(abspath $(@D)) GOFLAGS= GONOSUMDB= GOPRIVATE= GOINSECURE= GOSUMDB=sum.golang.org \
	  go install github.com/apache/beam/sdks/v2/go/cmd/prism@$(PRISM_VERSION)

test-prism: setup $(PRISM)  ## the phases on Prism, and what dies under them; Go builds Prism once: make test-prism PEOPLE=47000 RUNS=20
	PRISM=$(abspath $(PRISM)) PEOPLE=$(if $(filter command line environment,$(origin PEOPLE)),$(PEOPLE),2000) RUNS=$(RUNS) \
	  $(BIN)/python -m pytest tests/pipelines/on_prism/end_to_end.py tests/pipelines/on_prism/faults.py

test-object-store: setup  ## a run whose export and photos lie in an S3 store, a server process of moto's
	$(BIN)/python -m pytest tests/pipelines/run_from_s3.py

lint: setup  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-peers: $(BENCH_VENV)/.locked  ## the whole nightly job beside plain pyarrow, pandas, polars with polars-hash, DuckDB
	$(BENCH_VENV)/bin/python bench/peers.py

bench-stage: setup  ## stage three views beside plain pyarrow and a Python loop; memory of the run
	$(BIN)/python bench/stage.py

bench-tokens: $(BENCH_VENV)/.locked  ## tokens a column at a time beside loops, polars-hash, Tink, libffx and fastfpe
	$(BENCH_VENV)/bin/python bench/tokens.py

bench-mark: setup  ## what a supplier's mark in a photo survives, whom it names falsely, what it costs; FACES="FILE …" adds photographs
	$(BIN)/python bench/mark.py $(if $(FACES),--faces $(FACES))

bench-photos: $(BENCH_VENV)/.locked  ## photos beside libjpeg-turbo in C, vipsthumbnail, ImageMagick, plain Pillow; needs root once, for apt
	@for package in gcc libjpeg62-turbo-dev libvips-tools imagemagick; do \
	  dpkg -s $$package >/dev/null 2>&1 || apt-get install -y -q $$package >/dev/null; done
	$(BENCH_VENV)/bin/python bench/photos.py

RIPGREP := $(shell command -v rg)

bench-leaks: setup  ## the leak gate beside ripgrep, its memory at a million people, and the full drill; installs Debian's ripgrep
	@$(if $(RIPGREP),:,apt-get update -qq && apt-get install -qq -y --no-install-recommends ripgrep)
	$(BIN)/python bench/leaks.py

clean:  ## remove what run-local and the benches made
	rm -rf local
