"""The bench's own parsing and arithmetic, without a proxy: what it says has to be right.
`python3 scripts/bench/test_bench.py`; `.ci/run` runs it as well."""

import argparse
import unittest
from xml.dom import minidom

import bench
import build
import markdown
import measure
import plot
import report
import versions
from cases import CASES, Case, bar

# As wrk 4.1 prints it; the deviation lines end in percentages, of which one is 99 %.
OUTPUT = """Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   812.34us    1.02ms  21.55ms   99.00%
    Req/Sec    81.13k     5.77k   93.60k    99%
  Latency Distribution
     50%  750.00us
     75%    1.10ms
     90%    1.50ms
     99%    {p99}
  163000 requests in 2.01s, 28.29MB read
{more}Requests/sec:  81088.42
Transfer/sec:     14.07MB
"""


def told(p99="2.50ms", more=""):
    return measure.parse_wrk(OUTPUT.format(p99=p99, more=more))


class Wrk(unittest.TestCase):
    def test_figures_come_from_their_own_lines(self):
        self.assertEqual(told(), {"requests": 163000, "rate": 81088.42, "p50": 0.75, "p99": 2.5, "failed": 0})

    def test_units(self):
        for text, wanted in [("250.00us", 0.25), ("3.00ms", 3.0), ("1.50s", 1500.0), ("2.00m", 120_000.0)]:
            with self.subTest(text):
                self.assertAlmostEqual(told(p99=text)["p99"], wanted)

    def test_what_is_no_time_is_refused_and_never_nought(self):
        for text in ("-nan", "nanus", "99%", "1.00h"):
            with self.subTest(text), self.assertRaises(SystemExit):
                measure.milliseconds(text)

    def test_deviations_that_are_no_numbers_do_not_matter(self):
        output = OUTPUT.format(p99="2.50ms", more="").replace(" 99.00%\n", " -nan%\n").replace(" 99%\n", " -nan%\n")
        self.assertEqual(measure.parse_wrk(output)["p99"], 2.5)

    def test_a_missing_percentile_is_refused_though_a_deviation_looks_like_it(self):
        output = OUTPUT.format(p99="X", more="").replace("     99%    X\n", "")
        with self.assertRaises(SystemExit):
            measure.parse_wrk(output)

    def test_every_kind_of_failure_counts(self):
        errors = "  Socket errors: connect 1, read 20, write 300, timeout 4000\n"
        status = "  Non-2xx or 3xx responses: 50000\n"
        self.assertEqual(told(more=errors)["failed"], 4321)
        self.assertEqual(told(more=status)["failed"], 50_000)
        self.assertEqual(told(more=errors + status)["failed"], 54_321)

    def test_no_answer_at_all_is_an_error(self):
        with self.assertRaises(SystemExit):
            measure.parse_wrk(OUTPUT.format(p99="0.00us", more="").replace("163000 requests", "0 requests"))


class Settling(unittest.TestCase):
    def settle(self, readings):
        readings, pauses = iter(readings), []
        return measure.settled(1, lambda _: next(readings), pauses.append), len(pauses)

    def test_it_waits_until_nothing_is_used_any_more(self):
        self.assertEqual(self.settle([1.0, 1.1, 1.2, 1.2, 9.0]), (1.2, 3))

    def test_it_does_not_wait_for_ever(self):
        self.assertEqual(self.settle(range(100)), (20, 20))


def figures(cpu, rate=100.0, p99=1.0, memory=1000, failed=0):
    return {"cpu": cpu, "rate": rate, "p99": p99, "memory": memory, "failed": failed}


ROUNDS = [
    {"lb": figures(8.0, 120.0, failed=1), "nginx": figures(10.0, 100.0), "haproxy": figures(16.0, 80.0)},
    {"lb": figures(9.0, 110.0, failed=2), "nginx": figures(20.0, 100.0), "haproxy": figures(18.0, 200.0)},
    {"lb": figures(30.0, 90.0), "nginx": figures(10.0, 100.0), "haproxy": figures(12.0, 60.0)},
]


class Ratios(unittest.TestCase):
    def test_the_better_peer_is_chosen_in_each_round(self):
        self.assertEqual(report.ratios(ROUNDS, "lb", "cpu"), [0.8, 0.5, 3.0])
        self.assertEqual(report.ratios(ROUNDS, "lb", "rate"), [1.2, 0.55, 0.9])

    def test_another_build_of_lb_is_no_peer_and_pingora_is_one(self):
        round_ = {"lb": figures(8.0), "lb-also": figures(1.0), "nginx": figures(10.0), "pingora": figures(4.0)}
        self.assertEqual(report.ratios([round_], "lb", "cpu"), [2.0])

    def test_without_peers_there_is_no_ratio(self):
        self.assertEqual(report.ratios([{"lb": figures(8.0)}], "lb", "cpu"), [])
        self.assertEqual(report.cell(CASES[0], "cpu", report.summary([{"lb": figures(8.0)}])["lb"]), "-")

    def test_medians_and_spreads(self):
        lb = report.summary(ROUNDS)["lb"]
        self.assertEqual((lb["cpu"], lb["rate"], lb["failed"]), (9.0, 110.0, 3))
        self.assertEqual(lb["ratios"]["cpu"], [0.8, 0.5, 3.0])
        self.assertEqual(lb["spread"]["cpu"], [8.0, 30.0])


class Bars(unittest.TestCase):
    case = Case("x", 8, bar=bar(cpu=0.9, rate=1.2))

    def test_less_is_better_but_for_the_throughput(self):
        wanted = {("cpu", 0.9): True, ("cpu", 0.5): True, ("cpu", 0.91): False,
                  ("rate", 1.2): True, ("rate", 1.9): True, ("rate", 1.19): False}
        for (figure, ratio), reached in wanted.items():
            with self.subTest(figure=figure, ratio=ratio):
                self.assertIs(report.is_reached(self.case, figure, ratio), reached)

    def test_what_is_shown_as_the_bar_reaches_it(self):
        self.assertTrue(report.is_reached(self.case, "cpu", 0.9049))
        self.assertFalse(report.is_reached(self.case, "cpu", 0.9051))

    def test_without_a_bar_there_is_no_mark(self):
        self.assertIsNone(report.is_reached(self.case, "p99", 7.0))


def result_of(case):
    return {case.name: report.summary(ROUNDS)}


ABOUT = {"date": "2030-01-02", "kernel": "6.1", "cpu": "A & B <x> ×2", "versions": ["lb 1", "nginx 2"],
         "command": "scripts/bench.sh small-8", "rounds": 3, "seconds": 2}


class Tables(unittest.TestCase):
    def test_every_row_has_as_many_cells_as_the_head(self):
        lines = [*report.HEAD, *report.rows(CASES[0], report.summary(ROUNDS))]
        self.assertEqual({line.count("|") for line in lines}, {len(report.COLUMNS) + 1})
        self.assertEqual(len(lines), 2 + 3)

    def test_the_readme_table(self):
        case = Case("x", 8, bar=bar(cpu=0.7, rate=0.9))
        lines = markdown.table(ABOUT, [case, Case("not-run", 1)], result_of(case)).splitlines()
        self.assertIn("`scripts/bench.sh small-8`", "\n".join(lines))
        rows = [line for line in lines if line.startswith("|")]
        self.assertEqual({line.count("|") for line in rows}, {6})
        self.assertEqual(rows[2:], [
            "| `x` (8 connections, 3 failed) | 0.80 (0.50–3.00) ✗ ≤ 0.70 | 0.90 (0.55–1.20) "
            "| 1.00 (1.00–1.00) | 1.00 (1.00–1.00) |"])


POINTS = {"lb": [(1, 30.0, 28.0, 33.0), (4000, 19.0, 18.0, 21.0)],
          "nginx": [(1, 31.0, 30.0, 35.0), (4000, 20.0, 19.5, 90.0)]}


class Plot(unittest.TestCase):
    def test_it_is_well_formed_though_names_are_odd(self):
        svg = minidom.parseString(plot.plot(POINTS, ABOUT))
        self.assertEqual(len(svg.getElementsByTagName("polyline")), 2)
        self.assertEqual(len(svg.getElementsByTagName("circle")), 4)
        self.assertIn("A & B <x> ×2", " ".join(t.firstChild.data for t in svg.getElementsByTagName("text")))

    def test_everything_is_on_the_paper(self):
        scale = plot.Scale(POINTS)
        self.assertGreaterEqual(scale.top, 90.0)
        self.assertAlmostEqual(scale.y(scale.top), plot.TOP)
        self.assertAlmostEqual(scale.y(0), plot.HEIGHT - plot.BOTTOM)
        self.assertAlmostEqual(scale.x(1), plot.LEFT)
        self.assertAlmostEqual(scale.x(4000), plot.WIDTH - plot.RIGHT)

    def test_x_goes_by_the_logarithm(self):
        scale = plot.Scale({"lb": [(1, 1.0, 1.0, 1.0), (100, 1.0, 1.0, 1.0)]})
        self.assertAlmostEqual(scale.x(10), (scale.x(1) + scale.x(100)) / 2)

    def test_one_case_alone_can_be_drawn(self):
        minidom.parseString(plot.plot({"lb": [(64, 8.0, 8.0, 8.0)]}, ABOUT))

    def test_steps_are_round(self):
        self.assertEqual([plot.step_for(highest) for highest in (0.9, 9.0, 23.0, 90.0, 400.0)], [0.2, 2, 5, 20, 100])

    def test_names_do_not_cover_each_other(self):
        placed = sorted(plot.apart({"a": 50.0, "b": 51.0, "c": 49.0}).values())
        self.assertTrue(all(after - before >= plot.LINE_HEIGHT for before, after in zip(placed, placed[1:])))

    def test_points_are_of_the_small_cases_with_their_spread(self):
        results = result_of(CASES[0]) | {"upload-1m": report.summary(ROUNDS)}
        self.assertEqual(bench.points_of(results)["lb"], [(1, 9.0, 8.0, 30.0)])


class Choice(unittest.TestCase):
    def test_peers(self):
        self.assertEqual(bench.peers("haproxy,pingora"), ["haproxy", "pingora"])
        with self.assertRaises(argparse.ArgumentTypeError):
            bench.peers("nginx,ls")

    def test_each_is_first_in_turn_and_nobody_always_follows_the_same_one(self):
        orders = [bench.order_of(["a", "b", "c"], number) for number in range(6)]
        self.assertEqual({order[0] for order in orders}, {"a", "b", "c"})
        before_b = {order[order.index("b") - 1] for order in orders if order[0] != "b"}
        self.assertEqual(before_b, {"a", "c"})

    def test_pingora_is_left_out_where_lines_are_logged(self):
        parts = [case.name for case in CASES if not bench.takes_part("pingora", case)]
        self.assertEqual(parts, ["access-log"])

    def test_versions(self):
        for told_, number in [("nginx version: nginx/1.22.1", "1.22.1"), ("wrk [epoll]", "of unknown version"),
                              ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012", "4.1.0"),
                              ("HAProxy version 2.6.12-1+deb12u4 2026/10/17", "2.6.12")]:
            with self.subTest(told_):
                self.assertEqual(versions.number_in(told_), number)

    def test_a_failed_build_names_what_is_missing(self):
        build.missing_tools, kept = (lambda: ["cmake"]), build.missing_tools
        self.addCleanup(setattr, build, "missing_tools", kept)
        self.assertIn("needs cmake", build.why_it_failed("error: x"))


if __name__ == "__main__":
    unittest.main()
