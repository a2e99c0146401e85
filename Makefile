# The commands of everyday work; `make` alone lists them.
#
# Tests and benches that need PostgreSQL get a private server for as long as they run (tests/support/postgres.sh).
# Who has one already says so, and none is started: make test SCRIP_TEST_POSTGRES=postgres://…

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help test test-clients soak lint format clippy docs schema bench need-cargo

CARGO ?= cargo

# Empty when the caller has a server: the command then runs as it stands.
with_postgres = $(if $(SCRIP_TEST_POSTGRES),,tests/support/postgres.sh run)
export SCRIP_TEST_POSTGRES

# Where tests keep their databases: in memory where there is room, so that no commit waits for a disk.
in_memory := $(shell [ "$$(df --output=avail /dev/shm 2>/dev/null | tail -1)" -ge 2000000 ] 2>/dev/null && echo TMPDIR=/dev/shm)

# nextest runs tests side by side and is quicker; without it cargo's own runner gives the same verdict.
run_tests = $(CARGO) $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo nextest run || echo test) --no-fail-fast

# How long a soak lasts: cases for each property.
SOAK_CASES ?= 20000

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: need-cargo ## run all tests, on SQLite and on a private PostgreSQL
	$(in_memory) $(with_postgres) $(run_tests)

# Where cargo puts what it builds.
target = $(or $(CARGO_TARGET_DIR),target)

test-clients: need-cargo ## hold real clients against the server: npm, PyPI and Chromium are installed for it
	$(CARGO) build
	SCRIP=$(abspath $(target))/debug/scrip $(with_postgres) tests/clients/run.sh

soak: need-cargo ## run the tests named `soak` or `property` for long (SOAK_CASES=20000)
	SCRIP_SOAK=1 PROPTEST_CASES=$(SOAK_CASES) $(with_postgres) $(run_tests) -- soak property

lint: format clippy docs ## check format, lints and documentation

format: need-cargo
	$(CARGO) fmt --check

clippy: need-cargo
	$(CARGO) clippy --all-targets -- -D warnings

docs: need-cargo
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

# By way of a second file, so that a program that fails does not leave an empty schema behind.
schema: need-cargo ## write schema.graphql from the code
	$(CARGO) run -q -- schema > schema.graphql.new || { rm -f schema.graphql.new; exit 1; }
	mv schema.graphql.new schema.graphql

bench: need-cargo ## measure throughput and renewals on SQLite and on a private, durable PostgreSQL
	$(CARGO) bench --bench load -- --store sqlite
	$(CARGO) bench --bench renewals -- --store sqlite
	DURABLE=1 $(with_postgres) $(CARGO) bench --bench load -- --store postgres
	DURABLE=1 $(with_postgres) $(CARGO) bench --bench renewals -- --store postgres

need-cargo:
	@command -v $(CARGO) >/dev/null || { \
	    echo "make: cargo is not on the PATH. Scrip is built with Rust 1.95 or newer: see https://rustup.rs" >&2; \
	    exit 1; }
