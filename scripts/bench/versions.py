"""Which versions of everything were measured."""

import re
import shutil
import subprocess

from build import ROOT


def number_in(told):
    """`wrk debian/4.1.0-3+b2 [epoll]` is 4.1.0: who packaged it is left out."""
    number = re.search(r"\d+(\.\d+)+", told)
    return number[0] if number else "of unknown version"


def listed(file, name):
    """The version of a package in a manifest or a lock file."""
    return re.search(rf'^name = "{name}"\nversion = "(.+)"', file.read_text(), re.MULTILINE)[1]


def commit():
    """None if this is no clone."""
    told = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return told.stdout.split()


def version(name):
    """One name and number; `None` if the program is not here."""
    if name == "lb":
        return " ".join(["lb", listed(ROOT / "Cargo.toml", "lb"), *commit()])
    if name == "pingora":
        return f"pingora {listed(ROOT / 'scripts/bench/pingora/Cargo.lock', 'pingora-proxy')}"
    if shutil.which(name) is None:
        return None
    told = subprocess.run([name, "-v"], capture_output=True, text=True)
    return f"{name} {number_in(told.stdout + told.stderr)}"
