# SPDX-License-Identifier: Apache-2.0
"""What a container engine does that a real one seldom does when a test looks: it cannot do what it is asked for, it does not
answer, it comes back as another."""

import threading

import engine_in_memory as engines
import pytest
from berth import Server, wait_for
from registry import HARDWARE


@pytest.fixture
def engine(tmp_path):
    made = engines.Engine(tmp_path)
    yield made
    made.end()


@pytest.fixture
def server(tmp_path, engine):
    data = tmp_path / "data"
    data.mkdir()
    (data / "berth.yaml").write_text(HARDWARE)
    made = Server(data, "--docker-socket", str(engine.socket), "--cpu-overcommit", "40").start()
    try:
        wait_for(lambda: made.records("the container engine is ready"), "that it has found the engine")
        yield made
        made.stop()
    finally:
        made.end()


def deployed(client, name):
    version = client.server.admin("push", "shout", f"acme/{name}").split(":")[1]
    return client.deploy(name, f"acme/{name}", version, low=1)


def test_what_it_cannot_do_is_no_matter_of_all_others(server, engine):
    """A container that it cannot remove ("device or resource busy") is asked for again, and all else goes on meanwhile."""
    client = server.account("acme")
    deployed(client, "first")
    wait_for(lambda: engine.count("POST", "/containers/[^/]+/wait"), "a container that runs")
    stuck = next(iter(engine.containers))
    engine.answers.append(lambda method, path: (500, {"message": "device or resource busy"})
                          if method == "DELETE" and stuck in path else None)
    assert client.patch("/deployments/acme/first", {"min_instances": 0, "max_instances": 0}).status == 200
    wait_for(lambda: engine.count("DELETE", f"/containers/{stuck}") >= 3, "that it is asked again and again")
    deployed(client, "second")
    wait_for(lambda: len(engine.containers) > 1, "another container")
    assert client.get("/capacity").json["container_engine"]["is_ready"]
    assert not server.records("the container engine cannot be used; it is asked again")
    assert len(server.records("the container engine could not do it; it is asked again")) == 1
    engine.answers.clear()
    wait_for(lambda: stuck not in engine.containers, "its end")


def test_an_address_where_nobody_can_listen(server, engine):
    """What was found before the engine went is not taken for what it has when it is back."""
    client = server.account("acme")
    before = engine.count("GET", "/networks/.*")
    engine.gateway, engine.subnet = "192.0.2.1", "192.0.2.0/24"
    engine.answers.append(lambda method, path: 1 / 0 if path == "/containers/create" else None)
    deployed(client, "first")
    wait_for(lambda: engine.count("GET", "/networks/.*") >= before + 3, "that it is looked for again and again")
    found = client.get("/capacity").json["container_engine"]
    assert not found["is_ready"] and "192.0.2.1" in found["problem"], found


def test_a_server_ends_while_it_does_not_answer(server, engine):
    asked, free = threading.Event(), threading.Event()

    def hang(method, path):
        if path == "/images/shout/json":
            asked.set()
            free.wait()

    engine.answers.append(hang)
    caller = threading.Thread(target=lambda: server.admin("push", "shout", "acme/first", fails=True))
    server.account("acme")
    caller.start()
    assert asked.wait(90)
    server.stop()
    free.set()
    caller.join()


def test_the_name_of_an_image(server, engine):
    server.account("acme")
    before = len(engine.seen)
    for name in ("a b", "../info", "a/./b", "a//b", "/shout", "shout?x=1", "shout%2fx", "", "ü"):
        assert "is not the name of an image" in server.admin("push", "--image", name, "acme/first", fails=True), name
    assert not [one for one in engine.seen[before:] if one[1].startswith("/images")]
