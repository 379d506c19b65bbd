# Each target is a thin wrapper; `make help` lists them. Only Python 3.11+ with venv is needed.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := libs/common deploy/local services/mongo-svc services/redis-svc services/pg-svc services/weather-svc
EDITABLE := -e 'libs/common[testing,tracing]' -e deploy/local \
	$(foreach service,mongo redis pg weather,-e 'services/$(service)-svc[test]')
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help run test lint type format venv bench dist constraints docs clean \
	images images-smoke sbom manifests k8s-smoke

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' \
		| awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

run: $(STAMP) ## run the stores, the four services and the front door on http://127.0.0.1:8080
	@exec $(BIN)/python -m devstack

test: $(STAMP) ## run every package's tests and the end-to-end tests, in parallel
	@rm -rf .tox/results
	@$(BIN)/tox run-parallel; status=$$?; $(BIN)/python tests/report.py .tox/results || status=1; exit $$status

lint: $(STAMP) ## ruff: rules and format; and the manifests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory manifests

type: $(STAMP) ## mypy, strict, over every package
	@for package in $(PACKAGES); do \
		echo "mypy $$package"; \
		$(BIN)/mypy --exclude '/tests/.+/conftest\.py$$' $$package/src $$package/tests || exit 1; done
	@echo "mypy tests docs bench"; $(BIN)/mypy tests docs && $(BIN)/mypy --exclude '/(peers|apps)/' bench

format: $(STAMP) ## put the code into ruff's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

venv: $(STAMP) ## build .venv with every package editable

$(STAMP): constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/uv || { echo "Making .venv …"; $(PYTHON) -m venv --clear .venv || exit; \
		echo "Installing uv …"; $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv; }
	@echo "Installing the packages …"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet -c constraints.txt --group dev $(EDITABLE)
	@touch $@

bench: $(STAMP) ## run the benchmarks beside their peers and write bench/results.md
	@$(BIN)/python -m bench $(NAMES)

dist: $(STAMP) ## build a wheel and an sdist of every package in dist/
	@for package in $(PACKAGES); do $(BIN)/uv build --quiet --out-dir dist $$package || exit 1; done
	@ls dist

constraints: $(STAMP) ## pin every third-party version anew in constraints.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --all-extras --group dev \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		$(addprefix --no-emit-package ,svc-common devstack mongo-svc redis-svc pg-svc weather-svc) \
		$(addsuffix /pyproject.toml,$(PACKAGES)) -o constraints.txt
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python deploy/images/pins.py

docs: $(STAMP) ## write docs/configuration.md and the manifests' settings from the settings classes
	@$(BIN)/python docs/configuration.py
	@$(BIN)/python deploy/k8s/settings_env.py

images: ## build the four container images with docker, podman or buildah
	@$(PYTHON) deploy/images/build.py $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(TAG),--tag $(TAG)) $(if $(PUSH),--push)

images-smoke: $(STAMP) ## run each image read-only, unprivileged, in 128 MB, and curl it
	@$(BIN)/python deploy/images/images_smoke.py

sbom: $(STAMP) ## write a CycloneDX bill of materials for each image to dist/sbom
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python deploy/images/sbom.py

manifests: $(STAMP) ## render every overlay and component and check it
	@$(BIN)/tox run -q -e manifests

k8s-smoke: $(STAMP) ## try overlays/dev on the cluster that kubectl points at
	@$(BIN)/python deploy/k8s/k8s_smoke.py $(if $(URL),--url $(URL)) $(if $(KEEP),--keep)

clean: ## remove what the other targets made, but not .data
	rm -rf .venv .tox dist .mypy_cache .ruff_cache .pytest_cache
