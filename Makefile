# `make demo` and `make test` set themselves up in .venv; on Windows see tools/bootstrap.py.
PYTHON ?= python3
BIN := .venv/bin
RINGS := unit panel mrml
CORES := $(shell $(PYTHON) -c "import os; print(os.cpu_count() or 1)")
# The rings run side by side. Each process of a ring loads torch or Slicer anew, so it has few.
PROCESSES := $(shell $(PYTHON) -c "print(max(1, min(4, $(CORES) // 2)))")
# A file of tests keeps to one process, and a process has one scene and its views; where one ends, xdist starts another.
PYTEST := $(BIN)/python -m pytest --dist loadfile
# `make test-all`, which .ci/run calls, leaves out nothing.
MARKS ?= not ci
# Where make can, each ring's lines stay together.
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: demo test test-all test-fast setup lint types $(RINGS)

demo: setup
	@$(BIN)/python tools/demo.py

# A ring that fails hides no other: all of them run, and the end says whether one failed.
test:
	@$(MAKE) --keep-going --no-print-directory --jobs=4 $(TOGETHER) $(RINGS) lint types

test-all:
	@$(MAKE) --no-print-directory test MARKS=

# For the loop at a desk: without what takes long.
test-fast: lint
	$(PYTEST) -n auto --maxprocesses 4 Testing/unit -m "not slow and not ci"

lint: setup
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

mrml: setup
	$(PYTEST) -n $(PROCESSES) -m "$(MARKS)" Testing/mrml

# The two longest rings have a process more, so that no core idles at the end.
unit: setup
	$(PYTEST) -n $(shell expr $(PROCESSES) + 1) -m "$(MARKS)" Testing/unit

# What runs inside Slicer runs on the same stand-in as the panel.
panel: setup
	$(PYTEST) -n $(shell expr $(PROCESSES) + 1) -m "$(MARKS)" Testing/panel Testing/slicer

setup:
	@$(PYTHON) tools/bootstrap.py
