# SPDX-License-Identifier: Apache-2.0
"""Sockets of all kinds to listen on, those that a manager like systemd hands over, and a restart that no client notices."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import threading
from contextlib import closing

import pytest
from berth import MODELS, SANITIZER, Server, binary, instance_processes, wait_for
from edge import Reply, ask, dial, is_closed, request, try_send

RATE = 200


def listening_socket():
    """As the manager makes it; nobody accepts yet."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    made.listen(4096)
    return made


class Load:
    """So many requests a second, each new one in its time whatever became of those before: half of them on connections of
    their own, half on ten that are kept alive as long as the server likes."""

    def __init__(self, port, make):
        self.port, self.make = port, make  # make(index): the bytes of a request
        self.answers, self.failures, self.is_over = [], [], False
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()

    async def _run(self):
        loop, index, began, running = asyncio.get_running_loop(), 0, asyncio.get_running_loop().time(), set()
        self.kept = [(asyncio.Lock(), {}) for _ in range(10)]
        while not self.is_over:
            running.add(task := asyncio.create_task(self._one(index)))
            task.add_done_callback(running.discard)
            index += 1
            await asyncio.sleep(max(0, began + index / RATE - loop.time()))
        await asyncio.gather(*running)
        for _, link in self.kept:
            if link:
                link["out"].close()

    async def _one(self, index):
        try:
            if index % 2:
                into, out = await asyncio.open_connection("127.0.0.1", self.port)
                self.answers.append(await self._exchange(into, out, index))
                out.close()
            else:
                lock, link = self.kept[index // 2 % len(self.kept)]
                async with lock:
                    if link and link["into"].at_eof():
                        link.clear()  # closed while nothing was asked: as every client must expect
                    if not link:
                        link["into"], link["out"] = await asyncio.open_connection("127.0.0.1", self.port)
                    status, head = await self._exchange(link["into"], link["out"], index)
                    self.answers.append((status, head))
                    if b"\r\nconnection: close\r\n" in head.lower():
                        link["out"].close()
                        link.clear()
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(f"request {index}: {error!r}")

    async def _exchange(self, into, out, index):
        out.write(self.make(index))
        await out.drain()
        head = await into.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = int(head.lower().split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
        body = await into.readexactly(length)
        if status >= 400:
            self.failures.append(f"request {index}: {head!r} {body!r}")
        return status, head


def test_a_restart_that_no_client_notices(tmp_path):
    """200 requests a second through it, creates and waits among them, and a prediction that goes on meanwhile."""
    with closing(listening_socket()) as handed_over:
        server = Server(tmp_path / "data", "--keep-instances", sockets=[handed_over]).start()
        try:
            assert server.port == handed_over.getsockname()[1]
            me = server.account("me")
            path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), high=2)
            go = tmp_path / "go"
            running = me.predict(path, {"mode": "wait", "file": str(go)}, wait=False)
            wait_for(lambda: "waiting\n" in me.prediction(running)["logs"], "the start of one that takes long")
            instances = {row["id"] for row in me.get(path + "/instances").json["results"]}

            def make(index):
                if index % 20 not in (3, 8):
                    return request(b"GET", b"/v1/account", token=me.token)
                waits = (b"Prefer: wait=5",) if index % 20 == 3 else ()
                return request(b"POST", f"/v1{path}/predictions".encode(), b"Content-Type: application/json", *waits,
                               token=me.token, body=json.dumps({"input": {"text": str(index)}}).encode())

            with Load(server.port, make) as load:
                wait_for(lambda: len(load.answers) > RATE, "load")
                server.stop()
                assert instance_processes(server.data), "they are left to the next one"
                between = len(load.answers)
                server.start()
                wait_for(lambda: len(load.answers) > between + 3 * RATE, "load after it")
            assert load.failures == [], load.failures[:5]
            assert any(b"\r\nConnection: close\r\n" in head for _, head in load.answers), "the old one said that it goes"
            assert instances <= {row["id"] for row in me.get(path + "/instances").json["results"]}
            go.touch()
            ended = me.ended(running)
            assert (ended["status"], ended["output"], ended["logs"]) == ("succeeded", ["begin ", "end"], "mode wait\nwaiting\n")
            created = [status for status, _ in load.answers if status == 201]
            made = page_through(me, "/predictions")
            assert len(made) == len(created) + 1, "what was accepted is there, once"
            for one in made:
                assert me.ended(one)["status"] == "succeeded"
            assert me.patch(path, {"max_instances": 0}).status == 200
            wait_for(lambda: instance_processes(server.data) == [], "the end of the instances")
            server.stop()
        finally:
            server.end()


def page_through(client, path):
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{path}?cursor={cursor}").json
        found += page["results"]
        cursor = page["next"].rpartition("cursor=")[2] if page["next"] else None
    return found


def test_what_a_drain_leaves_open(tmp_path):
    """Connections that were accepted, idle ones too, may ask once more; uploads in hand are finished; new connections wait."""
    with closing(listening_socket()) as handed_over:
        server = Server(tmp_path / "data", "--keep-instances", sockets=[handed_over]).start()
        try:
            me = server.account("me")
            fresh, idle, upload = dial(server.port), dial(server.port), dial(server.port)
            idle.sendall(request(b"GET", b"/healthz"))
            assert Reply(idle).field("Connection") is None
            body = b'--b\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\nhello\r\n--b--\r\n'
            upload.sendall(request(b"POST", b"/v1/files", b"Content-Type: multipart/form-data; boundary=b", token=me.token,
                                   body=body)[:-10])
            assert me.get("/account").status == 200  # all of them are accepted
            server.process.terminate()
            wait_for(lambda: server.records("stopping; a second signal stops without waiting"), "that it stops")
            for link in (fresh, idle):
                link.sendall(request(b"GET", b"/healthz"))
                reply = Reply(link)
                assert (reply.status, reply.field("Connection")) == (200, "close"), reply
                assert is_closed(link)
            late = dial(server.port)
            late.sendall(request(b"GET", b"/v1/account", token=me.token))
            upload.sendall(body[-10:])
            reply = Reply(upload)
            assert (reply.status, reply.field("Connection")) == (201, "close"), reply
            server.stop()
            server.start()
            assert Reply(late).status == 200, "the next one takes it"
            server.stop()
        finally:
            server.end()


def test_several_sockets(tmp_path):
    """TCP and unix, in the order they come; their files are not ours to remove."""
    with closing(listening_socket()) as one, closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(str(tmp_path / "sock"))
        other.listen(16)
        server = Server(tmp_path / "data", sockets=[one, other]).start()
        try:
            wait_for(lambda: len(server.records("listening")) == 2, "both")
            assert answers_on(tmp_path / "sock") == ask(server.port, request(b"GET", b"/healthz")).status == 200
            environment = open(f"/proc/{server.process.pid}/environ").read()
            assert "LISTEN_FDS=2" in environment  # and yet:
            me = server.account("me")
            path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"), high=1)
            assert me.predict(path, {"text": "x"})["output"] == ["x"]
            for process in instance_processes(server.data):
                held = [os.readlink(f"/proc/{process}/fd/{fd}") for fd in os.listdir(f"/proc/{process}/fd")]
                inodes = {f"socket:[{os.fstat(sock.fileno()).st_ino}]" for sock in (one, other)}
                assert not inodes & set(held), "no instance holds a socket of ours"
                assert "LISTEN_FDS" not in open(f"/proc/{process}/environ").read()
            server.stop()
            assert (tmp_path / "sock").exists()
        finally:
            server.end()


def test_a_descriptor_that_is_no_such_socket(tmp_path):
    with closing(socket.socket()) as silent:
        server = Server(tmp_path / "data", sockets=[silent])
        with pytest.raises(AssertionError):
            server.start()
        assert "descriptor 3, which was handed over, is not a stream socket that listens" in server.log()
        assert not SANITIZER.search(server.log())


def test_sockets_for_somebody_else(new_server):
    """Another process's number is in LISTEN_PID: they are not ours."""
    server = new_server(start=False)
    server.environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    server.start()
    assert ask(server.port, request(b"GET", b"/healthz")).status == 200


def answers_on(path):
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(60)
        link.connect(str(path))
        link.sendall(request(b"GET", b"/healthz"))
        return Reply(link).status


@pytest.mark.parametrize("mode", [None, "0666"])
def test_a_unix_socket(new_server, tmp_path, mode):
    """Beside TCP; with the mode that is asked for, and gone with the server."""
    path = tmp_path / "berth.sock"
    server = new_server("--listen", f"127.0.0.1:0, unix:{path}", *(["--listen-mode", mode] if mode else []))
    wait_for(lambda: len(server.records("listening")) == 2, "both")
    assert stat.S_IMODE(path.stat().st_mode) == int(mode or "0600", 8)
    assert answers_on(path) == ask(server.port, request(b"GET", b"/healthz")).status == 200
    me = server.account("me")
    done = subprocess.run(["curl", "-sS", "--unix-socket", str(path), "-H", f"Authorization: Bearer {me.token}",
                           "http://localhost/v1/account"], capture_output=True, text=True, check=False, timeout=60)
    assert json.loads(done.stdout)["username"] == "me", done
    server.stop()
    assert not path.exists()


def test_a_unix_socket_that_was_left_behind(new_server, tmp_path):
    """By a server that was killed: taken over. One that is in use is not."""
    path = tmp_path / "berth.sock"
    server = new_server("--listen", f"127.0.0.1:0,unix:{path}")
    wait_for(lambda: len(server.records("listening")) == 2, "both")
    done = subprocess.run([binary(), "serve", "--listen", f"unix:{path}", "--data", str(tmp_path / "other")], check=False,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "in use" in done.stderr
    server.kill()
    assert path.exists()
    server.start()
    wait_for(lambda: len(server.records("listening")) == 4, "both")
    assert answers_on(path) == 200


@pytest.mark.parametrize("name", ["path", "abstract"])
def test_what_the_manager_is_told(new_server, tmp_path, name):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        address = str(tmp_path / "notify") if name == "path" else f"\0berth-test-{os.getpid()}"
        manager.bind(address)
        manager.settimeout(60)
        server = new_server(start=False)
        server.environment = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        server.start()
        assert manager.recv(1000) == b"READY=1"
        server.process.send_signal(1)
        said = manager.recv(1000)
        assert said.startswith(b"RELOADING=1\nMONOTONIC_USEC=") and said.rpartition(b"=")[2].isdigit()
        assert manager.recv(1000) == b"READY=1"
        server.stop()
        assert manager.recv(1000) == b"STOPPING=1"
