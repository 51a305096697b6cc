"""The test server as a process of its own, to be killed and started again at the same address."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path


class Server:
    def __init__(self, *flags, start=True):
        self.directory = Path(tempfile.mkdtemp(prefix="durable-client-"))
        self.flags = list(flags)
        self.address = "127.0.0.1:0"
        if start:
            self.start()

    def start(self):
        log = open(self.directory / "log", "a")
        command = [os.environ["SERVER"], str(self.directory), "--listen", self.address, *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"{line!r}: {(self.directory / 'log').read_text()}"
        self.url = line.removeprefix("listening on ").strip()
        self.address = self.url.removeprefix("http://").removesuffix("/mcp")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def hold(self, point):
        (self.directory / f"hold.{point}").touch()

    def release(self, point):
        (self.directory / f"hold.{point}").unlink()

    def reached(self, point):
        path = self.directory / "reached"
        for _ in range(3000):
            if path.exists() and point in path.read_text().split():
                return
            time.sleep(0.01)
        raise AssertionError(f"{point} is not reached: {(self.directory / 'log').read_text()}")

    def effects(self):
        path = self.directory / "effects"
        return [line.split()[1] for line in path.read_text().splitlines()] if path.exists() else []
