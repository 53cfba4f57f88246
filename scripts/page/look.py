"""Looks at the live page as an operator would; see scripts/test-page.sh."""

import http.client
import json
import pathlib
import sys
import urllib.parse

from browser import Browser, NoBrowser, wait_for
from stage import Stage

WIDTHS = [(360, 1600), (768, 1400), (1440, 1100)]

# Texts that lie over each other, and whether the page is wider than its window.
OVERLAPS = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const boxes = [];
while (walker.nextNode()) {
  const node = walker.currentNode;
  if (!node.textContent.trim()) continue;
  const parent = node.parentElement;
  if (['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(parent.tagName) || !parent.checkVisibility()) continue;
  if (parent.closest('thead') && getComputedStyle(parent.closest('thead')).position === 'absolute') continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.width > 1 && box.height > 1) boxes.push([box, node]);
  }
}
const found = [];
for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
  const [a, one] = boxes[i], [b, other] = boxes[j];
  if (one === other) continue;
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (wide > 2 && high > 4) found.push(one.textContent.trim() + ' | ' + other.textContent.trim());
}
const root = document.documentElement;
if (root.scrollWidth > innerWidth) found.push('wider than ' + innerWidth + ': ' + root.scrollWidth);
return found.slice(0, 5);
"""

ROW = """
const rows = [...document.querySelectorAll('#groups tr')];
const row = rows.find(row => row.firstChild.textContent === arguments[0]);
if (!row) return null;
const cell = name => [...row.children].find(cell => cell.dataset.label === name || cell.classList.contains(name));
return { state: cell('state').textContent, dress: cell('state').className, why: cell('why').textContent,
  colour: getComputedStyle(cell('state')).color };
"""

LANES = """
return [...document.querySelectorAll('.lane')].map(lane =>
  lane.children[1].textContent + lane.querySelector('canvas').toDataURL());
"""


class Look:
    def __init__(self, programs, pictures):
        self.browser = Browser()
        try:
            self.stage = Stage(programs)
        except BaseException:
            self.browser.close()
            raise
        self.origin = f"http://{self.stage.admin}"
        self.pictures = pictures

    def close(self):
        try:
            self.browser.close()
        finally:
            self.stage.close()

    def row(self, name):
        return self.browser.run(ROW, name) or {"state": "", "why": "", "dress": ""}

    def it_is_readable_without_javascript(self):
        connection = http.client.HTTPConnection(self.stage.admin, timeout=10)
        connection.request("GET", "/")
        text = connection.getresponse().read().decode()
        for _, name in self.stage.backends:
            assert f">{name}</td>" in text, text[:2000]

    def it_comes_alive(self):
        self.browser.resize(1440, 1100)
        self.browser.open(self.origin)
        for _, name in self.stage.backends:
            wait_for(f"{name} is up", lambda name=name: "up" in self.row(name)["state"])

    def the_lanes_move_under_load(self):
        self.stage.begin_load()
        seen = []
        def move():
            seen.append(str(self.browser.run(LANES)))
            return len(seen[-1]) > 100 and len(set(seen)) > 5
        wait_for("lanes that move", move)
        wait_for("a request that runs", lambda: self.browser.run(
            "return document.querySelectorAll('#running tbody tr').length") > 0)

    def a_drain_works(self):
        name = self.stage.backends[2][1]
        self.browser.run(
            "document.querySelector(`[aria-label='drain ${arguments[0]}']`).click()", name)
        wait_for("it drains", lambda: "draining" in self.row(name)["state"])
        wait_for("the change is shown", lambda: "draining" in self.browser.run(
            "return document.getElementById('changes').textContent"))
        self.browser.run(
            "document.querySelector(`[aria-label='enable ${arguments[0]}']`).click()", name)
        wait_for("it is back", lambda: "up" in self.row(name)["state"])

    def a_killed_backend_turns_red_and_says_why(self):
        good = self.row(self.stage.backends[0][1])["colour"]
        name = self.stage.kill_backend(1)
        wait_for("it is down", lambda: "down" in self.row(name)["state"])
        row = self.row(name)
        assert row["colour"] != good and "down" in row["dress"], row
        assert "refused" in row["why"], row
        wait_for("the change is shown", lambda: "DOWN" in self.browser.run(
            "return document.getElementById('changes').textContent"))

    def no_text_lies_over_another(self):
        for width, height in WIDTHS:
            self.browser.resize(width, height)
            wait_for(f"no overlap at {width}", lambda: not self.browser.run(OVERLAPS), 5)

    def pictures_are_made(self):
        for width, height, is_dark in [(1440, 1100, False), (1440, 1100, True), (360, 1600, True)]:
            self.browser.resize(width, height)
            self.browser.set_dark(is_dark)
            shade = "dark" if is_dark else "light"
            self.browser.run("return new Promise(done => setTimeout(done, 600))")
            self.browser.screenshot(self.pictures / f"page-{width}-{shade}.png")

    def nothing_is_asked_of_another_host(self):
        own = urllib.parse.urlsplit(self.origin).netloc
        for entry in self.browser.log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] != "Network.requestWillBeSent":
                continue
            url = urllib.parse.urlsplit(message["params"]["request"]["url"])
            assert url.scheme in ("data", "chrome", "about") or url.netloc == own, url

    def the_console_has_no_error(self):
        errors = [entry for entry in self.browser.log("browser") if entry["level"] == "SEVERE"]
        assert not errors, errors


def main():
    programs, *words = sys.argv[1:]
    pictures = pathlib.Path(__file__).parent if "--screenshots" in words else None
    try:
        look = Look(programs, pictures)
    except NoBrowser as error:
        print(f"page: skipped: the browser does not start here: {error}", file=sys.stderr)
        sys.exit(77)
    steps = [
        look.it_is_readable_without_javascript,
        look.it_comes_alive,
        look.the_lanes_move_under_load,
        look.a_drain_works,
        look.a_killed_backend_turns_red_and_says_why,
        look.no_text_lies_over_another,
        *([look.pictures_are_made] if pictures else []),
        look.nothing_is_asked_of_another_host,
        look.the_console_has_no_error,
    ]
    try:
        for step in steps:
            name = step.__name__.replace("_", " ")
            try:
                step()
            except AssertionError as error:
                sys.exit(f"page: FAILED: {name}: {error}")
            print(f"page: {name}", flush=True)
    finally:
        look.close()


main()
