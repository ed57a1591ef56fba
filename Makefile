# Every target creates its environment if it is missing and installs what it needs; none needs root or a model hub.
# Another interpreter has an environment of its own: make test PYTHON=python3.12 uses .venv-python3.12.
PYTHON ?= python3
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
EXTRAS := demo,timm,package,web,openvino,ray,cloud,torchcodec

.PHONY: help demo tour paper test test-lowest check torture docs bench format

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(VENV)/demo  ## end-to-end demo on a small real network: an atlas and pictures in demo/
	$(BIN)/unitscope demo -o demo

tour: $(VENV)/dev  ## run examples/tour.py as a notebook; writes examples/tour.ipynb
	$(BIN)/python docs/tour.py

SHARED := ../shared
paper: $(VENV)/demo  ## the paper's tables and figures on ../shared/data, in paper/
	@test -d $(SHARED)/data || { echo "make paper needs real images and weights in $(SHARED), which was not found; \
	use your own: $(BIN)/unitscope paper --imagenet FOLDER --coco FOLDER --network NETWORK -o paper"; exit 1; }
	$(BIN)/unitscope paper -o paper --imagenet $(SHARED)/data/imagenet-sample --coco $(SHARED)/data/coco-sample \
		--network examples/squeezenet.toml --network package:efficientnet-lite0 \
		--network $(SHARED)/models/vgg16_cifar10.toml=$(SHARED)/data/cifar10-test \
		--network examples/vgg16-untrained.toml --network examples/resnet50-untrained.toml

# --no-loadscope-reorder keeps the order of the groups (see tests/conftest.py): groups with few tests can be slow.
# Three workers keep two processors busy, as many tests wait for other processes. Each has one thread and takes 3 GB.
# Bytecode is kept even where the shell says otherwise, as the tests start hundreds of processes.
test: $(VENV)/dev  ## all tests
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=20

# Leaves out packaging, reports, Keras and browser tests.
LOWEST := .venv-lowest/bin
comma := ,
test-lowest: .venv-lowest/dev  ## tests with the lowest versions that pyproject.toml allows
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(LOWEST)/python -m pytest -n 3 --dist loadfile --ignore tests/test_packaging.py --ignore tests/paper \
		--ignore tests/networks/test_keras.py --ignore-glob 'tests/web/test_browser_*.py'

check: $(VENV)/dev  ## check format, lint, types, import layers, dependencies and that each test checks something
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(BIN)/python -m tests.assertions

torture: $(VENV)/dev  ## damage, interrupt and flood it at length (hours); writes docs/torture.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture --write

docs: $(VENV)/dev  ## build the docs site in site/; fails on a broken link or an undocumented public name
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean

format: $(VENV)/dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Comparable tools are measured too if they are installed: $(BIN)/pip install '.[peers]'
bench: $(VENV)/dev  ## measure time and memory, each case in its own process; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.speed --write
	$(BIN)/python -m benchmarks.removal --write
	$(BIN)/python -m benchmarks.questions --write
	$(BIN)/python -m benchmarks.pages --write
	$(BIN)/python -m benchmarks.load --write
	$(BIN)/python -m benchmarks.startup --write
	$(BIN)/python -m benchmarks.precision --write
	$(BIN)/python -m benchmarks.exports --write
	$(BIN)/python -m benchmarks.frames --write
	$(BIN)/python -m benchmarks.memory --write
	$(BIN)/python -m benchmarks.scale --write

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "unitscope needs Python 3.11 or newer; give one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(BIN)/python pyproject.toml
	@echo "installing into $(VENV): PyTorch is large, so this takes minutes"
	$(BIN)/python -m pip install --quiet --editable '.[demo,web]'
	touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml requirements-dev.txt requirements-test.txt
	@echo "installing into $(VENV): PyTorch is large, so this takes minutes"
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]' --requirement requirements-dev.txt
	touch $@

.venv-lowest/dev: pyproject.toml requirements-test.txt tests/lowest_versions.py
	$(PYTHON) -m venv .venv-lowest
	$(LOWEST)/python tests/lowest_versions.py > .venv-lowest/lowest.txt
	$(LOWEST)/python -m pip install --quiet --upgrade pip
	$(LOWEST)/python -m pip install --quiet --constraint .venv-lowest/lowest.txt \
		--editable '.[$(subst $(comma)torchcodec,,$(EXTRAS))]' --requirement requirements-test.txt
	touch $@
