# The commands of everyday work; `make` alone lists them.
#
# Tests and benches that need PostgreSQL get a private server for as long as they run (tests/support/postgres.sh).
# Who has one already says so, and none is started: make test SCRIP_TEST_POSTGRES=postgres://…

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help test test-fast test-clients mutants soak lint format clippy docs schema bench need-cargo

CARGO ?= cargo

# Empty when the caller has a server: the command then runs as it stands.
with_postgres = $(if $(SCRIP_TEST_POSTGRES),,tests/support/postgres.sh run)
export SCRIP_TEST_POSTGRES

# Where tests keep their databases: in memory where there is room, so that no commit waits for a disk.
in_memory := $(shell [ "$$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -ge 2000000 ] 2>/dev/null && echo SCRIP_TEST_FOLDER=/dev/shm)

# nextest runs the longest tests first and each in a process of its own; without it cargo's own runner gives the same verdict.
has_nextest := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
run_tests = $(CARGO) $(if $(has_nextest),nextest run,test) --no-fail-fast

# Half as many tests again as there are cores: they also wait for databases and processes.
NEXTEST_TEST_THREADS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)))
export NEXTEST_TEST_THREADS

# The rules, and the rooms below the wire on SQLite.
export FAST_TESTS = kind(lib) | (binary(it) & not test(/^(demo|graphql|http|support|system)::|postgres/))
slow_tests = demo:: graphql:: http:: support:: system:: postgres

# How long a soak lasts: cases for each property.
SOAK_CASES ?= 20000

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: need-cargo ## run all tests, on SQLite and on a private PostgreSQL
	$(in_memory) $(with_postgres) $(run_tests)

test-fast: need-cargo ## run the tests of rules and of SQLite: no server, no process, no network
ifdef has_nextest
	$(in_memory) $(CARGO) nextest run --no-fail-fast --lib --test it -E '$(FAST_TESTS)'
else
	$(in_memory) $(CARGO) test --no-fail-fast --lib
	$(in_memory) $(CARGO) test --no-fail-fast --test it -- $(addprefix --skip ,$(slow_tests))
endif

# Where cargo puts what it builds.
target = $(or $(CARGO_TARGET_DIR),target)

test-clients: need-cargo ## hold real clients against the server: npm, PyPI and Chromium are installed for it
	$(CARGO) build
	SCRIP=$(abspath $(target))/debug/scrip $(with_postgres) tests/clients/run.sh

# Which mutants, how many, and where the outcomes go.
SEED ?= 1
MUTANTS ?= 80
MUTANTS_FOLDER ?= /tmp/scrip-mutants

mutants: need-cargo ## mutate a sample of the rules and run the quick tests on each (SEED=1 MUTANTS=80; hours)
	@$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install cargo-mutants --locked
	$(in_memory) tests/support/mutants.py $(SEED) $(MUTANTS) $(MUTANTS_FOLDER)

soak: need-cargo ## run the tests named `soak` or `property` for long (SOAK_CASES=20000)
	SCRIP_SOAK=1 PROPTEST_CASES=$(SOAK_CASES) $(with_postgres) $(run_tests) -- soak property

lint: format clippy docs ## check format, lints and documentation

format: need-cargo
	$(CARGO) fmt --check

clippy: need-cargo
	$(CARGO) clippy --all-targets -- -D warnings

docs: need-cargo
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

# By way of second files, so that a program that fails does not leave an empty schema behind.
schema: need-cargo ## write schema.graphql and possible-types.json from the code
	$(CARGO) run -q -- schema > schema.graphql.new || { rm -f schema.graphql.new; exit 1; }
	$(CARGO) run -q -- schema --possible-types > possible-types.json.new || { rm -f *.new; exit 1; }
	mv schema.graphql.new schema.graphql
	mv possible-types.json.new possible-types.json

bench: need-cargo ## measure throughput and renewals on SQLite and on a private, durable PostgreSQL
	$(CARGO) bench --bench load -- --store sqlite
	$(CARGO) bench --bench renewals -- --store sqlite
	DURABLE=1 $(with_postgres) $(CARGO) bench --bench load -- --store postgres
	DURABLE=1 $(with_postgres) $(CARGO) bench --bench renewals -- --store postgres

need-cargo:
	@command -v $(CARGO) >/dev/null || { \
	    echo "make: cargo is not on the PATH. Scrip is built with Rust 1.95 or newer: see https://rustup.rs" >&2; \
	    exit 1; }
