# xraylab: `make book` renders the book, `make test` runs the tests. `make help` lists all targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := book,dev,export,test

PARITY := .venv-parity
PIP := python -m pip install --quiet --disable-pip-version-check
# One worker per core of a laptop; the tests of one file share their models.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: help setup book serve test pytest test-all coverage parity interactive lint format sync bench records constraints clean
.DEFAULT_GOAL := help

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Create the environment in .venv; other targets do so if necessary.

# Installed again only when one of these files changes.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Expected: Python 3.11 to 3.13. Received: $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "This Python cannot create environments; on Debian and Ubuntu install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/$(PIP) --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@# medmnist requires torch and torchvision, which xraylab does not use.
	$(BIN)/$(PIP) --no-deps --constraint constraints.txt medmnist
	@touch $@

book: $(READY)  ## Run every chapter on simulated images and render the HTML.
	$(BIN)/python tools/build_book.py

serve: $(READY)  ## Render the book and open it in the browser.
	$(BIN)/python tools/build_book.py --open

test: $(READY)  ## Check the style and run the tests.
	@# Side by side, because the check of types uses one core.
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: $(READY)
	$(PYTEST)

test-all: $(READY)  ## Run the long tests of every model, recipe, backend and chapter; hours.
	@# One process per model: compiled functions of one model would fill the memory of the next.
	$(BIN)/python -c 'from xraylab.models import list_models; print(*list_models(), sep="\n")' | \
	  xargs -n 1 -P 2 -I NAME env XRAYLAB_EVERY_MODEL=NAME $(BIN)/python -m pytest \
	  tests/models/test_all_models.py tests/models/test_backends.py
	XRAYLAB_EVERY_MODEL=1 $(PYTEST) --ignore tests/models/test_all_models.py --ignore tests/models/test_backends.py

coverage: $(READY)  ## Run the tests and report the coverage of the package.
	$(PYTEST) --cov --cov-report=term-missing:skip-covered --cov-report=xml

parity: $(PARITY)/.ready  ## Compare with public PyTorch models, in a separate environment.
	$(PARITY)/bin/python -m pytest tests/parity

$(PARITY)/.ready: pyproject.toml
	$(PYTHON) -m venv --clear $(PARITY)
	$(PARITY)/bin/$(PIP) --editable '.[parity,export]'
	@touch $@

interactive: book  ## Examine all pages of the book in headless Chromium, and chapter 16 live.
	$(BIN)/python tools/check_pages.py book/_build/html
	$(BIN)/python tools/check_interactive.py book/_build/html
	$(BIN)/python tools/check_interactive_live.py book/chapters/16_where_does_it_look.ipynb

lint: $(READY)  ## Check format, style, types, layers and notebook copies.
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	@# Private attributes of Keras change without notice; tests may read our own.
	$(BIN)/ruff check --select SLF001 xraylab
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/sync.py --check
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(READY)  ## Format the code.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

sync: $(READY)  ## Write the notebook copy of each chapter.
	$(BIN)/python tools/sync.py

bench: $(READY)  ## Measure speed and memory on this machine; minutes.
	$(BIN)/python benchmarks/phantom_speed.py
	$(BIN)/python benchmarks/train_throughput.py
	$(BIN)/python benchmarks/input.py
	$(BIN)/python benchmarks/attention_memory.py --quick

records: $(READY)  ## Train the runs of the results chapter on simulated images; hours, resumable.
	$(BIN)/python tools/record_runs.py

constraints: $(READY)  ## Write the installed versions to constraints.txt.
	$(BIN)/python tools/freeze.py

clean:  ## Remove the rendered book and the environments; runs and data stay.
	rm -rf $(VENV) $(PARITY) book/_build
