# Two commands for a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
# Each first sets up .venv (once, and again when pyproject.toml or constraints.txt change).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
# Python keeps compiled modules, but compiles only what is imported: compiling all of torch at installation takes longer.
unexport PYTHONDONTWRITEBYTECODE
# One thread per process: on two cores, threads that wait for one another cost more than they gain.
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo test check format lint types pyright imports unit lowest web wheels bom docs zensical figures clean lock
.DEFAULT_GOAL := help

help: ## Show this list.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python {v.major}.{v.minor} came, 3.11 or newer is wanted: run make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || test -x $(BIN)/python.exe || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); the first time takes some minutes (torch is large) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(STAMP) ## Create .venv with everything that development needs.

demo: $(STAMP) ## Render lesions, prepare, train, evaluate, export and predict, in under 4 minutes after the set-up.
	env -u OMP_NUM_THREADS $(BIN)/hierattn demo --out out/demo --overwrite

test: check unit ## Run lint, types, import contracts and every test.

check: lint types imports ## Run lint, types and import contracts.

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/repo-review --show=err .

types: $(STAMP)
	$(BIN)/mypy

pyright: $(STAMP) ## Check the types a second time, by pyright; needs Node 20 or newer.
	@command -v node >/dev/null || { echo "node is missing: install Node 20 or newer, for instance: apt-get install nodejs"; exit 1; }
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

imports: $(STAMP)
	$(BIN)/lint-imports

# Three processes for two cores: one test in five waits for a browser, a service or a clock.
unit: $(STAMP) ## Run the tests alone; select some with PYTEST_ARGS="tests/data/near_duplicates" or "-k folds".
	$(BIN)/python -m pytest -n 3 --dist loadfile $(PYTEST_ARGS)

lowest: $(STAMP) ## Predict and upload with every direct requirement at its lower bound; 75: the package index was too slow.
	@$(BIN)/python -m tools.lowest_versions

format: $(STAMP) ## Format the code and fix what can be fixed automatically.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

web: $(STAMP) ## Build the web app into the package; needs Node 20 or newer and npm.
	@command -v npm >/dev/null || { echo "npm is missing: install Node 20 or newer, for instance: apt-get install nodejs npm"; exit 1; }
	$(BIN)/python -m hierattn.serve.web_facts apps/web/src/facts.json
	cd apps/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	rm -rf src/hierattn/serve/static && cp -r apps/web/dist src/hierattn/serve/static

wheels: web ## Build sdist and wheel, and a wheel of the code alone, without the non-commercial models, into dist/.
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m tools.release.code_wheel dist/*.whl

bom: $(STAMP) ## Write dist/bom.json, a CycloneDX list of all that 'pip install WHEEL[serve]' brings; after make wheels.
	rm -rf build/bom build/bom-tool
	$(PYTHON) -m venv build/bom && build/bom/bin/python -m pip install --quiet -c constraints.txt "$$(ls dist/hierattn-*.whl | grep -v +code)[serve]"
	$(PYTHON) -m venv build/bom-tool && build/bom-tool/bin/python -m pip install --quiet 'cyclonedx-bom>=7.5,<8'
	build/bom-tool/bin/cyclonedx-py environment build/bom/bin/python --output-reproducible --output-file dist/bom.json

docs: $(STAMP) ## Build the documentation into site/; a warning is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open site/index.html"

zensical: $(STAMP) ## Build the same pages with Zensical, MkDocs' successor, into build/zensical/site/; a warning is an error.
	rm -rf build/zensical
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m tools.staged_docs build/zensical
	cd build/zensical && $(abspath $(BIN))/zensical build --strict -f mkdocs.yml
	@echo "Open build/zensical/site/index.html"

figures: $(STAMP) ## Redraw the figures of the documentation from the output of 'make demo'.
	$(BIN)/python docs/figures/draw_all.py --demo out/demo

# No lock of uv's own (uv.lock, pylock.toml): both write the address of an index beside every file.
lock: ## Bring requirements.lock (versions, hashes) and constraints.txt (versions) in step with pyproject.toml; LOCK_ARGS=--upgrade.
	test -x build/lock-tool/bin/uv || { $(PYTHON) -m venv build/lock-tool && build/lock-tool/bin/python -m pip install --quiet 'uv>=0.9,<1'; }
	build/lock-tool/bin/uv pip compile pyproject.toml --quiet --extra dev --universal --python-version 3.11.7 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file requirements.lock $(LOCK_ARGS) > /dev/null
	{ echo "# The versions of requirements.lock, for 'pip install -c'; made by 'make lock'."; sed -n 's/^\([a-z][^ ;]*\).*/\1/p' requirements.lock; } > constraints.txt

clean: ## Remove everything that the targets created, data and runs under out/ and runs/ included.
	rm -rf $(VENV) out runs build dist .pytest_cache .mypy_cache .ruff_cache site
