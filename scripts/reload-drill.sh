#!/usr/bin/env bash
# The reloads of tests/reload.rs in full size, against a release build, with the figures: 200 times
# another configuration under load from 64 clients and 20 WebSockets, with backends that come and go
# and a broken file every tenth time. No request may fail, no WebSocket be cut, and memory,
# descriptors and threads stay as they were.
#
#   scripts/reload-drill.sh [RELOADS]   200 by default, some three minutes
#
# Linux only (it reads /proc). All of it stays on the loopback interface.
set -euo pipefail
cd "$(dirname "$0")/.."

reloads=${1:-200}
case $reloads in
  '' | *[!0-9]* | 0) echo "usage: scripts/reload-drill.sh [RELOADS], at least 1" >&2; exit 2 ;;
esac

LB_RELOADS=$reloads cargo test --quiet --release --locked --test reload -- --nocapture --test-threads 1
