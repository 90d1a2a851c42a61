# SPDX-License-Identifier: Apache-2.0
"""Who follows a prediction over a restart of the server: the command line, and the official JavaScript client's wait()."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading

import pytest
from berth import LIMIT, MODELS, ROOT, Server, binary, wait_for
from test_edge_restart import listening_socket

WAIT = """
import Replicate from "replicate";
const { url, token, model, file } = JSON.parse(process.env.BERTH_TEST_HOUSE);
const replicate = new Replicate({ auth: token, baseUrl: `${url}/v1` });
const made = await replicate.predictions.create({ model, input: { mode: "wait", file } });
console.log(made.id);
const ended = await replicate.wait(made, { interval: 20 });
console.log(JSON.stringify(ended));
"""


@pytest.fixture
def place(tmp_path):
    """A server behind a socket that outlives it, and an account with the model me/ctl."""
    with contextlib.closing(listening_socket()) as handed_over:
        server = Server(tmp_path / "data", "--keep-instances", sockets=[handed_over]).start()
        try:
            me = server.account("me")
            server.push(me, MODELS / "ctl", "ctl")
            yield server, me
            wait_for(lambda: all(me.prediction(one["id"])["status"] in ("succeeded", "canceled")
                                 for one in me.get("/predictions").json["results"]), "the end of all")
            server.stop()
        finally:
            server.end()


def begin(server, me, *words, **more):
    env = {**os.environ, "BERTH_URL": server.url, "BERTH_TOKEN": me.token, **more}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT)


def running(me):
    """The id of the one prediction, once it runs."""
    wait_for(lambda: [one for one in me.get("/predictions").json["results"]], "the prediction")
    made, = me.get("/predictions").json["results"]
    wait_for(lambda: "waiting\n" in me.prediction(made)["logs"], "its start")
    return made["id"]


class Said(threading.Thread):
    """What a program says, as it comes."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream, self.text = stream, ""
        self.start()

    def run(self):
        for line in self.stream:
            self.text += line


class Relay:
    """The server's address for others, which is there while it is: else whoever comes is sent away."""

    def __init__(self, port):
        self.port, self.listener = port, listening_socket()
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            port = self.port
            if port is None:
                link.close()
                continue
            there = socket.create_connection(("127.0.0.1", port))
            for one, other in ((link, there), (there, link)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one, other):
        try:
            while piece := one.recv(65536):
                other.sendall(piece)
        except OSError:
            pass
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(place):
    made = Relay(place[0].port)
    yield made
    made.listener.close()


@pytest.mark.parametrize("how", ("run", "logs"))
def test_the_command_line_comes_back(place, relay, tmp_path, how):
    server, me = place
    go = tmp_path / "go"
    words = [binary(), "run", "me/ctl", "-i", "mode=wait", "-i", f"file={go}"]
    if how == "logs":
        made = subprocess.run([*words, "--detach"], capture_output=True, text=True, check=True, timeout=LIMIT,
                              env={**os.environ, "BERTH_URL": server.url, "BERTH_TOKEN": me.token}).stdout.strip()
        words = [binary(), "logs", "-f", made]
    with begin(server, me, *words, BERTH_URL=relay.url) as follower:
        errors = Said(follower.stderr)
        running(me)
        # Its first words: it has asked this server, and asks again.
        wanted = follower.stdout.read(6) if how == "run" else follower.stdout.readline()
        assert wanted == ("begin " if how == "run" else "mode wait\n")
        relay.port = None
        server.kill()
        wait_for(lambda: "it is asked again for 60 s (--reconnect)" in errors.text, "that it notices")
        server.start()
        relay.port = server.port
        wait_for(lambda: "the server answers again" in errors.text, "that it comes back")
        go.touch()
        assert follower.stdout.read() == ("end\n" if how == "run" else "waiting\n"), "nothing twice, nothing lost"
        assert follower.wait(LIMIT) == 0, errors.text
        errors.join(LIMIT)
        assert errors.text.count("asked again") == errors.text.count("answers again") == 1


def test_a_time_that_is_none(place, tmp_path):
    server, me = place
    with begin(server, me, binary(), "run", "me/ctl", "-i", "mode=wait", "-i", f"file={tmp_path}/never",
               "--reconnect", "x") as wrong:
        assert wrong.wait(LIMIT) == 2 and '--reconnect is "x"; it is a number of seconds' in wrong.stderr.read()
    assert me.get("/predictions").json["results"] == []


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_javascript_client_waits_on(place, tmp_path):
    server, me = place
    go = tmp_path / "go"
    given = {"url": server.url, "token": me.token, "model": "me/ctl", "file": str(go)}
    with begin(server, me, "node", "--input-type=module", "-e", WAIT, BERTH_TEST_HOUSE=json.dumps(given)) as client:
        made = client.stdout.readline().strip()
        assert running(me) == made
        server.stop()
        assert client.poll() is None
        server.start()
        go.touch()
        ended = json.loads(client.stdout.readline())
        assert client.wait(LIMIT) == 0, client.stderr.read()
    assert (ended["id"], ended["status"], ended["output"]) == (made, "succeeded", ["begin ", "end"])
