#!/usr/bin/env bash
# The busy servers of tests/busy.rs in full form, against a release build, with the figures:
# gunicorn, uvicorn, Node, PHP, Flask and Python's http.server, one and three of each, at and just
# above what they can do, behind lb and behind HAProxy.
#
#   scripts/busy.sh             some three minutes
#   scripts/busy.sh --install   only installs the servers, which `cargo test` then finds too
#
# Installs what is missing: programs with apt-get, Python's servers under target/servers.
# Linux only (it reads /proc). All of it stays on the loopback interface.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  '' | --install) ;;
  *) echo "usage: scripts/busy.sh [--install]" >&2; exit 2 ;;
esac

# COMMAND PACKAGE
need() { command -v "$1" >/dev/null || { apt-get update -q && apt-get install -yq "$2"; }; }
need php php-cli
need haproxy haproxy
need node nodejs
need python3 python3
# Debian has this part of Python in a package of its own.
python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -q && apt-get install -yq python3-venv; }

servers=target/servers
if ! "$servers/bin/python3" -c 'import gunicorn, uvicorn, flask' 2>/dev/null; then
  python3 -m venv --clear "$servers"
  "$servers/bin/pip" install --quiet --disable-pip-version-check gunicorn uvicorn flask
fi
[ "${1:-}" != --install ] || exit 0

cargo test --release --locked --test busy --no-run
# In a process group of its own, so that an interrupt ends the servers too.
set -m
LB_BUSY=full cargo test --quiet --release --locked --test busy -- --nocapture &
group=$!
set +m
trap 'kill -KILL -- "-$group" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
wait "$group"
