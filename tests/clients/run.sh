#!/usr/bin/env bash
# Real clients against the server. It installs what it needs: packages of npm and PyPI, pinned here,
# and Debian's Chromium. SCRIP names the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

die() { printf 'run.sh: %s\n' "$*" >&2; exit 1; }
: "${SCRIP:?names the program}"
: "${SCRIP_TEST_POSTGRES:?is the URL of a PostgreSQL server in which databases may be made}"
command -v node >/dev/null || die "Node 20 or newer is needed: https://nodejs.org"
command -v psql >/dev/null || die "psql is needed, which comes with PostgreSQL"

# Debian's packages, when that needs no question.
debian() {
    local as_root=()
    ((EUID == 0)) || as_root=(sudo -n)
    "${as_root[@]}" apt-get update -q >&2 && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" >&2
}

export CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
if [[ -z $CHROMIUM ]]; then
    debian chromium || die "Chromium is needed: install it, or say where it is in CHROMIUM"
    CHROMIUM=$(command -v chromium)
fi

cmp -s package-lock.json node_modules/.installed || {
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.installed
}
export SCHEMATHESIS=$PWD/node_modules/.python/bin/schemathesis LOCALSTRIPE=$PWD/node_modules/.python/bin/localstripe
if [[ ! -x $SCHEMATHESIS || ! -x $LOCALSTRIPE ]]; then
    python3 -m venv node_modules/.python 2>/dev/null || {
        debian python3-venv || die "Python's venv is needed (Debian: python3-venv)"
        python3 -m venv node_modules/.python
    }
    node_modules/.python/bin/pip install -q --disable-pip-version-check -r requirements.txt
fi

run() { node --test --test-reporter=spec --test-timeout=240000 --test-concurrency=2 "$@"; }

printf '\n--- clients, tools and pages, on sqlite\n'
SCRIP_STORE=sqlite run *.test.mjs

# Only what depends on the store runs again: streams between processes, and random operations on its SQL.
printf '\n--- streams and random operations, on postgres\n'
SCRIP_STORE=$SCRIP_TEST_POSTGRES run streams.test.mjs fuzz.test.mjs
