"""What every Python server here does for a request: notes it, and is busy for as long as asked."""

import os
import time
from urllib.parse import parse_qs, urlsplit


def answer(target):
    """The text of the answer. `/work?id=ID&ms=N` blocks the thread; a health check asks for `/`."""
    parts = urlsplit(target)
    if parts.path != "/work":
        return b"well\n"
    query = parse_qs(parts.query)
    number = query["id"][0]
    note(number)
    time.sleep(int(query["ms"][0]) / 1000)
    return f"{number}\n".encode()


def note(number):
    """One write for each line: several processes append to the same file."""
    file = os.open(os.environ["BUSY_EXECUTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{number}\n".encode())
    os.close(file)
