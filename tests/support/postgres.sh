#!/usr/bin/env bash
# A private PostgreSQL server for tests and benches. It lives in a folder of its own and listens on loopback only, so
# it neither finds nor disturbs a server that is already on this machine.
#
#   postgres.sh start         starts the server, or finds the one started before, and prints its URL
#   postgres.sh url           prints the URL of the server that `start` has started
#   postgres.sh stop          stops that server and deletes its data
#   postgres.sh run COMMAND…  runs COMMAND beside a server of its own, with SCRIP_TEST_POSTGRES set to its URL, and
#                             returns COMMAND's exit code; the server is gone afterwards, whatever happened
#
# The data lies in SCRIP_TEST_FOLDER, or else in TMPDIR.
#
# DURABLE=1 gives a server (another one than without it) that waits for the disk at every commit, which benches need.
# Without it nothing is synced: the data is thrown away with the server.
set -euo pipefail

readonly OLDEST_VERSION=15
readonly DURABLE=${DURABLE:-0}
readonly HOME_OF_ALL=${SCRIP_TEST_FOLDER:-${TMPDIR:-/tmp}}

# Standard output carries the URL, so everything that is meant for people goes to standard error.
say() { printf 'postgres.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- PostgreSQL's programs ---------------------------------------------------------------------------------------

# Prints the folder that holds PostgreSQL's programs in a version that is new enough. Debian keeps the server's
# programs off the PATH, one folder a version; the newest comes first.
find_programs() {
    local folder version
    while read -r folder; do
        [[ -x $folder/initdb && -x $folder/pg_ctl && -x $folder/pg_isready && -x $folder/postgres ]] || continue
        version=$("$folder/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
        if ((version >= OLDEST_VERSION)); then
            echo "$folder"
            return
        fi
    done < <(dirname "$(command -v pg_ctl || echo /nowhere/pg_ctl)"; printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
    return 1
}

# Installs Debian's package when that needs no question: as root, or with sudo that asks for no password.
install_programs() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    say "PostgreSQL is missing; installing Debian's package 'postgresql'"
    "${as_root[@]}" apt-get update -q >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql >&2
}

need_programs() {
    programs=$(find_programs) && return
    if install_programs; then
        programs=$(find_programs) && return
    fi
    die "the tests need PostgreSQL $OLDEST_VERSION or newer (initdb, pg_ctl, postgres), and neither the PATH nor" \
        "/usr/lib/postgresql/*/bin has it. Install it (Debian, Ubuntu: apt-get install postgresql), or set" \
        "SCRIP_TEST_POSTGRES to the URL of a server in which the tests may create databases."
}

# --- The user it runs as -----------------------------------------------------------------------------------------

# PostgreSQL refuses to run as root, so root hands it to a user who owns nothing of value here.
server_user() {
    if ((EUID != 0)); then
        id -un
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

# Runs one of PostgreSQL's programs as that user. The working directory changes first, since the user may not be able
# to enter the caller's.
as_server_user() {
    local user become=()
    user=$(server_user)
    if ((EUID == 0)); then
        if command -v setpriv >/dev/null; then
            become=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --)
        elif command -v runuser >/dev/null; then
            become=(runuser -u "$user" --)
        else
            die "PostgreSQL does not run as root, and neither setpriv nor runuser (package util-linux) is here"
        fi
    fi
    (cd "$folder" && LC_ALL=C "${become[@]}" "$@")
}

# --- One server, in $folder: data/ and socket/ belong to the server's user, log and url are for reading ------------

# The folder `start`, `stop` and `url` agree on: one for each user, checkout and kind of server.
shared_folder() {
    local checkout kind=fast
    checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P | cksum | cut -d ' ' -f 1)
    ((DURABLE == 0)) || kind=durable
    echo "$HOME_OF_ALL/scrip-postgres-$EUID-$checkout-$kind"
}

# Asks the server itself, by its own socket: a crashed server's process id or port may be somebody else's by now.
is_running() {
    local port
    [[ -O $folder && -f $folder/url ]] || return 1
    port=$(sed -E 's/.*:([0-9]+).*/\1/' "$folder/url")
    as_server_user "$programs/pg_isready" -q -h "$folder/socket" -p "$port"
}

settings() {
    cat <<SETTINGS
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder/socket'
max_connections = 400
shared_buffers = 256MB
SETTINGS
    if ((DURABLE == 0)); then
        printf '%s = off\n' fsync synchronous_commit full_page_writes
    else
        printf '%s = on\n' fsync synchronous_commit full_page_writes
    fi
}

# The databases sort text by language, as most servers in use do: a query that forgets to ask for byte order shows.
create_cluster() {
    local sync=()
    ((DURABLE == 1)) || sync=(--no-sync)
    chmod 755 "$folder"
    install -d -m 700 -o "$(server_user)" "$folder/data" "$folder/socket"
    as_server_user "$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 \
        --locale=C --locale-provider=icu --icu-locale=en-US "${sync[@]}" >"$folder/log" 2>&1 ||
        { cat "$folder/log" >&2; die "initdb failed"; }
    settings | as_server_user tee -a "$folder/data/postgresql.conf" >/dev/null
}

# Nobody can reserve a port for another process, so the server itself tries: when a port is taken, the next is drawn.
# The range lies below the ports that the kernel gives to outgoing connections.
launch() {
    local attempt port
    for attempt in {1..20}; do
        port=$((20000 + RANDOM % 12000))
        : >"$folder/log"
        if as_server_user "$programs/pg_ctl" start -w -t 60 -D "$folder/data" -o "-p $port" >>"$folder/log" 2>&1; then
            echo "postgres://postgres@127.0.0.1:$port/postgres" >"$folder/url"
            return
        fi
        grep -q 'Address already in use' "$folder/log" || break
    done
    cat "$folder/log" >&2
    die "PostgreSQL did not start (attempt $attempt)"
}

start_server() {
    if ((DURABLE == 1)) && [[ $(stat -f -c %T "$folder" 2>/dev/null) == tmpfs ]]; then
        say "warning: $folder is in memory, so DURABLE=1 measures no disk; set SCRIP_TEST_FOLDER to a folder on one"
    fi
    create_cluster
    launch
}

# Ends the server at once and deletes it. `immediate` does not wait for clients; what it leaves unfinished goes too.
remove_server() {
    [[ -d $folder ]] || return 0
    [[ -O $folder ]] || die "$folder belongs to somebody else"
    if [[ -f $folder/data/postmaster.pid ]]; then
        as_server_user "$programs/pg_ctl" stop -w -t 15 -m immediate -D "$folder/data" >/dev/null 2>&1 || true
    fi
    rm -rf "$folder"
}

# A `run` that was killed outright could not clean up after itself; the next one does it.
remove_orphans() {
    local keeper
    for folder in "$HOME_OF_ALL"/scrip-postgres-run.*; do
        [[ -O $folder && -f $folder/keeper ]] || continue
        keeper=$(<"$folder/keeper")
        [[ -n $keeper ]] && ! kill -0 "$keeper" 2>/dev/null || continue
        say "removing $folder, whose run was killed"
        remove_server
    done
}

# --- Commands ----------------------------------------------------------------------------------------------------

start() {
    folder=$(shared_folder)
    if ! is_running; then
        remove_server
        mkdir "$folder"
        start_server
    fi
    cat "$folder/url"
}

url() {
    folder=$(shared_folder)
    is_running || die "no server is running; start it with: $0 start"
    cat "$folder/url"
}

stop() {
    folder=$(shared_folder)
    remove_server
}

# COMMAND gets a process group of its own, so that an interruption ends all that it has started before the server goes.
run() {
    local child='' status=0
    (($# > 0)) || die "run what?"
    remove_orphans
    trap 'interrupted 129' HUP
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    folder=''
    trap remove_server EXIT
    folder=$(mktemp -d "$HOME_OF_ALL/scrip-postgres-run.XXXXXX")
    echo "$$" >"$folder/keeper"
    start_server
    set -m
    SCRIP_TEST_POSTGRES=$(<"$folder/url") "$@" </dev/null &
    child=$!
    set +m
    wait "$child" || status=$?
    trap '' HUP INT TERM
    exit "$status"
}

interrupted() {
    trap '' HUP INT TERM
    if [[ -n $child ]]; then
        kill -TERM -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    exit "$1"
}

case ${1:-} in
    start | stop | url | run)
        need_programs
        "$@"
        ;;
    *)
        sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac
