"""What is measured, and how good lb wants to be: each figure as a ratio to the better of the
peers in the same round. Knows no process and no file."""

from dataclasses import dataclass, field

# Figures of which less is better; of the throughput more is.
LOWER_IS_BETTER = {"cpu": True, "rate": False, "p99": True, "memory": True}


@dataclass(frozen=True)
class Case:
    name: str
    connections: int
    path: str = "/"
    # Highest ratio (for the throughput: lowest) that counts as reached.
    bar: dict = field(default_factory=dict)
    upload: int = 0
    new_connections: bool = False
    idle: int = 0
    access_log: bool = False
    # lb's own demo server behind all of them: it can be slow, and reads what is uploaded.
    demo_backends: bool = False
    lb_options: tuple = ()


def bar(cpu=None, rate=None, p99=None, memory=None):
    given = {"cpu": cpu, "rate": rate, "p99": p99, "memory": memory}
    return {name: value for name, value in given.items() if value is not None}


SMALL = bar(0.90, 1.0, 1.0, 1.0)
BULK = bar(0.70, 1.2, 1.0)

CASES = [
    Case("small-1", 1, bar=SMALL),
    Case("small-8", 8, bar=SMALL),
    Case("small-64", 64, bar=SMALL),
    Case("small-1000", 1000, bar=bar(0.75, 1.1, 1.0, 0.6)),
    Case("small-4000", 4000, bar=bar(0.50, 1.8, 1.0, 0.4)),
    Case("answer-10k", 64, path="/10k", bar=bar(0.80, 1.0, 1.0)),
    Case("answer-1m", 8, path="/files/1m", bar=BULK),
    Case("answer-100m", 2, path="/files/100m", bar=BULK),
    Case("upload-1m", 8, upload=1 << 20, demo_backends=True, bar=BULK),
    Case("new-connection", 64, new_connections=True, bar=bar(1.0, 1.0, 1.0)),
    Case("idle-10000", 64, idle=10_000, bar=bar(memory=0.6)),
    Case(
        "slow-backends",
        2000,
        path="/?delay=100ms",
        demo_backends=True,
        lb_options=("--workers", "16"),
        bar=bar(0.8, 1.0, 1.0, 1.0),
    ),
    Case("access-log", 64, access_log=True, bar=SMALL),
]
