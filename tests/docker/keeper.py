# SPDX-License-Identifier: Apache-2.0
"""Runs a container engine for as long as somebody holds the other end of its standard input, and leaves nothing of it.

    unshare --mount --propagation private python keeper.py FOLDER

Lines of standard input: `start` (answers `started`, or why not) and `kill`, which ends dockerd as a crash would (answers
`killed`). At the input's end, whether the tests ended or were killed, everything ends that the engine started, and the machine's
network is again as it was: the rules, chains and policies of iptables, the bridges, and whether packets are forwarded. Mounts are in a namespace
of the engine's own and go with its last process."""

import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

PR_SET_CHILD_SUBREAPER = 36
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
TABLES = ("iptables", "ip6tables")
LIMIT = 90


class Network:
    """What the engine changes of the machine's network, as it was when this was made."""

    def __init__(self):
        self.rules = {program: self.saved(program) for program in TABLES}
        self.forward = FORWARD.read_text()
        self.links = self.bridges()

    @staticmethod
    def saved(program):
        if not shutil.which(f"{program}-save"):
            return None
        done = subprocess.run([f"{program}-save"], capture_output=True, text=True, check=False)
        return parse_rules(done.stdout) if done.returncode == 0 else None

    @staticmethod
    def bridges():
        return {path.parent.name for path in Path("/sys/class/net").glob("*/bridge")}

    def restore(self):
        for program, before in self.rules.items():
            now = self.saved(program) if before is not None else None
            for words in undo(before, now) if now is not None else []:
                subprocess.run([program, "-w", *words], check=False)
        for link in self.bridges() - self.links:
            if re.fullmatch("br-[0-9a-f]{12}|docker0", link) and shutil.which("ip"):
                subprocess.run(["ip", "link", "delete", link], check=False)
        if FORWARD.read_text() != self.forward:
            FORWARD.write_text(self.forward)


def parse_rules(text):
    """{table: (policies by built-in chain, other chains, rules as words after -A)}."""
    tables = {}
    for line in text.splitlines():
        if line.startswith("*"):
            policies, chains, rules = tables.setdefault(line[1:], ({}, [], []))
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            if policy == "-":
                chains.append(name)
            else:
                policies[name] = policy
        elif line.startswith("-A "):
            rules.append(line[3:])
    return tables


def undo(before, now):
    """The commands that make `before` of `now`, where things were only added: rules, then chains, then policies."""
    words = []
    for table, (policies, chains, rules) in now.items():
        old_policies, old_chains, old_rules = before.get(table, ({}, [], []))
        left = list(old_rules)
        added = [chain for chain in chains if chain not in old_chains]
        for rule in rules:
            if rule in left:
                left.remove(rule)
            elif rule.split()[0] not in added:
                words.append(["-t", table, "-D", *split(rule)])
        words += [["-t", table, "-F", chain] for chain in added]
        words += [["-t", table, "-X", chain] for chain in added]
        words += [["-t", table, "-P", chain, old_policies.get(chain, "ACCEPT")] for chain, policy in policies.items()
                  if policy != old_policies.get(chain, "ACCEPT")]
    return words


def split(rule):
    """Words, those in quotes (comments) whole."""
    return [word[1:-1] if word.startswith('"') else word for word in re.findall(r'"[^"]*"|\S+', rule)]


def descendants():
    """Of this process: all that the engine started are, since what loses its parent becomes our child."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found, ours = set(), {os.getpid()}
    while ours:
        ours = {pid for pid, parent in parents.items() if parent in ours and pid not in found}
        found |= ours
    return found


class Keeper:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.socket = self.folder / "docker.sock"
        self.network = Network()
        self.daemon = self.runtime = None

    def spawn(self, command):
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self):
        """With a containerd beside it, which a dockerd that is killed does not take along."""
        (self.folder / "daemon.json").write_text("{}")
        (self.folder / "containerd.toml").write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        runtime = self.folder / "containerd.sock"
        if not self.runtime:
            self.runtime = self.spawn(["containerd", "--config", str(self.folder / "containerd.toml"), "--address", str(runtime),
                                       "--root", str(self.folder / "layers"), "--state", str(self.folder / "state")])
        self.await_("containerd's socket", runtime.exists, self.runtime)
        self.daemon = self.spawn(["dockerd", "--containerd", str(runtime), "--config-file", str(self.folder / "daemon.json"),
                                  "--storage-driver", "overlay2", "--bridge", "none", "--data-root", str(self.folder / "data"),
                                  "--exec-root", str(self.folder / "exec"), "--live-restore", "--pidfile",
                                  str(self.folder / "pid"), "-H", f"unix://{self.socket}"])
        self.await_("the engine's first answer", self.answers, self.daemon)

    def await_(self, what, ready, process):
        end = time.monotonic() + LIMIT
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{what} did not come: {(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)

    def answers(self):
        try:
            return self.ask("GET", "/_ping") is not None
        except OSError:
            return False

    def ask(self, method, path):
        connection = http.client.HTTPConnection("engine", timeout=LIMIT)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(LIMIT)
        try:
            connection.sock.connect(str(self.socket))
            connection.request(method, path)
            return connection.getresponse().read().decode(errors="replace")
        finally:
            connection.close()

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def end(self):
        """In order where the engine answers; then whatever is left, and what it did to the network."""
        try:
            if not self.runtime:
                return
            if self.daemon is None or self.daemon.poll() is not None:
                self.start()
            for one in json.loads(self.ask("GET", "/containers/json?all=1")):
                self.ask("DELETE", f"/containers/{one['Id']}?force=1&v=1")
            for one in json.loads(self.ask("GET", f"/networks?filters={quote(json.dumps({'type': ['custom']}))}")):
                self.ask("DELETE", f"/networks/{one['Id']}")
            self.daemon.terminate()
            self.daemon.wait(LIMIT)
        except (OSError, RuntimeError, ValueError, TypeError, AttributeError, subprocess.TimeoutExpired) as caught:
            print(f"keeper: not in order: {caught}", file=sys.stderr)
        left = descendants()
        while left:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                pass
            left = descendants()
        self.network.restore()


def main():
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)  # the end of the input is what ends it
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    keeper = Keeper(sys.argv[1])
    try:
        for line in sys.stdin:
            if line.strip() == "start":
                try:
                    keeper.start()
                except (OSError, RuntimeError) as caught:
                    print(" ".join(str(caught).split()), flush=True)
                    continue
                print("started", flush=True)
            elif line.strip() == "kill":
                keeper.kill()
                print("killed", flush=True)
    finally:
        keeper.end()


if __name__ == "__main__":
    main()
