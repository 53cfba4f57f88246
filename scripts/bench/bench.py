"""lb against nginx and HAProxy: see the head of scripts/bench.sh."""

import argparse
import json
import os
import platform
import resource
import shlex
import shutil
import signal
import sys
import tempfile
from datetime import date
from pathlib import Path

import build
from cases import CASES
from markdown import table
from measure import open_idle, round_of
from plot import plot
from proxies import Backends, Children, Proxy
from report import HEAD, rows, summary
from versions import version

PEERS = ("nginx", "haproxy", "pingora")
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
    parser.add_argument("--peers", default="nginx,haproxy", type=peers, metavar="NAME,…",
                        help="which to compare with: nginx, haproxy (if they are there), pingora (which is "
                             "built then, and needs cmake and a C compiler); %(default)s if not given")
    parser.add_argument("--lb-options", default="", help='such as "--workers 4"')
    parser.add_argument("--also-lb", metavar="PROGRAM", help="another build of lb, measured beside this one")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--plot", metavar="FILE", type=Path,
                        help="an SVG of CPU per request over connections, of the cases small-*")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="the ratios as a table for a README")
    given = parser.parse_args()
    for name in given.cases:
        if name not in names:
            parser.error(f"there is no case {name!r}; there are {', '.join(names)}")
    return given


def peers(names):
    listed = names.split(",")
    for name in listed:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
    return listed


def command_of(peer):
    """`None` of a peer that is not on this machine."""
    if peer == "pingora":
        return [str(build.pingora())]
    return [] if shutil.which(peer) else print(f"{peer} is not here: not compared")


def chosen_proxies(given):
    chosen = {"lb": [str(build.target() / "release/lb"), *given.lb_options.split()]}
    if given.also_lb:
        chosen["lb-also"] = [given.also_lb, *given.lb_options.split()]
    chosen.update({peer: command_of(peer) for peer in given.peers})
    return {name: command for name, command in chosen.items() if command is not None}


def run_case(case, given, chosen, children):
    """Of each proxy its figures in one case; each is started anew, so that peaks are the case's."""
    backends = Backends(children, case.demo_backends)
    proxies = [Proxy(name, command, children, backends, case)
               for name, command in chosen.items() if takes_part(name, case)]
    script = children.folder / "upload.lua"
    script.write_text(f'wrk.method = "POST"; wrk.body = string.rep("x", {case.upload})')
    run = rounds_beside_idle if case.idle else rounds_in_turn
    rounds = run(case, given, proxies, script)
    children.end()
    # Within a round they stand in the order in which they ran.
    result = summary(rounds)
    return {proxy.name: result[proxy.name] for proxy in proxies}


def takes_part(name, case):
    """Pingora has no access log."""
    return not (name == "pingora" and case.access_log)


def order_of(proxies, number):
    """Another first each time; and forth and back, so that nobody always follows the same one."""
    first = number % len(proxies)
    turned = proxies[first:] + proxies[:first]
    return turned[::-1] if number % 2 else turned


def rounds_in_turn(case, given, proxies, script):
    """Each proxy in turn."""
    seconds = max(given.seconds, LONG_SECONDS) if "100m" in case.path else given.seconds
    for proxy in proxies:
        round_of(proxy, case, WARM_UP_SECONDS, script)
    rounds = []
    for number in range(given.rounds):
        rounds.append({proxy.name: round_of(proxy, case, seconds, script)
                       for proxy in order_of(proxies, number)})
    return rounds


def rounds_beside_idle(case, given, proxies, script):
    """One proxy after the other: we have not descriptors enough for the idle ones of all."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count, rounds = min(case.idle, limit // 2 - RESERVE), [{} for _ in range(given.rounds)]
    for proxy in proxies:
        idle, cost = open_idle(proxy, count)
        round_of(proxy, case, WARM_UP_SECONDS, script)
        for figures in rounds:
            figures[proxy.name] = round_of(proxy, case, given.seconds, script) | {"idle_bytes": cost, "idle": count}
        for connection in idle:
            connection.close()
    return rounds


def cpu_model():
    """Not every kind of processor tells its name."""
    told = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return told[0] if told else platform.machine()


def environment(given):
    versions = [version(name) for name in ("lb", *given.peers, "wrk")]
    return {
        "date": date.today().isoformat(),
        "kernel": platform.release(),
        "cpu": f"{cpu_model()} ×{os.cpu_count()}",
        "versions": [told for told in versions if told],
        "command": shlex.join(["scripts/bench.sh", *sys.argv[1:]]),
        "rounds": given.rounds,
        "seconds": given.seconds,
    }


def main():
    given = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    chosen = chosen_proxies(given)
    results, about = {}, environment(given)
    print(f"{about['date']}, Linux {about['kernel']}, {about['cpu']}; {'; '.join(about['versions'])}")
    print(f"{given.rounds} rounds of {given.seconds} s; ratios to the best of the peers, median (lowest–highest)\n")
    with tempfile.TemporaryDirectory(prefix="lb-bench-") as folder:
        # nginx may change to another user, who has to read it.
        Path(folder).chmod(0o755)
        children = Children(Path(folder))
        try:
            print("\n".join(HEAD))
            for case in CASES:
                if given.cases and case.name not in given.cases:
                    continue
                results[case.name] = run_case(case, given, chosen, children)
                print("\n".join(rows(case, results[case.name])), flush=True)
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            children.end()
    write(given, about, results)


def write(given, about, results):
    """The files that were asked for."""
    if given.json:
        given.json.write_text(json.dumps({**about, "cases": results}, indent=1) + "\n")
    if given.markdown:
        given.markdown.write_text(table(about, CASES, results))
    points = points_of(results)
    if given.plot and points:
        given.plot.write_text(plot(points, about))
    elif given.plot:
        print("bench: no plot; it is of the cases small-*", file=sys.stderr)


def points_of(results):
    """For each proxy: connections, and the median, lowest and highest µs."""
    points = {}
    for case in CASES:
        if case.name.startswith("small-") and case.name in results:
            for name, figures in results[case.name].items():
                points.setdefault(name, []).append((case.connections, figures["cpu"], *figures["spread"]["cpu"]))
    return points


if __name__ == "__main__":
    main()
