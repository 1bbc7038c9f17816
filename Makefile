# Pairstream: `make up` runs it, `make test` proves it.
.PHONY: up test test-all env check lint clean

UV := $(shell command -v uv 2>/dev/null)

up: env
	@.venv/bin/pairstream up

env:
	@sh tools/env.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
