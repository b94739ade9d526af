# The two that matter: `make demo` (no key, no Docker) and `make test` (everything, Docker included).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test check format docs site images install install-dev system-demo system-test clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: install ## make a small Terminal-Corpus here, in runs/demo
	@$(BIN)/ttg demo --output-dir runs

test: install-dev system-test images ## all checks and all tests, Docker for real
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

check: install-dev ## lint, types and the tests that need no Docker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not docker and not slow"

format: install-dev ## put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install-dev ## write docs/reference.md from the code
	$(BIN)/python scripts/write_reference.py docs/reference.md

site: install-dev ## the documentation as pages, in site/
	$(BIN)/mkdocs build

images: install-dev system-test ## build and check the domain images and the taxonomy
	$(BIN)/ttg images build
	$(BIN)/ttg images check
	$(BIN)/ttg taxonomy check

install: system-demo $(VENV)/.installed
install-dev: system-demo $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml
	@scripts/ensure-python.sh $(PYTHON) $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	@scripts/ensure-python.sh $(PYTHON) $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

system-demo:
	@scripts/ensure-programs.sh bwrap:bubblewrap tmux:tmux cc:build-essential

system-test:
	@scripts/ensure-docker.sh
	@scripts/ensure-programs.sh docker-registry:docker-registry chromium:chromium cc:build-essential

clean: ## remove what the targets above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist build
