# SPDX-License-Identifier: Apache-2.0
"""`berth push` against a server that breaks off, and against a shell that gives it too much."""

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from berth import EXAMPLES, LIMIT, binary

VERSION = "a" * 64
LOG = "Step 1: é\nStep 2\nStep 3\n".encode()


class House:
    """Answers as a server would whose streams end after some bytes; `states` are the build's, one for each question."""

    def __init__(self, states, cuts):
        house = self
        self.states, self.cuts, self.asked = list(states), list(cuts), []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def say(self, status, value):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.say(202, {"id": "b1", "status": "queued"})

            def do_GET(self):
                house.asked.append(self.path)
                if "/log" not in self.path:
                    self.say(200, {"id": "b1", **house.states.pop(0)})
                    return
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                cut = house.cuts.pop(0)
                piece = LOG[:cut]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b"")
                if cut == len(LOG):
                    self.wfile.write(b"0\r\n\r\n")
                self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def push(**environment):
    return subprocess.run([binary(), "push", str(EXAMPLES / "hello"), "me/hello"], capture_output=True, check=False,
                          timeout=LIMIT, env={**os.environ, "BERTH_TOKEN": "t", **environment})


def push_to(house):
    return push(BERTH_URL=f"http://127.0.0.1:{house.server.server_port}")


def test_a_broken_stream_is_followed_again():
    states = [{"status": "building"}, {"status": "building"}, {"status": "succeeded", "version": VERSION}]
    with House(states, [13, 13, len(LOG)]) as house:
        done = push_to(house)
    assert done.returncode == 0, done
    assert done.stdout.decode() == f"me/hello:{VERSION}\n"
    assert done.stderr.count(LOG) == 1 and done.stderr.count(b"Step 1") == 1, done.stderr
    assert b"failed" not in done.stderr
    assert len(house.asked) == 6


def test_a_failure_is_told_when_it_is_one():
    with House([{"status": "building"}, {"status": "failed", "error": "no such class"}], [5, len(LOG)]) as house:
        done = push_to(house)
    assert done.returncode == 1
    assert done.stderr.decode().endswith("the build failed: no such class\n") and done.stderr.count(b"failed") == 1


@pytest.mark.parametrize("name, value, words", [
    ("BERTH_URL", "http://127.0.0.1:9/" + "x" * 3000, "the server's address is too long: it has 3019 bytes, and 2047"),
    ("BERTH_TOKEN", "t" * 1000, "the token is too long: it has 1000 bytes, and 489"),
    ("TMPDIR", "/tmp/" + "x" * 300, "TMPDIR is too long: it has 305 bytes")])
def test_nothing_is_cut(name, value, words):
    done = push(**{"BERTH_URL": "http://127.0.0.1:9", name: value})
    assert done.returncode != 0 and words in done.stderr.decode(), done


def test_a_data_folder_with_a_long_path():
    done = subprocess.run([binary(), "account", "list", "--data", "/tmp/" + "x" * 600], capture_output=True, text=True,
                          check=False, timeout=LIMIT)
    assert done.returncode == 2 and "the data folder's path is too long: it has 605 bytes" in done.stderr


def test_patterns_that_cannot_be_read(tmp_path):
    (tmp_path / "cog.yaml").write_text("predict: \"predict.py:P\"\n")
    (tmp_path / ".dockerignore").mkdir()
    done = subprocess.run([binary(), "push", str(tmp_path), "me/x"], capture_output=True, text=True, check=False,
                          timeout=LIMIT, env={**os.environ, "BERTH_TOKEN": "t", "BERTH_URL": "http://127.0.0.1:9"})
    assert done.returncode == 1 and ".dockerignore" in done.stderr and "Is a directory" in done.stderr


def test_a_folder_that_is_not_there(tmp_path):
    done = subprocess.run([binary(), "push", "shoutt", "acme/shout", "--data", str(tmp_path)], capture_output=True, text=True,
                          check=False, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 1 and 'there is no folder "shoutt", so it was taken for the name of an image' in done.stderr, done
