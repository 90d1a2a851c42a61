# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks stand on: servers that are started for them, the load generator, and what the machine is."""

import contextlib
import ctypes
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
OUT = BUILD / "bench"
WORK = OUT / "work"
BERTH = BUILD / "src/berth"
LIMIT = 120

# "absent" is hardware that the machine lacks: what is created for it waits. "small" is for many instances: a tenth of a
# processor, which a real model uses up in a moment and then stands still for the rest of each tenth of a second. "whole"
# takes nothing from a model that is compared with itself.
CONFIG = """\
rate_limit_predictions: 0
rate_limit_requests: 0
http_max_connections: 20000
max_queue: 10000000
max_instances_limit: 100
hardware:
  - {sku: small, name: Small, price: 0, cpus: 0.1, memory: 1GB}
  - {sku: whole, name: Whole, price: 0, cpus: %CPUS%, memory: 1GB}
  - {sku: absent, name: Absent, price: 0, cpus: 1, memory: 64MB, gpus: 8, gpu_kind: absent}
"""


class Missing(Exception):
    """What a benchmark needs is not there: it is left out, and the reason is printed."""


def run(*words, limit=LIMIT, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=limit, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def wait_for(condition, what, limit=LIMIT):
    deadline = time.monotonic() + limit
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {limit} seconds: {what}")
        time.sleep(0.001)
    return found


def fresh(name):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid, key="VmRSS"):
    return int(re.search(rf"{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024 / 1e6


def load(address, path, *options, limit=LIMIT, refused=0.0):
    """One run of the load generator: what it printed. Answers other than 2xx are an error, but for that share of all."""
    words = [BUILD / "bench/load", *map(str, options), address, *([path] if path else [])]
    found = json.loads(run(*words, limit=limit))
    if found["errors"] > refused * found["requests"]:
        raise RuntimeError(f"{found['errors']} of {found['requests']} requests failed; the first with {found['first_bad']}: {found['first_text']}")
    return found


@contextlib.contextmanager
def held(address, path, clients, *options):
    """Connections that are held open, each with its request under way."""
    words = [BUILD / "bench/load", "-c", str(clients), *map(str, options), address, path]
    child = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    try:
        line = child.stdout.readline()
        if not line or json.loads(line) != {"open": clients, "errors": 0}:
            raise RuntimeError(f"the connections could not be held: {line}")
        yield
    finally:
        child.stdin.close()
        child.wait(LIMIT)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Process:
    """A program of another project, for the time of a benchmark."""

    def __init__(self, *words, **more):
        self.words = [str(word) for word in words]
        self.child = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      preexec_fn=die_with_parent, **more)
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait(LIMIT)


class Server:
    """`berth serve` on a free port with a data folder of its own (or one that is given)."""

    def __init__(self, name, *options, data=None):
        self.data = data or fresh(name)
        self.options = options
        self.port, self.token = None, None
        (self.data / "berth.yaml").write_text(CONFIG.replace("%CPUS%", str(len(os.sched_getaffinity(0)))))
        uv = shutil.which("uv", path=f"{BUILD}/venv/bin:{os.environ['PATH']}")
        if uv and not (self.data / "tools").exists():
            (self.data / "tools/bin").mkdir(parents=True)
            (self.data / "tools/bin/uv").symlink_to(uv)

    def __enter__(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BERTH_")}
        command = [str(BERTH), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data), "--log-format", "json",
                   "--orphan-timeout", "20s", *self.options]
        self.log = self.data / "log"
        began = time.monotonic()
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, env=environment, start_new_session=True,
                                          preexec_fn=die_with_parent)
        self.pid = self.child.pid
        wait_for(self._listens, "the start of the server")
        self.started_s = time.monotonic() - began
        return self.account()

    def _listens(self):
        if self.child.poll() is not None:
            raise RuntimeError(f"the server did not start: {self.log.read_text()[-2000:]}")
        line = re.search(r'.*"message":"listening".*', self.log.read_text())
        self.port = int(json.loads(line[0])["port"]) if line else None
        return self.port

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.child.kill()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def admin(self, *words):
        return run(BERTH, *words, "--data", self.data).strip()

    def account(self, name="bench"):
        if not (self.data / "bench-token").exists():
            self.admin("account", "create", name)
            (self.data / "bench-token").write_text(self.admin("token", "create", name))
        self.token = (self.data / "bench-token").read_text()
        return self

    @property
    def fields(self):
        """Options of the load generator that every request needs."""
        return ("-H", f"Authorization: Bearer {self.token}")

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})}
        connection.request(method, "/v1" + path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text) if text else None

    def push(self, model="echo"):
        environment = {**os.environ, "BERTH_URL": f"http://{self.address}", "BERTH_TOKEN": self.token}
        said = run(BERTH, "push", ROOT / "bench/models" / model, f"bench/{model}", env=environment)
        return said.strip().splitlines()[-1].rpartition(":")[2]

    def deploy(self, name, version, model="echo", hardware="small", low=0, high=1):
        self.call("POST", "/deployments", {"name": name, "model": f"bench/{model}", "version": version, "hardware": hardware,
                                           "min_instances": low, "max_instances": high})
        return f"/v1/deployments/bench/{name}/predictions"

    def predict(self, path, values, wait=True):
        return self.call("POST", path.removeprefix("/v1"), {"input": values}, {"Prefer": "wait"} if wait else None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def body(**values):
    return json.dumps({"input": values}, separators=(",", ":"))


# A sentence of the length that prompts often have.
TEXT = "A sentence of the length that prompts often have, so that rows are like those of real use."


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "system": next((line.partition("=")[2].strip().strip('"') for line in Path("/etc/os-release").read_text().splitlines()
                        if line.startswith("PRETTY_NAME=")), "?"),
        "python": sys.version.split()[0],
    }


def commit():
    with contextlib.suppress(RuntimeError, OSError):
        changed = run("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no").strip()
        return run("git", "-C", ROOT, "rev-parse", "--short=10", "HEAD").strip() + (" with changes" if changed else "")
    return "?"
