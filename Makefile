# Each target is one thin line over tools configured in pyproject.toml.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ZOO := $(VENV)/.zoo

# Kept bytecode spares the hundreds of processes that the tests start from compiling the project each for itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup zoo demo test test-all test-browser test-gpu bench lint types imports format clean
.PHONY: pi test-pi native wheel runtimes native-fuzz native-sanitize test-neon

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("groupnl needs Python 3.11 or newer; use make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	@echo "Installing into $(VENV); PyTorch is large, so this takes minutes the first time …"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $(STAMP)

# The extra `train`: what some recipes train by, and timm's networks, for tests and benchmarks. Without what they depend
# on: torchvision asks for one version of PyTorch, and its compiled part, which no build for the CPU loads, is never used.
zoo: $(ZOO)

$(ZOO): $(STAMP)
	$(BIN)/python -m pip install --quiet --no-deps \
		$$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["train"])')
	touch $(ZOO)

# The library of native operators for this machine and the programs that check its kernels, built unless they are kept
# from before (docs/native.md).
native: setup
	@$(BIN)/python -c 'from groupnl_deploy.native.libraries import host_library; \
		from groupnl_deploy.progress import Silence; print(host_library(Silence()).path)'
	@$(BIN)/python native/checks.py --count 1 > /dev/null

# What is in the tree and cannot be in a wheel of this version, old libraries and modules that are gone, is removed first.
LIBRARIES := groupnl_deploy/native/libraries
wheel: setup
	rm -rf $(LIBRARIES) build/lib build/bdist.* dist
	$(BIN)/python -c 'from setuptools import build_meta; build_meta.build_sdist("dist")' > /dev/null
	$(BIN)/python native/build.py --target all --compiler zig --out $(LIBRARIES)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	rm -rf $(LIBRARIES)
	@ls -l dist

# The kernels' checks, by hand or in test-all: 20,000 random layers of each kind; fewer where each takes longer.
native-fuzz: setup
	$(BIN)/python native/checks.py --count 20000

native-sanitize: setup
	$(BIN)/python native/checks.py --sanitize --count 2000

# NEON, in Debian's emulator (apt-get install qemu-user) on a machine that is no Arm.
test-neon: setup
	$(BIN)/python native/checks.py --target linux-aarch64 --set neon --count 20000

# The library in one environment for each of these ONNX Runtimes; 1.15.1 has no wheel for a Python newer than 3.11.
RUNTIMES := .venv-runtimes
RUNTIME_VERSIONS := 1.15.1 1.17.3 1.20.1 1.24.4 1.32.0
runtimes: setup $(RUNTIME_VERSIONS:%=$(RUNTIMES)/%/.installed)
	$(BIN)/python native/build.py --out $(RUNTIMES)
	for version in $(RUNTIME_VERSIONS); do \
		$(RUNTIMES)/$$version/bin/python tests/native/run_in_runtime.py --sessions 1000 $(RUNTIMES)/groupnl_native-*.[sd]* || exit 1; done

$(RUNTIMES)/%/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet onnx onnxruntime==$* 'numpy$(if $(filter 1.15.% 1.17.%,$*),<2,>=1.26)'
	touch $@

demo: setup
	$(BIN)/groupnl demo

# Tests run three at a time, one core each: on two cores, while one waits for a process or a link, two compute. Types and
# imports are checked beside them, in what is left of the cores; what they found is shown behind the tests.
# Tests that read clocks or meters run afterwards, six at a time: they wait
# more than they compute, and the others' computing would disturb them. Each worker imports all files that it is given,
# so the latter are given only the files with the mark.
PYTEST := $(BIN)/pytest
ALONE = $(sort $(shell grep -rl --include='test_*.py' 'mark\.alone' tests))
SIDE_BY_SIDE := OMP_NUM_THREADS=1 $(PYTEST) --dist worksteal
MORE_EXAMPLES := --hypothesis-profile=more
SIX_WAITING = $(SIDE_BY_SIDE) -n 6 $(ALONE)

# The emulated Pi (tests/pi): its root file system is made once, by root, with Debian's tools.
pi: setup
	$(BIN)/python -m tests.pi.rootfs

test-pi: pi native
	OMP_NUM_THREADS=1 $(PYTEST) -m pi tests/pi

CHECKS := $(VENV)/.checks.log
test: lint native
	@nice $(MAKE) --no-print-directory --keep-going types imports > $(CHECKS) 2>&1 & checks=$$!; \
	$(SIDE_BY_SIDE) -n 3 -m 'not slow and not alone and not pi and not gpu and not browser'; tests=$$?; \
	wait $$checks; checks=$$?; cat $(CHECKS); exit $$((tests + checks))
	$(SIX_WAITING) -m 'not slow and alone'

# What computes on a CUDA card, where there is one. `make setup` installs a PyTorch for CPUs: put one for CUDA over it.
test-gpu: setup
	$(PYTEST) -m gpu tests/training

# The pages of reports, recordings and a watched meter in Debian's Chromium (apt-get install chromium chromium-driver), driven by Selenium.
test-browser: setup
	$(BIN)/python -c 'import selenium' 2> /dev/null || $(BIN)/python -m pip install --quiet --editable '.[browser]'
	$(PYTEST) -m browser tests/report/browser

test-all: lint types imports zoo native native-fuzz native-sanitize runtimes
	$(SIDE_BY_SIDE) -n 3 $(MORE_EXAMPLES) -m 'not alone and not pi and not gpu and not browser'
	$(SIX_WAITING) $(MORE_EXAMPLES) -m alone

bench: setup
	$(BIN)/python benchmarks/layers.py --quick
	$(BIN)/python benchmarks/inference.py --seconds 2 --threads 1
	$(BIN)/python benchmarks/export.py --quick
	$(BIN)/python benchmarks/native.py --quick
	$(BIN)/python benchmarks/own_onnx.py --quick
	$(BIN)/python benchmarks/power.py
	$(BIN)/python benchmarks/power_files.py
	$(BIN)/python benchmarks/validity.py --runs 4
	$(BIN)/python benchmarks/loader.py --quick
	$(BIN)/python benchmarks/corruptions.py --quick

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# Without its cache, which goes by the time of a file and may miss an edit.
imports: setup
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(RUNTIMES) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis runs
