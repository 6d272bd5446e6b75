# `make demo` and `make test` set themselves up in .venv; on Windows see tools/bootstrap.py.
PYTHON ?= python3
BIN := .venv/bin

RINGS := panel slicer mrml unit

.PHONY: demo test setup lint types $(RINGS)

demo: setup
	@$(BIN)/python tools/demo.py

# A ring that fails hides no other: all of them run, and the end says whether one failed.
test:
	@$(MAKE) --keep-going --no-print-directory lint types $(RINGS)

lint: setup
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

# Each ring in a process of its own: one scene and its views at a time.
$(RINGS): setup
	$(BIN)/python -m pytest Testing/$@

setup:
	@$(PYTHON) tools/bootstrap.py
