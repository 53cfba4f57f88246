"""What came out: ratios to the better peer, and a table."""

from statistics import median

from cases import LOWER_IS_BETTER


def is_peer(name):
    """Another build of lb is none."""
    return not name.startswith("lb")


def ratios(rounds, name, figure):
    """Of one proxy to the best of the peers, round by round."""
    best = min if LOWER_IS_BETTER[figure] else max
    found = []
    for round_ in rounds:
        peers = [values[figure] for peer, values in round_.items() if is_peer(peer)]
        if peers and best(peers) > 0:
            found.append(round_[name][figure] / best(peers))
    return found


def spread(values):
    return [min(values), max(values)]


def summary(rounds):
    """For each proxy the medians of its figures, and of its ratios with their spread."""
    result = {}
    for name in rounds[0]:
        figures = {key: median(r[name][key] for r in rounds) for key in rounds[0][name]}
        figures["failed"] = sum(r[name]["failed"] for r in rounds)
        found = {key: ratios(rounds, name, key) for key in LOWER_IS_BETTER}
        figures["ratios"] = {k: [median(v), *spread(v)] for k, v in found.items() if v}
        figures["spread"] = {key: spread([r[name][key] for r in rounds]) for key in LOWER_IS_BETTER}
        result[name] = figures
    return result


def is_reached(case, figure, ratio):
    """Whether a ratio is as good as the bar; `None` without one."""
    bar = case.bar.get(figure)
    if bar is None:
        return None
    return ratio <= bar + 0.005 if LOWER_IS_BETTER[figure] else ratio >= bar - 0.005


def cell(case, figure, figures):
    if figure not in figures["ratios"]:
        return "-"
    middle, low, high = figures["ratios"][figure]
    mark = {None: "", True: " ✓", False: " ✗"}[is_reached(case, figure, middle)]
    return f"{middle:.2f} ({low:.2f}–{high:.2f}){mark}"


def rows(case, result):
    """The lines of one case: lb's with ratios and marks, then the others' plain figures."""
    for name, figures in result.items():
        shown = [f"{figures['cpu']:.1f}", f"{figures['rate']:.0f}", f"{figures['p99']:.2f}", f"{figures['memory']:.0f}"]
        if not is_peer(name):
            marks = [cell(case, figure, figures) for figure in LOWER_IS_BETTER]
        else:
            marks = [f"{figures['ratios'][f][0]:.2f}" for f in LOWER_IS_BETTER if f in figures["ratios"]]
        idle = f"{figures['idle_bytes']:.0f} B" if figures.get("idle_bytes") else ""
        yield row([case.name, name, *shown, idle, *marks, str(figures["failed"])])


def row(cells):
    return "| " + " | ".join(cells) + " |"


COLUMNS = ["case", "proxy", "CPU µs/req", "req/s", "p99 ms", "peak KiB", "an idle one",
        "CPU", "throughput", "p99", "memory", "failed"]


# Markdown, so that it can be put where it is read.
HEAD = [row(COLUMNS), "|" + "---|" * len(COLUMNS)]
