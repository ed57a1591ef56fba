# Every target makes .venv if it is missing and installs what it needs; none needs root or a model hub.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo paper test check bench format

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: .venv/demo  ## the whole way on a small real network: an atlas and pictures in demo/
	$(BIN)/unitscope demo -o demo
	@echo "now look at it: $(BIN)/unitscope serve demo/atlas"

SHARED := ../shared
paper: .venv/demo  ## the paper's tables and figures on ../shared/data, in paper/
	@test -d $(SHARED)/data || { echo "make paper needs real images and weights in $(SHARED), which is not here; \
	give your own: $(BIN)/unitscope paper --imagenet FOLDER --coco FOLDER --network NETWORK -o paper"; exit 1; }
	$(BIN)/unitscope paper -o paper --imagenet $(SHARED)/data/imagenet-sample --coco $(SHARED)/data/coco-sample \
		--network examples/squeezenet.toml --network package:efficientnet-lite0 \
		--network $(SHARED)/models/vgg16_cifar10.toml=$(SHARED)/data/cifar10-test \
		--network examples/vgg16-untrained.toml --network examples/resnet50-untrained.toml

# Files are given out in their order: those with few tests, which would come last, are not the short ones.
test: .venv/dev  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/dev  ## format, lint, types, the direction of imports, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src

format: .venv/dev  ## bring the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The nearest tools are measured too where they are installed: $(BIN)/pip install '.[peers]'
bench: .venv/dev  ## time and memory, each case in a process of its own, into benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.speed --write
	$(BIN)/python -m benchmarks.removal --write
	$(BIN)/python -m benchmarks.questions --write
	$(BIN)/python -m benchmarks.pages --write
	$(BIN)/python -m benchmarks.startup --write
	$(BIN)/python -m benchmarks.precision --write
	$(BIN)/python -m benchmarks.memory --write
	$(BIN)/python -m benchmarks.scale --write

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "unitscope needs Python 3.11 or newer; give one with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml
	@echo "installing into .venv: PyTorch is large, so this takes minutes"
	$(BIN)/python -m pip install --quiet --editable '.[demo,web]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml requirements-dev.txt
	@echo "installing into .venv: PyTorch is large, so this takes minutes"
	$(BIN)/python -m pip install --quiet --editable '.[demo,timm,package,web,openvino,ray,cloud,torchcodec]' --requirement requirements-dev.txt
	touch $@
