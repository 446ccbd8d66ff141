# `make up` and `make test` are the two commands; `make help` lists the others.
# A fresh Debian needs only make and this checkout: everything else is installed from package registries.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
CLOISON := $(VENV)/bin/cloison
STACK ?= local
LOCK := $(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help up platform down cluster check test bench conformance schema lock clean

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# Where the local stack's key store hands out its shares, once, and where they are read from when it starts sealed. They
# are the operator's: move the file away, and name it when the key store is to be opened.
export CLOISON_VAULT_SHARES ?= $(HOME)/cloison-shares.json

up: $(VENV)/runtime $(if $(filter local,$(STACK)),platform) ## fresh clone to addresses where researchers sign in
	$(CLOISON) up --stack $(STACK) --yes
	$(CLOISON) smoke --stack $(STACK)

platform: $(VENV)/runtime ## the local Kubernetes with the images that workspaces need
	$(RUN) -m local up
	$(CLOISON) images --stack local | xargs $(RUN) -m images build
	$(CLOISON) images --stack local | xargs -n 1 $(RUN) -m images archive | xargs $(RUN) -m local load

down: $(VENV)/runtime ## stop the local platform (its data stays; `python -m local down --purge` deletes it)
	$(RUN) -m local down

cluster: $(VENV)/runtime ## the bare local Kubernetes, without a workspace
	$(RUN) -m local up

check: $(VENV)/development ## format, lint, types, import layers, pure tests
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pyright
	$(RUN) -m pytest -q -m "not platform and not slow" -n 2

test: check ## everything: the pure checks, then the tests on a real local Kubernetes
	$(RUN) -m pytest -v -m "platform or slow"

bench: $(VENV)/development ## measure what the README states
	$(RUN) -m tests.bench

conformance: $(VENV)/development ## upstream's network policy truth tables on the local platform
	$(RUN) -m tests.local.policy.conformance

schema: $(VENV)/runtime ## rewrite the JSON schema of workspace files from the model
	$(RUN) -m workspaces.schema

lock: $(VENV)/development ## rewrite the hashed requirement files from pyproject.toml
	$(LOCK) --output-file requirements/runtime.txt pyproject.toml requirements/build.in
	$(LOCK) --output-file requirements/development.txt --extra dev pyproject.toml requirements/build.in

clean: ## remove the virtual environment (caches and platform data stay where they are)
	rm -rf $(VENV)

$(VENV)/bin/pip:
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/development: requirements/development.txt $(VENV)/runtime
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	touch $@
