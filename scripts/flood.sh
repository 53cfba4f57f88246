#!/usr/bin/env bash
# The floods of tests/floods.rs in full size, against a release build, with the figures:
# 10,000 connections as fast as they come, 5,000 idle ones among 64 active, 2,000 that send
# garbage and reset, 400 clients against 256 descriptors; and the starvation test.
# Linux only (it reads /proc). Needs a descriptor limit of about 12,000 (ulimit -n).
set -euo pipefail
cd "$(dirname "$0")/.."
LB_FLOOD=full cargo test --release --locked --test floods --test starvation -- --nocapture --test-threads 1
