# xraylab: `make book` renders the book, `make test` runs the tests. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := augment,book,dev,test

PARITY := .venv-parity

.PHONY: help setup book serve test test-models parity interactive lint format sync bench records constraints clean
.DEFAULT_GOAL := help

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Make the environment in .venv; the other targets do it by themselves.

# Nothing is installed again until one of these two files changes.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "the known good versions are for Python 3.11 to 3.13; $$($(PYTHON) --version) came. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "this Python cannot make environments; on Debian and Ubuntu install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@# medmnist asks for torch and torchvision, which xraylab does without.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --constraint constraints.txt medmnist
	@touch $@

book: $(READY)  ## Run every chapter on the embedded data and render the HTML.
	$(BIN)/python tools/build_book.py

serve: $(READY)  ## Render the book and open it in the browser.
	$(BIN)/python tools/build_book.py --open

test: $(READY) lint  ## Check the style and run the tests.
	$(BIN)/python -m pytest -n 2

test-models: $(READY)  ## Run the thorough tests over every model, recipe and chapter; long.
	@# A process for each model: what one has compiled would fill the memory of the next.
	$(BIN)/python -c 'from xraylab.models import list_models; print(*list_models(), sep="\n")' | \
	  xargs -n 1 -P 2 -I NAME env XRAYLAB_EVERY_MODEL=NAME $(BIN)/python -m pytest \
	  tests/models/test_all_models.py tests/models/test_backends.py
	XRAYLAB_EVERY_MODEL=1 $(BIN)/python -m pytest -n 2 \
	  tests/training/test_every_recipe.py tests/test_chapters.py

parity: $(PARITY)/.ready  ## Compare with public PyTorch models, in an environment of their own.
	$(PARITY)/bin/python -m pytest tests/parity

$(PARITY)/.ready: pyproject.toml
	$(PYTHON) -m venv --clear $(PARITY)
	$(PARITY)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[parity]'
	@touch $@

interactive: book  ## Operate every interactive figure of the book in headless Chromium, and those of chapter 16 live.
	$(BIN)/python tools/check_interactive.py book/_build/html
	$(BIN)/python tools/check_interactive_live.py book/chapters/16_where_does_it_look.ipynb

lint: $(READY)  ## Check format, style, import floors and notebook twins.
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/sync.py --check

format: $(READY)  ## Bring the code into the house's format.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

sync: $(READY)  ## Write each chapter's notebook twin anew.
	$(BIN)/python tools/sync.py

bench: $(READY)  ## Measure speed and memory on this machine; minutes.
	$(BIN)/python benchmarks/phantom_speed.py
	$(BIN)/python benchmarks/train_throughput.py
	$(BIN)/python benchmarks/memory_map.py
	$(BIN)/python benchmarks/attention_memory.py --quick

records: $(READY)  ## Train the runs of the results chapter on simulated images; hours, resumable.
	$(BIN)/python tools/record_runs.py

constraints: $(READY)  ## Write down the installed versions as the known good set.
	$(BIN)/python tools/freeze.py

clean:  ## Remove the rendered book and the environment; runs and data stay.
	rm -rf $(VENV) $(PARITY) book/_build
