# Needs: make, and a Python of 3.11 or newer. Everything else is installed into .venv, as poetry.lock says, checked by hash.

# Another Python: make PYTHON=/path/to/python3.12 run
PYTHON ?= $(shell sh tools/find_python.sh)
VENV := .venv
PY := $(VENV)/bin/python
# Parts that are not installed unless asked for: make EXTRAS=postgres run
EXTRAS ?=
SERVER_NAME ?= localhost
# How many processes run the tests: four keep two cores busy, since many tests wait for processes that they start.
WORKERS ?= 4
# What to give to pytest besides: make test ARGS="tests/proto -x"
ARGS ?=

LOCKED := poetry.lock pyproject.toml tools/locked_requirements.py

# Random stories of several servers, from which seed on: make plays PLAYS=20000, make plays FIRST=17 PLAYS=1
PLAYS ?= 1000
FIRST ?= 0
# Rooms to measure joins of: make joins ROOMS=1000
ROOMS ?= 1000 10000 100000 hq
# In what share of them a server keeps to no rule, if not in as many as the suite has it: make plays BYZANTINE=1
BYZANTINE ?=
# Only stories of rooms that are joined partially: make plays PLAYS=5000 PARTIAL_JOINS=1
PARTIAL_JOINS ?=

# How long a soak takes, and the seed of an earlier one: make soak MINUTES=13 SEED=8
MINUTES ?= 30
SEED ?=

# How long each parser is fuzzed
SECONDS ?= 60

.PHONY: help run test plays soak fuzz bench joins e2e docs lint format clean

help:
	@echo "make run      set up and start a homeserver for $(SERVER_NAME), with SQLite; keeps what is there"
	@echo "make test     set up and run the whole test suite"
	@echo "make joins    measure joins of great rooms: ROOMS='1000 10000 100000 hq' (minutes)"
	@echo "make plays    tell PLAYS=1000 random stories of several servers, with all that can go wrong"
	@echo "make soak     let 200 people live on two Ranviers and a Synapse for MINUTES=30 while things break"
	@echo "make fuzz     fuzz what reads the bytes of strangers, each parser for SECONDS=60"
	@echo "make bench    measure this server beside Synapse, and write docs/performance-bench.md (some minutes)"
	@echo "make e2e      let people talk with a web client in Chromium, which has to be there, and with people on Synapse"
	@echo "make docs     build the site of docs/ and of the option reference, into build/docs"
	@echo "make lint     style, types and layers"
	@echo "make format   put the code into its format"
	@echo "make clean    remove what make has installed and cached (not a server's data)"

run: $(VENV)/.run-$(EXTRAS)
	@$(PY) -m ranvier --generate-missing-and-run -c homeserver.yaml --server-name $(SERVER_NAME) --report-stats no

test: $(VENV)/.develop
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

joins: $(VENV)/.develop
	@$(PY) -m tests.faster_joins.measure $(ROOMS)

# Sets and dictionaries of strings are walked in the same order each time.
plays: $(VENV)/.develop
	@PYTHONHASHSEED=0 $(PY) -m tests.plays --first $(FIRST) --stories $(PLAYS) --workers $(WORKERS) \
		$(if $(BYZANTINE),--byzantine $(BYZANTINE)) $(if $(PARTIAL_JOINS),--partial-joins)

soak: $(VENV)/.develop
	@$(PY) -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

fuzz: $(VENV)/.develop
	@$(PY) -m tests.fuzz --seconds $(SECONDS)

bench: $(VENV)/.develop
	@$(PY) -m bench

e2e: $(VENV)/.develop
	@$(PY) -m pytest -q tests/e2e/web_client.py tests/interop/with_synapse.py $(ARGS)
	@echo "Screenshots:" && ls build/e2e/*.png

docs: $(VENV)/.develop
	@$(PY) -m mkdocs build --quiet --strict
	@echo "Open build/docs/index.html, or with its search: $(PY) -m http.server -b 127.0.0.1 -d build/docs"

lint: $(VENV)/.develop
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.develop
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf tests/clients/js/node_modules tests/e2e/node_modules
	find ranvier tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@sh tools/make_venv.sh "$(PYTHON)" $(VENV)

# $(call install,arguments of locked_requirements.py)
define install
	@echo "Installing into $(VENV) what poetry.lock says (once, about a minute)"
	@$(PY) tools/locked_requirements.py --group build $(1) > $(VENV)/requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
endef

# An installation for development satisfies `make run` too.
$(VENV)/.run-$(EXTRAS): $(LOCKED) | $(PY)
	$(call install,$(foreach extra,$(EXTRAS),--extra $(extra)))
	@touch $@

$(VENV)/.develop: $(LOCKED) | $(PY)
	$(call install,--group dev --group test --group docs --extra postgres)
	@touch $@ $(VENV)/.run-
