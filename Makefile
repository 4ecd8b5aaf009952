# Each target makes the virtual environment that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test docs fuzz check generate golden kaitai interop format bench clean

demo: $(VENV)/runtime
	$(BIN)/evstream demo

# Tests are independent of each other, so they run in several processes.
JOBS ?= 2
test: $(VENV)/dev
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

# Six fuzzers share the time. Findings and corpus go to build/fuzz.
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 1
fuzz: $(VENV)/fuzz
	$(BIN)/python tests/fuzz/fuzz_stream.py \
	  --seconds $$(($(FUZZ_SECONDS) / 6)) --seed $(FUZZ_SEED)
	$(BIN)/python tests/fuzz/fuzz_atheris.py \
	  --seconds $$(($(FUZZ_SECONDS) / 6)) --seed $(FUZZ_SEED)
	$(BIN)/python tests/fuzz/fuzz_formats.py \
	  --seconds $$(($(FUZZ_SECONDS) / 6)) --seed $(FUZZ_SEED)
	$(BIN)/python tests/fuzz/fuzz_files.py \
	  --seconds $$(($(FUZZ_SECONDS) / 6)) --seed $(FUZZ_SEED)
	$(BIN)/python tests/fuzz/fuzz_calls.py \
	  --seconds $$(($(FUZZ_SECONDS) / 6)) --seed $(FUZZ_SEED)
	$(BIN)/python tests/fuzz/fuzz_kills.py \
	  --seconds $$(($(FUZZ_SECONDS) / 6)) --seed $(FUZZ_SEED)

# Fresh generated files (first, since the formatter would only hide an edit by hand), format, lint,
# types, fresh golden files, and documents that name what exists.
check: $(VENV)/dev
	$(BIN)/python -m codegen --check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tests/golden/write_golden.py --check
	$(BIN)/python tests/conformance/write_conformance.py --check
	$(BIN)/python tests/check_documents.py
	$(MAKE) docs

# The site, in build/site/index.html; a warning or a link that leads nowhere is an error.
docs: $(VENV)/dev
	$(BIN)/python -m sphinx -q -W -b html -d build/doctrees docs build/site
	$(BIN)/python tests/check_site.py build/site

generate: $(VENV)/dev
	$(BIN)/python -m codegen

golden: $(VENV)/dev
	$(BIN)/python tests/golden/write_golden.py
	$(BIN)/python tests/conformance/write_conformance.py

# Compiles the Kaitai descriptions and compares what they read with our own reader; needs node.
kaitai: $(VENV)/dev .venv-kaitai/ready
	$(BIN)/python -m pytest -q tests/test_kaitai.py

# The reference's own programs with evstream in place of its module: the newest version, and the
# oldest that has the module. Both run the model that the newest ships.
interop: .venv-interop/ready .venv-interop-2.3/ready
	PATH="$(CURDIR)/.venv-interop/bin:$$PATH" python -m pytest -q tests/interop
	PATH="$(CURDIR)/.venv-interop-2.3/bin:$$PATH" \
	  EVSTREAM_INTEROP_MODEL="$$(PYTHONPATH=tests .venv-interop/bin/python -m interop.workspace)" \
	  python -m pytest -q tests/interop

# Compares with the reference implementation, in an environment of its own.
bench: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks $(if $(ONLY),--only "$(ONLY)",--output docs)

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

$(VENV)/fuzz: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	touch $@

.venv-kaitai/ready:
	npm install --silent --no-save --prefix .venv-kaitai kaitai-struct-compiler@0.11.0
	touch $@

.venv-interop/ready: pyproject.toml
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[polars]' 'oasislmf==2.5.8' 'pytest>=8'
	touch $@

# oasislmf 2.3.4 needs pandas below 2.2, and so numpy 1 and packages that were built for it.
.venv-interop-2.3/ready: pyproject.toml
	$(PYTHON) -m venv .venv-interop-2.3
	.venv-interop-2.3/bin/python -m pip install --quiet --disable-pip-version-check --editable . 'oasislmf==2.3.4' 'ods_tools<5' 'pyarrow<19' 'pytest>=8'
	touch $@

.venv-bench/ready: pyproject.toml Makefile
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[all,dask,spark]' oasislmf matplotlib duckdb
	touch $@
