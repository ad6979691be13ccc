# `make headline` and `make test` need nothing but make and Python >= 3.11.
PYTHON ?= python3
VENV := .venv
MSW := $(VENV)/bin/msw
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
READY := $(VENV)/.ready
INTEROP := $(VENV)/.interop

# torch has a build per device, so it is pinned but not hashed: pip takes the one that fits.
TORCH ?= torch==2.13.0

.PHONY: headline smoke test faults bench lint lock clean

headline: $(READY)
	$(MSW) study run headline --preset laptop

smoke: $(READY)
	$(MSW) study run headline --preset smoke

test: $(READY) $(INTEROP)
	$(VENV)/bin/python -m pytest -n auto --dist worksteal

# The whole fault suite, each fault with its figure.
faults: $(READY)
	$(VENV)/bin/python -m pytest tests/faults -m "" -s -q

bench: $(READY) $(INTEROP)
	$(MSW) bench

lint: $(READY) $(INTEROP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

# Every package is pinned and hashed in the constraints file; our own is linked to this checkout.
$(READY): pyproject.toml experiments/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; say PYTHON=... to choose one")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --no-deps -r experiments/constraints.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $(READY)

# The tools that our models leave for, and those that only tests, benchmarks and clusters need.
$(INTEROP): experiments/constraints-interop.txt | $(READY)
	$(PIP) "$(TORCH)"
	$(PIP) --require-hashes --no-deps -r experiments/constraints-interop.txt
	touch $(INTEROP)

# Rewrites both constraints files to the newest versions (needs uv). The second holds the first's
# versions and those of the extras; what it overrides are caps that are out of date, and torch,
# which is installed by itself.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
  --no-annotate --no-emit-index-url
EXTRAS := dev hf lens lm-eval attack-check cluster track parquet
lock: $(READY)
	printf 'hatchling\neditables\n' | $(COMPILE) pyproject.toml - --extra dev -o experiments/constraints.txt
	printf "transformers>=5\npillow>=13\ntorch ; sys_platform == 'never'\n" > $(VENV)/overrides.txt
	$(COMPILE) pyproject.toml $(EXTRAS:%=--extra %) -c experiments/constraints.txt \
	  --override $(VENV)/overrides.txt --no-emit-package torch -o experiments/constraints-interop.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
