"""Where cargo puts programs, and the one peer that is built here: Pingora, only when asked for."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def target():
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def missing_tools():
    """What building Pingora takes beside cargo: its crates compile C."""
    tools = {"cmake": ["cmake"], "a C compiler": [os.environ.get("CC", "cc"), "gcc", "clang"]}
    return [tool for tool, programs in tools.items() if not any(map(shutil.which, programs))]


def why_it_failed(output):
    missing = missing_tools()
    reason = f"it needs {' and '.join(missing)} (apt-get install cmake gcc)" if missing else "cargo says:"
    return f"bench: cannot build Pingora; {reason}\n" + "\n".join(output.splitlines()[-8:])


def pingora():
    """The program, built if it has to be: a few minutes at first, in a folder of its own."""
    print("Pingora is built if it is not yet; that takes some minutes.", flush=True)
    folder = target() / "bench-pingora"
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    built = subprocess.run(
        [*command, "--manifest-path", str(ROOT / "scripts/bench/pingora/Cargo.toml")],
        env={**os.environ, "CARGO_TARGET_DIR": str(folder)}, capture_output=True, text=True)
    if built.returncode != 0:
        raise SystemExit(why_it_failed(built.stderr))
    return folder / "release/lb-bench-pingora"
