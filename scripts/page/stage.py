"""A balancer with three backends and its page, and the load of some clients."""

import http.client
import re
import subprocess
import threading


class Stage:
    """The programs, from their start to `close`."""

    def __init__(self, programs):
        self.processes = []
        self.backends = [self._backend(programs) for _ in range(3)]
        names = [name for _, name in self.backends]
        words = ["127.0.0.1:0", *names, "--admin", "127.0.0.1:0", "--log", "off"]
        words += ["--health-interval", "500ms", "--workers", "4"]
        lb = self._start([f"{programs}/lb", *words], stderr=subprocess.PIPE)
        self.address = self._line(lb.stderr, r"listening on (\S+)")
        self.admin = self._line(lb.stderr, r"Admin listener: (\S+)")
        # What it logs later is read, so that it never waits for that.
        threading.Thread(target=lb.stderr.read, daemon=True).start()
        self.is_over = threading.Event()
        self.load = []

    def _start(self, words, **pipes):
        process = subprocess.Popen(words, text=True, **pipes)
        self.processes.append(process)
        return process

    def _backend(self, programs):
        process = self._start(
            [f"{programs}/backend", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        name = process.stdout.readline().split()[-1]
        threading.Thread(target=process.stdout.read, daemon=True).start()
        return process, name

    def _line(self, stream, pattern):
        for line in stream:
            if found := re.search(pattern, line):
                return found.group(1)
        raise AssertionError("the balancer has ended: see above")

    def begin_load(self, clients=6):
        """Requests from some clients, quick ones and slow ones."""
        targets = ["/", "/?bytes=20000", "/?delay=40ms", "/?delay=900ms", "/?drip=20ms", "/"]
        for number in range(clients):
            target = targets[number % len(targets)]
            thread = threading.Thread(target=self._ask_on, args=(target,), daemon=True)
            thread.start()
            self.load.append(thread)

    def _ask_on(self, target):
        while not self.is_over.wait(0.005):
            try:
                client = http.client.HTTPConnection(self.address, timeout=10)
                for _ in range(50):
                    client.request("GET", target)
                    client.getresponse().read()
                    if self.is_over.wait(0.002):
                        break
                client.close()
            except (OSError, http.client.HTTPException):
                # Answers of a backend that is killed are cut.
                continue

    def kill_backend(self, place):
        """As `kill -9` does; returns its name."""
        process, name = self.backends[place]
        process.kill()
        process.wait()
        return name

    def close(self):
        self.is_over.set()
        for thread in self.load:
            thread.join()
        for process in self.processes:
            process.kill()
            process.wait()
