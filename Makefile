# Every step that continuous integration takes is a target here; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PEOPLE ?= 1000
PHOTO_MP ?= 0.5
SEED ?= 1

.PHONY: help setup run-local test lint types imports bench-stage clean

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

setup: $(VENV)/.locked  ## .venv with the locked packages and supplier-views in it
