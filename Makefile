# Each target is a thin wrapper; `make help` lists them. Only Python 3.11+ with venv is needed.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := libs/common deploy/local services/mongo-svc services/redis-svc services/pg-svc services/weather-svc
EDITABLE := -e 'libs/common[testing]' -e deploy/local \
	-e services/mongo-svc -e services/redis-svc -e services/pg-svc -e services/weather-svc
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help run test lint type format venv dist constraints docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /\1\t/' \
		| awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

run: $(STAMP) ## run the stores, the four services and the front door on http://127.0.0.1:8080
	@exec $(BIN)/python -m devstack

test: $(STAMP) ## run every package's tests and the end-to-end tests, in parallel
	@rm -rf .tox/results
	@$(BIN)/tox run-parallel; status=$$?; $(BIN)/python tests/report.py .tox/results || status=1; exit $$status

lint: $(STAMP) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

type: $(STAMP) ## mypy, strict, over every package
	@for package in $(PACKAGES); do \
		echo "mypy $$package"; \
		$(BIN)/mypy --exclude '/tests/.+/conftest\.py$$' $$package/src $$package/tests || exit 1; done
	@echo "mypy tests docs"; $(BIN)/mypy tests docs

format: $(STAMP) ## put the code into ruff's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

venv: $(STAMP) ## build .venv with every package editable

$(STAMP): constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "Making .venv …"; $(PYTHON) -m venv .venv; }
	@test -x $(BIN)/uv || { echo "Installing uv …"; $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv; }
	@echo "Installing the packages …"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet -c constraints.txt --group dev $(EDITABLE)
	@touch $@

dist: $(STAMP) ## build a wheel and an sdist of every package in dist/
	@for package in $(PACKAGES); do $(BIN)/uv build --quiet --out-dir dist $$package || exit 1; done
	@ls dist

constraints: $(STAMP) ## pin every third-party version anew in constraints.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --all-extras --group dev \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		$(addprefix --no-emit-package ,svc-common devstack mongo-svc redis-svc pg-svc weather-svc) \
		$(addsuffix /pyproject.toml,$(PACKAGES)) -o constraints.txt

docs: $(STAMP) ## write docs/configuration.md from the settings classes
	@$(BIN)/python docs/configuration.py

clean: ## remove what the other targets made, but not .data
	rm -rf .venv .tox dist .mypy_cache .ruff_cache .pytest_cache
