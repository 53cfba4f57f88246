#!/usr/bin/env bash
# lb against nginx and HAProxy on this machine: one backend server for all, the proxies in turn
# in short rounds, and the median of each round's ratio to nginx. Absolute figures say little
# on a machine that also runs the load; ratios within a round do.
#
#   scripts/bench.sh [CONNECTIONS...]        default: 1 8 64 1000 4000
#   ROUNDS=7 SECONDS_EACH=3 LB_OPTIONS="--workers 4" scripts/bench.sh 64
#
# Linux only (it reads /proc). Needs nginx and wrk; HAProxy is compared if it is there. On
# Debian or Ubuntu: apt-get install nginx-light haproxy wrk
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-2}
connections=("$@")
[ $# -gt 0 ] || connections=(1 8 64 1000 4000)

for tool in cargo nginx wrk; do
  command -v "$tool" >/dev/null || { echo "bench: needs $tool (apt-get install nginx-light haproxy wrk)" >&2; exit 1; }
done
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d)
started=()
cleanup() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}
wait_for_port() {
  for _ in $(seq 200); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.05; done
  echo "bench: nobody listens on port $1" >&2; exit 1
}
start() { "$@" >>"$work/output" 2>&1 & started+=($!); }

origin1=$(free_port 19001); origin2=$(free_port $((origin1 + 1)))
lb_port=$(free_port $((origin2 + 1))); nginx_port=$(free_port $((lb_port + 1))); haproxy_port=$(free_port $((nginx_port + 1)))

nginx_head="worker_processes 1; daemon off; events { worker_connections 20000; }"
nginx_http="access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path $work/a; proxy_temp_path $work/b; fastcgi_temp_path $work/c; uwsgi_temp_path $work/d; scgi_temp_path $work/e;"
cat >"$work/origin.conf" <<CONF
$nginx_head error_log $work/origin.log; pid $work/origin.pid;
http { $nginx_http
  server { listen 127.0.0.1:$origin1 backlog=4096; listen 127.0.0.1:$origin2 backlog=4096;
           location / { return 200 "hello from backend.\n"; } } }
CONF
cat >"$work/nginx.conf" <<CONF
$nginx_head error_log $work/nginx.log; pid $work/nginx.pid;
http { $nginx_http
  upstream backends { server 127.0.0.1:$origin1; server 127.0.0.1:$origin2;
                      keepalive 4096; keepalive_requests 100000000; }
  server { listen 127.0.0.1:$nginx_port backlog=4096;
           location / { proxy_pass http://backends; proxy_http_version 1.1;
                        proxy_set_header Connection ""; proxy_set_header X-Forwarded-For \$remote_addr; } } }
CONF
cat >"$work/haproxy.cfg" <<CONF
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 30s
  http-reuse always
  option forwardfor
frontend clients
  bind 127.0.0.1:$haproxy_port backlog 4096
  default_backend backends
backend backends
  server one 127.0.0.1:$origin1 check
  server two 127.0.0.1:$origin2 check
CONF

cargo build --release --locked --quiet --bin lb
start nginx -c "$work/origin.conf"
wait_for_port "$origin1"
# shellcheck disable=SC2086  # several words on purpose
start target/release/lb "127.0.0.1:$lb_port" "127.0.0.1:$origin1" "127.0.0.1:$origin2" --log off -q ${LB_OPTIONS:-}
lb_pid=$!
start nginx -c "$work/nginx.conf"
nginx_master=$!
wait_for_port "$lb_port"; wait_for_port "$nginx_port"
proxies=("lb $lb_port $lb_pid" "nginx $nginx_port $(pgrep -P "$nginx_master" | head -n 1)")
if command -v haproxy >/dev/null; then
  start haproxy -db -f "$work/haproxy.cfg"
  haproxy_pid=$!
  wait_for_port "$haproxy_port"
  proxies+=("haproxy $haproxy_port $haproxy_pid")
fi

# Processor time of a process so far, all its threads, in hundredths of a second.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'; }
peak_kib() { awk '/^VmHWM/ {print $2}' "/proc/$1/status"; }

# One round: name, microseconds of processor time a request, requests a second, p99 in ms,
# failed requests.
measure() {
  local name=$1 port=$2 pid=$3 count=$4 before after
  before=$(ticks "$pid")
  wrk -t1 -c"$count" -d"${seconds}s" --latency --timeout 10s "http://127.0.0.1:$port/" >"$work/wrk" || true
  after=$(ticks "$pid")
  awk -v name="$name" -v ticks=$((after - before)) '
    function ms(text) { n = text + 0; return text ~ /us$/ ? n / 1000 : text ~ /ms$/ ? n : text ~ /m$/ ? n * 60000 : n * 1000 }
    $1 == "99%" { p99 = ms($2) }
    /requests in/ { requests = $1 }
    /^Requests\/sec/ { rate = $2 }
    /Socket errors/ { gsub(",", ""); failed += $4 + $6 + $8 + $10 }
    /Non-2xx/ { failed += $NF }
    END { printf "%s %.2f %.0f %.2f %d\n", name, ticks * 10000 / (requests ? requests : 1), rate, p99, failed }' "$work/wrk"
}

printf '%s, %s, %s rounds of %s s each\n' "$(uname -sr)" \
  "$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo) x$(nproc)" "$rounds" "$seconds"
printf '%-12s %-8s %12s %12s %10s %10s %8s %10s %8s\n' connections proxy "CPU us/req" "requests/s" "p99 ms" "peak KiB" "CPU" "throughput" failed
for count in "${connections[@]}"; do
  : >"$work/rounds"
  for round in $(seq "$rounds"); do
    for proxy in "${proxies[@]}"; do
      # shellcheck disable=SC2086
      echo "$round $(measure $proxy "$count")" >>"$work/rounds"
    done
  done
  for proxy in "${proxies[@]}"; do
    read -r name _ pid <<<"$proxy"
    awk -v name="$name" -v count="$count" -v peak="$(peak_kib "$pid")" '
      function median(values, n,   i, j, t) {
        for (i = 2; i <= n; i++) { t = values[i]; for (j = i - 1; j > 0 && values[j] > t; j--) values[j + 1] = values[j]; values[j + 1] = t }
        return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
      }
      $2 == "nginx" { base_cpu[$1] = $3; base_rate[$1] = $4 }
      $2 == name { n++; round[n] = $1; cpu[n] = $3; rate[n] = $4; p99[n] = $5; failed += $6; cpu_of[$1] = $3; rate_of[$1] = $4 }
      END {
        for (i = 1; i <= n; i++) { rc[i] = cpu_of[round[i]] / base_cpu[round[i]]; rr[i] = rate_of[round[i]] / base_rate[round[i]] }
        printf "%-12s %-8s %12.1f %12.0f %10.2f %10d %8.2f %10.2f %8d\n", count, name, median(cpu, n), median(rate, n), median(p99, n), peak, median(rc, n), median(rr, n), failed
      }' "$work/rounds"
  done
done
