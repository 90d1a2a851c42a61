# SPDX-License-Identifier: Apache-2.0
"""A real server for the tests, started from the binary in BERTH_TEST_BIN, and callers that can send what no client would."""

import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/models"
EXAMPLES = ROOT / "examples"
LIMIT = 90
TERMINAL = ("succeeded", "failed", "canceled", "aborted")
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|runtime error: |LeakSanitizer|Assertion .* failed|stack smashing)")


# Run with the descriptors in $0: they become 3, 4 and so on of the program.
HAND_OVER = """
n=3
for fd in $0; do eval "exec $n<&$fd $fd<&-"; n=$((n + 1)); done
LISTEN_FDS=$((n - 3)) LISTEN_PID=$$ exec "$@"
"""


def binary():
    given = os.environ.get("BERTH_TEST_BIN")
    for path in [given] if given else [ROOT / "build/san/src/berth", ROOT / "build/src/berth"]:
        if Path(path).exists():
            return str(path)
    raise RuntimeError("there is no binary: build it, or name one in BERTH_TEST_BIN")


def wait_for(condition, what, limit=LIMIT):
    """Ask until the answer is true, and give it back."""
    pause, deadline = threading.Event(), time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit} seconds: {what() if callable(what) else what}")
        pause.wait(0.02)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.text = self.body.decode(errors="replace")
        self.type = (self.headers.get("Content-Type") or "").split(";")[0]

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.text[:2000]}"


class Client:
    """Calls with one token; body may be an object, or bytes as they are."""

    def __init__(self, server, account, token):
        self.server, self.account, self.token = server, account, token

    def call(self, method, path, body=None, headers=None, prefix="/v1", timeout=LIMIT):
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=timeout)
        try:
            connection.request(method, prefix + path, body, {k: v for k, v in sent.items() if v is not None})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def patch(self, path, body, **more):
        return self.call("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.call("DELETE", path, **more)

    def deploy(self, name, model, version, low=0, high=1, hardware="cpu-small"):
        answer = self.post("/deployments", {"name": name, "model": model, "version": version, "hardware": hardware,
                                            "min_instances": low, "max_instances": high})
        assert answer.status == 200, answer
        return f"/deployments/{self.account}/{name}"

    def predict(self, path, values, wait=True, **more):
        answer = self.post(path + "/predictions", {"input": values}, headers={"Prefer": "wait"} if wait else None, **more)
        assert answer.status == 201, answer
        return answer.json

    def prediction(self, made):
        answer = self.get(f"/predictions/{made if isinstance(made, str) else made['id']}")
        assert answer.status == 200, answer
        return answer.json

    def ended(self, made, limit=LIMIT):
        """The prediction once it is terminal."""
        last = {}

        def look():
            last.update(self.prediction(made))
            return last["status"] in TERMINAL

        wait_for(look, lambda: f"the end of {last}", limit)
        return last


class Server:
    """`berth serve` on a free port, with a data folder that is its own."""

    def __init__(self, data, *options, environment=None, sockets=()):
        self.sockets = sockets  # those that listen already, handed over as systemd does
        self.data, self.options, self.environment = Path(data), options, environment or {}
        self.port, self.process, self.lines, self.clients = None, None, [], {}
        self.changed = threading.Condition()
        self.data.mkdir(parents=True, exist_ok=True)
        if not (self.data / "berth.yaml").exists():
            shutil.copy(EXAMPLES / "berth.yaml", self.data / "berth.yaml")
        uv = ROOT / "build/venv/bin/uv"
        if uv.exists() and not (self.data / "tools").exists():
            (self.data / "tools/bin").mkdir(parents=True)
            (self.data / "tools/bin/uv").symlink_to(uv)

    def shared_folders(self):
        """Instances see the tests' own folders, where a test and its model meet; they see nothing else of /tmp."""
        base = [folder for folder in self.data.parents if folder.parent.name.startswith("pytest-of-")]
        if base:
            base[0].chmod(0o711)
        return [f"--instance-folders={base[0]}=rw"] if base else []

    def network(self):
        """The same tests with instances that have networks of their own: ./test runs some of them again so."""
        chosen = os.environ.get("BERTH_TEST_NETWORK")
        return [f"--instance-network={chosen}"] if chosen and "--enable-fake" not in self.options else []

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BERTH_")}
        command = [binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(self.data), "--log-format", "json",
                   "--rate-limit-predictions", "0", "--rate-limit-requests", "0", *self.shared_folders(), *self.network(), *self.options]
        self.port = None
        passed = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100) for one in self.sockets]
        if passed:
            command = ["bash", "-c", HAND_OVER, " ".join(map(str, passed)), *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace", start_new_session=True, cwd=self.data, pass_fds=passed,
                                        env={**environment, **self.environment})
        for one in passed:
            os.close(one)
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        with self.changed:
            done = self.changed.wait_for(lambda: self.port or self.process.poll() is not None, LIMIT)
        assert done and self.port, f"the server did not start: {self.log()}"
        return self

    def _read(self, process):
        with process.stderr:
            for line in process.stderr:
                with self.changed:
                    self.lines.append(line)
                    if '"message":"listening"' in line:
                        self.port = self.port or int(json.loads(line)["port"])
                    self.changed.notify_all()
        process.wait()
        with self.changed:
            self.changed.notify_all()

    def log(self):
        with self.changed:
            return "".join(self.lines)[-20000:]

    def records(self, message):
        with self.changed:
            lines = [line for line in self.lines if line.startswith("{")]
        return [record for record in map(json.loads, lines) if record["message"] == message]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def admin(self, *words, fails=False):
        done = subprocess.run([binary(), *words, "--data", str(self.data)], capture_output=True, text=True, check=False,
                              timeout=LIMIT)
        assert (done.returncode != 0) == fails, done
        return done.stderr if fails else done.stdout.strip()

    def ask(self, method, path):
        """A request over the administrator's socket."""
        connection = http.client.HTTPConnection("localhost", timeout=LIMIT)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(LIMIT)
        folder = os.open(self.data, os.O_PATH | os.O_DIRECTORY)
        try:
            connection.sock.connect(f"/proc/self/fd/{folder}/admin.sock")
            connection.request(method, path)
            return Answer(connection.getresponse())
        finally:
            connection.close()
            os.close(folder)

    def account(self, name, kind="user", *more):
        """A caller for an account, which is made with a token if it is new."""
        if name not in self.clients:
            self.admin("account", "create", name, "--type", kind, *more)
            self.clients[name] = Client(self, name, self.admin("token", "create", name))
        return self.clients[name]

    def nobody(self):
        return Client(self, None, None)

    def push(self, client, folder, name, *flags, fails=False):
        """`berth push`: the version, or what was said when it fails."""
        environment = {**os.environ, "BERTH_URL": self.url, "BERTH_TOKEN": client.token}
        done = subprocess.run([binary(), "push", str(folder), f"{client.account}/{name}", *flags], capture_output=True,
                              text=True, check=False, timeout=LIMIT * 2, env=environment)
        assert (done.returncode != 0) == fails, f"{done}\n{self.log()}"
        if fails:
            return done.stderr
        last = done.stdout.strip().splitlines()[-1]
        assert re.fullmatch(f"{client.account}/{re.escape(name)}:[0-9a-f]{{64}}", last), last
        return last.rpartition(":")[2]

    def send(self, data, limit=LIMIT):
        """Raw bytes on a connection of their own; what came back until the server closed, or fell silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=limit) as link:
            try:
                link.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return read_all(link)

    def kill(self):
        """kill -9, as a crash or the machine's end would."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(LIMIT)
        self.reader.join(LIMIT)

    def stop(self):
        """SIGTERM; nothing may have been leaked or broken."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the server did not end: {self.log()}") from None
        self.reader.join(LIMIT)
        said = "".join(self.lines)
        report = SANITIZER.search(said)
        assert not report, said[max(0, report.start() - 500):][:12000]
        assert code == 0, f"exit status {code}: {self.log()}"

    def end(self):
        """After a test that failed: whatever is left goes."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT)
        for line in instance_processes(self.data):
            try:
                os.kill(line, signal.SIGKILL)
            except ProcessLookupError:
                pass


def read_all(link):
    parts = []
    try:
        while piece := link.recv(65536):
            parts.append(piece)
    except (ConnectionResetError, socket.timeout):
        pass
    return b"".join(parts)


def instance_processes(data):
    """Processes that belong to a data folder: their folder or their command line lies in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            inside = os.readlink(entry / "cwd").startswith(f"{data}/")
        except OSError:
            continue
        if f"{data}/" in command or inside:
            found.append(int(entry.name))
    return found
