# SPDX-License-Identifier: Apache-2.0
"""Images as versions, and their instances as containers of a real engine."""

import re
import socket
import urllib.request

import pytest
from berth import wait_for


def push(server, image, name="acme/model", *flags, fails=False):
    said = server.admin("push", image, name, *flags, fails=fails)
    if fails:
        return said
    assert re.fullmatch(f"{name}:[0-9a-f]{{64}}", said), said
    return said.rpartition(":")[2]


def ready(server, image="ctl:v1", low=0, high=1, name="boxed"):
    """A deployment of an image: its client and its path."""
    client = server.account("acme")
    version = push(server, image)
    return client, client.deploy(name, "acme/model", version, low, high)


def containers(engine, server, running=False):
    """Those of one server: the label that tells whose they are is also its network's name."""
    own = {record["container_owner"] for record in server.records("the container engine is ready")}
    return [one for owner in own for one in engine.containers(f"berth.server={owner}", running)]


def none_left(engine, server):
    wait_for(lambda: not containers(engine, server), "the end of all containers")


def test_push_deploy_predict_scale_to_zero(engine, images, new_server):
    server = new_server("--idle-timeout", "1s")
    client, path = ready(server)
    done = client.predict(path, {"mode": "words", "steps": 4})
    assert done["status"] == "succeeded", done
    assert done["output"] == ["hello0 ", "hello1 ", "hello2 ", "hello3 "]
    assert "word 3" in done["logs"]
    assert done["version"] == images["ctl:v1"].removeprefix("sha256:")
    none_left(engine, server)
    ended = client.get(f"{path}/instances").json["results"]
    assert ended == [] or ended[0]["state"] in ("stopping", "ended"), ended
    again = client.predict(path, {"text": "again"})
    assert again["output"] == ["again"], again


def test_the_newest_api_that_both_know(engine, new_server):
    """1.41 of the engine that Debian 12 has, 1.45 of Debian 13's."""
    told = engine.ask("GET", "/version")
    ready = new_server().records("the container engine is ready")[0]
    assert (ready["version"], ready["api"]) == (told["Version"], "v" + told["ApiVersion"])


def test_what_a_container_is_made_of(engine, new_server):
    server = new_server()
    client, path = ready(server, low=1)
    assert client.predict(path, {})["status"] == "succeeded"
    made = engine.inspect(containers(engine, server)[0]["Id"])
    host = made["HostConfig"]
    assert host["NanoCpus"] == 1000000000
    assert host["Memory"] == host["MemorySwap"] == 512000000
    assert host["PidsLimit"] == 200
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"] and not host["Privileged"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert host["Init"] is True
    assert host["ShmSize"] == 256000000
    assert host["LogConfig"]["Config"]["max-file"] == "2"
    assert not host["PortBindings"], "it is reached at its own address"
    assert made["State"]["Running"]


def test_files_go_in_and_out(new_server):
    server = new_server()
    client, path = ready(server, "files:v1")
    picture = "data:image/png;base64,aGVsbG8="
    done = client.predict(path, {"file": picture, "name": "back.png"})
    assert done["status"] == "succeeded", done
    if done["output"].startswith("http"):
        assert client.call("GET", done["output"].removeprefix(server.url), prefix="").body == b"hello"
    else:
        assert done["output"].endswith("base64,aGVsbG8=")


def test_an_uploaded_file_is_fetched_by_the_container(new_server):
    server = new_server()
    client, path = ready(server, "look:v1")
    body = (b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.txt"\r\n'
            b"Content-Type: text/plain\r\n\r\nin a box\r\n--x--\r\n")
    made = client.post("/files", body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert made.status == 201, made
    done = client.predict(path, {"file": made.json["urls"]["get"], "text": "seen"})
    assert done["status"] == "succeeded" and done["output"].startswith(".txt 8 "), done


def test_cancel(new_server):
    server = new_server()
    client, path = ready(server)
    made = client.predict(path, {"mode": "wait", "file": "/tmp/never"}, wait=False)
    wait_for(lambda: client.prediction(made)["logs"], "its first line")
    assert client.post(f"/predictions/{made['id']}/cancel").status == 200
    assert client.ended(made)["status"] == "canceled"
    assert client.predict(path, {})["status"] == "succeeded"


def test_a_model_that_dies_says_how(new_server):
    server = new_server()
    client, path = ready(server)
    done = client.predict(path, {"mode": "crash", "file": "/usr/bin/python"})
    assert done["status"] == "failed", done
    assert client.predict(path, {})["status"] == "succeeded"


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_server_that_comes_back_finds_its_container(engine, new_server, how):
    server = new_server("--keep-instances", "--drain-timeout", "1s")
    client, path = ready(server, low=1)
    assert client.predict(path, {})["status"] == "succeeded"
    before = containers(engine, server)
    made = client.predict(path, {"mode": "wait", "file": "/tmp/never"}, wait=False)
    wait_for(lambda: client.prediction(made)["logs"], "its first line")
    server.kill() if how == "kill" else server.stop()
    assert [one["Id"] for one in containers(engine, server, running=True)] == [before[0]["Id"]]
    server.start()
    wait_for(lambda: client.get(f"{path}/instances").json["results"][0]["state"] in ("idle", "active"), "its instance")
    assert [one["Id"] for one in containers(engine, server)] == [before[0]["Id"]]
    assert client.post(f"/predictions/{made['id']}/cancel").status == 200
    assert client.ended(made)["status"] == "canceled"
    assert client.predict(path, {"text": "still there"})["output"] == ["still there"]


def test_two_servers_do_not_see_each_other(engine, new_server):
    one, other = new_server("--keep-instances"), new_server("--keep-instances")
    (client, path), (client2, path2) = ready(one, low=1), ready(other, low=1)
    assert client.predict(path, {})["status"] == client2.predict(path2, {})["status"] == "succeeded"
    theirs = containers(engine, other)
    one.kill()
    stranger = engine.ask("POST", "/containers/create", {"Image": "ctl:v1", "Labels": {"berth.server": "somebody",
                                                                                       "berth.instance": "x"}})
    one.start()
    assert client.predict(path, {})["status"] == "succeeded"
    one.stop()
    assert [x["Id"] for x in containers(engine, other, running=True)] == [x["Id"] for x in theirs]
    assert engine.inspect(stranger["Id"])["State"]["Status"] == "created"
    assert client2.predict(path2, {})["status"] == "succeeded"
    engine.ask("DELETE", f"/containers/{stranger['Id']}")


def test_a_server_of_openais_protocol_is_an_image(engine, images, new_server):
    server = new_server()
    client, path = ready(server, "chat:v1", name="chat")
    made = client.predict(path, {"messages": [{"role": "user", "content": "a b c"}]})
    assert (made["status"], made["output"]) == ("succeeded", ["user: ", "a ", "b ", "c ", "(None) "]), made
    assert made["version"] == images["chat:v1"].removeprefix("sha256:"), "its label is part of the image"
    assert made["metrics"]["output_token_count"] == 5, made
    first = containers(engine, server)[0]
    assert first["Labels"]["berth.port"] == "8000"
    server.kill()
    server.start()
    wait_for(lambda: client.get(path + "/instances").json["results"][0]["state"] in ("idle", "active"), "it is found again")
    assert client.predict(path, {"prompt": "d"})["output"][0] == "user: "
    assert [one["Id"] for one in containers(engine, server)] == [first["Id"]]


PLAIN = """
protocol: plain
port: {port}
health: /up
path: /run
environment: [GREETING=good day, HOST=0.0.0.0]
input:
  kind: {{type: string, default: json}}
  name: {{type: string, default: world}}
"""


def test_a_plain_server_is_an_image_with_a_model_yaml(images, new_server, tmp_path):
    server = new_server()
    file = tmp_path / "model.yaml"
    file.write_text(PLAIN.format(port=80))
    versions = [push(server, "plain:v1", "acme/plain", "--model-yaml", str(file))]
    assert push(server, "plain:v1", "acme/plain", "--model-yaml", str(file)) == versions[0]
    file.write_text(PLAIN.format(port=8080))
    versions.append(push(server, "plain:v1", "acme/plain", "--model-yaml", str(file)))
    assert len({*versions, images["plain:v1"].removeprefix("sha256:")}) == 3, "each way of serving it is a version"
    client = server.account("acme")
    for number, version in enumerate(versions):
        path = client.deploy(f"plain{number}", "acme/plain", version)
        made = client.predict(path, {"name": "you"})
        assert made["status"] == "succeeded" and "good day" in str(made["output"]) and "you" in str(made["output"]), made
    file.write_text("protocol: plain\n")
    assert "port is missing" in push(server, "plain:v1", "acme/plain", "--model-yaml", str(file), fails=True)
    assert "no labels of Cog" in push(server, "plain:v1", "acme/plain", fails=True)
    assert "none.yaml" in push(server, "plain:v1", "acme/plain", "--model-yaml", str(tmp_path / "none.yaml"), fails=True)


def test_a_container_that_nobody_knows_is_swept(engine, new_server):
    server = new_server()
    ready(server)
    owner = server.records("the container engine is ready")[0]["container_owner"]
    lost = engine.ask("POST", "/containers/create", {"Image": "ctl:v1", "Labels": {"berth.server": owner,
                                                                                  "berth.instance": "01lost"}})
    server.stop()
    server.start()
    wait_for(lambda: lost["Id"] not in [one["Id"] for one in engine.containers("berth.instance")], "its removal")


def test_the_engine_goes_and_comes_back(engine, new_server):
    server = new_server()
    client, path = ready(server, low=1)
    assert client.predict(path, {})["status"] == "succeeded"
    before = containers(engine, server)
    engine.kill()
    assert client.predict(path, {"text": "without the engine"})["output"] == ["without the engine"]
    assert "does not answer" in push(server, "ctl:v1", fails=True) or server.records(
        "the container engine cannot be used; it is asked again")
    engine.start()
    wait_for(lambda: len(server.records("the container engine is ready")) == 2, "the engine's return")
    assert [one["Id"] for one in containers(engine, server)] == [before[0]["Id"]]
    assert client.predict(path, {"text": "with it"})["output"] == ["with it"]
    engine.ask("POST", f"/containers/{before[0]['Id']}/kill")
    wait_for(lambda: before[0]["Id"] not in [one["Id"] for one in containers(engine, server)], "its removal")
    wait_for(lambda: server.records("instance ended"), "the server's knowing: the engine's list is the first to lack it")
    anew = client.predict(path, {"text": "anew"})
    assert anew["output"] == ["anew"], (anew, server.log())


@pytest.mark.parametrize("listener", ["public", "metrics"])
def test_the_servers_ports_are_closed_to_containers(new_server, listener):
    """Also before the engine has answered the server that came back."""
    with socket.create_server(("0.0.0.0", 0)) as free:
        port = free.getsockname()[1]
    server = new_server("--keep-instances", "--listen" if listener == "public" else "--metrics-listen", f"0.0.0.0:{port}")
    client, path = ready(server, "escape:v1", low=1)
    gateway = server.records("the container engine is ready")[0]["gateway"]

    def attempt():
        return client.predict(path, {"attempt": "call_server", "data": "/", "pid": 1, "port": port, "host": gateway})

    done = attempt()
    assert done["status"] == "succeeded" and done["output"].startswith("could not: "), done
    assert urllib.request.urlopen(f"http://{gateway}:{port}/{'healthz' if listener == 'public' else 'metrics'}").status == 200
    server.kill()
    server.start()
    assert attempt()["output"].startswith("could not: ")


def test_capacity_tells_what_holds_for_containers(engine, new_server):
    server = new_server()
    client = server.account("acme")
    push(server, "ctl:v1")
    told = client.get("/capacity").json
    assert told["container_engine"]["is_ready"] is True and told["container_engine"]["problem"] is None, told
    assert told["container_engine"]["version"] == engine.ask("GET", "/version")["Version"]
    assert told["container_engine"]["isolation"]["files_hidden"] is True
    assert any("bridge addresses" in one for one in told["container_engine"]["not_enforced"])
    assert not any("bridge addresses" in one for one in told["not_enforced"])


def test_a_deleted_version_takes_its_name_along(engine, new_server):
    """Its instance, which holds the image, goes first."""
    server = new_server()
    client = server.account("acme")
    version = push(server, "ctl:v1")
    owner = server.records("the container engine is ready")[0]["container_owner"]

    def names():
        return [tag for one in engine.ask("GET", "/images/json") for tag in one["RepoTags"] or []
                if tag.startswith(f"berth-{owner}/")]

    made = client.post("/predictions", {"version": version, "input": {"text": "held"}}, headers={"Prefer": "wait"})
    assert made.status == 201 and made.json["output"] == ["held"], made
    assert names() == [f"berth-{owner}/acme/model:{version[:12]}"]
    assert client.delete(f"/models/acme/model/versions/{version}").status == 202
    wait_for(lambda: not names(), "the end of its name")
    assert engine.ask("GET", "/images/ctl:v1/json")["Id"], "the name that somebody else gave it stays"
    none_left(engine, server)


def test_refusals(new_server):
    server = new_server()
    client = server.account("acme")
    assert "no labels of Cog" in push(server, "bare:v1", fails=True)
    assert "has no image" in push(server, "not-there:v1", fails=True)
    assert "no account named" in push(server, "ctl:v1", "nobody/model", fails=True)
    assert "does not offer the docker runtime" in push(server, "ctl:v1", "acme/model", "--hardware", "folders", fails=True)
    version = push(server, "ctl:v1")
    answer = client.post("/deployments", {"name": "wrong", "model": "acme/model", "version": version,
                                          "hardware": "folders", "min_instances": 0, "max_instances": 1})
    assert answer.status == 400 and "does not offer the docker runtime, which an image needs" in answer.text, answer
    assert push(server, "ctl:v1") == version, "the same image is the same version"


def test_without_an_engine(new_server, tmp_path):
    server = new_server()
    server.stop()
    for options, words in (["--docker-socket", ""], "docker_socket"), (["--docker-socket", "/nowhere.sock"], "/nowhere.sock"):
        server.options = options
        server.start()
        assert words in push(server, "ctl:v1", fails=True)
        server.stop()


def test_more_cpus_than_the_engine_has(new_server):
    server = new_server()
    client = server.account("acme")
    version = push(server, "ctl:v1")
    path = client.deploy("wide", "acme/model", version, hardware="wide")
    assert client.predict(path, {})["status"] == "succeeded"


def test_a_model_without_a_deployment(new_server):
    server = new_server()
    client = server.account("acme")
    version = push(server, "ctl:v1")
    made = client.post("/predictions", {"version": version, "input": {"text": "alone"}}, headers={"Prefer": "wait"})
    assert made.status == 201 and made.json["output"] == ["alone"], made
