# Everything runs from the virtual environment in .venv; `make setup` says what it installs before it does.
.DEFAULT_GOAL := help
FROM ?=
.PHONY: help setup prepared repro opencl web test docs dist bench oracle real-models test-models lint-truth coverage layout clean
PY := .venv/bin/python

help:
	@echo "make repro       set up what is missing, then run the catalogue on the host's GPU delegate"
	@echo "make opencl      set up LITERT_CL over a software OpenCL driver, then run the catalogue on it"
	@echo "make web         set up a browser for LiteRT.js, then run the findings in it"
	@echo "make test        set up what is missing, then the tests"
	@echo "make setup       only the set-up (says what it installs, and how to undo it)"
	@echo "make bench       benchmarks, into build/bench.json"
	@echo "make oracle      the judge against injected faults and healthy runs, into docs/judge.md"
	@echo "make real-models what check says of models in public packages, into docs/real-models.md"
	@echo "make test-models FROM='A B'  the same of the test models in checkouts, into docs/test-models.md"
	@echo "make lint-truth  the lint against the delegate on drawn graphs"
	@echo "make coverage    which ops are covered in which types, into docs/coverage.md"
	@echo "make dist        wheel and sdist into build/dist, tried in an environment of their own"
	@echo "make docs        the docs as a site, into build/docs; a link that leads nowhere is an error"
	@echo "make layout      the layout of the code: wings, floors, and what imports what"
	@echo "make clean       remove what was built here (the cache and .venv stay)"

setup:
	@bash runner/setup/setup.sh
	@$(PY) -m repro prepare
	@$(PY) -m repro doctor

# The set-up without the doctor's page, for targets that go on to something else.
prepared:
	@bash runner/setup/setup.sh
	@$(PY) -m repro prepare

repro: prepared
	@$(PY) -m repro run --target gpu --precision both

# LiteRT-LM's library is fetched and made loadable by the first run.
opencl: prepared
	@bash runner/setup/opencl.sh
	@bash runner/setup/opencl_catalogue.sh $(PY)

# LiteRT.js is fetched by the first run; playwright is of the development packages.
web: prepared
	@bash runner/setup/web.sh
	@$(PY) -m repro run 'findings/*' --target gpu:web --precision fp32

test: prepared
	@$(PY) -m pytest -n 2 --dist worksteal --durations 15

docs: prepared
	@$(PY) -m docs.site build/docs

# DIST=--quick tries less of the wheel.
dist: prepared
	@rm -rf build/dist
	@$(PY) -m cases.shipping
	@$(PY) -m build --outdir build/dist .
	@$(PY) -m tests.wheel build/dist/*.whl $(DIST)

bench: prepared
	@$(PY) -m tests.bench

oracle: prepared
	@$(PY) -m repro.selftest.judge_truth --document docs/judge.md

real-models: prepared
	@$(PY) -m models.public.collect
	@$(PY) -m models.public.photographs
	@$(PY) -m repro.selftest.real_models --document docs/real-models.md
	@$(PY) -m repro.selftest.real_models --partial --document docs/real-models.md

test-models: prepared
	@$(PY) -m models.public.checkouts $(FROM)
	@$(PY) -m repro.selftest.real_models --of test-models --document docs/test-models.md

# SETTINGS: targets and precisions, such as `make lint-truth SETTINGS='gpu:lavapipe@apple/fp16'`.
SETTINGS := gpu/fp32 gpu:lavapipe@mali-valhall-4/fp16 gpu:lavapipe@nvidia/fp32 gpu:lavapipe@intel/fp16 gpu:lavapipe+buffers/fp32
lint-truth: prepared
	@$(PY) -m repro.selftest.lint_truth $(SETTINGS)

coverage: prepared
	@$(PY) -m repro.selftest.coverage

layout: prepared
	@$(PY) -m tests.layout

clean:
	rm -rf build cases/shipped reductions fuzz-corpus .pytest_cache .mypy_cache .ruff_cache .hypothesis
