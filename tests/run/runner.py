# SPDX-License-Identifier: Apache-2.0
"""./run as a user starts and ends it, in this checkout."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 240


class Run:
    def __init__(self, data, *words, port=None):
        self.data, self.port, self.lines, self.changed = data, port or free_port(), [], threading.Condition()
        uv = ROOT / "build/venv/bin/uv"
        if uv.exists() and not (data / "tools").exists():  # as if it had been installed before
            (data / "tools/bin").mkdir(parents=True)
            (data / "tools/bin/uv").symlink_to(uv)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BERTH_")}
        self.process = subprocess.Popen([str(ROOT / "run"), "--no-install", "--data", str(data), "--listen",
                                         f"127.0.0.1:{self.port}", *words], stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                                        env=environment, cwd=data.parent, preexec_fn=hears_interrupts)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def until(self, pattern):
        def told():
            return next((line for line in self.lines if line and re.search(pattern, line)), None)

        with self.changed:
            self.changed.wait_for(lambda: told() or None in self.lines, LIMIT)
            found = told()
            assert found, self.text()
            return found

    def text(self):
        return "\n".join(line for line in self.lines if line is not None)

    def end(self, number):
        os.killpg(self.process.pid, number)  # as a terminal does it
        return self.wait()

    def wait(self):
        code = self.process.wait(LIMIT)
        self.reader.join(LIMIT)
        return code


def hears_interrupts():
    """As below a terminal. What a shell without job control starts in the background ignores SIGINT, all below it
    too, and a shell script cannot undo that: ./run could not be interrupted where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes_of(data):
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(data).encode() in (entry / "cmdline").read_bytes():
                found.append((entry / "cmdline").read_bytes())
        except OSError:
            pass
    return found
