PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: install demo test test-backends check bench soak

install: $(VENV)/.installed

demo: $(VENV)/.installed
	rm -rf studies/demo
	$(BIN)/denselab demo --out studies/demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-backends: $(VENV)/.backends
	set -e; for backend in torch tensorflow; do \
	  KERAS_BACKEND=$$backend $(BIN)/python -m pytest tests/components; \
	  KERAS_BACKEND=$$backend $(BIN)/python -m pytest tests/uncertainty tests/sparsity tests/doctor -m backends; \
	done

check: $(VENV)/.installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_architecture.py

bench: $(VENV)/.backends
	set -e; for script in benchmarks/*.py; do $(BIN)/python $$script; done

# The same tests as `make test` has for killed and failing processes, with hundreds of kills.
soak: $(VENV)/.installed
	DENSELAB_KILLS=300 DENSELAB_TRAINING_KILLS=100 $(BIN)/python -m pytest \
		tests/study/test_kill.py tests/study/test_faults.py tests/study/test_checkpoints.py tests/cli/test_kill.py

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev,onnx]'
	touch $@

$(VENV)/.backends: $(VENV)/.installed
	$(PIP) --editable '.[torch,tensorflow]'
	touch $@
