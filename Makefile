# The front door. `make demo` and `make test` set up what they need in .venv by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
# what is imported is compiled then, a small part of what is installed
PIP_INSTALL := $(PIP) install --quiet --disable-pip-version-check --no-compile -c constraints.txt
TORCH := torch==2.13.0
unexport PYTHONDONTWRITEBYTECODE  # many processes import the same modules: one of them compiles

# uv takes a fraction of pip's time, and knows nothing of pip's settings: where these name an index, pip installs
define INSTALL
{ ! $(PIP) config list | grep -q '[.]index-url=' && $(PIP_INSTALL) uv && \
  $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(EXTRAS)]'; } || \
  $(PIP_INSTALL) -e '.[$(EXTRAS)]'
endef

.PHONY: help demo station test test-all pytest lint bench docs tree dist checksums clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1: /p' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp  ## train, evaluate and report on real solar cells
	$(BIN)/kenpin demo --overwrite

station: $(VENV)/station.stamp  ## show a station on made parts, with a filled queue of reviews, until Ctrl-C
	@exec $(BIN)/kenpin station demo

test: $(VENV)/dev.stamp  ## lint, types, layers, docs, tests
	@$(MAKE) --no-print-directory -j 2 lint pytest

# two at a time with a thread each: networks as small as the tests' gain nothing by a second one; and a file to one of
# them, which makes the runs that its tests share once
pytest: $(VENV)/dev.stamp  ## the tests of `make test` alone
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0

test-all: lint  ## the same with the slow tests, and with more examples for each property
	$(BIN)/pytest -m "" --hypothesis-profile thorough

lint: $(VENV)/dev.stamp  ## everything of `make test` but the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zensical build --strict

bench: $(VENV)/dev.stamp  ## measure and rewrite benchmarks/RESULTS.md
	$(BIN)/python benchmarks/run.py

docs: $(VENV)/dev.stamp  ## show the documentation and follow its changes
	$(BIN)/zensical serve

tree: $(VENV)/dev.stamp  ## rewrite the source tree and the tables of measures in docs/
	$(BIN)/python -m tests.tree
	$(BIN)/python -m tests.measure_tables

DIST := dist
dist: $(VENV)/dev.stamp  ## build wheel and sdist into dist/, with checksums; SIGNING_KEY=FILE signs these
	rm -rf $(DIST)
	$(BIN)/python -m build --outdir $(DIST)
	@$(MAKE) --no-print-directory checksums

# an SSH key of Ed25519 signs; CONTRIBUTING.md tells how that is checked
checksums:
	cd $(DIST) && sha256sum *.whl $(notdir $(wildcard $(DIST)/*.tar.gz)) > SHA256SUMS
	$(if $(SIGNING_KEY),cd $(DIST) && rm -f SHA256SUMS.sig && ssh-keygen -q -Y sign -f $(abspath $(SIGNING_KEY)) -n kenpin-release SHA256SUMS)

clean:  ## remove what can be made again, .venv included
	rm -rf $(VENV) site dist .*_cache

# torch first and by its version alone: where the index offers a CPU build, it is taken, and nothing later replaces it.
$(VENV)/torch.stamp: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'kenpin needs Python 3.11 or newer as "$(PYTHON)"; name another: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo '"$(PYTHON)" cannot make a virtual environment; install its venv module (Debian, Ubuntu: apt install python3-venv).' >&2; exit 1; }
	@test -x $(BIN)/pip || { echo 'Setting up $(VENV) (a few minutes, once) ...'; $(PYTHON) -m venv $(VENV); }
	$(PIP_INSTALL) $(TORCH)
	@touch $@

$(VENV)/demo.stamp: EXTRAS := demo
$(VENV)/demo.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "Installing what $(EXTRAS) needs ..."; $(INSTALL)
	@touch $@

$(VENV)/station.stamp: EXTRAS := lite0,openvino,station
$(VENV)/station.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "Installing what $(EXTRAS) needs ..."; $(INSTALL)
	@touch $@

# The development extra contains those of the demo and of the station, so one installation serves all.
$(VENV)/dev.stamp: EXTRAS := dev
$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "Installing what $(EXTRAS) needs ..."; $(INSTALL)
	@touch $(VENV)/demo.stamp $(VENV)/station.stamp $@
