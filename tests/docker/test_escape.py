# SPDX-License-Identifier: Apache-2.0
"""An image that tries to get out of its container: docs/security.md says what stops each try."""

import contextlib
import os
import re
import socket
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest
from berth import MODELS, ROOT, Server, wait_for
from test_docker import push

SECRET = "nobodys-business"
HARDWARE = """
hardware:
  - {sku: cpu-small, price: 0.000025, cpus: 1, memory: 512MB, processes: 200, open_files: 256, runtimes: [docker]}
"""


def own_addresses():
    """All of this machine's, but for those of its loopback."""
    found, last = set(), ""
    for line in Path("/proc/net/fib_trie").read_text().splitlines():
        if "/32 host LOCAL" in line:
            found.add(last)
        last = line.split()[-1]
    return sorted(one for one in found if not one.startswith("127."))


def free_port():
    with socket.create_server(("0.0.0.0", 0)) as link:
        return link.getsockname()[1]


def address_of(engine, container):
    network, = engine.inspect(container)["NetworkSettings"]["Networks"].values()
    return network["IPAddress"]


def listens(host, port):
    with contextlib.suppress(OSError), socket.create_connection((host, port), 5):
        return True
    return False


class Prison:
    """A server that listens everywhere, with two containers of the model that escapes."""

    def __init__(self, engine, data):
        self.engine = engine
        data.mkdir(mode=0o700)
        (data / "berth.yaml").write_text(HARDWARE)
        self.metrics = free_port()
        self.server = Server(data, "--docker-socket", str(engine.socket), "--listen", f"0.0.0.0:{free_port()}", "--metrics-listen",
                             f"0.0.0.0:{self.metrics}", "--max-setup-log", "1MB", environment={"NOBODYS": SECRET})

    def start(self):
        self.server.start()
        self.ready = wait_for(lambda: self.server.records("the container engine is ready"), "that it has found the engine")[0]
        self.me = self.server.account("acme")
        version = push(self.server, "escape-image:v1", "acme/escape")
        self.path, other = (self.me.deploy(name, "acme/escape", version, low=1) for name in ("one", "two"))
        assert self.attempt("capabilities", other).startswith("could not: ")
        row, = self.me.get(other + "/instances").json["results"]
        self.other = f"berth-{row['id']}"
        return self

    def ended(self, what, path=None, **values):
        made = self.me.predict(path or self.path, {"attempt": what, **values}, wait=False)
        return self.me.ended(made)

    def attempt(self, what, path=None, **values):
        made = self.ended(what, path, **values)
        assert made["status"] == "succeeded", made
        return made["output"]

    def mine(self):
        row, = [one for one in self.me.get(self.path + "/instances").json["results"] if one["state"] in ("idle", "active")]
        return f"berth-{row['id']}"


@pytest.fixture(scope="module")
def prison(engine, images, tmp_path_factory):
    made = Prison(engine, tmp_path_factory.mktemp("prison") / "data")
    try:
        yield made.start()
        made.server.stop()
    finally:
        made.server.end()
        engine.forget(made.server)


@pytest.fixture(scope="module")
def neighbour(engine, images):
    """Somebody else's container in a network of its own: its address, and that network's on this machine."""
    engine.ask("POST", "/networks/create", {"Name": "neighbour", "Driver": "bridge"})
    made = engine.ask("POST", "/containers/create", {"Image": "ctl:v1", "HostConfig": {"NetworkMode": "neighbour"}})
    try:
        engine.ask("POST", f"/containers/{made['Id']}/start")
        address = address_of(engine, made["Id"])
        wait_for(lambda: listens(address, 5000), "that it listens")
        yield address, engine.ask("GET", "/networks/neighbour")["IPAM"]["Config"][0]["Gateway"]
    finally:
        engine.ask("DELETE", f"/containers/{made['Id']}?force=1&v=1")
        engine.ask("DELETE", "/networks/neighbour")


def sizes(file):
    """Of a container's log; the engine moves its files while one looks."""
    found = []
    for one in file.parent.glob(file.name + "*"):
        with contextlib.suppress(FileNotFoundError):
            found.append(one.stat().st_size)
    return found


def fails(said):
    assert said.startswith("could not: "), said


# --- the network ---


def test_the_servers_own_ports(prison, neighbour):
    hosts = own_addresses()
    assert {prison.ready["gateway"], neighbour[1]} <= set(hosts)
    fails(prison.attempt("public_port", hosts=hosts, port=prison.server.port))
    fails(prison.attempt("metrics_port", hosts=hosts, port=prison.metrics))
    for host in hosts:  # to others they are open
        assert urllib.request.urlopen(f"http://{host}:{prison.server.port}/healthz").status == 200
    fails(prison.attempt("loopback", port=prison.server.port))


def test_the_listener_for_instances(prison):
    host, _, port = prison.ready["internal"].removeprefix("http://").rpartition(":")
    fails(prison.attempt("other_secret", host=host, port=int(port)))
    assert "all refused" in prison.attempt("other_secret", host=host, port=int(port)), "it was reached"


def test_other_instances(engine, prison):
    host = address_of(engine, prison.other)
    assert listens(host, 5000), "the machine reaches it"
    fails(prison.attempt("other_instance", host=host))
    fails(prison.attempt("other_instance_by_name", name=prison.other))
    fails(prison.attempt("raw_packets", host=host))


def test_other_networks_of_the_engine(prison, neighbour):
    fails(prison.attempt("other_network", host=neighbour[0]))


@contextlib.contextmanager
def somebody(host="0.0.0.0"):
    """A service of the machine's that answers all of its callers: its port."""
    with socket.create_server((host, 0)) as door:
        def answer():
            with contextlib.suppress(OSError):
                while True:
                    with door.accept()[0] as link:
                        link.recv(1000)
                        link.sendall(b"here")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def firewall(prison):
    """The rules of docs/operations.md, word for word."""
    text = (ROOT / "docs/operations.md").read_text()
    rules = re.findall(r"^iptables -I .*$", text, re.MULTILINE)
    assert len(rules) == 3, rules
    internal = prison.ready["internal"]
    values = {"SUBNETS": prison.ready["subnets"], "GATEWAY": prison.ready["gateway"], "PORT": internal.rpartition(":")[2]}
    done = []
    try:
        for rule in rules:
            subprocess.run(["sh", "-euc", rule.replace("iptables", "iptables -w", 1)], env={**os.environ, **values}, check=True)
            done.append(rule)
        yield
    finally:
        for rule in done:
            subprocess.run(["sh", "-euc", rule.replace("iptables -I", "iptables -w -D", 1)], env={**os.environ, **values}, check=True)


def test_what_only_a_firewall_closes(prison, neighbour):
    """What is open without it is told in the capacity; with the rules of the document it is closed, and predictions end as before."""
    with somebody() as port:
        told = prison.me.get("/capacity").json["container_engine"]["not_enforced"]
        assert len(told) == 1 and "bridge addresses" in told[0] and "beyond this machine" in told[0], told
        assert prison.attempt("host_port", hosts=[prison.ready["gateway"]], port=port) == f"did: {prison.ready['gateway']}: b'here'"
        with firewall(prison):
            fails(prison.attempt("host_port", hosts=own_addresses(), port=port))
            assert "Connection refused" in prison.attempt("beyond")
            host, _, internal = prison.ready["internal"].removeprefix("http://").rpartition(":")
            assert "all refused" in prison.attempt("other_secret", host=host, port=int(internal)), "it was reached"


@contextlib.contextmanager
def way_out():
    """Counts what would leave the machine for the address that nobody has, and lets none of it go."""
    rule = ["POSTROUTING", "-d", "192.0.2.1", "-j", "DROP"]

    def count():
        said = subprocess.run(["iptables", "-w", "-t", "mangle", "-nvxL", "POSTROUTING"], capture_output=True, text=True, check=True)
        line, = [one for one in said.stdout.splitlines() if "192.0.2.1" in one]
        return int(line.split()[0])

    subprocess.run(["iptables", "-w", "-t", "mangle", "-I", *rule], check=True)
    try:
        yield count
    finally:
        subprocess.run(["iptables", "-w", "-t", "mangle", "-D", *rule], check=True)


def test_nothing_beyond_the_machine(engine, new_server):
    """instance_network is of containers, too; what is changed holds as soon as none is left of before."""
    server = new_server("--instance-network", "isolated", "--keep-instances")
    client = server.account("acme")
    path = client.deploy("closed", "acme/escape", push(server, "escape-image:v1", "acme/escape"), low=1)

    def attempt(what):
        return client.predict(path, {"attempt": what})["output"]

    def told():
        return client.get("/capacity").json["container_engine"]["not_enforced"]

    def start(network):
        server.options = (*server.options, "--instance-network", network)  # the last one counts
        before = len(server.records("the container engine is ready"))
        server.start()
        wait_for(lambda: len(server.records("the container engine is ready")) > before, "that it has found the engine")

    with way_out() as count:
        fails(attempt("beyond"))
        assert count() == 0
    assert len(told()) == 1 and "beyond this machine" not in told()[0], told()
    server.kill()
    start("host")
    assert server.records("the containers' network stays as it is while there are containers in it")
    assert "beyond this machine" not in told()[0], "its container is in the network of before"
    with way_out() as count:
        fails(attempt("beyond"))
        assert count() == 0
    assert client.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200
    wait_for(lambda: not engine.containers(f"berth.server={server.records('the container engine is ready')[0]['container_owner']}"),
             "the end of its container")
    server.stop()
    start("host")
    assert "beyond this machine" in told()[0]
    assert client.patch(path, {"max_instances": 1}).status == 200
    with way_out() as count:
        fails(attempt("beyond"))
        assert count() > 0, "it is what the option stops"


# --- sockets, files, devices, rights ---


def test_the_engines_socket(engine, prison):
    fails(prison.attempt("engine_socket", paths=[str(engine.socket), str(engine.folder / "containerd.sock")]))
    with socket.socket(socket.AF_UNIX) as link:
        link.bind("\0berth-escape-image")
        link.listen()
        fails(prison.attempt("nameless_sockets", name="berth-escape-image"))


def test_the_machines_files(engine, prison):
    data = prison.server.data
    paths = [f"{data}/{name}" for name in ("berth.db", "key", "admin.sock", "berth.yaml")]
    assert all(Path(path).exists() for path in paths)
    fails(prison.attempt("host_files", paths=[*paths, str(data), str(engine.folder), str(ROOT), "/var/lib/docker", "/boot", "/home"]))


@pytest.mark.parametrize("what", ["files_by_number", "devices", "kernel_settings", "mounts", "write_image", "capabilities",
                                  "set_user_id", "calls"])
def test_what_a_container_may_not(prison, what):
    fails(prison.attempt(what))


def test_the_machines_processes(prison):
    fails(prison.attempt("processes_of_others", pid=prison.server.process.pid))
    assert SECRET.encode() in Path(f"/proc/{prison.server.process.pid}/environ").read_bytes()
    fails(prison.attempt("environment", name=SECRET))
    assert prison.server.process.poll() is None


# --- more than there is ---


def test_processes_and_descriptors_have_an_end(prison):
    said = prison.attempt("fork")
    assert int(re.fullmatch(r"did: (\d+) and then .*", said)[1]) < 200, said
    said = prison.attempt("descriptors")
    assert int(re.fullmatch(r"did: (\d+) and then .*", said)[1]) < 256, said


@pytest.mark.parametrize("what", ["temporary_files", "shared_memory"])
def test_files_in_memory_have_an_end(prison, what):
    said = prison.attempt(what)
    assert int(re.fullmatch(r"did: (\d+) and then No space left on device", said)[1]) <= 256, said


def test_memory_has_an_end(prison):
    made = prison.ended("memory")
    assert made["status"] == "failed" and "more memory than its hardware has" in made["error"], made
    fails(prison.attempt("capabilities"))
    assert prison.server.process.poll() is None


@pytest.mark.parametrize("what", ["log_flood", "log_line"])
def test_the_log_has_an_end(engine, prison, what):
    before = prison.mine()
    assert prison.attempt(what).startswith("did: ")
    assert prison.mine() == before
    file = Path(engine.inspect(before)["LogPath"])
    wait_for(lambda: sizes(file), "its log")
    assert sum(sizes(file)) < 2_500_000, sizes(file)
    fails(prison.attempt("capabilities"))


def test_each_is_in_the_document():
    text = (ROOT / "docs/security.md").read_text()
    table = text[text.index("### And an image"):]
    table = table[:table.index("\n## ")]
    said = set(re.findall(r"`(\w+)`", "\n".join(line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `"))))
    source = (MODELS / "escape_image/predict.py").read_text()
    helpers = set(re.findall(r'"(\w+)"', re.search(r"HELPERS = \((.*?)\)", source, re.DOTALL)[1]))
    tries = set(re.findall(r"^def (\w+)\(", source, re.MULTILINE)) - helpers
    assert tries == said, (tries ^ said)
    asked = Path(__file__).read_text()
    for name in tries:
        assert f'"{name}"' in asked, f"nobody tries {name}"
