"""What came out: ratios, a table, a plot."""

from math import log10
from statistics import median

from cases import LOWER_IS_BETTER

COLOURS = {"lb": "#c2410c", "nginx": "#15803d", "haproxy": "#1d4ed8"}


def ratios(rounds, name, figure):
    """Of one proxy to the best of the peers, round by round."""
    best = min if LOWER_IS_BETTER[figure] else max
    found = []
    for round_ in rounds:
        peers = [values[figure] for peer, values in round_.items() if peer in ("nginx", "haproxy")]
        if peers and best(peers) > 0:
            found.append(round_[name][figure] / best(peers))
    return found


def summary(rounds):
    """For each proxy the medians of its figures, and of its ratios with their spread."""
    result = {}
    for name in rounds[0]:
        figures = {key: median(r[name][key] for r in rounds) for key in rounds[0][name]}
        figures["failed"] = sum(r[name]["failed"] for r in rounds)
        found = {key: ratios(rounds, name, key) for key in LOWER_IS_BETTER}
        figures["ratios"] = {k: [median(v), min(v), max(v)] for k, v in found.items() if v}
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
        shown = [f"{figures['cpu']:.1f}", f"{figures['rate']:.0f}", f"{figures['p99']:.2f}", f"{figures['memory']}"]
        if name.startswith("lb"):
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


def plot(points):
    """An SVG of CPU time per request over connections. `points`: name -> [(connections, µs)]."""
    width, height, left, bottom, top, right = 720, 400, 60, 50, 40, 90
    highest = max(y for line in points.values() for _, y in line) * 1.1
    last = max(x for line in points.values() for x, _ in line)
    x_of = lambda x: left + (width - left - right) * log10(x) / max(log10(last), 0.1)
    y_of = lambda y: height - bottom - (height - bottom - top) * y / highest
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="#fdfdfb"/>',
           f'<text x="{left}" y="22" fill="#222">Processor time of the proxy per request (µs), small answers</text>',
           f'<text x="{width // 2}" y="{height - 12}" text-anchor="middle" fill="#222">connections</text>']
    for step in range(0, int(highest) + 1, 10):
        svg.append(f'<line x1="{left}" x2="{width - right}" y1="{y_of(step):.1f}" y2="{y_of(step):.1f}" stroke="#ddd"/>')
        svg.append(f'<text x="{left - 8}" y="{y_of(step) + 4:.1f}" text-anchor="end" fill="#444">{step}</text>')
    for x, _ in next(iter(points.values())):
        svg.append(f'<text x="{x_of(x):.1f}" y="{height - bottom + 18}" text-anchor="middle" fill="#444">{x}</text>')
    for name, line in points.items():
        colour = COLOURS.get(name, "#7e22ce")
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in line)
        svg.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        svg += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        x, y = line[-1]
        svg.append(f'<text x="{x_of(x) + 8:.1f}" y="{y_of(y) + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*svg, "</svg>", ""])
