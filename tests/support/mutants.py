#!/usr/bin/env python3
"""Mutates a seeded sample of the rules and runs the quick tests on each mutant.

    mutants.py SEED COUNT FOLDER [cargo-mutants' own options]

FOLDER gets `rules/mutants.out` and `guards/mutants.out` with the outcomes. cargo-mutants works on a copy of the checkout. Each
mutant costs a build of this crate, so the sample is bounded. The same seed picks the same mutants of the same source.
"""

import json
import os
import random
import re
import subprocess
import sys

# The rules: a mutant that survives here is a rule without a test. SQL and the shapes of rows are left out, since their tests need a
# database of each kind.
RULES = ["src/base/**", "src/ledger/**", "src/metering/**", "src/purchases/transitions.rs"]
GUARDS = ["src/graphql/guards/**"]
NOT_RULES = ["src/**/store.rs", "src/**/rows.rs", "src/**/rows/**"]


def globs(wanted: list[str]) -> list[str]:
    chosen = [option for glob in wanted for option in ("--file", glob)]
    return chosen + [option for glob in NOT_RULES for option in ("--exclude", glob)]


def names(wanted: list[str]) -> set[str]:
    listed = subprocess.run(["cargo", "mutants", "--list", "--json", *globs(wanted)], check=True, capture_output=True)
    return {mutant["name"] for mutant in json.loads(listed.stdout)}


def run(part: str, sample: list[str], wanted: list[str], how: list[str], build: list[str], tests: str) -> int:
    if not sample:
        return 0
    folder = how[how.index("--output") + 1]
    os.makedirs(folder, exist_ok=True)
    print(f"{part}: {len(sample)} mutants, outcomes in {folder}", flush=True)
    exact = [option for name in sample for option in ("--re", f"^{re.escape(name)}$")]
    # Nothing that a mutant is built from needs lines for a debugger.
    environment = {**os.environ, "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_INCREMENTAL": "1"}
    command = ["cargo", "mutants", *globs(wanted), *exact, "--test-tool", "nextest", "--timeout", "90", *how]
    return subprocess.run([*command, "--", *build, "-E", tests], env=environment, check=False).returncode


def main() -> int:
    seed, count, folder, *more = sys.argv[1:]
    fast, rules, guards = os.environ["FAST_TESTS"], names(RULES), names(GUARDS)
    both = sorted(rules | guards)
    sample = random.Random(int(seed)).sample(both, min(int(count), len(both)))
    print(f"{len(sample)} of {len(both)} mutants, seed {seed}", flush=True)
    # Rules are built without the wire, in half the time. Guards are part of it.
    failed = run(
        "rules",
        [name for name in sample if name in rules],
        RULES,
        ["--no-default-features", "--output", f"{folder}/rules", *more],
        ["--lib", "--test", "it"],
        fast,
    )
    return failed | run(
        "guards",
        [name for name in sample if name in guards],
        GUARDS,
        ["--output", f"{folder}/guards", *more],
        ["--lib", "--test", "it"],
        "(kind(lib) & test(/^graphql::/)) | (binary(it) & test(/^graphql::guards::/) & not test(/postgres/))",
    )


if __name__ == "__main__":
    sys.exit(main())
