"""The table as a README wants it: where and how it was measured, then lb's ratios by case."""

from cases import LOWER_IS_BETTER
from report import is_reached, row

NAMES = {"cpu": "CPU per request", "rate": "throughput", "p99": "p99", "memory": "peak memory"}


def head(about):
    return [
        f"{about['date']}, Linux {about['kernel']}, {about['cpu']}; {', '.join(about['versions'])}.",
        f"`{about['command']}`: {about['rounds']} rounds of {about['seconds']} s. lb's figure divided by that",
        "of the best peer in the same round: median (lowest–highest). ✗ misses the bar that is set for it;",
        "less is better, but for the throughput.",
        "",
        row(["case", *NAMES.values()]),
        "|---|" + "---:|" * len(NAMES),
    ]


def cell(case, figure, figures):
    if figure not in figures["ratios"]:
        return "–"
    middle, low, high = figures["ratios"][figure]
    missed = is_reached(case, figure, middle) is False
    return f"{middle:.2f} ({low:.2f}–{high:.2f})" + (f" ✗ {bar_of(case, figure)}" if missed else "")


def bar_of(case, figure):
    return f"{'≤' if LOWER_IS_BETTER[figure] else '≥'} {case.bar[figure]:.2f}"


def label(case, figures):
    """The case's name, and what it stands for."""
    idle = f", {figures['idle']:.0f} idle" if figures.get("idle") else ""
    failed = f", {figures['failed']} failed" if figures["failed"] else ""
    plural = "" if case.connections == 1 else "s"
    return f"`{case.name}` ({case.connections} connection{plural}{idle}{failed})"


def table(about, cases, results):
    lines = head(about)
    for case in cases:
        if case.name in results:
            figures = results[case.name]["lb"]
            lines.append(row([label(case, figures), *(cell(case, name, figures) for name in NAMES)]))
    return "\n".join(lines) + "\n"
