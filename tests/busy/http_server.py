"""Python's `http.server` with one thread: one connection at a time, and a queue of five.

    http_server.py [keep-alive]

As it comes it speaks HTTP/1.0. With `keep-alive` it speaks HTTP/1.1, and stays with a connection,
also an idle one, until the connection is closed: meanwhile all others wait.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import work


class Handler(BaseHTTPRequestHandler):
    if "keep-alive" in sys.argv:
        protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = work.answer(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
