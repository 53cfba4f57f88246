"""The backend server and the balancers, each with the settings that an expert would choose:
one nginx worker, one thread of HAProxy or Pingora, connections to backends kept without end."""

import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import build

# What nobody should run into while it is measured.
PLENTY = 100_000_000
# For HAProxy's splicing; each costs two descriptors.
PIPES = 300


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, log):
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"bench: nobody listens on port {port}: {log.read_text()[-500:]}")


class Children:
    """Processes that end when this does, whatever happens."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self, *command):
        log = self.folder / "output"
        with log.open("ab") as output:
            child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        self.running.append(child)
        return child

    def end(self, children=None):
        ending = list(self.running if children is None else children)
        for child in ending:
            child.send_signal(signal.SIGTERM)
        for child in ending:
            try:
                child.wait(3)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            self.running.remove(child)


class Backends:
    """Static answers on two ports, or lb's own demo server."""

    def __init__(self, children, is_demo):
        self.ports = [free_port(), free_port()]
        if is_demo:
            for port in self.ports:
                children.start(str(build.target() / "release/backend"), str(port))
        else:
            make_files(children.folder)
            config = children.folder / "backends.conf"
            config.write_text(self.static(children.folder))
            children.start("nginx", "-c", str(config))
        for port in self.ports:
            wait_for_port(port, children.folder / "output")

    def static(self, folder):
        kilobyte, listens = "x" * 1024, " ".join(f"listen 127.0.0.1:{p} backlog=4096;" for p in self.ports)
        return nginx(folder, "backends", f"""
            map $uri $kilobyte {{ default "{kilobyte}"; }}
            sendfile on; client_body_buffer_size 2m;
            server {{ {listens}
                location / {{ return 200 "hello from backend.\\n"; }}
                location /10k {{ return 200 "{"$kilobyte" * 10}"; }}
                location /files/ {{ alias {folder}/files/; }} }}""")


def make_files(folder):
    files = folder / "files"
    if not files.exists():
        files.mkdir()
        (files / "1m").write_bytes(os.urandom(1024) * 1024)
        (files / "100m").write_bytes(os.urandom(1024) * 1024 * 100)


def nginx(folder, name, http):
    places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = " ".join(f"{place}_temp_path {folder}/{name}-{place};" for place in places)
    return f"""worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
        events {{ worker_connections 19000; }}
        http {{ {temporary} keepalive_requests {PLENTY}; keepalive_timeout 600s; client_max_body_size 0;
        {"" if "access_log" in http else "access_log off;"} {http} }}"""


class Proxy:
    """A balancer that runs. `pid` is the process that does the work."""

    def __init__(self, name, command, children, backends, case):
        self.name, self.port = name, free_port()
        start = {"nginx": self.start_nginx, "haproxy": self.start_haproxy,
                 "pingora": self.start_pingora}.get(name, self.start_lb)
        self.command = command
        self.child = start(children, backends, case)
        wait_for_port(self.port, children.folder / "output")
        self.pid = self.worker() if name == "nginx" else self.child.pid

    def start_lb(self, children, backends, case):
        log = ["--log", "access" if case.access_log else "off", "-q"]
        addresses = [f"127.0.0.1:{port}" for port in backends.ports]
        return children.start(*self.command, f"127.0.0.1:{self.port}", *addresses, *log, *case.lb_options)

    def start_nginx(self, children, backends, case):
        # Bodies pass without being stored, in buffers of 32 KiB as lb's: more of them is what is
        # fastest here. Log lines are written in batches, as lb writes them.
        log = f"access_log {children.folder}/access.log combined buffer=32k;" if case.access_log else ""
        servers = " ".join(f"server 127.0.0.1:{port};" for port in backends.ports)
        config = children.folder / "nginx.conf"
        config.write_text(nginx(children.folder, "nginx", f"""{log}
            upstream backends {{ {servers} keepalive 4096; keepalive_requests {PLENTY}; }}
            server {{ listen 127.0.0.1:{self.port} backlog=4096;
                location / {{ proxy_pass http://backends; proxy_http_version 1.1;
                    proxy_set_header Connection ""; proxy_set_header Host $http_host;
                    proxy_set_header X-Forwarded-For $remote_addr;
                    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
                    proxy_request_buffering off; client_body_buffer_size 256k; proxy_max_temp_file_size 0;
                    proxy_buffers 16 32k; proxy_busy_buffers_size 256k; }} }}"""))
        return children.start("nginx", "-c", str(config))

    def start_haproxy(self, children, backends, case):
        # By default it keeps backend connections only while it has few descriptors in use: with
        # 4000 clients it would connect anew for most requests. Large bodies are spliced.
        log = ("log stdout format raw local0", "option httplog") if case.access_log else ("", "")
        servers = "\n".join(f" server s{port} 127.0.0.1:{port} check inter 5s" for port in backends.ports)
        config = children.folder / "haproxy.cfg"
        config.write_text(f"""global
 nbthread 1
 maxconn {(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2 - PIPES}
 maxpipes {PIPES}
 tune.pool-low-fd-ratio 90
 tune.pool-high-fd-ratio 95
 {log[0]}
defaults
 mode http
 timeout connect 2s
 timeout client 600s
 timeout server 30s
 http-reuse always
 option splice-request
 option splice-response
 option httpchk GET /
 {"log global" if log[0] else ""}
 {log[1]}
frontend clients
 bind 127.0.0.1:{self.port} backlog 4096
 option forwardfor
 http-request set-header X-Forwarded-Proto http
 http-request set-header X-Forwarded-Host %[req.hdr(host)]
 default_backend backends
backend backends
{servers}
""")
        return children.start("haproxy", "-db", "-f", str(config))

    def start_pingora(self, children, backends, case):
        return children.start(*self.command, str(self.port), *map(str, backends.ports))

    def worker(self):
        listed = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        while not listed.read_text().split():
            time.sleep(0.02)
        return int(listed.read_text().split()[0])
