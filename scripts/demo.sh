#!/usr/bin/env bash
# The story of a load balancer, told with real requests: three backends, one balancer, curl.
#
#   scripts/demo.sh           step by step, with pauses to read
#   scripts/demo.sh --smoke   without pauses; fails loudly if what it shows is not true
set -euo pipefail
cd "$(dirname "$0")/.."

smoke=false
case "${1:-}" in
  --smoke) smoke=true ;;
  "") ;;
  *) echo "usage: scripts/demo.sh [--smoke]" >&2; exit 2 ;;
esac

for tool in cargo curl; do
  command -v "$tool" >/dev/null || { echo "the demo needs $tool; please install it" >&2; exit 1; }
done

programs=${CARGO_TARGET_DIR:-target}/debug
work=$(mktemp -d)
: >"$work/lb"
# One file each with the pid of what was started (the bash of macOS has no maps).
pid_of() { cat "$work/pid-$1"; }
cleanup() {
  for file in "$work"/pid-*; do
    [ -f "$file" ] && kill -9 "$(cat "$file")" 2>/dev/null
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '  $ %s\n' "$*"; }
pause() { $smoke || sleep "${1:-2}"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; tail -n 20 "$work/lb" >&2; exit 1; }

# Waits up to 20 seconds for a command to succeed.
wait_for() {
  local what=$1; shift
  for _ in $(seq 400); do "$@" && return; sleep 0.05; done
  fail "$what did not happen in time"
}

# The port itself, or the next one above that nobody uses.
free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 10)); done
  [ "$port" = "$1" ] || echo "  port $1 is taken, using $port" >&2
  echo "$port"
}

# What the balancer has said since the last time.
said=0
show_story() {
  local lines; lines=$(wc -l <"$work/lb")
  $smoke || sed -n "$((said + 1)),${lines}p" "$work/lb" | sed 's/^/  lb │ /'
  said=$lines
}

start_backend() {
  "$programs"/backend "$1" >>"$work/backend-$1" 2>&1 &
  echo $! >"$work/pid-$1"
  disown
  wait_for "the start of backend $1" grep -q "is listening" "$work/backend-$1"
}

get() { curl --silent --show-error --fail --max-time 10 "$@"; echo; }

title "Building"
cargo build --quiet --locked --bins
b1=$(free_port 5001); b2=$(free_port 5002); b3=$(free_port 5003); port=$(free_port 8080)
url="http://localhost:$port"

title "1. Three servers, and a balancer in front of them"
for backend in $b1 $b2 $b3; do
  run "cargo run --bin backend -- $backend &"
  start_backend "$backend"
done
run "cargo run --bin lb -- $port localhost:$b1 localhost:$b2 localhost:$b3 --health-interval 2s"
"$programs"/lb "$port" "localhost:$b1" "localhost:$b2" "localhost:$b3" --health-interval 2s 2>"$work/lb" &
echo $! >"$work/pid-lb"
wait_for "the start of the balancer" grep -q "Load balancer is listening" "$work/lb"
show_story; pause

title "2. One request"
run "curl -i $url/"
curl --silent --show-error --include --max-time 10 "$url/" >"$work/one" || fail "no answer"
sed 's/^/  /' "$work/one"; echo
grep -q "Hello from Backend Server" "$work/one" || fail "not the answer of a backend"
show_story; pause 4

title "3. Each server in its turn"
run "for i in 1 2 3 4 5 6; do curl $url/; done"
for _ in 1 2 3 4 5 6; do get "$url/"; done | tee "$work/six" | sed 's/^/  /'
for backend in $b1 $b2 $b3; do
  [ "$(grep -c "Server $backend!" "$work/six")" -eq 2 ] || fail "the shares are not equal"
done
pause

title "4. Three requests at the same time"
run "curl --parallel --parallel-immediate --parallel-max 3 $url/{1,2,3}?delay=300ms"
curl --silent --show-error --no-progress-meter --fail --max-time 10 --output "$work/three-#1" \
  --parallel --parallel-immediate --parallel-max 3 "$url/{1,2,3}?delay=300ms" || fail "a request failed"
for number in 1 2 3; do cat "$work/three-$number"; echo; done >"$work/three"
sed 's/^/  /' "$work/three"
[ "$(grep -o 'Server [0-9]*!' "$work/three" | sort -u | wc -l)" -eq 3 ] || fail "not one each"
said=$(wc -l <"$work/lb"); pause

title "5. A server dies; nobody notices"
run "kill -9 (backend $b2)"
kill -9 "$(pid_of "$b2")"
run "for i in 1 2 3 4 5 6; do curl $url/; done"
for _ in 1 2 3 4 5 6; do get "$url/"; done >"$work/without" || fail "a client saw an error"
sed 's/^/  /' "$work/without"
grep -q "Server $b2!" "$work/without" && fail "the dead answered"
wait_for "the balancer's finding" grep -q "Server localhost:$b2 is DOWN" "$work/lb"
printf '  lb │ %s\n' "$(grep "localhost:$b2 is DOWN" "$work/lb" | tail -n 1)"
wait_for "a round of checks without it" grep -q "Server localhost:$b2 is unhealthy" "$work/lb"
grep -B 2 -A 1 "Server localhost:$b2 is unhealthy" "$work/lb" | tail -n 4 | sed 's/^/  lb │ /'
pause

title "6. It returns, and gets its turn again"
: >"$work/backend-$b2"
start_backend "$b2"
run "cargo run --bin backend -- $b2 &"
is_used() { get "$url/" 2>/dev/null | grep -q "Server $b2!"; }
wait_for "the return of $b2" is_used
printf '  lb │ %s\n' "$(grep "localhost:$b2 is UP" "$work/lb" | tail -n 1)"
for _ in 1 2 3; do get "$url/"; done | tee "$work/again" | sed 's/^/  /'
grep -q "Server $b2!" "$work/again" || fail "it is not used"
said=$(wc -l <"$work/lb"); pause

title "7. Ctrl-C: what is in flight is finished"
run "curl $url/?delay=1s &   then Ctrl-C in the balancer's terminal"
get "$url/?delay=1s" >"$work/last" & last=$!
wait_for "the last request" grep -q "delay=1s" "$work/lb"
kill -INT "$(pid_of lb)"
wait "$last" || fail "the last request was lost"
code=0; wait "$(pid_of lb)" || code=$?
rm "$work/pid-lb"
sed 's/^/  /' "$work/last"
show_story
[ "$code" = 0 ] || fail "the balancer ended with $code"
grep -q "Hello from Backend Server" "$work/last" || fail "the last request was not answered"
if curl --silent --max-time 2 "$url/" >/dev/null; then fail "somebody still answers"; fi

title "That is the whole story."
