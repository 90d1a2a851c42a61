# SPDX-License-Identifier: Apache-2.0
"""./run on a machine with nothing installed but git: a bare Debian or Ubuntu, made by debootstrap. By request only
(`./test fresh`): it needs root and the network, and takes minutes."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/fresh"
LIMIT = 1500
SCRIPTS = Path("/usr/share/debootstrap/scripts")
SYSTEMS = {  # components, keyring, debootstrap's script where it does not know the name
    "bookworm": ("main", "debian-archive-keyring.gpg", "sid"),
    "trixie": ("main", "debian-archive-keyring.gpg", "sid"),
    "noble": ("main,universe", "ubuntu-archive-keyring.gpg", "gutsy"),
}


def sh(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, **more)


def rules_of(suite):
    own = SCRIPTS / suite
    return own if own.exists() else SCRIPTS / SYSTEMS[suite][2]


def mirror_of(suite):
    """The first archive that debootstrap itself would take, and that has this system; None if there is none."""
    texts = [rules_of(suite).read_text(), Path(shutil.which("debootstrap")).read_text()]
    found = re.findall(r"^\s*(?:default_mirror\s+|DEF_MIRROR=)\"?(http[^\"\s]+)", "\n".join(texts), re.M)
    return next((mirror for mirror in found if can_reach(mirror, suite)), None)


def can_reach(mirror, suite):
    try:
        with urllib.request.urlopen(f"{mirror}/dists/{suite}/Release", timeout=30) as answer:
            return answer.status == 200
    except OSError:
        return False


def from_this_machine(top):
    """How this machine reaches package indexes: its certificates, pip's settings, apt's proxy."""
    for name in ("etc/pip.conf", "etc/resolv.conf", "etc/hosts"):
        if Path("/" + name).exists():
            (top / name).unlink(missing_ok=True)
            shutil.copy("/" + name, top / name)
    for file in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
        shutil.copy(file, top / "etc/apt/apt.conf.d")
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        target = top / "usr/local/share/ca-certificates"
        target.mkdir(parents=True, exist_ok=True)
        # Whatever this machine trusts; update-ca-certificates takes one certificate a file.
        for index, text in enumerate(bundle.read_text().split("-----END CERTIFICATE-----")[:-1]):
            (target / f"host-{index}.crt").write_text(text.strip() + "\n-----END CERTIFICATE-----\n")
        # For what is fetched before ca-certificates is installed.
        (top / "etc/host-certificates.crt").write_text(bundle.read_text())


def environment():
    """Nothing of this machine but how to reach the indexes."""
    kept = {k: v for k, v in os.environ.items()
            if k.startswith(("PIP_", "UV_")) or k.lower() in ("http_proxy", "https_proxy", "no_proxy")}
    kept.pop("PIP_CERT", None)
    kept.pop("PIP_FIND_LINKS", None)
    trust = "/etc/host-certificates.crt"
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
            "PIP_CERT": trust, "SSL_CERT_FILE": trust, **kept}


@pytest.fixture(params=list(SYSTEMS))
def fresh(request):
    """A bare system with git and a clone of what is committed here, plus what is not yet."""
    suite = request.param
    components, keyring, _ = SYSTEMS[suite]
    if os.geteuid() != 0:
        pytest.skip("making a system needs root")
    if not shutil.which("debootstrap"):
        sh("apt-get", "-qq", "install", "-y", "--no-install-recommends", "debootstrap")
    mirror = mirror_of(suite)
    if not mirror:
        pytest.skip(f"the archive of {suite} cannot be reached")
    top = FOLDER / suite
    leave(top)
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(parents=True)
    words = ["debootstrap", "--variant=minbase", f"--components={components}", "--include=git"]
    trusted = Path("/usr/share/keyrings") / keyring
    words += [f"--keyring={trusted}"] if trusted.exists() else ["--no-check-gpg"]
    words += [suite, top, mirror, rules_of(suite)]
    sh(*words, stdout=subprocess.DEVNULL)
    from_this_machine(top)
    if suite == "noble":
        (top / "etc/apt/sources.list").write_text("".join(f"deb {mirror} {suite}{part} main universe\n"
                                                          for part in ("", "-updates")))
    sh("mount", "-t", "proc", "proc", top / "proc")
    sh("mount", "--bind", "/dev", top / "dev")
    clone(top)
    try:
        yield top
    finally:
        leave(top)
        shutil.rmtree(top, ignore_errors=True)


def clone(top):
    """What a user would get: the files that git knows or would take, committed, then cloned inside."""
    source = top / "srv/source"
    source.mkdir(parents=True)
    names = sh("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z", capture_output=True).stdout
    names = b"\0".join(name for name in names.split(b"\0") if name and (ROOT / os.fsdecode(name)).exists())
    packed = subprocess.Popen(["tar", "-C", ROOT, "--null", "-T", "-", "-cf", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    threading.Thread(target=lambda: (packed.stdin.write(names), packed.stdin.close()), daemon=True).start()
    sh("tar", "-C", source, "-xf", "-", stdin=packed.stdout)
    inside(top, "git init -q /srv/source && cd /srv/source && git add -A && git -c user.name=t -c user.email=t@example.com "
                "commit -qm all && git clone -q /srv/source /srv/berth")


def inside(top, command):
    return sh("chroot", top, "/bin/bash", "-c", command, env=environment(), capture_output=True, text=True).stdout


def leave(top):
    """Ends what runs inside and takes the mounts away."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if Path(os.readlink(entry / "root")) == top:
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                pass
    for name in ("proc", "dev"):
        while os.path.ismount(top / name):
            sh("umount", "-l", top / name)


class Run:
    """./run inside, and all that it says."""

    def __init__(self, top, *words):
        self.lines, self.changed = [], threading.Condition()
        self.process = subprocess.Popen(["chroot", str(top), "/bin/bash", "-c", 'cd /srv/berth && exec ./run "$@"', "run",
                                         *words], env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            print(line, end="", flush=True)
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        self.process.wait()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def until_it_waits(self):
        def told():
            return any(line and line.endswith("Ctrl-C ends it.") for line in self.lines)

        with self.changed:
            self.changed.wait_for(lambda: told() or None in self.lines, LIMIT)
            assert told() and "succeeded" in self.lines, "\n".join(map(str, self.lines[-60:]))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(120) == 0


def processes(top):
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "root")) == top:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass
    return found


def test_from_a_clone_to_an_answer(fresh):
    began = time.monotonic()
    first = Run(fresh, "--listen", "127.0.0.1:18090")
    first.until_it_waits()
    print(f"{fresh.name}: {time.monotonic() - began:.0f} s to the first answer")
    assert any(line and line.startswith("Output: ") and "hello" in line for line in first.lines)
    assert any(line and "curl -s -X POST" in line for line in first.lines)
    first.stop()
    assert processes(fresh) == []
    assert inside(fresh, "cd /srv/berth && git status --porcelain") == ""
    assert (fresh / "srv/berth/data/token").stat().st_mode & 0o777 == 0o600

    second = Run(fresh, "--listen", "127.0.0.1:18090", "--no-install")
    second.until_it_waits()
    assert not any(line and "Made the account" in line for line in second.lines), "the first one is used again"
    second.stop()
    assert processes(fresh) == []
    assert inside(fresh, "cd /srv/berth && git status --porcelain") == ""
