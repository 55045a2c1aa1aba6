# Every job of the project, one target each. Nothing is installed outside of .venv.

VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8000
# Further arguments of the tool behind a target: make test ARGS="-k close -x"
ARGS   ?=
# Processes that run tests. Most tests wait, for a server or a browser: twice as many as there are
# cores keep these busy.
WORKERS ?= $(shell echo $$((2 * $(CORES))))
# The interpreter behind .venv; without a wish, the newest suitable one on the PATH.
PYTHON ?=

PYTHONS  := $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python)
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PIP      := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CORES    := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PYTEST   := $(BIN)/python -m pytest -q
KERNELS  := $(addprefix fasterapi/_speedups/,build.py kernels.c kernels.h)
RECIPE   := pyproject.toml setup.py fasterapi/_version.py $(KERNELS)

# Without bytecode each of the many processes that tests start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-pure test-uvloop sanitize lint format types coverage conformance \
	conformance-clients conformance-docker conformance-h2 conformance-threads conformance-uvicorn bench build clean

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' \
		$(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed ## Serve the live examples on http://127.0.0.1:8000 (PORT=)
	@$(BIN)/fasterapi demo --port $(PORT)

test: $(VENV)/.installed-test ## Run all tests on all cores (ARGS="-k name" WORKERS=2)
	@$(PYTEST) -n $(WORKERS) --dist worksteal $(ARGS)

test-pure: $(VENV)/.installed-test ## The same on the kernels in Python, whether C is there or not
	@FASTERAPI_IMPL=python $(PYTEST) -n $(WORKERS) --dist worksteal $(ARGS)

# It writes at the end of a loop's turn what later ones write at once.
test-uvloop: OLD := uvloop-0.22.1
test-uvloop: TESTS := tests/aio tests/interop
test-uvloop: $(VENV)/.installed-test ## The tests of the asyncio adapter on an older uvloop
	@test -d build/$(OLD) || $(PIP) --no-deps --target build/$(OLD) $(subst -,==,$(OLD))
	@PYTHONPATH=build/$(OLD) $(BIN)/python -c "import uvloop; assert uvloop.__version__ == '0.22.1'"
	@PYTHONPATH=build/$(OLD) $(PYTEST) -n $(WORKERS) --dist worksteal $(TESTS) $(ARGS)

# Every allocation is malloc's here, so that each buffer has a fence around it; what Python itself
# leaks at its end is not the question, nor are the kernels in Python.
sanitize: SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
sanitize: $(VENV)/.installed-test ## Run the kernels' tests with ASan and UBSan in them (needs gcc)
	@rm -rf build/sanitize && mkdir -p build/sanitize
	@cp -R fasterapi build/sanitize/ && rm -f build/sanitize/fasterapi/_speedups/_kernels*
	@CC=gcc CFLAGS="-O1 -g $(SANITIZERS)" LDFLAGS="$(SANITIZERS)" FASTERAPI_IMPL=c \
		$(BIN)/python setup.py -q build_ext --build-lib build/sanitize --build-temp build/sanitize/o
	@LD_PRELOAD=$$(gcc -print-file-name=libasan.so) PYTHONMALLOC=malloc FASTERAPI_IMPL=c \
		ASAN_OPTIONS=detect_leaks=0:log_path=build/sanitize/report \
		UBSAN_OPTIONS=print_stacktrace=1:log_path=build/sanitize/report \
		$(PYTEST) -n $(CORES) --dist worksteal -o pythonpath=build/sanitize tests/speedups \
		-k "not [python" $(ARGS) \
		|| { cat build/sanitize/report* 2>/dev/null; exit 1; }

lint: $(VENV)/.installed-dev ## Check style and layout with ruff
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --quiet --check && echo "style: clean"

format: $(VENV)/.installed-dev ## Put layout and imports in order
	@$(BIN)/ruff check --fix-only --quiet && $(BIN)/ruff format --quiet

types: $(VENV)/.installed-dev ## Check types with mypy, strict
	@$(BIN)/mypy $(ARGS)

coverage: $(VENV)/.installed-test ## Hold fasterapi/protocol at 100 % branch coverage by its own tests
	@$(PYTEST) -n $(CORES) --dist worksteal tests/protocol --cov=fasterapi.protocol $(ARGS)

# So many processes run the cases, a case each: most of the time is theirs.
conformance: PROCESSES ?= $(WORKERS)
# PURE_ARGS=--no-deflate saves the time of the compressed ones on the kernels in Python.
conformance: $(VENV)/.installed-test ## Run the Autobahn cases, graded strictly, on both backends
	@echo "kernels in Python"
	@FASTERAPI_IMPL=python $(BIN)/python conformance/run.py --processes $(PROCESSES) $(PURE_ARGS) $(ARGS)
	@echo "kernels in C"
	@if FASTERAPI_IMPL=c $(BIN)/python -c "import fasterapi" 2>/dev/null; \
		then FASTERAPI_IMPL=c $(BIN)/python conformance/run.py --processes $(PROCESSES) $(ARGS); \
		elif [ -n "$(FASTERAPI_REQUIRE_ALL)" ]; then exit 1; \
		else echo "not run: they are not built here"; fi
	@$(MAKE) --no-print-directory conformance-threads conformance-h2 conformance-clients ARGS=

# All cases but those of compression, and of these a sample: with all of them, add minutes a client.
SAMPLE := $(foreach case,12.*.1 12.*.10 13.*.1 13.*.10,--cases '$(case)')
conformance-threads: $(VENV)/.installed-test ## Run the cases against the server of threads
	@echo "server: sync"
	@$(BIN)/python conformance/run.py --parallel 4 --server-args="--server sync" --no-deflate $(ARGS)
	@$(BIN)/python conformance/run.py --parallel 4 --server-args="--server sync" \
		--cases '12.1.*' --cases '13.1.*'

# With compression it takes three minutes: conformance/run.py --http2 --parallel 4.
conformance-h2: $(VENV)/.installed-test ## Run the cases over HTTP/2, through a relay
	@echo "over HTTP/2"
	@$(BIN)/python conformance/run.py --http2 --parallel 4 --no-deflate $(ARGS)

conformance-clients: $(VENV)/.installed-test ## Have both clients take the cases (ARGS="--client sync")
	@for client in aio sync; do \
		echo "client: $$client"; \
		$(BIN)/python conformance/run_client.py --client $$client --parallel 4 --no-deflate $(ARGS) && \
		$(BIN)/python conformance/run_client.py --client $$client --parallel 4 $(SAMPLE) || exit 1; \
		done

conformance-uvicorn: $(VENV)/.installed-test ## Run uvicorn's own tests against our class for it
	@$(BIN)/python conformance/run_uvicorn.py $(ARGS)

conformance-docker: $(VENV)/.installed-test ## The same with Autobahn's own runner, in Docker
	@$(BIN)/python conformance/run.py --docker $(ARGS)

bench: build/bench/.installed ## Measure beside other libraries (ARGS="--quick --only echo")
	@build/bench/bin/python -m benchmarks.run $(ARGS)

build: $(VENV)/.installed-dev ## Build sdist and wheel, and try the wheel in a fresh environment
	@rm -rf build/lib build/bdist* build/check dist
	@$(BIN)/python -m build --quiet --outdir dist .
	@$(BIN)/python -m venv build/check
	@build/check/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	@build/check/bin/python -I -c "import fasterapi.examples.demo"
	@build/check/bin/fasterapi --version
	@rm -rf build/check && ls dist

clean: ## Remove what the other targets made, .venv apart
	@rm -rf build dist *.egg-info htmlcov .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -rf conformance/reports
	@find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

# A server that our clients talk to in tests/interop; it takes node and npm.
build/node/.installed: Makefile
	@mkdir -p build/node && npm install --silent --no-audit --no-fund --prefix build/node ws@8 && touch $@

build/bench/.installed: benchmarks/requirements.txt $(RECIPE) | $(BIN)/python
	@echo "installing what is measured into build/bench"
	@$(BIN)/python -m venv --clear build/bench
	@build/bench/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable . -r $< && touch $@

# --- The environment: made once, installed into again only when its recipe has changed.

$(BIN)/python:
	@for name in $(PYTHONS); do \
		"$$name" -c '$(SUITABLE)' >/dev/null 2>&1 || continue; \
		echo "making $(VENV) with $$("$$name" --version)"; \
		"$$name" -m venv --clear $(VENV) && exit 0; \
		rm -rf $(VENV); exit 1; \
	done; \
	echo "fasterapi needs Python 3.11 or newer with its venv module; none of these has it:" >&2; \
	echo "    $(PYTHONS)" >&2; \
	echo "Install one (Debian: apt-get install python3-venv), or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

$(VENV)/.installed: $(RECIPE) | $(BIN)/python
	@echo "installing fasterapi into $(VENV)"
	@$(PIP) --editable . && touch $@

$(VENV)/.installed-test: $(RECIPE) | $(BIN)/python
	@echo "installing fasterapi and what its tests need into $(VENV)"
	@$(PIP) --editable '.[test]' && touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: $(RECIPE) | $(BIN)/python
	@echo "installing fasterapi and its development tools into $(VENV)"
	@$(PIP) --editable '.[dev]' && touch $@ $(VENV)/.installed $(VENV)/.installed-test
