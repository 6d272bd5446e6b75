# `make demo` and `make test` set themselves up in .venv; on Windows see tools/bootstrap.py.
PYTHON ?= python3
BIN := .venv/bin
RINGS := panel slicer mrml unit
# A file of tests keeps to one process, and a process has one scene and its views.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-fast setup lint types $(RINGS)

demo: setup
	@$(BIN)/python tools/demo.py

# A ring that fails hides no other: all of them run, and the end says whether one failed.
test:
	@$(MAKE) --keep-going --no-print-directory lint types $(RINGS)

# For the loop at a desk: without what takes long.
test-fast: lint
	$(PYTEST) Testing/unit -m "not slow"

lint: setup
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

$(RINGS): setup
	$(PYTEST) Testing/$@

setup:
	@$(PYTHON) tools/bootstrap.py
