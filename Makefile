# `make headline` and `make test` need nothing but make and Python >= 3.11.
PYTHON ?= python3
VENV := .venv
MSW := $(VENV)/bin/msw
READY := $(VENV)/.ready

.PHONY: headline smoke test lint lock clean

headline: $(READY)
	$(MSW) study run headline --preset laptop

smoke: $(READY)
	$(MSW) study run headline --preset smoke

test: $(READY)
	$(VENV)/bin/python -m pytest

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

# Every package is pinned and hashed in the constraints file; our own is linked to this checkout.
$(READY): pyproject.toml experiments/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; say PYTHON=... to choose one")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r experiments/constraints.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

# Rewrites the constraints file to the newest versions (needs uv).
lock:
	printf 'hatchling\neditables\n' | uv pip compile pyproject.toml - --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url -o experiments/constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
