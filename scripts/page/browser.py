"""A browser, driven over the WebDriver protocol with the standard library alone."""

import base64
import json
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


class NoBrowser(Exception):
    """It does not start here."""


class Browser:
    """Headless Chromium, from its start to `close`."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self.driver.stdout:
            found = re.search(r"on port (\d+)", line)
            if found and "successfully" in line:
                break
        self.base = f"http://127.0.0.1:{found.group(1)}/session"
        options = {
            "args": [
                "--headless=new",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                # It sees one page, which is ours; in containers there is often no sandbox to be had.
                "--no-sandbox",
                f"--user-data-dir={self.profile.name}",
            ]
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        try:
            answer = self._ask("POST", self.base, {"capabilities": {"alwaysMatch": wanted}})
        except urllib.error.HTTPError as error:
            self.driver.terminate()
            self.driver.wait()
            raise NoBrowser(error.read().decode(errors="replace")[:500]) from error
        self.session = f"{self.base}/{answer['sessionId']}"

    def _ask(self, method, url, value=None):
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self._ask("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """What a script returns."""
        return self._ask("POST", f"{self.session}/execute/sync", {"script": script, "args": arguments})

    def devtools(self, command, parameters):
        value = {"cmd": command, "params": parameters}
        return self._ask("POST", f"{self.session}/goog/cdp/execute", value)

    def log(self, kind):
        """What was logged since this was asked last."""
        return self._ask("POST", f"{self.session}/se/log", {"type": kind})

    def resize(self, width, height):
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    def set_dark(self, is_dark):
        value = "dark" if is_dark else "light"
        features = [{"name": "prefers-color-scheme", "value": value}]
        self.devtools("Emulation.setEmulatedMedia", {"features": features})

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._ask("GET", f"{self.session}/screenshot")))

    def close(self):
        try:
            self._ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.profile.cleanup()


def wait_for(what, condition, seconds=20):
    """Looks again and again until it is so, and says what it was if it never is."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it never came: {what}")
        time.sleep(0.1)
