# Everything a developer or a build machine runs. `make help` lists the targets; only `test-asterisk`
# and `test-peers` need root.
# The environment in .venv makes itself, and again whenever pyproject.toml changes. PYTHON=... chooses the interpreter.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
# As `requires-python` in pyproject.toml.
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# The tests start the command many times; each would compile all of it again.
unexport PYTHONDONTWRITEBYTECODE
# One more than there are processors, because many tests wait for a process they started; beyond a few, all of them wait
# for the slowest file anyway.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell expr $(CORES) + 1) --maxprocesses=4

# The first interpreter that is recent enough makes the environment; $(1) is the group of optional dependencies.
define set_up
@for python in $(CANDIDATES); do \
	if $$python -c '$(SUITABLE)' 2>/dev/null; then exec $$python -m tools.setup $(1); fi; \
done; \
echo 'talkpath: needs Python 3.11, 3.12 or 3.13 and finds none as $(CANDIDATES);' \
	'run `sudo apt-get install python3`, or name one: make PYTHON=/path/to/python3.' >&2; exit 1
endef

.DEFAULT_GOAL := help
.PHONY: help setup run test demos check bench bench-pipecat docs mutants fuzz test-asterisk test-peers test-browser detach clean

help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: $(VENV)/.developing ## make .venv with everything developers need

run: $(VENV)/.running ## a whole call on this machine: lab bot, gateway, recorded caller; stays up (ARGS=--once does not)
	@$(BIN)/talkpath demo $(ARGS)

test: $(VENV)/.developing ## all tests; recorded speech is fetched first (CI=true: it must be there)
	@$(BIN)/python -m tools.fetch_recordings || test "$$CI" != true
	@$(BIN)/python -m pytest -q -rs --durations=5 -n $(WORKERS) --dist worksteal -m 'not demonstration and not crowd' $(ARGS)

demos: $(VENV)/.developing ## every chat vendor's demonstrations as their user runs them, calls in real time, then crowds of calls
	@$(BIN)/python -m pytest -q -m demonstration -n 3 --dist load tests/demo tests/speech $(ARGS)
	@$(BIN)/python -m pytest -q -m crowd -n 0 tests/demo tests/calls $(ARGS)

check: $(VENV)/.developing ## formatting, lint, types, import contract, generated documents
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.docs --check

bench: $(VENV)/.developing ## measure what design budgets promise
	@$(BIN)/python -m benchmarks $(ARGS)

bench-pipecat: $(VENV)/.developing ## the same load on Pipecat, in an environment of its own
	@$(BIN)/python -m benchmarks.pipecat $(ARGS)

docs: $(VENV)/.developing ## write the documents that are made from the code
	@$(BIN)/python -m tools.docs

mutants: $(VENV)/.developing ## change the code in small ways, and see whether the tests notice
	@$(BIN)/python -m tools.mutants $(ARGS)

fuzz: $(VENV)/.developing ## change what SIP peers send, guided by coverage (ARGS='--seconds 600')
	@$(BIN)/python -m tools.fuzz_sip $(ARGS)

test-asterisk: $(VENV)/.developing ## all calls through a real Asterisk in a chroot of its own, also over media sockets; needs root
	@$(BIN)/python -m tools.asterisk $(ARGS)

test-peers: $(VENV)/.developing ## calls by SIPp, baresip, Kamailio with rtpengine, Asterisk and Chromium; needs root
	@$(BIN)/python -m tools.fetch_recordings
	@$(BIN)/python -m tools.real_peers $(ARGS)

test-browser: $(VENV)/.developing ## the calls of test-peers by Chromium alone: console and JsSIP; installs what is missing, as root
	@$(BIN)/python -m tools.browser $(ARGS)

detach: $(VENV)/.developing ## prove that a vendor is a folder: VENDOR=haptik, VENDOR=speech:google, by default each in turn (ARGS=--quick)
	@$(BIN)/python -m tools.detach $(VENDOR) $(ARGS)

clean: ## remove what was made here, but not the fetched recordings
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.running: pyproject.toml
	$(call set_up,)
	@touch $@

$(VENV)/.developing: pyproject.toml
	$(call set_up,dev)
	@touch $@ $(VENV)/.running
