# `make demo` and `make test` set themselves up in .venv; on Windows see tools/bootstrap.py.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test setup

demo: setup
	@$(BIN)/python tools/demo.py

test: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

setup:
	@$(PYTHON) tools/bootstrap.py
