# SPDX-License-Identifier: Apache-2.0
"""The dashboard's page and files, as the server hands them out. What they do is tested in tests/web."""

import gzip
import re

import pytest

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PEOPLE = ["/", "/deployments", "/deployments/create", "/deployments/acme/fast/metrics", "/acme/hello", "/p/abc",
          "/acme/hello/versions/" + "0" * 64, "/models", "/hardware", "/account", "/a/b/c/d/e/f/g", "/?next=/v1"]
PROGRAMS = ["/v1/deployments", "/v1", "/v2/x", "/openai/v1/models", "/session", "/metrics", "/healthz", "/_i/x/webhook/y",
            "/assets/none.js"]


@pytest.fixture(scope="module")
def page(house):
    answer = house.nobody().get("/", prefix="", headers=HTML)
    if answer.type != "text/html":
        assert answer.status == 404 and "built without the dashboard" in answer.text
        pytest.fail("this binary has no dashboard: meson configure -Dweb=enabled")
    return answer


def test_people_get_the_page_everywhere(house, page):
    for path in PEOPLE:
        answer = house.nobody().get(path, prefix="", headers=HTML)
        assert (answer.status, answer.type, answer.body) == (200, "text/html", page.body), path
        assert "Accept" in answer.headers.get_all("Vary")


def test_programs_do_not(house, acme, page):
    nobody = house.nobody()
    for path in PROGRAMS:
        assert nobody.get(path, prefix="", headers=HTML).type != "text/html", path
    assert acme.get("/deployments", prefix="", headers=HTML).type == "application/json"
    for accept in ("application/json", "*/*", "text/*", "text/htm", "text/plain, text/html2", None):
        answer = nobody.get("/deployments", prefix="", headers={"Accept": accept})
        assert (answer.status, answer.type) == (401, "application/problem+json"), accept
    assert nobody.post("/deployments", {}, prefix="", headers=HTML).status == 401


def test_it_may_do_nothing_but_what_it_needs(page):
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self'" and policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert (page.headers["X-Content-Type-Options"], page.headers["Referrer-Policy"]) == ("nosniff", "same-origin")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|(src|href)=.https?:", page.text), page.text


def test_its_files_stay_for_ever(house, page):
    nobody = house.nobody()
    files = set(re.findall(r'"(/assets/[^"]+)"', page.text))
    assert any(name.endswith(".js") for name in files) and any(name.endswith(".css") for name in files)
    for path in files:
        plain = nobody.get(path, prefix="")
        packed = nobody.get(path, prefix="", headers={"Accept-Encoding": "br, gzip"})
        assert (plain.status, plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (200, None, "gzip")
        assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body)
        assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert plain.type == ("text/javascript" if path.endswith(".js") else "text/css")
        head = nobody.call("HEAD", path, prefix="")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(plain.body)))
    for path in ("/assets/none.js", "/assets/index.html", "/assets/..%2Findex.html"):
        assert nobody.get(path, prefix="").status in (400, 404), path


def test_what_a_browser_has_is_not_sent_again(house, page):
    nobody = house.nobody()
    assert page.headers["Cache-Control"] == "no-cache"
    for tag, status in ((page.headers["ETag"], 304), ('"x", ' + page.headers["ETag"], 304), ('"x"', 200), ("*", 304)):
        answer = nobody.get("/", prefix="", headers={**HTML, "If-None-Match": tag})
        assert answer.status == status and bool(answer.body) == (status == 200)
        assert "Content-Security-Policy" in answer.headers
    assert nobody.call("HEAD", "/deployments", prefix="", headers=HTML).headers["Content-Length"] == str(len(page.body))
