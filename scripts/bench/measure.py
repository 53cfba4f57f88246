"""One round: wrk runs against a proxy, and the proxy's own figures are taken before and after."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"


def cpu_seconds(pid):
    """Processor time so far, of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def status_kib(pid, name):
    """A line of /proc/PID/status, such as VmRSS or VmHWM."""
    return int(re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def milliseconds(text):
    told = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if told is None:
        raise SystemExit(f"bench: wrk tells a time of {text!r}")
    return float(told[1]) * UNITS[told[2]]


def percentile(output, of):
    """From wrk's latency distribution. Its other lines have percentages as well, so the whole
    line has to fit."""
    line = re.search(rf"^ +{of}% +(\S+)$", output, re.MULTILINE)
    if line is None:
        raise SystemExit(f"bench: wrk tells no percentile {of}:\n{output}")
    return milliseconds(line[1])


def parse_wrk(output):
    """Requests, requests a second, p50 and p99 in ms, and how many requests failed."""
    requests = int(re.search(r"(\d+) requests in", output)[1])
    if requests == 0:
        raise SystemExit(f"bench: no request was answered:\n{output}")
    failed = re.search(r"Socket errors: (.*)", output)
    count = sum(map(int, re.findall(r"\d+", failed[1]))) if failed else 0
    status = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return {
        "requests": requests,
        "rate": float(re.search(r"Requests/sec:\s+(\S+)", output)[1]),
        "p50": percentile(output, 50),
        "p99": percentile(output, 99),
        "failed": count + (int(status[1]) if status else 0),
    }


def load(proxy, case, seconds, script):
    options = ["-H", "Connection: close"] if case.new_connections else []
    options += ["-s", str(script)] if case.upload else []
    url = f"http://127.0.0.1:{proxy.port}{case.path}"
    command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    return subprocess.run([*command, *options, url], capture_output=True, text=True, check=True).stdout


def settled(pid, read=cpu_seconds, pause=time.sleep):
    """Processor time once the process rests: closing what the load leaves open is its work too,
    and should not run into the round of the next."""
    used = read(pid)
    for _ in range(20):
        pause(0.05)
        before, used = used, read(pid)
        if used == before:
            break
    return used


def round_of(proxy, case, seconds, script):
    """The figures of one round."""
    before = cpu_seconds(proxy.pid)
    figures = parse_wrk(load(proxy, case, seconds, script))
    used = settled(proxy.pid) - before
    figures["cpu"] = used * 1e6 / figures["requests"]
    figures["memory"] = status_kib(proxy.pid, "VmHWM")
    return figures


def open_idle(proxy, count):
    """Connections that have had one answer and then rest; and the bytes that each costs."""
    before, idle = status_kib(proxy.pid, "VmRSS"), []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", proxy.port))
        connection.sendall(REQUEST)
        if not connection.recv(4096):
            raise SystemExit(f"bench: {proxy.name} closed a connection that should rest")
        idle.append(connection)
    return idle, (status_kib(proxy.pid, "VmRSS") - before) * 1024 / max(count, 1)
