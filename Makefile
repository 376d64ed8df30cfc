# Everything needs Python 3.11, git and make; the environment is made in .venv from uv.lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SAMPLE := sample
LAKE := lake

.PHONY: install run test postgres test-slow mutations lint ui clean

install: .venv/.installed

.venv/.installed: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Python 3.11 is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	VIRTUAL_ENV= .venv/bin/uv sync --frozen --inexact --quiet --compile-bytecode
	@touch $@

run: install
	test -d $(SAMPLE)/drops || .venv/bin/cdp sample $(SAMPLE)
	.venv/bin/cdp run --drops $(SAMPLE)/drops --lake $(LAKE)

ui: install
	.venv/bin/cdp ui --lake $(LAKE)

# One worker for each core, and one thread for each worker.
test: install lint postgres
	POLARS_MAX_THREADS=1 .venv/bin/pytest -n logical --dist load --maxschedchunk 1 --durations 10

# Installs PostgreSQL for the tests, if it is missing and can be installed.
postgres:
	@.ci/postgres

test-slow: install
	.venv/bin/pytest -m slow

mutations: install
	.venv/bin/python -m tests.mutations

lint: install
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/lint-imports
	.venv/bin/mypy

clean:
	rm -rf $(LAKE) $(SAMPLE)
