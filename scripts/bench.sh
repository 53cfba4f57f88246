#!/usr/bin/env bash
# lb against nginx and HAProxy on this machine: one backend server for all, the proxies in turn
# in short rounds, and of each figure the median of its ratio to the best of the peers in the
# same round. Absolute figures say little on a machine that also runs the load.
#
#   scripts/bench.sh                          every case, eight to nine minutes
#   scripts/bench.sh small-64 upload-1m       some of them; --help lists all
#   scripts/bench.sh --rounds 3 --json FILE --plot FILE.svg --markdown FILE --lb-options "--workers 4"
#   scripts/bench.sh --peers nginx,haproxy,pingora    with what Rust users would take instead
#   scripts/bench.sh --also-lb PROGRAM small-64    another build of lb in the same rounds
#
# Linux only (it reads /proc). Needs cargo, python3, wrk, and nginx, which is also the backend
# server; HAProxy is compared if it is there. On Debian or Ubuntu:
#   apt-get install nginx-light haproxy wrk python3
# Pingora is built from its crates only when it is asked for, which takes cmake and a C compiler.
# CPU time is the proxy's own, of all its threads, from /proc/PID/stat.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in cargo python3 nginx wrk; do
  command -v "$tool" >/dev/null || {
    echo "bench: needs $tool (on Debian or Ubuntu: apt-get install nginx-light haproxy wrk python3)" >&2
    exit 1
  }
done
case " $* " in *" --help "* | *" -h "*) ;; *) cargo build --release --locked --quiet --bins ;; esac
exec env PYTHONDONTWRITEBYTECODE=1 python3 scripts/bench/bench.py "$@"
