# SPDX-License-Identifier: Apache-2.0
"""Tries to get out of its container, and says how far it came: "did: ..." or "could not: ..."."""

import ctypes
import errno
import glob
import os
import signal
import socket
import stat
import sys
import time

from cog import BasePredictor, Input

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWUSER = 0x20000, 0x40000000, 0x10000000
ETH_P_ALL, IP_TRANSPARENT = 3, 19
MB = 1 << 20
SOON = 10  # seconds until what answers nothing has not been reached


def called(name, result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return f"{name}: {result}"


def nothing(what):
    raise OSError(errno.ENOENT, what)


def first_that_works(tries):
    """Each is a try of its own; what came of the first that went well, or how each failed."""
    failed = []
    for name, action in tries:
        try:
            return f"{name}: {action()}"
        except OSError as caught:
            failed.append(f"{name}: {caught}")
    raise OSError(errno.EPERM, "; ".join(failed)[:2000])


def ask(host, port, path="/"):
    """What answers there, by both ways of ending a request."""
    for end in (lambda link: None, lambda link: link.shutdown(socket.SHUT_WR)):
        with socket.create_connection((host, port), timeout=SOON) as link:
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            end(link)
            answer = link.recv(100)
            if answer:
                return answer
    raise OSError(errno.ECONNRESET, "closed without an answer")


# --- the network ---


def public_port(hosts, port, **_):
    return first_that_works((host, lambda host=host: ask(host, port, "/healthz")) for host in hosts)


def metrics_port(hosts, port, **_):
    return first_that_works((host, lambda host=host: ask(host, port, "/metrics")) for host in hosts)


def loopback(port, **_):
    return first_that_works((host, lambda host=host: ask(host, port, "/healthz")) for host in ("127.0.0.1", "127.0.0.53", "::1"))


def other_secret(host, port, **_):
    """The listener that is for instances, by a secret that is not its own, and by the public API's addresses."""
    for path in (f"/_i/{'a' * 32}/webhook/a", f"/_i/{'a' * 32}/files/a", "/v1/account", "/v1/predictions", "/metrics", "/v2/"):
        answer = ask(host, port, path)
        if not answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 403", b"HTTP/1.1 404", b"HTTP/1.1 405")):
            return answer
    raise OSError(errno.EACCES, "all refused")


def host_port(hosts, port, **_):
    """Something else of the host's, which listens on all of its addresses."""
    return first_that_works((host, lambda host=host: ask(host, port)) for host in hosts)


def other_instance(host, **_):
    """The model server of another one, and a word to any port of its without a connection."""
    tries = [("tcp", lambda: ask(host, 5000, "/health-check"))]
    if os.path.exists("/proc/net/if_inet6") and open("/proc/net/if_inet6").read().strip():
        tries.append(("ipv6", lambda: open("/proc/net/if_inet6").read()))
    return first_that_works(tries)


def other_instance_by_name(name, **_):
    return ask(name, 5000, "/health-check")


def other_network(host, **_):
    """A container that is not the server's, in a network of its own."""
    return ask(host, 5000, "/health-check")


def raw_packets(host, **_):
    """Frames and packets as one likes, and addresses of others: that is how one would be taken for another."""

    def transparent():
        with socket.socket() as link:
            link.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
            return "set"

    def bind():
        with socket.socket() as link:
            link.bind((host, 0))
            return "bound"

    return first_that_works([
        ("frames", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))),
        ("packets", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)),
        ("pings", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
        ("transparent", transparent), ("another's address", bind)])


def beyond(**_):
    """What is not on this machine: an address that is nobody's, so that the test sees who lets it pass."""
    with socket.create_connection(("192.0.2.1", 9), timeout=3):
        return "connected"


# --- sockets, files, devices ---


def engine_socket(paths, **_):
    def connect(path):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path)
            link.sendall(b"GET /info HTTP/1.1\r\nHost: a\r\n\r\n")
            return link.recv(100)

    known = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"]
    return first_that_works((path, lambda path=path: connect(path)) for path in [*paths, *known])


def nameless_sockets(name, **_):
    """Sockets whose names are no paths: of the engine's helpers, and anybody's."""
    with open("/proc/net/unix") as opened:
        names = [line.split()[7] for line in opened.readlines()[1:] if len(line.split()) > 7]
    others = [one for one in names if "docker" in one or "containerd" in one or name in one]
    if others:
        return others
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(f"\0{name}")
        return "connected"


def host_files(paths, **_):
    def read(path):
        if os.path.isdir(path):
            return os.listdir(path)
        with open(path, "rb") as opened:
            return opened.read(16)

    return first_that_works((path, lambda path=path: read(path)) for path in [*paths, *(f"/proc/1/root{one}" for one in paths)])


def files_by_number(**_):
    """A file by its number, whatever is mounted where: that wants a right that nobody here has."""
    handle = (ctypes.c_char * 16).from_buffer_copy(b"\x08\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0")
    with open("/etc/hosts") as mount:
        return called("open_by_handle_at", LIBC.open_by_handle_at(mount.fileno(), handle, os.O_RDONLY))


def devices(**_):
    disks = [path for path in glob.glob("/dev/**", recursive=True) if stat.S_ISBLK(os.lstat(path).st_mode)]
    if disks:
        return disks

    def make(path, kind, device):
        os.mknod(path, 0o600 | kind, device)
        with open(path, "rb") as opened:
            return opened.read(1)

    return first_that_works([
        ("disk", lambda: make("/tmp/disk", stat.S_IFBLK, os.makedev(8, 0))),
        ("memory", lambda: make("/tmp/memory", stat.S_IFCHR, os.makedev(1, 1))),
        *((path, lambda path=path: os.close(os.open(path, os.O_RDWR)))
          for path in ("/dev/mem", "/dev/kmem", "/dev/kmsg", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/loop-control"))])


def kernel_settings(**_):
    """Where the kernel is told what to do. They are only opened."""
    paths = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
             "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/kcore", "/proc/irq/default_smp_affinity",
             "/sys/kernel/uevent_helper", *glob.glob("/sys/fs/cgroup/*/release_agent"), *glob.glob("/sys/fs/cgroup/*/notify_on_release"),
             *glob.glob("/sys/fs/cgroup/*/memory.limit_in_bytes"), *glob.glob("/sys/fs/cgroup/memory.max")]
    return first_that_works((path, lambda path=path: os.close(os.open(path, os.O_WRONLY))) for path in paths)


def alone(action):
    """In a process with one thread, without which there are no namespaces to be had."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, f"+{action()}".encode())
        except OSError as caught:
            os.write(write, f"-{caught}".encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read, "rb") as opened:
        said = opened.read().decode(errors="replace")
    if not said.startswith("+"):
        raise OSError(errno.EPERM, said[1:])
    return said[1:]


def mounts(**_):
    """Mounts, and the namespaces in which one might make some."""
    return alone(lambda: first_that_works([
        ("mount", lambda: called("mount", LIBC.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None))),
        ("remount", lambda: called("mount", LIBC.mount(None, b"/", None, 32, None))),
        ("unmount", lambda: called("umount2", LIBC.umount2(b"/proc", 2))),
        ("users", lambda: called("unshare", LIBC.unshare(CLONE_NEWUSER))),
        ("view", lambda: called("unshare", LIBC.unshare(CLONE_NEWNS))),
        ("network", lambda: called("unshare", LIBC.unshare(CLONE_NEWNET))),
        ("root", lambda: os.chroot("/tmp")),
        ("init's", lambda: called("setns", LIBC.setns(os.open("/proc/1/ns/mnt", os.O_RDONLY), 0)))]))


def write_image(**_):
    def write(folder):
        with open(f"{folder}/escape", "w"):
            return "written"

    return first_that_works((folder, lambda folder=folder: write(folder))
                            for folder in ("/", "/etc", "/usr/bin", "/usr/lib", "/src", "/root", "/run", "/var", os.getcwd()))


# --- rights and processes ---


def capabilities(**_):
    status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines())
    wrong = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
    if wrong or status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        return status
    return nothing("no capabilities, no new privileges, and a filter of calls")


def set_user_id(**_):
    """Another user, and a program that is set to its owner."""
    path = "/tmp/set"
    with open(os.path.realpath(sys.executable), "rb") as program, open(path, "wb") as copy:
        copy.write(program.read())
    os.chmod(path, 0o6755)
    if not os.statvfs(path).f_flag & os.ST_NOSUID:
        return "its mount heeds set-user-id"
    return first_that_works([
        ("user", lambda: os.setuid(65534)),
        ("group", lambda: os.setgid(65534)),
        ("groups", lambda: os.setgroups([0, 65534])),
        ("another's file", lambda: os.chown(path, 65534, 65534))])


def calls(**_):
    """Calls for those who run the machine."""
    now = (ctypes.c_long * 2)(int(time.time()), 0)
    return first_that_works([
        ("name", lambda: called("sethostname", LIBC.sethostname(b"escape", 6))),
        ("time", lambda: called("clock_settime", LIBC.clock_settime(0, now))),
        ("priority", lambda: os.nice(-5)),
        ("swap", lambda: called("swapon", LIBC.swapon(b"/tmp/none", 0))),
        ("accounts", lambda: called("acct", LIBC.acct(b"/tmp/none"))),
        ("modules", lambda: called("init_module", LIBC.init_module(b"x", 1, b"")))])


def processes_of_others(pid, **_):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as opened:
                found.append((int(entry), opened.read().replace(b"\0", b" ").decode(errors="replace")))
        except OSError:
            pass
    others = [(one, line) for one, line in found if "berth serve" in line or "dockerd" in line or "containerd" in line]
    if others:
        return others
    if len(found) > 20:
        return found
    os.kill(pid, signal.SIGTERM)
    return "sent"


def environment(name, **_):
    found = [path for path in glob.glob("/proc/[0-9]*/environ") if readable(path, name.encode())]
    return found or nothing("nobody here has it")


def readable(path, word):
    try:
        with open(path, "rb") as opened:
            return word in opened.read()
    except OSError:
        return False


# --- more than there is ---


def fork(**_):
    children = []
    try:
        while len(children) < 5000:
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


def memory(**_):
    held = []
    while len(held) < 4000:
        held.append(bytearray(os.urandom(4096)) * 256)
    return f"{len(held)} MB"


def fill(path):
    written = 0
    try:
        with open(path, "wb", buffering=0) as opened:
            while written < 2000:
                opened.write(b"x" * MB)
                written += 1
    except OSError as caught:
        return f"{written} and then {caught.strerror}"
    finally:
        os.unlink(path)
    return f"{written} and no end"


def temporary_files(**_):
    return fill("/tmp/large")


def shared_memory(**_):
    return fill("/dev/shm/large")


def log_flood(**_):
    line = b"x" * 999 + b"\n"
    for _ in range(50):
        os.write(2, line * 1000)
    return "50 MB"


def log_line(**_):
    """One line, without an end."""
    for _ in range(20):
        os.write(2, b"x" * MB)
    return "20 MB"


HELPERS = ("called", "nothing", "first_that_works", "ask", "readable", "alone", "fill")
TRIES = {name: value for name, value in dict(globals()).items()
         if callable(value) and getattr(value, "__module__", "") == __name__ and name not in HELPERS}


class Predictor(BasePredictor):
    def predict(self, attempt: str = Input(description="What to try"),
                host: str = Input(description="An address", default=""),
                hosts: list[str] = Input(description="Addresses of the machine", default=[]),
                port: int = Input(description="A port", default=0),
                name: str = Input(description="A name", default=""),
                paths: list[str] = Input(description="Files or sockets of the machine", default=[]),
                pid: int = Input(description="A process of the machine", default=0)) -> str:
        try:
            return f"did: {TRIES[attempt](host=host, hosts=hosts, port=port, name=name, paths=paths, pid=pid)}"
        except OSError as caught:
            return f"could not: {caught}"
