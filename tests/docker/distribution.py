# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry (CNCF distribution), as an administrator would start it beside the server."""

import contextlib
import shutil
import signal
import socket
import subprocess
import urllib.request

from berth import LIMIT, wait_for

PROGRAMS = ("docker-registry", "skopeo", "curl")


def missing():
    """Why the tests of pushing cannot run here; None where they can."""
    for program in PROGRAMS:
        if not shutil.which(program):
            return f"there is no {program}"
    return None


CONFIG = """version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Distribution:

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "config.yml").write_text(CONFIG.format(folder=folder / "data", port=self.port))
        self.process = None

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(self.folder / "config.yml")], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        wait_for(self.answers, lambda: f"the registry's first answer: {(self.folder / 'log').read_text()[-2000:]}")
        return self

    def answers(self):
        try:
            return urllib.request.urlopen(self.url + "/v2/", timeout=LIMIT).status == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)

    def uploads(self):
        """The files of uploads that are under way, or were left."""
        return list(self.folder.glob("data/docker/registry/v2/repositories/*/*/_uploads/*/data"))

    @contextlib.contextmanager
    def stopped(self):
        """It takes connections, and does nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
