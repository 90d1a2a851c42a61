# SPDX-License-Identifier: Apache-2.0
"""Tries to get at what is not its own, and says how far it came: "did: ..." or "could not: ..."."""

import ctypes
import errno
import glob
import os
import signal
import socket
import sys
import time

from cog import BasePredictor, Input

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, CLONE_NEWNS, CLONE_NEWUSER, MNT_DETACH = 16, 0x20000, 0x10000000, 2
MB = 1 << 20


def called(name, result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return f"{name}: {result}"


def database(data, **_):
    with open(f"{data}/berth.db", "rb") as opened:
        return opened.read(16)


def key(data, **_):
    with open(f"{data}/key", "rb") as opened:
        return opened.read()


def configuration(data, **_):
    with open(f"{data}/berth.yaml", "rb") as opened:
        return opened.read()


def other_instances(data, **_):
    mine = os.environ["HOME"].rsplit("/", 1)[0]
    others = [folder for folder in glob.glob(f"{data}/instances/*") if folder != mine]
    if not others:
        raise OSError(errno.ENOENT, "no other instance is seen")
    return others


def other_versions(data, **_):
    others = [folder for folder in glob.glob(f"{data}/versions/*") if folder != os.getcwd()]
    if not others:
        raise OSError(errno.ENOENT, "no other version is seen")
    return others


def own_record(**_):
    with open(os.environ["HOME"] + "/../state.json", "rb") as opened:
        return opened.read()


def admin_socket(data, **_):
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(f"{data}/admin.sock")
        return "connected"


def signal_server(pid, **_):
    os.kill(pid, signal.SIGTERM)
    return "sent"


def signal_supervisor(**_):
    above = os.getppid()  # the model server, whose parent is the supervisor
    with open(f"/proc/{above}/stat") as opened:
        os.kill(int(opened.read().rpartition(")")[2].split()[1]), signal.SIGTERM)
    return "sent"


def server_environment(pid, **_):
    with open(f"/proc/{pid}/environ", "rb") as opened:
        return opened.read()


def server_root(pid, data, **_):
    return os.listdir(f"/proc/{pid}/root/{data}")


def server_memory(pid, **_):
    with open(f"/proc/{pid}/mem", "rb") as opened:
        return opened.fileno()


def trace_server(pid, **_):
    return called("ptrace", LIBC.ptrace(PTRACE_ATTACH, pid, None, None))


def uncover(data, **_):
    """The mounts that hide things, taken away in a user namespace of its own; for which one must have one thread."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            called("unshare", LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS))
            path = data
            while path != "/":
                LIBC.umount2(path.encode(), MNT_DETACH)
                path = os.path.dirname(path)
            with open(f"{data}/berth.db", "rb") as opened:
                os.write(write, b"+" + opened.read(16))
        except OSError as caught:
            os.write(write, f"-{caught}".encode())
        finally:
            os._exit(0)
    os.wait()
    said = os.read(read, 1000).decode(errors="replace")
    if said.startswith("-"):
        raise OSError(errno.EPERM, said[1:])
    return said


def bind_port(port, **_):
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        link.bind(("127.0.0.1", port))
        link.listen()
        return "bound"


def call_server(port, host="127.0.0.1", **_):
    """The public API, by both ways of closing."""
    for end in (lambda link: None, lambda link: link.shutdown(socket.SHUT_WR)):
        with socket.create_connection((host, port), timeout=30) as link:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            end(link)
            answer = link.recv(100)
            if answer:
                return answer
    raise OSError(errno.ECONNRESET, "closed without an answer")


def other_instance(other, **_):
    """Its model server, at the port that it has on its own loopback."""
    with socket.create_connection(("127.0.0.1", other), timeout=30) as link:
        link.sendall(b"GET /health-check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return link.recv(100)


def way_out(**_):
    """An interface that leads anywhere, or an address that is somewhere."""
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    if others:
        return others
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("192.0.2.1", 9))
        return "there is a route"


def machine_sockets(pid, **_):
    """What listens under a name that is no path, and the sockets of the machine's services."""
    if os.listdir("/run"):
        return os.listdir("/run")
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(f"\0berth-escape-{pid}")
        return "connected"


def other_secret(port, **_):
    """The server's internal listener, with a secret that is not its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        link.sendall(b"POST /_i/" + b"a" * 32 + b"/webhook/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        answer = link.recv(100)
    if answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 403", b"HTTP/1.1 404")):
        raise OSError(errno.EACCES, answer.split(b"\r\n")[0].decode())
    return answer


def write_environment(**_):
    with open(sys.prefix + "/pyvenv.cfg", "a") as opened:
        return opened.write("x")


def write_version(**_):
    os.chmod("predict.py", 0o666)
    with open("predict.py", "a") as opened:
        return opened.write("x")


def write_machine(**_):
    for folder in ("/", "/etc", "/usr/bin", "/run", "/var/lib", "/opt", "/srv"):
        try:
            with open(f"{folder}/escape", "w"):
                return folder
        except OSError as caught:
            last = caught
    raise last


def become_root(**_):
    """A program that is set to its owner does not make one its owner here."""
    path = os.environ["HOME"] + "/set"
    with open("/bin/sh", "rb") as shell, open(path, "wb") as copy:
        copy.write(shell.read())
    os.chmod(path, 0o6755)
    if not os.statvfs(path).f_flag & os.ST_NOSUID:
        return "its mount heeds set-user-id"
    os.setuid(0)
    return "root"


def capabilities(**_):
    status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines())
    if int(status["CapEff"], 16) or int(status["CapBnd"], 16) or status["NoNewPrivs"] != "1":
        return status
    raise OSError(errno.EPERM, "none")


def processes_of_others(**_):
    others = [entry for entry in os.listdir("/proc") if entry.isdigit() and os.stat(f"/proc/{entry}").st_uid == 0]
    if not others:
        raise OSError(errno.ENOENT, "none of root's is seen")
    return others


def shared_memory(**_):
    found = [name for name in os.listdir("/dev/shm") if os.stat(f"/dev/shm/{name}").st_uid != os.getuid()]
    if not found:
        raise OSError(errno.ENOENT, "none of others is seen")
    return found


def leave(**_):
    """Two forks and a session of its own, away from everything; the test looks whether it is alive later."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        inner = os.fork()
        if inner == 0:
            time.sleep(3600)
        os.write(write, str(inner).encode())
        os._exit(0)
    os.wait()
    return int(os.read(read, 20))


def fork(**_):
    children = []
    try:
        while len(children) < 2000:
            child = os.fork()
            if child == 0:
                time.sleep(3600)
            children.append(child)
    except OSError as caught:
        return f"{len(children)} and then {caught.strerror}"
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return f"{len(children)} and no end"


def descriptors(**_):
    opened = []
    try:
        while len(opened) < 10000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as caught:
        return f"{len(opened)} and then {caught.strerror}"
    finally:
        for one in opened:
            os.close(one)
    return f"{len(opened)} and no end"


def fill(names=True):
    with open(os.environ["HOME"] + "/large", "wb") as opened:
        if not names:
            os.unlink(opened.name)
        for _ in range(2000):
            opened.write(b"x" * MB)
            opened.flush()
            time.sleep(0.02)
    return "2000 MB"


def disk(**_):
    return fill()


def nameless_disk(**_):
    return fill(names=False)


def output(**_):
    line = b"x" * 999 + b"\n"
    for _ in range(100):
        os.write(2, line * 1000)
    return "100 MB"


TRIES = {name: value for name, value in dict(globals()).items()
         if callable(value) and getattr(value, "__module__", "") == __name__ and name not in ("called", "fill")}


class Predictor(BasePredictor):
    def predict(self, attempt: str = Input(description="What to try"), data: str = Input(description="The data folder"),
                pid: int = Input(description="The server"), port: int = Input(description="Its port"),
                other: int = Input(description="The port of another instance", default=0),
                host: str = Input(description="The machine's address", default="127.0.0.1")) -> str:
        try:
            return f"did: {TRIES[attempt](data=data, pid=pid, port=port, other=other, host=host)}"
        except OSError as caught:
            return f"could not: {caught}"
