"""lb against nginx and HAProxy: see the head of scripts/bench.sh."""

import argparse
import json
import platform
import resource
import shutil
import signal
import sys
import tempfile
from datetime import date
from pathlib import Path

from cases import CASES
from measure import open_idle, round_of
from proxies import Backends, Children, Proxy, version
from report import markdown, plot, rows, summary

ROOT = Path(__file__).resolve().parents[2]
# A round at 100 MiB an answer has to hold a few of them.
LONG_SECONDS = 4
WARM_UP_SECONDS = 1
# HAProxy wants two descriptors for each client, used or not; and some are for other things.
RESERVE = 1200


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all, or some of: " + ", ".join(names))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of one round")
    parser.add_argument("--peers", default="nginx,haproxy", help="which to compare with, if they are there")
    parser.add_argument("--lb-options", default="", help='such as "--workers 4"')
    parser.add_argument("--also-lb", metavar="PROGRAM", help="another build of lb, measured beside this one")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--plot", metavar="FILE", type=Path, help="an SVG of CPU per request over connections")
    given = parser.parse_args()
    for name in given.cases:
        if name not in names:
            parser.error(f"there is no case {name!r}; there are {', '.join(names)}")
    return given


def chosen_proxies(given):
    chosen = {"lb": [str(ROOT / "target/release/lb"), *given.lb_options.split()]}
    if given.also_lb:
        chosen["lb-also"] = [given.also_lb, *given.lb_options.split()]
    chosen.update({peer: [] for peer in given.peers.split(",") if shutil.which(peer)})
    return chosen


def run_case(case, given, children):
    """All rounds of one case, each proxy in turn, another first each time."""
    backends = Backends(children, ROOT, case.demo_backends)
    proxies = [Proxy(name, command, children, backends, case, ROOT)
               for name, command in chosen_proxies(given).items()]
    script = children.folder / "upload.lua"
    script.write_text(f'wrk.method = "POST"; wrk.body = string.rep("x", {case.upload})')
    idle, costs = [], {}
    if case.idle:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        # As many as every proxy can have; one after the other, for we have a limit as well.
        count = min(case.idle, limit // 2 - RESERVE)
    for proxy in proxies:
        if case.idle:
            idle, costs[proxy.name] = open_idle(proxy, count)
        round_of(proxy, case, WARM_UP_SECONDS, script)
        if case.idle:
            costs[proxy.name, "figures"] = [round_of(proxy, case, given.seconds, script) for _ in range(given.rounds)]
            for connection in idle:
                connection.close()
    if case.idle:
        rounds = [{p.name: costs[p.name, "figures"][i] for p in proxies} for i in range(given.rounds)]
    else:
        seconds = max(given.seconds, LONG_SECONDS) if "100m" in case.path else given.seconds
        rounds = []
        for number in range(given.rounds):
            first = number % len(proxies)
            order = proxies[first:] + proxies[:first]
            rounds.append({proxy.name: round_of(proxy, case, seconds, script) for proxy in order})
    children.end()
    result = summary(case, rounds)
    for name, figures in result.items():
        figures["idle_bytes"] = costs.get(name)
    return {name: result[name] for name in chosen_proxies(given)}


def environment(given):
    cpu = next(line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    versions = [version(name) for name in ("nginx", "haproxy", "wrk")]
    import os
    return {
        "date": date.today().isoformat(),
        "kernel": platform.release(),
        "cpu": f"{cpu} x{os.cpu_count()}",
        "versions": [told for told in versions if told],
        "command": "scripts/bench.sh " + " ".join(sys.argv[1:]),
        "rounds": given.rounds,
        "seconds": given.seconds,
    }


def main():
    given = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    results, about = {}, environment(given)
    print(f"{about['date']}, Linux {about['kernel']}, {about['cpu']}; {'; '.join(about['versions'])}")
    print(f"{given.rounds} rounds of {given.seconds} s; ratios to the better of the peers, median (lowest–highest)\n")
    with tempfile.TemporaryDirectory(prefix="lb-bench-") as folder:
        # nginx may change to another user, who has to read it.
        Path(folder).chmod(0o755)
        children = Children(Path(folder))
        try:
            lines = []
            for case in CASES:
                if given.cases and case.name not in given.cases:
                    continue
                results[case.name] = run_case(case, given, children)
                table = list(markdown(rows(case, results[case.name])))
                print("\n".join(table if not lines else table[2:]), flush=True)
                lines += table
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            children.end()
    if given.json:
        given.json.write_text(json.dumps({**about, "cases": results}, indent=1) + "\n")
    if given.plot:
        given.plot.write_text(plot(points_of(results)))


def points_of(results):
    points = {}
    for case in CASES:
        if case.name.startswith("small-") and case.name in results:
            for name, figures in results[case.name].items():
                points.setdefault(name, []).append((case.connections, figures["cpu"]))
    return points


if __name__ == "__main__":
    main()
