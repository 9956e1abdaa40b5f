# Everything a fresh machine needs is Python >= 3.11 with pip, and make.
#   make run    the worked sheet
#   make test   the whole test suite
#   make check  what CI runs: style, types, the sheet, the tests
#   make notebooks       the notebooks, from their sources
#   make notebooks-full  every notebook run with all pictures, into build/notebooks (minutes)
#   make sanitize  the tests of filters, the core watched for reads and writes outside its arrays (needs cmake)
#   make valgrind  some filters, the core watched for numbers that were never written too (needs valgrind)

PYTHON ?= python3
BIN := .venv/bin
FASHION := /usr/share/datasets/fashion-mnist
FILTERS := $(wildcard tests/test_filters*.py)
NATIVE := $(wildcard src/native/*.?pp) src/native/CMakeLists.txt
WATCHED = LD_PRELOAD="$$(c++ -print-file-name=libasan.so) $$(c++ -print-file-name=libubsan.so) $$(c++ -print-file-name=libstdc++.so)" \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc PYTHONPATH=build/sanitize/tree \
    build/apart/bin/python
# A child that is forked while a thread allocates waits for ever for a lock of the sanitizer's own allocator.
FORKS := tests/test_filters_threads.py::test_forks_while_threads_filter
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test data lint types check format notebooks notebooks-full sanitize valgrind clean

run: .venv/.run
	$(BIN)/faltung sheet

test: .venv/.test data
	$(BIN)/python -m pytest -n 2
	FALTUNG_CORE=numpy $(BIN)/python -m pytest -n 2 $(FILTERS)

# Fashion-MNIST from Debian, where this is a Debian whose packages may be changed; else the tests that need it say so.
data:
	@test -e $(FASHION) || ! command -v apt-get >/dev/null || test "$$(id -u)" != 0 || \
	    { echo "installing Debian's dataset-fashion-mnist" && (apt-get update && apt-get install -y dataset-fashion-mnist) >/dev/null 2>&1; } || true
	@test -e $(FASHION) || echo "$(FASHION) is missing: tests on the real pictures are skipped (Debian: dataset-fashion-mnist)"

lint: .venv/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.test
	$(BIN)/mypy

# The sanitized core is imported from a tree of its own, by an interpreter that does not know the editable installation.
sanitize: build/.apart
	rm -rf build/sanitize/tree && mkdir -p build/sanitize/tree && cp -r src/faltung build/sanitize/tree
	rm -f build/sanitize/tree/faltung/filters/_core.*
	cmake -S src/native -B build/sanitize/made -DFALTUNG_SANITIZE=ON -DPython_EXECUTABLE=$(abspath $(BIN))/python
	cmake --build build/sanitize/made --parallel 2
	cmake --install build/sanitize/made --prefix build/sanitize/tree
	$(WATCHED) -c 'import faltung.filters._core as core; assert "/build/sanitize/tree/" in core.__file__, core.__file__'
	$(WATCHED) -m pytest -n 0 -p no:cacheprovider --capture=sys --deselect $(FORKS) $(FILTERS)

# What an error is about is decided by its stack: one that goes through the core fails, the interpreter's own do not.
valgrind: build/.apart
	rm -f build/valgrind.log
	PYTHONMALLOC=malloc PYTHONPATH=src valgrind --log-file=build/valgrind.log --error-limit=no --num-callers=40 \
	    build/apart/bin/python tests/valgrind_sample.py
	grep -q 'ERROR SUMMARY' build/valgrind.log
	! grep -B 30 -A 10 '_core\.cpython\|faltung::' build/valgrind.log

# An interpreter with the libraries of .venv, to which PYTHONPATH comes before an editable installation.
build/.apart: .venv/.test
	$(BIN)/python -m venv --without-pip build/apart
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > $$(build/apart/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/libraries.pth
	@touch $@

check: lint types run test

format: .venv/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

notebooks: .venv/.test
	$(BIN)/python notebooks/make.py

notebooks-full: notebooks
	$(BIN)/python notebooks/run.py

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
