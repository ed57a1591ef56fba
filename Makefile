# Every target makes its environment if it is missing and installs what it needs; none needs root or a model hub.
# Another interpreter has an environment of its own: make test PYTHON=python3.12 uses .venv-python3.12.
PYTHON ?= python3
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
EXTRAS := demo,timm,package,web,openvino,ray,cloud,torchcodec

.PHONY: help demo paper test test-lowest check docs bench format

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(VENV)/demo  ## the whole way on a small real network: an atlas and pictures in demo/
	$(BIN)/unitscope demo -o demo
	@echo "now look at it: $(BIN)/unitscope serve demo/atlas"

SHARED := ../shared
paper: $(VENV)/demo  ## the paper's tables and figures on ../shared/data, in paper/
	@test -d $(SHARED)/data || { echo "make paper needs real images and weights in $(SHARED), which is not here; \
	give your own: $(BIN)/unitscope paper --imagenet FOLDER --coco FOLDER --network NETWORK -o paper"; exit 1; }
	$(BIN)/unitscope paper -o paper --imagenet $(SHARED)/data/imagenet-sample --coco $(SHARED)/data/coco-sample \
		--network examples/squeezenet.toml --network package:efficientnet-lite0 \
		--network $(SHARED)/models/vgg16_cifar10.toml=$(SHARED)/data/cifar10-test \
		--network examples/vgg16-untrained.toml --network examples/resnet50-untrained.toml

# Groups (see tests/conftest.py) are given out in their order: those with few tests are not the short ones.
# One thread for each of two workers: with more, threads wait for processors, and burn time while they do.
test: $(VENV)/dev  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=20

# Not all of its tests: those of what rests on libraries, and no worker processes, browser or reports.
LOWEST := .venv-lowest/bin
comma := ,
test-lowest: .venv-lowest/dev  ## tests with the lowest versions that pyproject.toml admits
	OMP_NUM_THREADS=1 $(LOWEST)/python -m pytest -n 2 --dist loadfile --ignore tests/test_packaging.py --ignore tests/paper \
		--ignore tests/networks/test_keras.py --ignore-glob 'tests/web/test_browser_*.py'

check: $(VENV)/dev  ## format, lint, types, the direction of imports, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src

docs: $(VENV)/dev  ## the docs site, in site/; a broken link or an undocumented public name stops it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean

format: $(VENV)/dev  ## bring the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The nearest tools are measured too where they are installed: $(BIN)/pip install '.[peers]'
bench: $(VENV)/dev  ## time and memory, each case in a process of its own, into benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.speed --write
	$(BIN)/python -m benchmarks.removal --write
	$(BIN)/python -m benchmarks.questions --write
	$(BIN)/python -m benchmarks.pages --write
	$(BIN)/python -m benchmarks.startup --write
	$(BIN)/python -m benchmarks.precision --write
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
