# `make demo` and `make test` set themselves up in .venv; on Windows see tools/bootstrap.py.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test setup

demo: setup
	@$(BIN)/python tools/demo.py

# Each ring in a process of its own: one scene and its views at a time.
test: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest Testing/panel
	$(BIN)/python -m pytest Testing/slicer
	$(BIN)/python -m pytest Testing/mrml
	$(BIN)/python -m pytest Testing/unit

setup:
	@$(PYTHON) tools/bootstrap.py
