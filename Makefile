# A thin layer over CMake presets. `make help` lists the goals.
.DEFAULT_GOAL := help
.PHONY: help run build programs test lint format bench bench-store bench-query fuzz torture sim demo install clean deps deps-test deps-bench

JOBS         ?= $(shell nproc)
CONF         ?= conf/moongate.lua
PREFIX       ?= /usr/local
FUZZ_SECONDS ?= 600
SIM_RUNS     ?= 5000

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build what is needed, then serve on 127.0.0.1:4318 with conf/moongate.lua
	@exec build/moongate run --conf $(CONF)

build: deps ## build/moongate, optimised, with symbols
	@test -f build/build.ninja || cmake --preset release
	@cmake --build --preset release -j $(JOBS) --target moongate

# What measures and breaks it, too.
programs: deps-test build
	@cmake --build --preset release -j $(JOBS)

test: deps-test ## everything: lint, units, specs, sanitizers, a short fuzz
	@tests/run.sh

lint: deps-test ## formatting, include directions, luacheck, clang-tidy
	@tools/lint.sh

format: deps-test ## clang-format over all C
	@tools/format.sh

bench: programs ## events per CPU-second, next to a bare HTTP server
	@luajit tests/bench/run.lua

bench-store: deps-bench programs ## the same samples into moongate, VictoriaMetrics and Prometheus
	@luajit tests/bench/store.lua

bench-query: deps-bench programs ## the same questions to moongate, VictoriaMetrics and Prometheus
	@luajit tests/bench/query.lua

fuzz: deps-test ## every fuzz target for FUZZ_SECONDS (600)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run.sh fuzz

torture: programs ## every row of tests/torture in its long form: hours
	@tests/torture/run.sh

sim: programs ## SIM_RUNS (5000) random histories of the engine on a virtual disk and clock
	@build/tests/sim --runs $(SIM_RUNS)

demo: build ## send the events of simulated agents to a gateway that runs
	@exec build/moongate demo --target http://127.0.0.1:4318 --rate 200 --seconds 60 --seed 1

install: build ## to PREFIX (/usr/local), below DESTDIR
	@cmake --install build --prefix $(PREFIX)

clean: ## remove all builds
	rm -rf build build-debug build-asan build-tsan build-fuzz

deps:
	@tools/deps.sh build

deps-test:
	@tools/deps.sh test

deps-bench:
	@tools/deps.sh bench
