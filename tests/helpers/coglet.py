# SPDX-License-Identifier: Apache-2.0
"""Run a model under the real model server, the way Berth does, for tests and for trying things by hand."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HELPERS = Path(__file__).resolve().parents[2] / "helpers"
PACKAGES = ["cog==0.23.1", "coglet==0.23.1"]
DEADLINE = 60


def make_environment(folder):
    """A virtual environment with cog and coglet: the one in BERTH_TEST_VENV, or a new one."""
    given = os.environ.get("BERTH_TEST_VENV")
    if given:
        return Path(given)
    venv = Path(folder) / "venv"
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(venv)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(venv / "bin/python"), *PACKAGES], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", "-q", *PACKAGES], check=True)
    return venv


class Server:
    """One running model server: its port and all that it wrote to standard error."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.changed = threading.Condition()
        self.port = None
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                found = re.search(r"Starting coglet server on [^:]+:(\d+)", line)
                if found:
                    self.port = int(found.group(1))
                self.changed.notify_all()
        with self.changed:
            self.process.stderr.close()
            self.changed.notify_all()

    def wait_for(self, condition, what):
        """Wait until a condition on the lines holds."""
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE), f"no {what} in: {''.join(self.lines)[-3000:]}"

    def records(self, target=None):
        """What was logged, as objects; of one target."""
        with self.changed:
            found = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [record for record in found if target is None or record["target"] == target]

    def messages(self, target):
        return "".join(record["fields"]["message"] + "\n" for record in self.records(target))

    def call(self, method, path, body=None, headers=None):
        """One request; returns the status and the decoded body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, json.loads(text) if text.startswith(("{", "[")) else text

    def settled_health(self):
        """The first health answer after setup ended, with its record of it."""
        limit = time.monotonic() + DEADLINE
        while time.monotonic() < limit:
            health = self.call("GET", "/health-check")[1]
            if health["status"] != "STARTING" and "completed_at" in health["setup"]:
                return health
            threading.Event().wait(0.01)
        raise AssertionError("setup did not end")

    def stream(self, path, body, on_event=None):
        """The events of one streamed run: pairs of name and data. Each is shown to on_event when it comes."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Accept": "text/event-stream"},
                                         method="PUT")
        events, name = [], None
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            for raw in response:
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    events.append((name, json.loads(value)))
                    if on_event:
                        on_event(*events[-1])
        return events


def write_schema(folder, reference, mode="predict"):
    """Put the schema where the server looks for it."""
    command = [sys.executable, "-I", str(HELPERS / "cog_schema.py"), str(folder), reference, "--mode", mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    target = Path(folder) / ".cog"
    target.mkdir(exist_ok=True)
    (target / "openapi_schema.json").write_text(json.dumps(document["openapi"]))
    return document


@contextlib.contextmanager
def serving(venv, folder, reference, mode="predict", shim=None, environment=None, schema=True):
    """Start the server in a model folder, give it to the caller, and end all its processes."""
    if schema:
        write_schema(folder, reference, mode)
    stub = "COG_TRAIN_TYPE_STUB" if mode == "train" else "COG_PREDICT_TYPE_STUB"
    env = {"PATH": f"{venv}/bin:/usr/bin:/bin", "PORT": "0", stub: reference, "PYTHONUNBUFFERED": "1",
           "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder), **(environment or {})}
    if mode == "train":
        env["COG_PREDICT_TYPE_STUB"] = reference
    if shim:
        env["PYTHONPATH"] = str(shim)
    command = [f"{venv}/bin/python", "-m", "cog.server.http", "--host", "127.0.0.1"]
    command += ["--x-mode", "train"] if mode == "train" else []
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    server = Server(process)
    try:
        server.wait_for(lambda: server.port or process.poll() is not None, "port")
        assert server.port, "".join(server.lines)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)
