# SPDX-License-Identifier: Apache-2.0
"""A Docker Engine of the tests' own, with its own data folder and socket, and images of Cog models made without a registry:
the host's Python with Cog's packages in it, imported with the labels that `cog build` would put there."""

import base64
import contextlib
import functools
import http.client
import io
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import quote

from berth import LIMIT, ROOT

PYTHON = "/usr/bin/python3"
COG = ["cog==0.23.1", "coglet==0.23.1"]
# An engine that is not installed (tools/other-engine): the folder with its programs in `bin`.
OTHER = os.environ.get("BERTH_TEST_ENGINE")
SEARCHED = os.pathsep.join([f"{OTHER}/bin"] * bool(OTHER) + [os.environ["PATH"]])
LIBRARIES = re.compile(r"(?:=> )?(/\S+) \(0x")


@functools.cache
def missing():
    """Why no engine can run here; None where one can: one is started, and runs a container as the server makes them."""
    if os.geteuid() != 0:
        return "a container engine needs root"
    if OTHER and not Path(OTHER, "bin/dockerd").exists():
        why = Path(OTHER, "why")
        return why.read_text().strip() if why.exists() else f"there is no engine in {OTHER}: tools/other-engine fetches one"
    for program in ("dockerd", "containerd", "iptables", "unshare"):
        if not shutil.which(program, path=SEARCHED):
            return f"there is no {program}: install docker.io"
    if not Path(PYTHON).exists():
        return f"there is no {PYTHON} to make an image of"
    with tempfile.TemporaryDirectory(prefix="berth-probe-") as folder:
        made = Engine(Path(folder) / "engine")
        try:
            made.start()
            probe(made)
        except (EngineError, OSError) as caught:
            return "no container engine can run here: " + " ".join(str(caught).split())[-500:]
        finally:
            made.stop()
    return None


def probe(engine):
    """A container with the limits and in the kind of network that the server gives it."""
    program = Path(shutil.which("true")).resolve()
    archive = engine.folder / "probe.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(program, arcname="./true")
        for library in libraries_of([program]):
            tar.add(Path(library).resolve(), arcname=f".{library}")
    engine.load(archive, "probe:v1", ['CMD ["/true"]'])
    engine.ask("POST", "/networks/create", {"Name": "probe", "Driver": "bridge"})
    made = engine.ask("POST", "/containers/create", {"Image": "probe:v1", "HostConfig": {
        "NetworkMode": "probe", "Memory": 64000000, "MemorySwap": 64000000, "NanoCpus": 500000000, "PidsLimit": 20, "Init": True,
        "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]}})
    engine.ask("POST", f"/containers/{made['Id']}/start")
    code = engine.ask("POST", f"/containers/{made['Id']}/wait")["StatusCode"]
    if code != 0:
        raise EngineError(f"the first container ended with {code}")


class EngineError(Exception):
    pass


class Engine:
    """dockerd; started again it finds its containers, since they outlive it. It ends with the tests, however these end:
    keeper.py sees to that."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = self.folder / "docker.sock"
        self.keeper = subprocess.Popen(["unshare", "--mount", "--propagation", "private", sys.executable,
                                        str(Path(__file__).with_name("keeper.py")), str(self.folder)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
                                       env={**os.environ, "PATH": SEARCHED})

    def tell(self, word, answer):
        try:
            self.keeper.stdin.write(word + "\n")
            self.keeper.stdin.flush()
        except BrokenPipeError as caught:
            raise EngineError(f"the keeper ended with {self.keeper.wait()}") from caught
        said = self.keeper.stdout.readline().strip()
        if said != answer:
            log = self.folder / "log"
            raise EngineError(f"the keeper says {said!r}: {log.read_text()[-3000:] if log.exists() else ''}")

    def start(self):
        self.tell("start", "started")
        return self

    def ask(self, method, path, body=None, headers=None, auth=None):
        text = self.fetch(path, method, body, headers, auth).decode(errors="replace")
        return json.loads(text) if text.startswith(("{", "[")) and "\n" not in text.strip() else text

    def fetch(self, path, method="GET", body=None, headers=None, auth=None):
        connection = http.client.HTTPConnection("engine", timeout=LIMIT)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(LIMIT)
        try:
            connection.sock.connect(str(self.socket))
            if body is not None and not hasattr(body, "read"):
                body, headers = json.dumps(body), {"Content-Type": "application/json"}
            if auth:
                headers = {**(headers or {}), "X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()}
            connection.request(method, path, body, headers or {}, encode_chunked=hasattr(body, "read"))
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise EngineError(f"{method} {path[:200]}: {answer.status} {data.decode(errors='replace')}")
        return data

    def containers(self, label=None, running=False):
        filters = {"label": [label]} if label else {}
        return self.ask("GET", f"/containers/json?all={0 if running else 1}&filters={quote(json.dumps(filters))}")

    def forget(self, server):
        """Removes its containers, and its network: an engine has addresses for some thirty of them only."""
        for owner in {record["container_owner"] for record in server.records("the container engine is ready")}:
            for one in self.containers(f"berth.server={owner}"):
                self.ask("DELETE", f"/containers/{one['Id']}?force=1&v=1")
            for one in self.ask("GET", f"/networks?filters={quote(json.dumps({'label': [f'berth.server={owner}']}))}"):
                self.ask("DELETE", f"/networks/{one['Id']}")

    def inspect(self, container):
        return self.ask("GET", f"/containers/{container}/json")

    def kill(self):
        """As a crash would; its containers go on."""
        self.tell("kill", "killed")

    def stop(self):
        """With all that it runs, and what it did to the machine."""
        with contextlib.suppress(BrokenPipeError):
            self.keeper.stdin.close()
        self.keeper.wait(4 * LIMIT)
        self.keeper.stdout.close()

    def load(self, archive, name, changes):
        """`docker import`: a plain tar as an image."""
        query = "&".join(f"changes={quote(change)}" for change in changes)
        repository, _, tag = name.partition(":")
        with open(archive, "rb") as opened:
            answer = self.ask("POST", f"/images/create?fromSrc=-&repo={quote(repository)}&tag={tag or 'latest'}&{query}",
                              opened, {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"})
        assert "error" not in str(answer), answer
        return self.ask("GET", f"/images/{name}/json")["Id"]


def libraries_of(files):
    """The shared libraries that programs and modules are linked to."""
    found = set()
    for file in files:
        done = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False)
        found.update(LIBRARIES.findall(done.stdout))
    return found


def make_base(folder):
    """The host's Python and Cog's packages as a tree of files."""
    tree = Path(folder)
    version = subprocess.run([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True,
                             text=True, check=True).stdout.strip()
    source = Path(f"/usr/lib/python{version}")
    real = Path(PYTHON).resolve()
    shutil.copytree(source, tree / f"usr/lib/python{version}", symlinks=False, ignore_dangling_symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "test", "idlelib", "tkinter", "lib2to3", "ensurepip",
                                                  "config-*", "dist-packages"))
    for path in (tree / "usr/bin", tree / "tmp", tree / "proc", tree / "sys", tree / "dev", tree / "etc",
                 tree / "root", tree / "run"):
        path.mkdir(parents=True, exist_ok=True)
    # Cog's server makes no HTTP client without them.
    authorities = tree / "etc/ssl/certs/ca-certificates.crt"
    authorities.parent.mkdir(parents=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", authorities)
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    shutil.copy2(real, tree / "usr/bin" / real.name)
    for name in {"python", "python3", f"python{version}"} - {real.name}:
        (tree / "usr/bin" / name).symlink_to(real.name)
    packages = tree / "usr/lib/python3/dist-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
           "--target", str(packages), "--python-version", version, "--only-binary=:all:", *COG]
    subprocess.run(pip, check=True)
    linked = libraries_of([real, *(tree / f"usr/lib/python{version}").rglob("*.so"), *packages.rglob("*.so"),
                           *(file for file in packages.glob("bin/*"))])
    for library in linked | {f"/lib64/ld-linux-{platform.machine().replace('_', '-')}.so.2"}:
        if not Path(library).exists() or str(library).startswith(str(tree)):
            continue
        target = tree / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(library).resolve(), target)
    return tree


def describe(model, ref):
    """The schema of a model, as a push of its folder would find it."""
    done = subprocess.run([sys.executable, "-I", str(ROOT / "helpers/cog_schema.py"), str(model), ref], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["openapi"]


def label(name, value):
    """As in a Dockerfile, where a dollar would begin a variable."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"LABEL {name}={json.dumps(text)}".replace("$", "\\$")


def make_image(engine, base, model, name, ref="predict.py:Predictor", labels=True, config=None):
    """An image of a model's folder as Cog would make it: its id."""
    archive = engine.folder / "image.tar"
    schema = describe(model, ref)
    described = json.dumps(schema).encode()
    entry = tarfile.TarInfo("./src/.cog/openapi_schema.json")
    entry.size = len(described)
    with tarfile.open(archive, "w") as tar:
        tar.add(base, arcname=".")
        tar.add(model, arcname="./src", filter=lambda one: None if "__pycache__" in one.name else one)
        tar.addfile(entry, io.BytesIO(described))
    changes = ["ENV PATH=/usr/bin:/bin", f"ENV COG_PREDICT_TYPE_STUB={ref}", "WORKDIR /src", "EXPOSE 5000",
               'CMD ["python","-m","cog.server.http"]']
    if labels:
        changes += [label("run.cog.config", {"build": {"python_version": "3.11"}, "predict": ref, **(config or {})}),
                    label("run.cog.openapi_schema", schema), label("run.cog.version", "0.23.1")]
    try:
        return engine.load(archive, name, changes)
    finally:
        archive.unlink()


def make_server_image(engine, base, model, name, described=None):
    """An image of a server that is not Cog's; what it is served by is its label, or is brought when it is pushed."""
    archive = engine.folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(base, arcname=".")
        tar.add(model, arcname="./src", filter=lambda one: None if "__pycache__" in one.name else one)
    changes = ["ENV PATH=/usr/bin:/bin", "WORKDIR /src", 'CMD ["python3","server.py"]']
    if described:
        changes.append(label("berth.model", described))
    try:
        return engine.load(archive, name, changes)
    finally:
        archive.unlink()
