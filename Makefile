# SPDX-License-Identifier: MIT
# Each target installs what it lacks (tools/setup), then does its work under build/.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
JOBS := $(shell nproc)
sources = git ls-files --cached --others --exclude-standard -- '*.cpp' '*.hpp'
python := python bench/decorators.py bench/far.py bench/page.py bench/redis.py bench/s3.py bench/python examples

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-python bench-far bench-redis bench-s3 lint format fuzz corpus soak aarch64 clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run a slow function over /usr/include, cold and warm, in C++, in Python, in both, over Redis
	@tools/setup demo
	@tools/setup redis 2>/dev/null || true
	@cmake --preset release -DDCACHE_BUILD_TESTS=OFF
	@cmake --build --preset release -j $(JOBS) --target example_headers example_shared
	@tools/venv build/demo
	@build/release/examples/headers
	@build/demo/bin/python examples/headers.py
	@examples/shared.sh build/release/examples/shared build/demo/bin/python
	@examples/fleet.sh build/demo/bin/python

test: ## Build and run every test: sanitizers, threads, clang, Python
	@tools/setup test
	@tools/test

bench: ## Measure against the rivals; TRACES=DIR adds traces
	@tools/setup bench
	@cmake --preset release -DDCACHE_BUILD_TESTS=OFF -DDCACHE_BUILD_BENCH=ON
	@cmake --build --preset release -j $(JOBS)
	@python3 bench/run.py $(if $(TRACES),--traces "$(TRACES)")
	@python3 bench/decorators.py $(PYTHONS)
	@python3 bench/far.py
	@python3 bench/redis.py
	@python3 bench/s3.py --rounds 11

bench-python: ## Measure only @dcache; PYTHONS="python3 python3.13" names more interpreters
	@tools/setup demo
	@python3 bench/decorators.py $(PYTHONS)

bench-far: ## Measure keys, values, records and files only
	@tools/setup bench
	@cmake --preset release -DDCACHE_BUILD_TESTS=OFF -DDCACHE_BUILD_BENCH=ON
	@cmake --build --preset release -j $(JOBS) --target bench_far
	@python3 bench/far.py

bench-redis: ## Measure Redis only, on a server of its own
	@tools/setup bench
	@cmake --preset release -DDCACHE_BUILD_TESTS=OFF -DDCACHE_BUILD_BENCH=ON
	@cmake --build --preset release -j $(JOBS) --target bench_redis bench_raw_get
	@python3 bench/redis.py

bench-s3: ## Measure S3 only, on a server of its own
	@tools/setup bench
	@cmake --preset release -DDCACHE_BUILD_TESTS=OFF -DDCACHE_BUILD_BENCH=ON
	@cmake --build --preset release -j $(JOBS) --target bench_s3
	@python3 bench/s3.py --rounds 11

lint: ## Check format, ruff, clang-tidy over the whole tree, layers, sizes
	@tools/setup lint
	@python3 tools/layers.py
	@python3 tools/tidy.py
	@python3 -m venv build/lint
	@build/lint/bin/pip install --quiet ruff==0.17.6
	@build/lint/bin/ruff check $(python)
	@build/lint/bin/ruff format --check $(python)
	@$(sources) | xargs clang-format-19 --dry-run -Werror
	@cmake --preset dev -B build/tidy -DDCACHE_BUILD_PYTHON=ON >/dev/null
	@run-clang-tidy-19 -quiet -j $(JOBS) -extra-arg=-Wno-sign-conversion \
		-extra-arg=-Wno-unused-command-line-argument -p build/tidy \
		'$(CURDIR)/(src|python/src|tests|examples)/' \
		| sed '/warnings generated/d;/^$$/d'

format: ## Format every C++ file
	@tools/setup lint
	@$(sources) | xargs clang-format-19 -i

fuzz: ## Run what is labelled fuzz (not part of make test)
	@tools/setup test
	@cmake --preset fuzz
	@cmake --build --preset fuzz -j $(JOBS)
	@ctest --preset fuzz
	@python3 tools/pythons.py fuzz

corpus: ## Take what the last `make fuzz` found into tests/fuzz/corpus
	@for judge in $(notdir $(wildcard build/fuzz/tests/corpus/*)); do \
		build/fuzz/tests/fuzz.$$judge -merge=1 -max_len=512 tests/fuzz/corpus/$$judge build/fuzz/tests/corpus/$$judge; \
	done

soak: ## Run what is labelled soak (not part of make test)
	@tools/setup test
	@cmake --preset release
	@cmake --build --preset release -j $(JOBS) --target tests_soak
	@ctest --preset soak

aarch64: ## Build for aarch64 and run the tests in an emulator (not part of make test)
	@tools/setup aarch64
	@cmake --preset aarch64
	@cmake --build --preset aarch64 -j $(JOBS)
	@ctest --preset aarch64 -j $(JOBS)

clean: ## Remove everything that was built
	@rm -rf build
