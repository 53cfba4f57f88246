#!/usr/bin/env bash
# Fuzzes every target under tests/fuzz, one after the other, each for SECONDS (60 by default),
# beginning with the checked-in seeds. Needs stable Rust and a C++ compiler.
#
#   scripts/fuzz.sh [SECONDS] [TARGET...]
#   scripts/fuzz.sh replay TARGET FILE...     plays files once, findings for example
#
# A finding ends the run; its bytes are under tests/fuzz/artifacts. What was new on the way stays
# under tests/fuzz/corpus for the next run, and out of git. With a nightly Rust and cargo-fuzz
# (cargo install cargo-fuzz --locked), `cargo fuzz run --fuzz-dir tests/fuzz TARGET` works too.
set -euo pipefail
fuzz="$(cd "$(dirname "$0")/../tests/fuzz" && pwd)"

command -v c++ >/dev/null || { echo "libFuzzer needs a C++ compiler: apt-get install g++" >&2; exit 1; }

# The coverage that libFuzzer is led by; `cargo fuzz` passes the same, and none of it is nightly.
flags="-Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  flags+=" -Cllvm-args=-sanitizer-coverage-$option"
done

# With a target that is named, the flags are not for build scripts. Not --locked: a dependency
# that the load balancer gets is to break nothing here.
host=$(rustc -vV | sed -n 's/^host: //p')
programs=${CARGO_TARGET_DIR:-$fuzz/target}/$host/release
RUSTFLAGS="${RUSTFLAGS:-} $flags" \
  cargo build --release --manifest-path "$fuzz/Cargo.toml" --target "$host"

if [ "${1:-}" = replay ]; then
  target=$2
  shift 2
  exec "$programs/$target" "$@"
fi

seconds=${1:-60}
shift || true
[ $# -gt 0 ] || set -- request_head response_head chunked config session

# Without a line for each new input, and without advice for the dictionary.
quieter() { sed -E '/^#[0-9]+\t(NEW|REDUCE)/d; /^\tNEW_FUNC/d; /^###### Rec/,/^###### End/d'; }

for target in "$@"; do
  # What the target's inputs are written in.
  case "$target" in
    config) words=config.dict ;;
    *) words=http.dict ;;
  esac
  printf '\n== %s\n' "$target"
  mkdir -p "$fuzz/artifacts/$target"
  "$programs/$target" "$fuzz/corpus/$target" -max_total_time="$seconds" -timeout=30 \
    -max_len=8192 -dict="$fuzz/$words" -artifact_prefix="$fuzz/artifacts/$target/" \
    -print_final_stats=1 2>&1 | quieter
done
