"""Serves a folder as `python3 -m http.server` does, in HTTP/1.0 or HTTP/1.1."""

import functools
import http.server
import sys

protocol, folder = sys.argv[1:]


class Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = protocol


handler = functools.partial(Files, directory=folder)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(f"port {server.server_port}", flush=True)
server.serve_forever()
