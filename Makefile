# Pairstream: `make up` runs it, `make test` proves it.
# Written for make 3.81 and any POSIX shell. PYTHON=/path/to/python3.12 chooses the Python of a new environment.
.PHONY: up test test-all lint env env-dev generated clean
export PYTHON

BIN = .venv/bin

up: env
	@exec $(BIN)/pairstream up

test: lint
	$(BIN)/pytest -q --doctest-modules shared services
	$(BIN)/pytest

test-all: lint
	$(BIN)/pytest -q --doctest-modules shared services
	$(BIN)/pytest --long

lint: env-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# What is written from the code: docs/asyncapi.json, .env.example, the settings table of the README.
generated: env-dev
	$(BIN)/python tools/generate.py

env:
	@sh tools/env.sh

env-dev:
	@sh tools/env.sh dev

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
