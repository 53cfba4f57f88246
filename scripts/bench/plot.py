"""An SVG of processor time per request over connections: it has its own background and no
fonts of its own, so that it can be read on a light page and on a dark one."""

from math import ceil, log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 96, 66, 86
COLOURS = {"lb": "#c2410c", "nginx": "#15803d", "haproxy": "#1d4ed8", "pingora": "#7e22ce", "lb-also": "#78350f"}
INK, FAINT, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
# Between two names at the lines' ends.
LINE_HEIGHT = 17


class Scale:
    """From figures to places: x by its logarithm, y from nought."""

    def __init__(self, points):
        every = [point for line in points.values() for point in line]
        self.step = step_for(max(high for *_, high in every))
        self.top = self.step * ceil(max(high for *_, high in every) / self.step)
        self.first, self.last = log10(min(x for x, *_ in every)), log10(max(x for x, *_ in every))

    def x(self, value):
        part = (log10(value) - self.first) / max(self.last - self.first, 0.1)
        return LEFT + (WIDTH - LEFT - RIGHT) * part

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / self.top


def step_for(highest):
    """A round number that makes some five lines of the grid."""
    rough = max(highest, 1e-6) / 5
    power = 10 ** int(log10(rough) // 1)
    return next(power * m for m in (1, 2, 5, 10) if power * m >= rough)


def text(x, y, words, size=13, colour=INK, anchor="start", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}"{more}>{escape(words)}</text>')


def line(x1, y1, x2, y2, colour, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>')


def titles(about):
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f' transform="rotate(-90 18 {middle:.1f})"'
    return [
        text(LEFT, 26, "Processor time per request: small answers, connections kept", 16, more=' font-weight="600"'),
        text(LEFT, 46, f"user + system time of all the proxy's threads; median of {about['rounds']} rounds of "
             f"{about['seconds']} s, bars: lowest to highest", 12, FAINT),
        text(18, middle, "µs of CPU per request", 13, INK, "middle", turned),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 42, "connections at once (log scale)", 13, INK, "middle"),
        text(LEFT, HEIGHT - 24, f"{about['date']}, {about['cpu']}, Linux {about['kernel']}", 10.5, FAINT),
        text(LEFT, HEIGHT - 10, ", ".join(about["versions"]), 10.5, FAINT),
    ]


def grid(scale, connections):
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    for number in range(round(scale.top / scale.step) + 1):
        value = number * scale.step
        y = scale.y(value)
        yield line(LEFT, y, right, y, FAINT if number == 0 else GRID)
        yield text(LEFT - 8, y + 4, f"{value:g}", 12, FAINT, "end")
    for value in connections:
        yield line(scale.x(value), floor, scale.x(value), floor + 5, FAINT)
        yield text(scale.x(value), floor + 19, f"{value}", 12, FAINT, "middle")


def whisker(x, low, high, colour):
    caps = [line(x - 4, y, x + 4, y, colour, 1.5) for y in (low, high)]
    return [line(x, low, x, high, colour, 1.5), *caps]


def series(scale, points, colour, shift):
    """One proxy's line, its points and their spread. `shift` keeps bars from hiding each other."""
    places = [(scale.x(x) + shift, *map(scale.y, values)) for x, *values in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2"/>'
    for x, y, low, high in places:
        yield from whisker(x, low, high, colour)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}"/>'


def apart(wanted):
    """Heights for the names at the lines' ends: in order, and none upon another."""
    placed = {}
    for name, y in sorted(wanted.items(), key=lambda item: item[1]):
        placed[name] = max(y, max(placed.values(), default=-LINE_HEIGHT) + LINE_HEIGHT)
    return placed


def plot(points, about):
    """`points`: name -> [(connections, median, lowest, highest)], all in µs."""
    scale = Scale(points)
    ends = apart({name: scale.y(of[-1][1]) for name, of in points.items()})
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
           'aria-label="CPU time per request over connections" '
           'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
           f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6" fill="{PAPER}" stroke="{GRID}"/>',
           *titles(about), *grid(scale, sorted({x for of in points.values() for x, *_ in of}))]
    for number, (name, of) in enumerate(points.items()):
        colour, shift = COLOURS.get(name, FAINT), 3 * (number - (len(points) - 1) / 2)
        svg += series(scale, of, colour, shift)
        svg.append(text(WIDTH - RIGHT + 14, ends[name] + 4, name, 13, colour, more=' font-weight="600"'))
    return "\n".join([*svg, "</svg>", ""])
