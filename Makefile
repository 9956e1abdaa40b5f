# Everything a fresh machine needs is Python >= 3.11 with pip, and make.
#   make run    the worked sheet
#   make test   the whole test suite
#   make check  what CI runs: style, types, the sheet, the tests
#   make sanitize  the tests of filters, the core watched for reads and writes outside its arrays (needs cmake)

PYTHON ?= python3
BIN := .venv/bin
FILTERS := tests/test_filters.py tests/test_filters_ways.py tests/test_filters_plans.py
NATIVE := $(wildcard src/native/*.?pp) src/native/CMakeLists.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint types check format sanitize clean

run: .venv/.run
	$(BIN)/faltung sheet

test: .venv/.test
	$(BIN)/python -m pytest -n 2
	FALTUNG_CORE=numpy $(BIN)/python -m pytest -n 2 $(FILTERS)

lint: .venv/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.test
	$(BIN)/mypy

sanitize: .venv/.test
	rm -rf build/sanitize && mkdir -p build/sanitize/tree && cp -r src/faltung build/sanitize/tree
	cmake -S src/native -B build/sanitize/made -DFALTUNG_SANITIZE=ON -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	cmake --build build/sanitize/made --parallel 2
	cmake --install build/sanitize/made --prefix build/sanitize/tree
	LD_PRELOAD="$$(c++ -print-file-name=libasan.so) $$(c++ -print-file-name=libubsan.so) $$(c++ -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc PYTHONPATH=build/sanitize/tree $(BIN)/python -m pytest -n 0 $(FILTERS)

check: lint types run test

format: .venv/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Faltung needs Python >= 3.11; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

# The stamps are newer than what they were made from, so that a second call installs nothing.
.venv/.run: pyproject.toml constraints.txt $(NATIVE) | .venv/bin/python
	$(PIP) --editable .
	@touch $@

.venv/.test: pyproject.toml constraints.txt $(NATIVE) | .venv/bin/python
	$(PIP) --editable '.[test,lint]'
	@touch $@ .venv/.run
