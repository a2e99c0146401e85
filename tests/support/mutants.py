#!/usr/bin/env python3
"""Mutates a seeded sample of the pure rules and runs the quick tests on each mutant.

    mutants.py SEED COUNT FOLDER [cargo-mutants' own options]

FOLDER gets `mutants.out` with the outcomes; it and the build lie outside of the checkout. Each mutant costs a build of this
crate, so the sample is bounded. The same seed picks the same mutants of the same source.
"""

import json
import os
import random
import re
import subprocess
import sys

# What decides, and is pure: a mutant that survives here is a rule without a test.
RULES = [
    "src/base/**",
    "src/graphql/guards/**",
    "src/ledger/**",
    "src/metering/**",
    "src/purchases/transitions.rs",
]
# SQL and the shapes of rows: their own tests need a database of each kind.
NOT_RULES = ["src/**/store.rs", "src/**/rows.rs", "src/**/rows/**"]


def main() -> int:
    seed, count, folder, *more = sys.argv[1:]
    chosen = [option for glob in RULES for option in ("--file", glob)]
    chosen += [option for glob in NOT_RULES for option in ("--exclude", glob)]
    listed = subprocess.run(["cargo", "mutants", "--list", "--json", *chosen], check=True, capture_output=True)
    # One name may stand for several mutants of a function; they are run together.
    names = sorted({mutant["name"] for mutant in json.loads(listed.stdout)})
    sample = random.Random(int(seed)).sample(names, min(int(count), len(names)))
    print(f"{len(sample)} of {len(names)} mutants, seed {seed}", flush=True)
    exact = [option for name in sample for option in ("--re", f"^{re.escape(name)}$")]
    # Nothing that a mutant is built from needs lines for a debugger.
    environment = {**os.environ, "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_INCREMENTAL": "1"}
    fast = ["--lib", "--test", "it", "-E", os.environ["FAST_TESTS"]]
    command = ["cargo", "mutants", *chosen, *exact, "--test-tool", "nextest", "--timeout", "90", "--no-shuffle"]
    command += ["--baseline", "skip"] if os.environ.get("BASELINE") == "skip" else []
    return subprocess.run([*command, "--output", folder, *more, "--", *fast], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
