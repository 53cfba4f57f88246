#!/usr/bin/env bash
# The drill of tests/drill.rs in full size, against a release build, with the figures: backends
# are killed, stopped, made ill, made to reset connections and to accept none, under load; then
# TERM under load, two hundred backends of which half hang, and one that comes and goes.
#
#   scripts/drill.sh [ROUNDS]   how often each fault comes (10 by default, some ten minutes)
#
# Linux only (it reads /proc). All of it stays on the loopback interface.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-10}
case $rounds in
  '' | *[!0-9]* | 0 | 1) echo "usage: scripts/drill.sh [ROUNDS], at least 2" >&2; exit 2 ;;
esac

cargo test --release --locked --test drill --no-run
# In a process group of its own, so that an interrupt ends also what the drill has stopped.
set -m
LB_DRILL_ROUNDS=$rounds cargo test --quiet --release --locked --test drill -- --nocapture --test-threads 1 &
group=$!
set +m
trap 'kill -KILL -- "-$group" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
wait "$group"
