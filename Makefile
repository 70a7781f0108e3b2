# The verbs of this project; `make` alone lists them. Words for the command go into ARGS: make test ARGS="-k health".

BIN := .venv/bin
ARGS :=
# Tests run in so many processes at a time, eight at most: half as many again as there are cores, for tests mostly wait.
WORKERS := $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores + (cores + 1) / 2)))

# Where containers set it, each of the thousands of processes that tests start would compile all of ours anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run test check fix bench faults soak fuzz wheel lock clean

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything into .venv/ (only what changed)
	@sh .ci/setup

run: setup ## a whole mesh on this machine, with demo services; Ctrl-C ends it
	@trap : INT; $(BIN)/diagmesh up $(ARGS) || [ $$? -eq 130 ]  # Ctrl-C is how it ends

test: setup ## all tests, on real servers and processes
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses=8 --dist worksteal $(ARGS)

check: setup ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## format, and mend what can be mended safely
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## measure beside peers; table here, JSON in build/bench.json
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

faults: setup ## make every fault on a real mesh; fault by finding, kept in deploy/demo/FAULTS.md
	@PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)

soak: setup ## an hour of load, kills and freezes at random, each request explained; ARGS="healthy": the demo, undisturbed, also on a cluster
	@PYTHONPATH=tests $(BIN)/python -m soak $(ARGS)

fuzz: setup ## a coverage-guided fuzzer on every decoder, a minute each; a part: ARGS="--seconds 60 reply subject"
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--only-binary :all: --require-hashes --requirement requirements-fuzz.lock || echo "no atheris for this Python"
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

wheel: setup ## build the wheel into dist/
	$(BIN)/hatchling build --target wheel

lock: setup ## resolve the pinned packages again (needs a package index)
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --group build --output-file requirements-build.lock
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --extra html --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --group dev --extra server --extra html --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --group fuzz --output-file requirements-fuzz.lock

# No addresses in the files, whatever the machine that makes them; valid on every platform and Python from 3.11.
LOCK_OPTIONS := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

clean: ## remove .venv/ and everything that was built
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
