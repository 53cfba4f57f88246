#!/usr/bin/env bash
# The drill of tests/drill.rs in full size, against a release build, with the figures: backends
# are killed, stopped, made ill, made to reset connections and to accept none, under load; then
# TERM under load, two hundred backends of which half hang, and one that comes and goes. Then
# the troubles of tests/trouble.rs, which hit everything at once: all backends are slow, the
# balancer is stopped or gets no processor, the network loses packets or swallows all of them.
# Then scripts/busy.sh: servers that are busy, which are not to be taken for any of these.
#
#   scripts/drill.sh [ROUNDS]   how often each fault comes (10 by default, some fifteen minutes)
#
# Linux only (it reads /proc). All of it stays on the loopback interface, or in network
# namespaces of its own; for these it needs root, python3 and ip, and else it says what it skips.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-10}
case $rounds in
  '' | *[!0-9]* | 0 | 1) echo "usage: scripts/drill.sh [ROUNDS], at least 2" >&2; exit 2 ;;
esac

cargo test --release --locked --test drill --test trouble --no-run
# In a process group of its own, so that an interrupt ends also what the drill has stopped.
set -m
LB_DRILL_ROUNDS=$rounds cargo test --quiet --release --locked --no-fail-fast \
  --test drill --test trouble -- --nocapture --test-threads 1 &
group=$!
set +m
trap 'kill -KILL -- "-$group" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
wait "$group"
scripts/busy.sh
