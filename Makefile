# Everything a fresh machine needs is Python >= 3.11 with pip, and make.
#   make run    the worked sheet
#   make test   the whole test suite
#   make check  what CI runs: style, types, the sheet, the tests

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint types check format clean

run: .venv/.run
	$(BIN)/faltung sheet

test: .venv/.test
	$(BIN)/python -m pytest -n 2

lint: .venv/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.test
	$(BIN)/mypy

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
.venv/.run: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	@touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[test,lint]'
	@touch $@ .venv/.run
