"""Python's own client. Words: the port, and which of these things to do."""

import http.client
import sys

port, behaviour = int(sys.argv[1]), sys.argv[2]
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)


def ask(method, target, body=None, headers={}, **more):
    """One request on the one connection; gives the response and its body."""
    connection.request(method, target, body, headers, **more)
    response = connection.getresponse()
    return response, response.read()


def uploaded(content, count):
    assert f"Thank you for {count} bytes.".encode() in content, content


def keep_alive():
    ask("GET", "/")
    socket = connection.sock
    for number in range(20):
        response, content = ask("GET", f"/{number}?bytes={number * 1000}&chunked")
        assert response.status == 200 and len(content) == number * 1000
        assert connection.sock is socket, "another connection"


def answers_without_a_body():
    for method, target, status, length in [
        ("HEAD", "/?bytes=500", 200, "500"),
        ("GET", "/?status=204", 204, None),
        ("GET", "/?status=304&bytes=7", 304, "7"),
        ("HEAD", "/?chunked", 200, None),
    ]:
        response, content = ask(method, target)
        assert (response.status, content) == (status, b""), (target, content)
        assert response.getheader("Content-Length") == length, target
    socket = connection.sock
    response, content = ask("GET", "/?bytes=3")
    assert len(content) == 3 and connection.sock is socket


def chunked_upload():
    pieces = (bytes([number]) * 10_000 for number in range(100))
    _, content = ask("POST", "/", pieces, encode_chunked=True)
    uploaded(content, 1_000_000)
    _, content = ask("PUT", "/", iter([b"a", b"", b"b" * 70_000]), encode_chunked=True)
    uploaded(content, 70_001)


def sized_upload():
    _, content = ask("POST", "/", b"x" * 2_000_000)
    uploaded(content, 2_000_000)
    # It sends the body without waiting, and skips a 100 that comes.
    _, content = ask("POST", "/", b"x" * 50_000, {"Expect": "100-continue"})
    uploaded(content, 50_000)
    _, content = ask("POST", "/", b"")
    assert b"Hello" in content


def an_answer_that_is_cut():
    for target in ["/?bytes=100000&reset=body", "/?bytes=100000&chunked&reset=body"]:
        try:
            ask("GET", target)
        except (http.client.IncompleteRead, ConnectionResetError):
            connection.close()
        else:
            raise AssertionError("it looked whole")


globals()[behaviour]()
