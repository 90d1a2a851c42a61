# SPDX-License-Identifier: Apache-2.0
"""What connections do over time: several requests, deadlines that are totals, clients that go, readers that do not read,
and crowds."""

import json
import resource
import select
import socket
from contextlib import ExitStack, closing

import pytest
from berth import MODELS, Client, read_all, wait_for
from edge import HOST, Reply, ask, dial, is_closed, read_chunk, request, reset, try_send
from test_files import file_of, signed, stored

QUICK = ("--log-level", "debug", "--http-head-timeout", "1s", "--http-body-grace", "1s", "--http-keep-alive", "1s",
         "--http-write-timeout", "1s")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A server with short deadlines that logs each request, a deployment on it, and its owner."""
    from berth import Server
    server = Server(tmp_path_factory.mktemp("quick") / "data", *QUICK).start()
    try:
        server.me = server.account("me")
        server.path = server.me.deploy("d", "me/ctl", server.push(server.me, MODELS / "ctl", "ctl"), high=1)
        yield server
        server.stop()
    finally:
        server.end()


def ends(server, route):
    """How the requests of a route ended, as the log has it."""
    return [record for record in server.records("request") if record["route"] == route]


def drip(link, data, rest=b"x"):
    """Sends byte by byte, for as long as it takes, until the other side has something to say."""
    waiting = iter(data)
    while not select.select([link], [], [], 0.05)[0]:
        byte = next(waiting, None)
        if not try_send(link, rest if byte is None else bytes([byte])):
            return


# --- one after the other ---

def pipeline(token):
    return (request(b"GET", b"/v1/account", token=token) + request(b"QUERY", b"/v1/models", token=token, body=b"ctl") +
            b"\r\n" + request(b"GET", b"/v1/nothing", token=token) + request(b"HEAD", b"/v1/hardware", token=token) +
            request(b"POST", b"/v1/deployments", b"Content-Type: application/json", token=token, body=b"{}") +
            request(b"GET", b"/v1/account", b"Connection: close", token=token))


def check_pipeline(link):
    replies = [Reply(link, head_only=index == 3) for index in range(6)]
    assert [reply.status for reply in replies] == [200, 200, 404, 200, 400, 200]
    assert json.loads(replies[0].body)["username"] == json.loads(replies[5].body)["username"] == "edge"
    assert "results" in json.loads(replies[1].body)
    assert [reply.field("Connection") for reply in replies] == [None] * 5 + ["close"]
    assert len({reply.field("X-Request-Id") for reply in replies}) == 6
    assert is_closed(link)


def test_pipelined_in_one_packet(house):
    with closing(dial(house.port)) as link:
        link.sendall(pipeline(house.account("edge").token))
        check_pipeline(link)


def test_pipelined_byte_by_byte(house):
    with closing(dial(house.port)) as link:
        for byte in pipeline(house.account("edge").token):
            link.sendall(bytes([byte]))
        check_pipeline(link)


def test_pipelined_before_an_end(house):
    """A client that has closed its side gets all answers."""
    with closing(dial(house.port)) as link:
        link.sendall(pipeline(house.account("edge").token))
        link.shutdown(socket.SHUT_WR)
        check_pipeline(link)


def test_keep_alive(house):
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        for _ in range(50):
            link.sendall(request(b"GET", b"/v1/account", token=me.token))
            reply = Reply(link)
            assert reply.status == 200 and reply.field("Connection") is None
        link.sendall(request(b"GET", b"/v1/account", b"Connection: close", token=me.token))
        assert Reply(link).field("Connection") == "close" and is_closed(link)


def test_http10_without_keep_alive(house):
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        link.sendall(b"GET /v1/account HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n" % me.token.encode())
        reply = Reply(link)
        assert (reply.status, reply.field("Connection")) == (200, "close") and is_closed(link)


def test_http10_with_keep_alive(house):
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        for _ in range(3):
            link.sendall(b"GET /v1/account HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: Bearer %s\r\n\r\n"
                         % me.token.encode())
            reply = Reply(link)
            assert (reply.status, reply.field("Connection")) == (200, "keep-alive")


def test_expect_100_continue(house):
    me = house.account("edge")
    body = b'{"nothing": 1}'
    with closing(dial(house.port)) as link:
        for _ in range(2):
            link.sendall(request(b"POST", b"/v1/deployments", b"Content-Type: application/json", b"Expect: 100-continue",
                                 b"Content-Length: %d" % len(body), token=me.token))
            assert Reply(link).head == b"HTTP/1.1 100 Continue\r\n\r\n"
            link.sendall(body)
            assert Reply(link).status == 400


@pytest.mark.parametrize("target, fields, status", [
    (b"/v1/deployments", (b"Content-Type: application/json",), 401), (b"/v1/nothing", (), 404),
    (b"/v1/deployments", (b"Content-Type: text/css",), 415), (b"/v1/hardware", (), 405)])
def test_expect_of_what_is_refused(house, target, fields, status):
    """The refusal comes instead of 100, and the connection closes: the body may or may not follow."""
    token = None if status == 401 else house.account("edge").token
    reply = ask(house.port, request(b"POST", target, b"Expect: 100-continue", b"Content-Length: 5", *fields, token=token))
    assert (reply.status, reply.field("Connection")) == (status, "close"), reply


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_an_answer_after_the_clients_end(house, version):
    me = house.account("edge")
    with closing(dial(house.port)) as link:
        link.sendall(request(b"POST", b"/v1/deployments", b"Content-Type: application/json", token=me.token, body=b"{}",
                             version=version))
        link.shutdown(socket.SHUT_WR)
        assert Reply(link).status == 400 and is_closed(link)


# --- deadlines ---

def test_a_connection_that_says_nothing(quick):
    with closing(dial(quick.port)) as link:
        assert is_closed(link)


def test_a_head_that_drips(quick):
    with closing(dial(quick.port)) as link:
        drip(link, b"GET /healthz HTTP/1.1\r\nX: ")
        reply = Reply(link)
        assert (reply.status, reply.field("Connection")) == (408, "close"), reply


def test_empty_lines_that_drip(quick):
    with closing(dial(quick.port)) as link:
        drip(link, b"", b"\r\n")
        assert is_closed(link)


def test_a_body_that_drips(quick):
    with closing(dial(quick.port)) as link:
        drip(link, request(b"POST", b"/v1/deployments", b"Content-Type: application/json", b"Content-Length: 100000",
                           token=quick.me.token))
        reply = Reply(link)
        assert (reply.status, reply.field("Connection")) == (408, "close"), reply


def test_a_chunked_body_that_drips(quick):
    with closing(dial(quick.port)) as link:
        link.sendall(request(b"QUERY", b"/v1/models", b"Transfer-Encoding: chunked", token=quick.me.token))
        drip(link, b"", b"1\r\nx\r\n")
        assert Reply(link).status == 408


def test_a_body_that_stops_coming(quick):
    with closing(dial(quick.port)) as link:
        link.sendall(request(b"POST", b"/v1/files", b"Content-Type: multipart/form-data; boundary=b",
                             b"Content-Length: 100000", token=quick.me.token) + b"--b\r\n")
        assert Reply(link).status == 408


def test_an_idle_connection(quick):
    with closing(dial(quick.port)) as link:
        link.sendall(request(b"GET", b"/healthz"))
        assert Reply(link).status == 200
        assert is_closed(link), "without a word"


def test_a_second_head_that_drips(quick):
    with closing(dial(quick.port)) as link:
        link.sendall(request(b"GET", b"/healthz"))
        assert Reply(link).status == 200
        drip(link, b"GET /healthz HTTP/1.1\r\nX: ")
        assert Reply(link).status == 408


# --- clients that go ---

def wait_for_a_prediction(quick, link, file):
    body = json.dumps({"input": {"mode": "wait", "file": str(file)}}).encode()
    before = {one["id"] for one in quick.me.get("/predictions").json["results"]}
    link.sendall(request(b"POST", b"/v1" + quick.path.encode() + b"/predictions", b"Content-Type: application/json",
                         b"Prefer: wait", token=quick.me.token, body=body))
    made = wait_for(lambda: [one for one in quick.me.get("/predictions").json["results"] if one["id"] not in before],
                    "the prediction")[0]
    wait_for(lambda: quick.me.prediction(made)["status"] == "processing", "its start")
    return made


MAKE = "/v1/deployments/{owner}/{name}/predictions"


def test_a_reset_while_waiting(quick, tmp_path):
    go = tmp_path / "go"
    link = dial(quick.port)
    made = wait_for_a_prediction(quick, link, go)
    gone = len(ends(quick, MAKE))
    reset(link)
    wait_for(lambda: len(ends(quick, MAKE)) > gone, "that the server notices")
    assert ends(quick, MAKE)[-1]["status"] == 499
    assert quick.me.prediction(made)["status"] == "processing", "the prediction goes on"
    go.touch()
    assert quick.me.ended(made)["status"] == "succeeded"


def test_a_fin_while_waiting(quick, tmp_path):
    go = tmp_path / "go"
    with closing(dial(quick.port)) as link:
        made = wait_for_a_prediction(quick, link, go)
        link.shutdown(socket.SHUT_WR)
        reply = Reply(link)
        assert (reply.status, json.loads(reply.body)["status"], reply.field("Connection")) == (201, "starting", "close")
        assert json.loads(reply.body)["id"] == made["id"] and is_closed(link)
    go.touch()
    assert quick.me.ended(made)["status"] == "succeeded"


@pytest.mark.parametrize("how", ["reset", "fin"])
def test_the_end_of_a_reader(quick, tmp_path, how):
    go = tmp_path / "go"
    made = quick.me.predict(quick.path, {"mode": "wait", "file": str(go)}, wait=False)
    target = made["urls"]["stream"].split(f":{quick.port}", 1)[1].encode()
    gone = len(ends(quick, "/v1/streams/{secret}"))
    with closing(dial(quick.port)) as link:
        link.sendall(request(b"GET", target, b"Accept: text/event-stream"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += link.recv(1)
        while b"begin " not in read_chunk(link):
            pass
        assert len(ends(quick, "/v1/streams/{secret}")) == gone
        if how == "reset":
            reset(link)
        else:
            link.shutdown(socket.SHUT_WR)
            assert is_closed(link)
        wait_for(lambda: len(ends(quick, "/v1/streams/{secret}")) > gone, "that the server notices")
    go.touch()
    assert quick.me.ended(made)["status"] == "succeeded"


@pytest.mark.parametrize("how", ["reset", "fin"])
def test_an_upload_that_is_given_up(quick, how):
    before = set(stored(quick))
    gone = len(ends(quick, "/v1/files"))
    with closing(dial(quick.port)) as link:
        link.sendall(request(b"POST", b"/v1/files", b"Content-Type: multipart/form-data; boundary=b",
                             b"Content-Length: 5000000", token=quick.me.token) +
                     b'--b\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n' + b"x" * 2000000)
        wait_for(lambda: set(stored(quick)) != before, "the first bytes on the disk")
        if how == "reset":
            reset(link)
        else:
            link.shutdown(socket.SHUT_WR)
            assert Reply(link).status == 400
    wait_for(lambda: len(ends(quick, "/v1/files")) > gone, "that the server notices")
    wait_for(lambda: set(stored(quick)) == before, "that nothing is left of it")
    assert quick.me.get("/files").json["results"] == []


def test_a_push_that_is_given_up(quick):
    route = "/v1/models/{owner}/{name}/versions"
    builds = {path.name for path in (quick.data / "builds").iterdir()}
    gone = len([one for one in ends(quick, route) if one["method"] == "POST"])
    link = dial(quick.port)
    link.sendall(request(b"POST", b"/v1/models/me/ctl/versions", b"Content-Type: application/gzip",
                         b"Content-Length: 5000000", token=quick.me.token) + b"\x1f\x8b" + b"x" * 1000000)
    wait_for(lambda: {path.name for path in (quick.data / "builds").iterdir()} != builds, "the first bytes on the disk")
    reset(link)
    wait_for(lambda: len([one for one in ends(quick, route) if one["method"] == "POST"]) > gone, "that it is noticed")
    wait_for(lambda: {path.name for path in (quick.data / "builds").iterdir()} == builds, "that nothing is left of it")


# --- readers that do not read ---

def deaf(port, data):
    """Asks, and takes nothing: its side holds a few KiB."""
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(90)
    link.connect(("127.0.0.1", port))
    link.sendall(data)
    return link


def test_a_download_that_is_not_read(quick):
    content = bytes(range(256)) * (20 << 12)  # 20 MiB: more than the kernel keeps for us
    file = file_of(quick.me, content, "a.bin", "application/octet-stream")
    target = b"/v1" + signed(quick.me, file).encode()
    with closing(deaf(quick.port, request(b"GET", target))) as link:
        wait_for(lambda: [one for one in ends(quick, "/v1/files/{id}/download") if one["method"] == "GET"], "its end")
        assert ask(quick.port, request(b"GET", target)).body == content, "nobody else notices"
        assert len(read_all(link)) < len(content)
    assert quick.me.delete(f"/files/{file['id']}").status == 204


def test_a_stream_that_is_not_read(quick):
    made = quick.me.predict(quick.path, {"mode": "words", "text": "x" * 8000, "steps": 1500}, wait=False)
    assert quick.me.ended(made)["status"] == "succeeded"
    target = made["urls"]["stream"].split(f":{quick.port}", 1)[1].encode()
    gone = len(ends(quick, "/v1/streams/{secret}"))
    with closing(deaf(quick.port, request(b"GET", target))) as link:
        wait_for(lambda: len(ends(quick, "/v1/streams/{secret}")) > gone, "its end")
        assert ask(quick.port, request(b"GET", target)).body.count(b"event: output") == 1500, "nobody else notices"
        assert b"event: done" not in read_all(link)


# --- crowds ---

def test_a_thousand_that_say_nothing(house):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    me = house.account("edge")
    with ExitStack() as stack:
        for index in range(1000):
            link = stack.enter_context(closing(dial(house.port)))
            if index % 2:
                link.sendall(b"GET /v1/acc")
        assert me.get("/account").status == 200
        links = [stack.enter_context(closing(dial(house.port))) for _ in range(50)]
        for link in links:
            link.sendall(request(b"GET", b"/v1/account", token=me.token))
        assert [Reply(link).status for link in links] == [200] * 50


def busy(server, link, token=None):
    """A connection at work: its request's body is still to come."""
    link.sendall(request(b"POST", b"/v1/deployments", b"Content-Type: application/json", b"Content-Length: 2",
                         b"Expect: 100-continue", token=token))
    assert Reply(link).status == 100
    return link


def test_connections_in_all(new_server):
    """Who is idle makes room; when all are at work the new one is turned away."""
    server = new_server("--http-max-connections", "10")
    me = server.account("me")
    with ExitStack() as stack:
        idle = [stack.enter_context(closing(dial(server.port))) for _ in range(10)]
        for link in idle:
            link.sendall(request(b"GET", b"/healthz"))
            assert Reply(link).status == 200
        working = [busy(server, stack.enter_context(closing(dial(server.port))), me.token) for _ in range(10)]
        assert all(is_closed(link) for link in idle)
        with closing(dial(server.port)) as link:
            reply = Reply(link)
            assert (reply.status, reply.field("Content-Type")) == (503, "application/problem+json")
            assert reply.field("Retry-After") and reply.field("X-Request-Id") and is_closed(link)
        for link in working:
            link.sendall(b"{}")
            assert Reply(link).status == 400
        assert me.get("/account").status == 200


def test_connections_of_one_address(new_server):
    server = new_server("--http-max-connections-per-address", "3", "--http-limit-loopback", "--listen", "0.0.0.0:0")
    me = server.account("me")
    with ExitStack() as stack:
        links = [busy(server, stack.enter_context(closing(dial(server.port))), me.token) for _ in range(3)]
        with closing(dial(server.port)) as link:
            assert Reply(link).status == 503 and is_closed(link)
        with closing(dial(server.port, "127.0.0.2")) as link:  # from there, too
            assert Reply(link).status == 503
        with socket.socket() as other:
            other.bind(("127.0.0.2", 0))
            other.settimeout(90)
            other.connect(("127.0.0.1", server.port))
            other.sendall(request(b"GET", b"/healthz"))
            assert Reply(other).status == 200, "another address has its own count"
        links.pop().close()
        wait_for(lambda: answers(server.port), "room for the next")


def answers(port):
    with closing(dial(port)) as link:
        try_send(link, request(b"GET", b"/healthz"))
        return Reply(link).status == 200


@pytest.mark.parametrize("options", [(), ("--http-limit-loopback", "--trusted-proxies", "127.0.0.0/8")])
def test_who_is_not_counted(new_server, options):
    """Loopback, unless told otherwise, and proxies."""
    server = new_server("--http-max-connections-per-address", "2", *options)
    with ExitStack() as stack:
        links = [stack.enter_context(closing(dial(server.port))) for _ in range(10)]
        for link in links:
            link.sendall(request(b"GET", b"/healthz"))
        assert [Reply(link).status for link in links] == [200] * 10


# --- request ids, and what proxies say ---

SAID = (b"X-Request-Id: from-the-proxy", b"X-Forwarded-For: 203.0.113.5, 198.51.100.7", b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: api.berth.test")


def test_what_a_stranger_says(quick):
    reply = ask(quick.port, request(b"POST", b"/v1" + quick.path.encode() + b"/predictions",
                                    b"Content-Type: application/json", *SAID, token=quick.me.token, body=b'{"input": {}}'))
    assert reply.status == 201 and reply.field("X-Request-Id") != "from-the-proxy"
    assert json.loads(reply.body)["urls"]["get"].startswith("http://berth.test/v1/predictions/")
    record = wait_for(lambda: [one for one in ends(quick, MAKE) if one["request"] == reply.field("X-Request-Id")], "a line")
    assert record[0]["peer"] == "127.0.0.1"


def test_what_a_proxy_says(new_server):
    server = new_server("--trusted-proxies", "10.0.0.0/8, 127.0.0.1", "--log-level", "debug")
    me = server.account("me")
    reply = ask(server.port, request(b"GET", b"/v1/account", *SAID, token=me.token))
    assert (reply.status, reply.field("X-Request-Id")) == (200, "from-the-proxy")
    lines = wait_for(lambda: [one for one in server.records("request") if one["request"] == "from-the-proxy"], "a line")
    assert [one["peer"] for one in lines] == ["198.51.100.7"], "the last one is what the proxy saw"
    assert file_of(me)["urls"]["get"].startswith(f"http://127.0.0.1:{server.port}/")
    body = b'--b\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\nx\r\n--b--\r\n'
    reply = ask(server.port, request(b"POST", b"/v1/files", b"Content-Type: multipart/form-data; boundary=b", *SAID,
                                     token=me.token, body=body))
    assert json.loads(reply.body)["urls"]["get"].startswith("https://api.berth.test/v1/files/")
    bad = ask(server.port, request(b"GET", b"/v1/account", b"X-Request-Id: two words", b"X-Forwarded-For: ", token=me.token))
    assert bad.status == 200 and " " not in bad.field("X-Request-Id")


def test_an_id_on_every_answer_and_line(quick):
    """Also where no route was reached."""
    ids = [ask(quick.port, message).field("X-Request-Id") for message in (
        request(b"GET", b"/healthz"), request(b"GET", b"/v1/nothing"), request(b"GET", b"/v1/account"),
        b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n",
        request(b"GET", b"/v1/streams/no-such-secret"))]
    assert len(set(ids)) == 6 and all(len(one) == 26 for one in ids)
    wait_for(lambda: set(ids) <= {one["request"] for one in quick.records("request")}, "a line for each")


def test_health(quick):
    """Open to everybody, and it says who answers."""
    answer = Client(quick, None, None).get("/healthz", prefix="")
    assert answer.status == 200 and answer.json["status"] == "ok" and answer.json["version"]


# --- what an account may keep open ---

def test_open_waits_of_an_account(new_server, tmp_path):
    """One more is answered at once, as a wait that ran out is; another account has its own count."""
    server = new_server("--max-waits", "1")
    me, other, go = server.account("me"), server.account("other"), tmp_path / "go"
    version = server.push(me, MODELS / "ctl", "ctl", "--public")
    path, elsewhere = me.deploy("d", "me/ctl", version), other.deploy("e", "me/ctl", version)
    body = json.dumps({"input": {"mode": "wait", "file": str(go)}}).encode()

    def create(link, client, path):
        link.sendall(request(b"POST", b"/v1" + path.encode() + b"/predictions", b"Content-Type: application/json",
                             b"Prefer: wait", token=client.token, body=body))

    with closing(dial(server.port)) as first, closing(dial(server.port)) as second, closing(dial(server.port)) as third:
        create(first, me, path)
        wait_for(lambda: me.get("/predictions").json["results"], "the first one")
        create(second, me, path)
        reply = Reply(second)
        assert (reply.status, json.loads(reply.body)["status"], json.loads(reply.body)["output"]) == (201, "starting", None)
        create(third, other, elsewhere)
        wait_for(lambda: other.get("/predictions").json["results"], "the other one")
        go.touch()
        assert [json.loads(Reply(link).body)["status"] for link in (first, third)] == ["succeeded"] * 2
        create(second, me, path)
        assert json.loads(Reply(second).body)["status"] == "succeeded", "there is room again"


def test_open_streams_of_an_account(new_server, tmp_path):
    server = new_server("--max-streams", "2")
    me, go = server.account("me"), tmp_path / "go"
    path = me.deploy("d", "me/ctl", server.push(me, MODELS / "ctl", "ctl"))
    made = me.predict(path, {"mode": "wait", "file": str(go)}, wait=False)
    target = made["urls"]["stream"].split(f":{server.port}", 1)[1].encode()
    with ExitStack() as stack:
        links = [stack.enter_context(closing(dial(server.port))) for _ in range(2)]
        for link in links:
            link.sendall(request(b"GET", target))
            while not_begun(link):
                pass
        reply = ask(server.port, request(b"GET", target))
        assert (reply.status, reply.field("Retry-After")) == (429, "1") and b"max_streams" in reply.body
        reset(links[0])
        go.touch()
        wait_for(lambda: ask(server.port, request(b"GET", target)).status == 200, "room again")


def not_begun(link):
    """One piece of a stream's answer; whether the output has not begun in it."""
    return b"begin " not in link.recv(10000)
