# `make demo` and `make test` are all that a fresh machine needs; both set up .venv first, once.
# What is installed is remembered in .venv by the content of pyproject.toml and constraints.txt and by
# the folder's own path: a changed list installs what is missing, a moved or copied folder starts afresh.

PYTHON ?=
VENV := .venv
PY := $(VENV)/bin/python
CASE := demo
DEMO := SarcopeniaAssess/Resources/demo/ct.nii.gz
DEMO_SEX := male
DEMO_L3 := slice:12
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install -q --no-input -c constraints.txt
SUPPORTED := $(PY) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))"
INPUTS := cat pyproject.toml constraints.txt | cksum

.PHONY: help demo test lint bench fuzz audit model clean FORCE
.NOTPARALLEL:
.DEFAULT_GOAL := help

help:
	@echo "make demo    install, then assess the sample CT: SMA, status, overlay, report"
	@echo "make test    install every extra and what of Debian draws without a screen, then lint and tests"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make bench   speed and memory, as printed tables (minutes; and 0.6 GB in the temporary folder)"
	@echo "make fuzz    10,000 damaged files through every reader (about five minutes)"
	@echo "make audit   ask for known vulnerabilities of what is installed (needs a connection)"
	@echo "make model   train the default model from nothing, on phantoms, into runs (over an hour; goes on where it was stopped)"
	@echo "make clean   remove .venv, caches and demo-output"

demo: $(VENV)/runtime
	@$(PY) -m SarcopeniaAssessLib assess $(DEMO) --sex $(DEMO_SEX) --l3 $(DEMO_L3) --case $(CASE) --out demo-output --overwrite
	@echo "Overlay: demo-output/$(CASE)/overlay.png   Report: demo-output/$(CASE)/report.pdf"

test: lint
	@bash Testing/system_libraries.sh
	@$(PY) -m pytest

lint: $(VENV)/all
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()"

bench: $(VENV)/runtime
	@$(PY) -m Testing.benchmarks

fuzz: $(VENV)/all
	@PYTHONPATH=SarcopeniaAssess $(PY) -m Testing.fuzz $(OPTIONS)

audit: $(VENV)/all
	@$(PY) .ci/audit.py

# MODEL=NAME rebuilds another one; OPTIONS=--dry-run says what it would cost, OPTIONS=--smoke tries all parts.
model: $(VENV)/all
	@$(PY) -m SarcopeniaTraining.rebuilding $(MODEL) --out runs $(OPTIONS)

clean:
	rm -rf $(VENV) demo-output build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# One pip run each; `all` also answers for `runtime`, so neither command undoes or repeats the other.
$(VENV)/runtime: $(VENV)/inputs
	@echo "Installing the runtime and DICOM parts into $(VENV) (a minute or two, once) ..."
	@$(PIP) -e ".[dicom]"
	@touch $@

$(VENV)/all: $(VENV)/inputs
	@echo "Installing every extra into $(VENV) (a few minutes and 4.5 GB, once) ..."
	@$(PIP) -e ".[dicom,archive,training,classification,cluster,parquet,slicer,dev]"
	@touch $(VENV)/runtime $@

$(VENV)/inputs: FORCE | $(VENV)/place
	@$(INPUTS) | cmp -s - $@ || $(INPUTS) > $@

# Made anew where its Python no longer runs or where the folder has moved; one made by hand is adopted.
$(VENV)/place: FORCE
	@here="$$(pwd -P)"; \
	if { $(SUPPORTED) && $(PY) -c "import pip"; } 2>/dev/null; then \
	  [ -e $@ ] || echo "$$here" > $@; \
	  [ "$$(cat $@)" != "$$here" ] || exit 0; \
	fi; \
	for python in $(or $(PYTHON),python3 python3.12 python3.11); do \
	  if $(subst $(PY),"$$python",$(SUPPORTED)) 2>/dev/null; then \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    rm -rf $(VENV) && "$$python" -m venv $(VENV) && echo "$$here" > $@; exit; \
	  fi; \
	done; \
	echo "No Python 3.11 or 3.12 here: install one, or tell where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
	exit 1

FORCE:
