# Every target does its own set-up; what is already set up costs well under a second.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

# The venv's bin comes first: ape-vyper looks for `vyper` on PATH, and downloads it otherwise.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PYTHON ?= python3.11
VENV := .venv/stamp-$(shell sha256sum requirements-dev.lock pyproject.toml | sha256sum | cut -c 1-16)
NPM := node_modules/stamp-$(shell sha256sum package.json package-lock.json | sha256sum | cut -c 1-16)
BUNDLE := webapp/static/app.js
COVERED := --cov=contracts --cov-branch --cov-config=tests/branches/titanoboa.cfg

.PHONY: fuzz-protocol help venv servers demo serve test test-browser test-services soak test-contracts mutants invariants lint format bench bench-consensus bench-accuracy bench-gas bench-indexer bench-intake bench-web abi locks clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' Makefile

venv: $(VENV) ## create .venv from requirements-dev.lock, checked by hash

demo: $(VENV) $(NPM) $(BUNDLE) ## three epochs end to end on a local chain, then the audit; report in build/demo
	.venv/bin/python -m oracle.cli demo --out build/demo

serve: $(VENV) $(NPM) $(BUNDLE) ## chain, contracts, gateway, operators and page at one local address
	.venv/bin/ddlp serve

test: $(VENV) $(NPM) $(BUNDLE) ## all tests but those that need a browser or other servers
	.venv/bin/pytest -m "not browser and not services" -n 2 --dist loadfile \
	  --ignore tests/invariants/test_faults.py # of `make invariants`
	.ci/with-node npm test

test-browser: $(VENV) $(NPM) $(BUNDLE) ## tests in a real Chromium (apt install chromium); pictures of every page in build/screenshots
	.venv/bin/pytest -m browser

servers: $(VENV) ## build Kubo and geth from their Go modules, unless they are on PATH (needs Go 1.26)
	.venv/bin/python -m tests.support.servers.programs

test-services: $(VENV) $(NPM) $(BUNDLE) servers ## tests with Kubo, geth and PostgreSQL (apt install postgresql)
	.venv/bin/pytest -m services -n 2 --dist loadfile $(SERVICES)

soak: $(VENV) $(NPM) $(BUNDLE) ## SOAK_KILLS (200) kills of gateway and operators at random (SOAK_SEED)
	SOAK_KILLS=$${SOAK_KILLS:-200} .venv/bin/pytest -m services -s tests/services/test_faults.py -k killed

test-contracts: $(VENV) $(NPM) ## the contracts' own tests, and the branches they take
	.venv/bin/pytest -n 2 --dist loadfile $(COVERED) tests/contracts
	.venv/bin/pytest -n 2 --dist loadfile -m "not bytecode" -p tests.branches.plugin --every-branch tests/contracts

mutants: $(VENV) $(NPM) ## do those tests notice small changes of the contracts? MUTANTS=all or a pattern
	.venv/bin/python -m tests.mutants

fuzz-protocol: $(VENV) ## FUZZ_SCHEDULES (300) seeded campaigns with misbehaving gateways, operators and links
	.venv/bin/python -m tests.network

invariants: $(VENV) ## INVARIANT_CALLS (20,000) random calls against a model of the money
	.venv/bin/pytest -n 2 tests/invariants
	.venv/bin/python -m tests.invariants

lint: $(VENV) ## ruff, mypy and import-linter
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy oracle
	.venv/bin/lint-imports

format: $(VENV) ## let ruff format and fix what it can
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: $(VENV) $(NPM) ## benchmarks against peers
	for file in bench/*.py; do echo "== $$file"; .venv/bin/python "$$file"; done

bench-consensus: $(VENV) ## truth inference beside crowd-kit: build/bench/consensus.json and .png
	.venv/bin/python bench/consensus.py

bench-gas: $(VENV) $(NPM) ## gas beside HUMAN Protocol and Uniswap: build/bench/gas.json and .png
	.venv/bin/python bench/gas.py

bench-indexer: $(VENV) $(NPM) ## events a second from anvil, beside web3's own: build/bench/indexer.json
	.venv/bin/python bench/indexer.py

bench-intake: $(VENV) ## signed labels a second into SQLite and PostgreSQL: build/bench/intake.json
	.venv/bin/python bench/intake.py --minimum 5000

bench-web: $(VENV) $(NPM) ## 200 people at work on the page by Locust, on SQLite and PostgreSQL: build/bench/web.json and .png
	.venv/bin/python bench/web.py

bench-accuracy: $(VENV) ## truth inference on real labels (DDLP_DATA): build/bench/accuracy.json
	.venv/bin/python bench/accuracy.py

abi: $(VENV) ## compile the contracts and refresh oracle/chain/abi
	.venv/bin/python scripts/export_abi.py

locks: $(VENV) ## resolve the dependencies anew: edit pyproject.toml, run this, then run the tests
	export UV_CUSTOM_COMPILE_COMMAND="make locks"; \
	compile="uv pip compile --quiet --generate-hashes --python-version 3.11 --no-emit-index-url"; \
	$$compile --no-emit-package ddlp --extra dev pyproject.toml --output-file requirements-dev.lock; \
	$$compile pyproject.toml --output-file requirements-audit.lock

clean: ## remove what was built, but keep .venv and node_modules
	rm -rf build dist *.egg-info .build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage webapp/static/*.js webapp/static/regions.css
	find . -name __pycache__ -not -path './.venv/*' -not -path './node_modules/*' -prune -exec rm -rf {} +

# The stamps' names hold a hash of what they depend on, so a fresh clone or a switched branch can't
# mislead them. setuptools needs a newer `packaging` than eth-ape allows, and carries it in _vendor.
$(VENV):
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON): install Python 3.11, or run make PYTHON=..." >&2; exit 1; }
	@[ -x .venv/bin/pip ] || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "no venv module: apt install python3-venv" >&2; exit 1; }
	rm -f .venv/stamp-*
	.venv/bin/pip install --quiet --require-hashes -r requirements-dev.lock
	PYTHONPATH="$$(.venv/bin/python -c 'import pathlib, setuptools; print(pathlib.Path(setuptools.__file__).parent / "_vendor")')" \
	  .venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(NPM): | $(VENV)
	.ci/with-node npm ci --ignore-scripts
	touch $@

$(BUNDLE): $(shell find webapp/frontend -type f -not -path '*/test/*' 2>/dev/null) $(NPM)
	.ci/with-node npm run --silent build
