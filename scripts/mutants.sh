#!/usr/bin/env bash
# Mutation tests, by hand: cargo-mutants puts one small fault after the other into a room, and the
# tests that cover the room should find each. Takes hours; a shard takes a part of them.
#
#   scripts/mutants.sh [ROOM...] [-- OPTION...]     rooms: http backends health exchange net
#   scripts/mutants.sh http -- --shard 0/20
#
# What no test has found is in target/mutants/ROOM/mutants.out/missed.txt. Mutants that no test can
# find, with the reasons, are in scripts/mutants.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo-mutants >/dev/null || {
  echo "cargo-mutants is missing: cargo install cargo-mutants --locked" >&2
  exit 1
}

rooms=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  rooms+=("$1")
  shift
done
shift || true
[ ${#rooms[@]} -gt 0 ] || rooms=(http backends health exchange net)

# The tests that cover a room, beside its unit tests.
covering() {
  case $1 in
    http) echo properties refusals refused_bodies answers response_forms forwarding duties upgrades ;;
    backends) echo health outages ejection failover ;;
    health) echo health outages verdicts late_checks ejection loops stopping logs ;;
    exchange) echo failover unreachable exactly_once rescue timeouts uploads expectations answers \
      response_forms response_pairing persistence ejection aborts large_answers websockets logs \
      authentication tunnels memory out_of_memory fairness starvation stopping story ;;
    net) echo addresses slow_readers large_answers uploads failover unreachable websockets stopping \
      persistence floods names out_of_memory ;;
    *) echo "no such room: $1; rooms are http, backends, health, exchange and net" >&2; exit 2 ;;
  esac
}

mkdir -p target/mutants
export CARGO_PROFILE_DEV_DEBUG=0
for room in "${rooms[@]}"; do
  tests=(--lib)
  covered=$(covering "$room") || exit 2
  for test in $covered; do tests+=(--test "$test"); done
  printf '\n== %s\n' "$room"
  # 2 and 3 say that mutants were missed or hung: the next room is tried all the same.
  cargo mutants --config scripts/mutants.toml --file "src/$room/**" --output "target/mutants/$room" --timeout 60 "$@" \
    -- "${tests[@]}" || [ $? -le 3 ]
done
