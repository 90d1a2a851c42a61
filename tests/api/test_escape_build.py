# SPDX-License-Identifier: Apache-2.0
"""Code of strangers that a build runs: docs/security.md says what stops each try."""

import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from berth import EXAMPLES, MODELS, ROOT, Server, wait_for

IS_ROOT = os.geteuid() == 0


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    """A server where a requirement may be anything, with another account's version and build."""
    server = Server(tmp_path_factory.mktemp("hostile") / "data", "--requirements-any-source",
                    environment={"NOBODYS_SECRET": "tell me"})
    server.start()
    try:
        server.push(server.account("other"), EXAMPLES / "hello", "hello")
        server.me = server.account("me")
        (server.data / "token").write_text("r8_secret")
        yield server
        server.stop()
    finally:
        server.end()


def folder_of(yard, tmp_path, **more):
    folder = tmp_path / "pushed"
    shutil.copytree(MODELS / "escape_build", folder)
    where = {"data": str(yard.data), "pid": yard.process.pid, "port": yard.port, "home": os.path.expanduser("~"),
             "meet": str(tmp_path / "pid"), **more}
    (folder / "evil/where.json").write_text(json.dumps(where))
    return folder


@pytest.fixture(scope="module")
def said(yard, tmp_path_factory):
    meeting = tmp_path_factory.mktemp("meeting")
    meeting.chmod(0o777)
    text = yard.push(yard.me, folder_of(yard, meeting), "evil", fails=True)
    found = re.search(r"TRIES (\{.*?\})", text)
    assert found, text
    return json.loads(found[1]), meeting


def holds(yard, what):
    missing = yard.me.get("/capacity").json["not_enforced"]
    return not any(what in one for one in missing)


VIEW = ["build_database", "build_key", "build_token", "build_admin_socket", "build_other_builds", "build_other_versions",
        "build_other_environments", "build_other_caches", "build_instances", "build_write_source", "build_write_machine"]
USER = ["build_server_environment", "build_signal_server", "build_root"]


@pytest.mark.parametrize("what", VIEW)
def test_what_a_build_does_not_see(yard, said, what):
    if not holds(yard, "mount namespaces"):
        pytest.skip("mount namespaces are refused here")
    assert said[0][what].startswith("could not: "), said[0][what]


@pytest.mark.parametrize("what", USER)
def test_what_a_builds_user_may_not(yard, said, what):
    if not IS_ROOT:
        pytest.skip("builds are no users of their own here: the server is not root")
    assert said[0][what].startswith("could not: "), said[0][what]
    assert yard.process.poll() is None


def test_a_build_has_an_environment_of_its_own(said):
    assert said[0]["build_environment"].startswith("could not: ")


def test_the_home_of_the_server_is_hidden(yard, said):
    if not holds(yard, "mount namespaces"):
        pytest.skip("mount namespaces are refused here")
    names = said[0]["build_home_of_server"]
    assert names.startswith("could not: ") or not set(os.listdir(os.path.expanduser("~"))) - {".pyenv", ".local"} & set(
        re.findall(r"'([^']+)'", names)), names


def test_nothing_of_a_build_goes_on(said):
    pid = int((said[1] / "pid").read_text())
    wait_for(lambda: not alive(pid), "the end of what the build left running")


def test_what_a_build_wrote_is_the_servers(yard):
    """After each build, failed or not, nothing belongs to its user, and nothing is left of its surroundings."""
    belongs_to_the_server(yard)


def belongs_to_the_server(yard):
    mine = os.geteuid()
    for top in ("envs", "cache", "versions", "builds"):
        for folder, folders, files in os.walk(yard.data / top):
            for name in folders + files:
                state = os.lstat(os.path.join(folder, name))
                assert state.st_uid == mine, os.path.join(folder, name)
                assert not state.st_mode & (stat.S_ISUID | stat.S_ISGID) or stat.S_ISDIR(state.st_mode)
    for build in (yard.data / "builds").iterdir():
        assert [one.name for one in build.iterdir()] == ["log"]


HONEST = '''
import base64, hashlib, os, zipfile
from pathlib import Path


def build_wheel(folder, *_, **__):
    name = "evil-1-py3-none-any.whl"
    files = {{"evil_data.py": "VALUE = 1\\n", "evil-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: evil\\nVersion: 1\\n",
             "evil-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}}
    record = "".join(f"{{n}},,\\n" for n in files) + "evil-1.dist-info/RECORD,,\\n"
    with zipfile.ZipFile(Path(folder) / name, "w") as archive:
        for n, text in files.items():
            archive.writestr(n, text)
        archive.writestr("evil-1.dist-info/RECORD", record)
    {more}
    return name
'''


def test_a_mark_that_a_package_makes_counts_for_nothing(tmp_path):
    """An environment is ready when the server says so: a package cannot, nor have the server write where it likes."""
    server, target = Server(tmp_path / "data", "--requirements-any-source"), tmp_path / "target"
    target.write_text("as it was")
    server.start()
    try:
        me = server.account("me")
        folder = folder_of(server, tmp_path)
        project = folder / "evil/pyproject.toml"
        project.write_text(project.read_text().replace('dynamic = ["version"]', 'version = "1"'))  # run at the install only
        (folder / "evil/evil.py").write_text(HONEST.format(more=f"""
    for env in Path({str(server.data)!r}).glob("envs/*"):
        (env / "ready").symlink_to({str(target)!r})
        os.mkfifo(env / "pipe")
        (env / "program").write_text("")
        (env / "program").chmod(0o6777)
"""))
        server.push(me, folder, "marked")
        assert target.read_text() == "as it was"
        env, = (server.data / "envs").iterdir()
        assert "made by the server" in (env / "ready").read_text() and not (env / "ready").is_symlink()
        assert not (env / "pipe").exists(), "what is no file, folder or link does not stay"
        belongs_to_the_server(server)
        server.stop()
    finally:
        server.end()


LIMITS = {
    "build_memory": (["--build-memory", "300MB"], "data = b'x' * 600_000_000\n    time.sleep(60)"),
    "build_disk": (["--build-disk", "150MB"], """
    with open(os.environ["HOME"] + "/large", "wb") as opened:
        for _ in range(1000):
            opened.write(b"x" * 1_000_000)
            time.sleep(0.005)"""),
    "build_processes": (["--build-processes", "64"], """
    children = []
    try:
        while len(children) < 1000:
            child = os.fork()
            if child == 0:
                os.closerange(0, 3)  # who waits for the end of our output does not wait for these
                time.sleep(600)
            children.append(child)
    except OSError as caught:
        raise SystemExit(f"error: build_processes ended it at {len(children)}")"""),
}


@pytest.mark.parametrize("option", LIMITS)
def test_what_a_build_may_use_has_an_end(tmp_path, option):
    if option == "build_processes" and not IS_ROOT:
        pytest.skip("processes are counted by user, and builds have none of their own here: the server is not root")
    flags, what = LIMITS[option]
    server = Server(tmp_path / "data", "--requirements-any-source", *flags).start()
    try:
        folder = folder_of(server, tmp_path)
        (folder / "evil/evil.py").write_text(f"import os, time\n\n\ndef use(*_, **__):\n    {what}\n\n\n"
                                             "prepare_metadata_for_build_wheel = build_wheel = use\n")
        said = server.push(server.account("me"), folder, "hungry", fails=True)
        assert option in said, said
        server.stop()
    finally:
        server.end()


def test_each_is_in_the_document():
    text = (ROOT / "docs/security.md").read_text()
    source = (MODELS / "escape_build/evil/evil.py").read_text()
    for name in re.findall(r"^def (build_\w+)\(", source, re.MULTILINE):
        assert f"`{name}`" in text, f"docs/security.md does not say what stops {name}"
