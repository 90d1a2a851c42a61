# SPDX-License-Identifier: Apache-2.0
"""Sessions of browsers: signing in and out, who acts, what keeps other sites out, and tokens of one's own account."""

import re
import sqlite3

import pytest
from berth import Client, Server, wait_for

SECRET = re.compile(r"berth_session_[0-9]+=([0-9a-z]{52}); Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000")


class Browser(Client):
    """Asks as a page does: with a cookie, and no token."""

    def __init__(self, server):
        super().__init__(server, None, None)
        self.cookie, self.csrf = None, None

    def call(self, method, path, body=None, headers=None, **more):
        sent = {"Cookie": f"theme=dark; berth_session_{self.server.port}={self.cookie}; a=b" if self.cookie else None,
                "Berth-CSRF": self.csrf, **(headers or {})}
        return super().call(method, path, body, sent, **more)

    def session(self, method="GET", body=None, query="", **more):
        return self.call(method, "/session" + query, body, prefix="", **more)

    def sign_in(self, client):
        answer = self.session("POST", {"token": client.token})
        assert answer.status == 201, answer
        self.cookie = SECRET.fullmatch(answer.headers["Set-Cookie"])[1]
        self.csrf = answer.json["csrf"]
        return answer.json


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A server that believes the proxy in front of it."""
    server = Server(tmp_path_factory.mktemp("behind") / "data", "--trusted-proxies", "127.0.0.1").start()
    try:
        yield server
        server.stop()
    finally:
        server.end()


@pytest.fixture
def browser(house):
    return Browser(house)


def names(answer):
    return [one["username"] for one in answer["accounts"]]


def test_a_token_becomes_a_session(house, acme, browser):
    assert browser.session().status == 401 and browser.get("/account").status == 401
    said = browser.sign_in(acme)
    assert names(said) == ["acme"] and said["current"] == "acme" and re.fullmatch("[0-9a-f]{64}", said["csrf"])
    assert said["accounts"][0] == acme.get("/account").json
    again = browser.session()
    assert (again.status, again.json, again.headers["Cache-Control"]) == (200, said, "no-store")
    assert browser.get("/account").json["username"] == "acme"


def test_changes_need_what_only_a_page_can_know(acme, browser):
    browser.sign_in(acme)
    body = {"owner": "acme", "name": "by-cookie", "visibility": "private", "hardware": "cpu"}
    for csrf in (None, "", browser.csrf[:-1], "0" * 64):
        answer = browser.post("/models", body, headers={"Berth-CSRF": csrf})
        assert answer.status == 403 and "Berth-CSRF" in answer.json["detail"], answer
        assert browser.session("DELETE", headers={"Berth-CSRF": csrf}).status == 403
    assert acme.get("/models/acme/by-cookie").status == 404
    assert browser.post("/models", body).status == 201
    assert browser.delete("/models/acme/by-cookie").status == 204


def test_a_token_beside_the_cookie_is_what_counts(acme, org, browser):
    browser.sign_in(acme)
    assert browser.get("/account", headers={"Authorization": f"Bearer {org.token}"}).json["username"] == "some-org"
    assert browser.get("/account", headers={"Authorization": "Bearer none"}).status == 401


def test_a_session_has_several_accounts(acme, org, browser):
    first = browser.sign_in(acme)
    secret = browser.cookie
    said = browser.sign_in(org)
    assert (names(said), said["current"], browser.cookie, said["csrf"]) == (
        ["acme", "some-org"], "some-org", secret, first["csrf"])
    assert browser.get("/account").json["username"] == "some-org"
    assert browser.get("/account", headers={"Berth-Account": "acme"}).json["username"] == "acme"
    refused = browser.get("/account", headers={"Berth-Account": "nobody"})
    assert refused.status == 403 and '"nobody"' in refused.json["detail"]
    assert browser.session("DELETE", query="?account=nobody").status == 404
    assert browser.session("DELETE", query="?account=some-org").status == 204
    assert names(browser.session().json) == ["acme"] and browser.get("/account").json["username"] == "acme"
    ended = browser.session("DELETE")
    assert ended.status == 204 and "Max-Age=0" in ended.headers["Set-Cookie"]
    assert browser.session().status == 401 and browser.get("/account").status == 401
    assert browser.session("DELETE").status == 204


def test_the_second_who_signs_in_takes_nothing_over(acme, org, house):
    """A cookie that is known already, or made up, gives no session to whoever set it."""
    browser = Browser(house)
    browser.cookie = "0" * 52
    answer = browser.session("POST", {"token": acme.token})
    assert answer.status == 201 and SECRET.fullmatch(answer.headers["Set-Cookie"])[1] != browser.cookie
    assert browser.session().status == 401


def test_two_servers_of_one_host_share_a_cookie_jar(new_server):
    """A browser sends the cookies of a host to all its ports."""
    servers = [new_server() for _ in range(2)]
    jar, csrf = {}, {}
    def ask(server, method="GET", body=None):
        answer = server.nobody().call(method, "/session", body, prefix="", headers={
            "Cookie": "; ".join(f"{name}={text}" for name, text in jar.items()), "Berth-CSRF": csrf.get(server.port)})
        if answer.headers["Set-Cookie"]:
            name, text = answer.headers["Set-Cookie"].split(";")[0].split("=")
            jar[name] = text
        return answer
    for server in servers:
        answer = ask(server, "POST", {"token": server.account("me").token})
        csrf[server.port] = answer.json["csrf"]
    assert set(jar) == {f"berth_session_{server.port}" for server in servers}
    assert [ask(server).status for server in servers] == [200, 200], "the second did not sign the first out"
    assert ask(servers[1], "DELETE").status == 204
    assert [ask(server).status for server in servers] == [200, 401], "nor does signing out"


@pytest.mark.parametrize("host, forwarded, port", [
    ("berth.example", None, "80"), ("berth.example:8443", None, "8443"), ("[::1]", None, "80"), ("[::1]:81", None, "81"),
    ("inner:8080", {"X-Forwarded-Host": "berth.example", "X-Forwarded-Proto": "https"}, "443"),
    ("inner:8080", {"X-Forwarded-Host": "berth.example:444", "X-Forwarded-Proto": "https"}, "444"),
])
def test_the_port_in_its_name_is_the_one_that_the_browser_wrote(behind, host, forwarded, port):
    token = behind.account("me").token
    sent = {"Host": host, **(forwarded or {})}
    answer = behind.nobody().call("POST", "/session", {"token": token}, prefix="", headers=sent)
    name, text = answer.headers["Set-Cookie"].split(";")[0].split("=")
    assert name == f"berth_session_{port}"
    again = {**sent, "Cookie": f"berth_session=x; berth_session_1={text}; {name}={text}"}
    assert behind.nobody().call("GET", "/session", prefix="", headers=again).status == 200
    again["Cookie"] = f"berth_session_1={text}; berth_session={text}"
    assert behind.nobody().call("GET", "/session", prefix="", headers=again).status == 401


@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": "x", "more": 1}, {"token": "x" * 300}, []])
def test_what_is_no_sign_in(browser, body):
    assert browser.session("POST", body).status == 400


def test_other_sites_cannot_sign_in(acme, browser):
    for site in ("cross-site", "same-site"):
        assert browser.session("POST", {"token": acme.token}, headers={"Sec-Fetch-Site": site}).status == 403
    assert browser.session("POST", {"token": acme.token}, headers={"Sec-Fetch-Site": "same-origin"}).status == 201
    form = browser.session("POST", b'{"token":"' + acme.token.encode() + b'"}', headers={"Content-Type": "text/plain"})
    assert form.status == 415


def test_guessing_is_limited(new_server):
    server = new_server("--rate-limit-sign-ins", "3")
    me, browser = server.account("me"), Browser(server)
    for _ in range(3):
        answer = browser.session("POST", {"token": "r8_none"})
        assert answer.status == 401 and "berth token create" in answer.json["detail"]
    refused = browser.session("POST", {"token": me.token})
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")


def test_signing_in_rightly_is_not_limited(new_server):
    server = new_server("--rate-limit-sign-ins", "1")
    for _ in range(3):
        Browser(server).sign_in(server.account("me"))


def test_an_account_has_so_many_sessions(new_server):
    server = new_server("--max-sessions", "2")
    browsers = [Browser(server) for _ in range(3)]
    for browser in browsers:
        browser.sign_in(server.account("me"))
    assert [browser.session().status for browser in browsers] == [401, 200, 200]


def test_it_outlives_the_server_and_ends_with_its_token(new_server):
    server = new_server()
    me, browser = server.account("me"), Browser(server)
    browser.sign_in(me)
    browser.sign_in(server.account("you"))
    server.stop()
    server.start()
    assert names(browser.session().json) == ["me", "you"]
    token = next(one for one in me.get("/account/tokens").json["results"] if one["current"])
    assert me.delete(f"/account/tokens/{token['id']}").status == 204
    assert names(browser.session().json) == ["you"] and me.get("/account").status == 401
    server.stop()
    assert browser.cookie not in server.log() and me.token not in server.log()
    kept = sqlite3.connect(server.data / "berth.db").execute("SELECT hash FROM session").fetchall()
    assert kept and all(browser.cookie.encode() not in row[0] for row in kept)
    server.start()
    assert names(browser.session().json) == ["you"]


def test_it_ends_in_time(new_server):
    server = new_server("--session-lifetime", "1m")
    browser = Browser(server)
    answer = browser.session("POST", {"token": server.account("me").token})
    assert "Max-Age=60;" in answer.headers["Set-Cookie"] + ";"
    browser.cookie = answer.headers["Set-Cookie"].split(";")[0].split("=")[1]
    assert browser.session().status == 200
    server.stop()
    base = sqlite3.connect(server.data / "berth.db")
    with base:
        base.execute("UPDATE session SET expires_at = expires_at - 60000")
    base.close()
    server.start()
    assert browser.session().status == 401


def test_predictions_of_a_page_say_so(house, acme, running, org, browser):
    browser.sign_in(acme)
    made = browser.post(running + "/predictions", {"input": {"text": "x"}}, headers={"Prefer": "wait"})
    assert (made.status, made.json["source"]) == (201, "web"), made
    assert made.json["id"] in [one["id"] for one in acme.get("/predictions?source=web").json["results"]]
    assert acme.predict(running, {"text": "x"})["source"] == "api"


def test_tokens_of_ones_own(house, org):
    me = house.account("tina")
    first = me.get("/account/tokens").json["results"]
    assert [(one["name"], one["current"]) for one in first] == [(None, True)] and first[0]["last_used_at"]
    made = me.post("/account/tokens", {"name": "laptop"})
    assert made.status == 201 and re.fullmatch("r8_[0-9A-Za-z]{37}", made.json["token"])
    assert (made.json["name"], made.json["last_used_at"], made.json["current"]) == ("laptop", None, False)
    other = Client(house, "tina", made.json["token"])
    assert other.get("/account").json["username"] == "tina"
    listed = other.get("/account/tokens").json["results"]
    assert [(one["name"], one["current"]) for one in listed] == [("laptop", True), (None, False)]
    assert all("token" not in one and one["last_used_at"] for one in listed)
    assert org.delete(f"/account/tokens/{made.json['id']}").status == 404
    assert me.delete(f"/account/tokens/{made.json['id']}").status == 204
    assert me.delete(f"/account/tokens/{made.json['id']}").status == 404
    assert other.get("/account").status == 401
    assert made.json["token"] not in house.log()


def test_tokens_are_counted(new_server):
    server = new_server("--max-tokens", "2")
    me = server.account("me")
    assert me.post("/account/tokens", {}).status == 201
    refused = me.post("/account/tokens", {"name": "third"})
    assert refused.status == 400 and "max_tokens" in refused.json["detail"]
    for body in ({"name": 1}, {"label": "x"}, {"name": "x" * 300}):
        assert server.account("you").post("/account/tokens", body).status == 400


def test_when_a_token_was_used_is_kept(new_server):
    server = new_server()
    me = server.account("me")
    wait_for(lambda: me.get("/account/tokens").json["results"][0]["last_used_at"], "its use")
    server.stop()
    server.start()
    base = sqlite3.connect(f"file:{server.data}/berth.db?mode=ro", uri=True)
    assert base.execute("SELECT last_used_at FROM token").fetchone()[0] > 0
