# `make demo` and `make test` need Python 3.11 and pip, nothing else: they set up .venv themselves.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
TORCH := $(shell grep '^torch==' constraints.txt)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

DEMO ?= demo
CODEC_MINUTES ?= 5
GENERATOR_MINUTES ?= 3

.PHONY: help setup test test-slow test-all lint format demo
.DELETE_ON_ERROR:

help:
	@echo "make demo      a folder of sound in, new music out: the four steps in 9 minutes on 2 cores"
	@echo "make test      the contract suite, under 6 minutes on 2 cores"
	@echo "make test-all  the same and what is slow: parity with large models, two-process training"
	@echo "make lint      ruff, mypy, one-way imports"
	@echo "make format    let ruff format"
	@echo "make setup     only install into .venv"

# Installed once; again when the versions change.
$(READY): pyproject.toml constraints.txt
	@echo "setting up .venv (torch alone is some 200 MB; this happens once)"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install --quiet -c constraints.txt 'visqol-python>=3.5' || \
		echo "ViSQOL needs a C++ compiler: its tests will be skipped"
	@touch $@

setup: $(READY)

test: $(READY)
	$(PYTEST) -m "not slow"

test-slow: $(READY)
	$(PYTEST) -m slow

test-all: test test-slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# In minutes, a discriminator costs more than it teaches: the codec learns from distances alone.
# Every line may be stopped with Ctrl-C; `make demo` again continues where it stood.
demo: $(READY)
	$(BIN)/latentone corpus --out $(DEMO)/sounds --minutes 12
	$(BIN)/latentone train musicgen --data $(DEMO)/sounds --out $(DEMO)/run \
		--no-report \
		--codec.train.minutes $(CODEC_MINUTES) --generator.train.minutes $(GENERATOR_MINUTES) \
		--codec.task.adversarial-start 1 --codec.task.weights.waveform 1 \
		--codec.train.validate-every 200 --codec.train.validate-items 16 \
		--generator.train.validate-every 25 --generator.train.validate-items 16
	$(BIN)/latentone generate $(DEMO)/run --duration 8 --seed 1 -o $(DEMO)/new.wav \
		--prompt "A calm ballad for acoustic piano and contrabass at 72 BPM."
	$(BIN)/latentone report $(DEMO)/run
	@echo "open $(DEMO)/run/report.html in a browser; $(DEMO)/new.wav is new, too"
