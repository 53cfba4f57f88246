#!/usr/bin/env bash
# The memory test of tests/memory.rs in full size, against a release build, with the figures:
# 1,000,000 requests on kept connections and 100,000 connections that come and go; then
# 1,000,000 requests with an access log, and as many with all 16 workers; then crowds of 2,000
# clients, 26 with long heads and 26 that do not read what they asked for. Fails if resident memory
# grows after the warm-up, or is more than 10 MiB larger when the crowds have left.
#
#   scripts/soak.sh
#
# Takes three minutes on two cores, and up to two more to build. Linux only (it reads /proc). All of it stays on the loopback
# interface; it leaves some ten thousand closed connections that the kernel forgets in a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -r /proc/self/smaps_rollup ] || { echo "soak: needs /proc/PID/smaps_rollup (Linux 4.14 or later)" >&2; exit 1; }

cargo test --release --locked --test memory --no-run
# In a process group of its own, so that an interrupt ends the balancer too.
set -m
cargo test --quiet --release --locked --test memory -- --ignored --nocapture --test-threads 1 &
group=$!
set +m
trap 'kill -KILL -- "-$group" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
wait "$group"
