# One command per habit. Each makes the virtual environment that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check generate golden format bench clean

demo: $(VENV)/runtime
	$(BIN)/evstream demo

test: $(VENV)/dev
	$(BIN)/python -m pytest -q

# Format, lint, types, and that the generated and golden files are fresh.
check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m codegen --check
	$(BIN)/python tests/golden/write_golden.py --check

generate: $(VENV)/dev
	$(BIN)/python -m codegen

golden: $(VENV)/dev
	$(BIN)/python tests/golden/write_golden.py

# Beside the reference implementation, in an environment of its own.
bench: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks --output docs

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev: $(VENV)/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

.venv-bench/ready: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[all]' oasislmf matplotlib
	touch $@
