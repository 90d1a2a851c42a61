# SPDX-License-Identifier: Apache-2.0
"""The commands of a user: login, run, predictions, logs, models, deployments."""

import json
import os
import re
import signal
import stat
import subprocess

import pytest
from berth import LIMIT, MODELS, binary, wait_for


@pytest.fixture
def berth(house, tmp_path):
    """Runs a command as some-org, with a home of its own."""

    def call(*words, code=0, stdin=None, token=True, **environment):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "REPLICATE_", "XDG_"))}
        env |= {"HOME": str(tmp_path), "BERTH_URL": house.url} | environment
        if token:
            env["BERTH_TOKEN"] = house.account("some-org").token
        done = subprocess.run([binary(), *words], capture_output=True, text=True, check=False, timeout=LIMIT, input=stdin,
                              env={k: v for k, v in env.items() if v is not None})
        assert done.returncode == code, done
        return done

    return call


def test_login_keeps_the_token(house, org, berth, tmp_path):
    done = berth("login", "--url", f"{house.url}/v1/", stdin=org.token + "\n", token=False, BERTH_URL=None)
    assert done.stdout == f"Logged in to {house.url} as some-org\n"
    kept = tmp_path / ".config/berth/login.json"
    assert json.loads(kept.read_text()) == {"url": house.url, "token": org.token}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "some-org/some-model" in berth("models", "list", token=False, BERTH_URL=None).stdout
    # It goes to no other server.
    other = berth("models", "list", "--url", "http://127.0.0.1:1", token=False, code=2)
    assert "no token was given" in other.stderr
    elsewhere = tmp_path / "elsewhere"
    berth("login", "--token", org.token, token=False, XDG_CONFIG_HOME=str(elsewhere))
    assert (elsewhere / "berth/login.json").exists()


def test_login_refuses_a_bad_token(berth, tmp_path):
    done = berth("login", stdin="r8_wrong\n", token=False, code=1)
    assert "did not pass a valid authentication token" in done.stderr
    assert not (tmp_path / ".config/berth/login.json").exists()
    assert "no token was given" in berth("login", stdin="", token=False, code=2).stderr


def test_run(house, berth, tmp_path):
    done = berth("run", "some-org/some-model", "-i", "mode=words", "-i", "text=7", "-i", "steps=3")
    assert done.stdout == "70 71 72 \n"
    assert "word 2" in done.stderr and "succeeded" in done.stderr
    said = re.search(r"^berth run: prediction ([a-z0-9]{26})$", done.stderr, re.MULTILINE)
    assert said and house.account("some-org").prediction(said[1])["status"] == "succeeded", done.stderr
    done = berth("run", f"some-org/some-model:{house.version}", "-i", "mode=words", "-i", "steps=2", "--json")
    last = json.loads(done.stdout)
    assert (last["status"], last["input"]) == ("succeeded", {"mode": "words", "steps": 2})
    (tmp_path / "words.txt").write_text("a file")
    done = berth("run", "some-org/some-model", "-i", f"text=@{tmp_path}/words.txt", "--json")
    assert json.loads(done.stdout)["input"]["text"] == "data:text/plain;base64,YSBmaWxl"
    done = berth("run", "some-org/some-model", "-i", "text=@@home", "-i", 'names=["a","b"]', "--json")
    assert json.loads(done.stdout)["input"] == {"text": "@home", "names": ["a", "b"]}


def test_run_a_deployment(house, org, berth):
    org.deploy("typed", "some-org/some-model", house.version)
    done = berth("run", "some-org/typed", "-i", "text=x", "--json")
    assert json.loads(done.stdout)["deployment"] == "typed"
    assert "no model and no deployment" in berth("run", "some-org/nothing", code=1).stderr


def test_without_an_owner_it_is_the_callers(house, org, berth):
    org.deploy("by-name", "some-org/some-model", house.version)
    for flags in ((), ("--deployment",)):
        assert json.loads(berth("run", "by-name", *flags, "-i", "text=x", "--json").stdout)["deployment"] == "by-name"
    assert json.loads(berth("run", f"some-model:{house.version}", "-i", "text=x", "--json").stdout)["status"] == "succeeded"
    assert "no deployment some-org/nothing" in berth("run", "nothing", code=1).stderr
    for name in ("by-name", "some-org/by-name"):
        assert "cost" in berth("simulate", "--deployment", name).stdout, name
    assert "[OWNER/]NAME" in berth("run", "a/b/c", code=1).stderr
    assert "OWNER/NAME" in berth("simulate", "--deployment", "a/b:c", code=2).stderr


def test_flags_stand_behind_the_command(berth):
    for words in (("--url", "http://127.0.0.1:1", "models", "list"), ("--json", "account")):
        assert f"berth COMMAND {words[0]}" in berth(*words, code=2, token=False).stderr
    version = berth("--version", token=False).stdout
    assert version.startswith("berth ") and berth("-v", token=False).stdout == version
    assert "otherwise: 0" in berth("deployments", "create", "--help").stdout
    assert "otherwise" not in berth("deployments", "update", "--help").stdout


def test_run_that_fails(berth, tmp_path):
    done = berth("run", "some-org/some-model", "-i", "mode=raise", code=1)
    assert "failed" in done.stderr
    assert "steps" in berth("run", "some-org/some-model", "-i", "steps=many", code=1).stderr
    assert "KEY=VALUE" in berth("run", "some-org/some-model", "-i", "steps", code=1).stderr
    assert "cannot read" in berth("run", "some-org/some-model", "-i", f"text=@{tmp_path}/no", code=1).stderr
    assert "no deployment some-org/model" in berth("run", "model", code=1).stderr


def test_predictions_and_logs(org, berth, tmp_path):
    gate = tmp_path / "gate"
    made = berth("run", "some-org/some-model", "-i", "mode=wait", "-i", f"file={gate}", "--detach").stdout.strip()
    assert made in berth("predictions", "list").stdout
    wait_for(lambda: "waiting" in org.prediction(made)["logs"], "its logs")
    env = {**os.environ, "BERTH_URL": org.server.url, "BERTH_TOKEN": org.token}
    with subprocess.Popen([binary(), "logs", "-f", made], stdout=subprocess.PIPE, text=True, env=env) as following:
        assert following.stdout.readline() == "mode wait\n"
        gate.write_text("")
        rest = following.stdout.read()
        assert following.wait(LIMIT) == 0
    assert "waiting" in rest
    assert berth("logs", made).stdout.startswith("mode wait\n")
    shown = berth("predictions", "show", made).stdout
    assert "succeeded" in shown and "some-org/some-model" in shown
    assert json.loads(berth("predictions", "show", made, "--json").stdout)["id"] == made
    assert "nothing at /v1/predictions/nothing: it does not exist, or is not yours" in berth("predictions", "show", "nothing", code=1).stderr


def test_cancel(org, berth, tmp_path):
    made = berth("run", "some-org/some-model", "-i", "mode=wait", "-i", f"file={tmp_path}/never", "--detach").stdout.strip()
    berth("predictions", "cancel", made)
    assert org.ended(made)["status"] == "canceled"


def test_output_comes_as_it_is_made(org, tmp_path):
    """By the stream: what is printed early is not printed again at the end."""
    go = tmp_path / "go"
    env = {**os.environ, "BERTH_URL": org.server.url, "BERTH_TOKEN": org.token}
    with subprocess.Popen([binary(), "run", "some-org/some-model", "-i", "mode=wait", "-i", f"file={go}"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env) as running:
        assert running.stdout.read(6) == "begin "
        go.touch()
        assert running.stdout.read() == "end\n"
        assert running.wait(LIMIT) == 0


def test_a_server_that_goes_leaves_the_prediction_named(new_server, tmp_path):
    server = new_server()
    me = server.account("me")
    server.push(me, MODELS / "ctl", "m")
    env = {**os.environ, "BERTH_URL": server.url, "BERTH_TOKEN": me.token}
    with subprocess.Popen([binary(), "run", "me/m", "-i", "mode=wait", "-i", f"file={tmp_path}/never", "--reconnect", "1"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as running:
        for line in running.stderr:
            if line == "waiting\n":
                break
        server.kill()
        said = running.stderr.read()
        assert running.wait(LIMIT) == 1
    made, = server.start() and me.get("/predictions").json["results"]
    assert f"`berth logs -f {made['id']}`" in said, said
    assert "it is asked again for 1 s (--reconnect)\nberth: no answer for 1 s\n" in said, said
    assert me.post(f"/predictions/{made['id']}/cancel").status == 200
    me.ended(made)


def test_an_interrupt_cancels(org, tmp_path):
    env = {**os.environ, "BERTH_URL": org.server.url, "BERTH_TOKEN": org.token}
    with subprocess.Popen([binary(), "run", "some-org/some-model", "-i", "mode=wait", "-i", f"file={tmp_path}/never"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as running:
        for line in running.stderr:
            if line == "waiting\n":
                break
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
        assert running.wait(LIMIT) == 1
    assert "canceled" in said
    assert org.get("/predictions").json["results"][0]["status"] == "canceled"


def test_deployments(house, org, berth):
    assert "release 1" in berth("deployments", "create", "by-hand", "--model", "some-org/some-model").stdout
    assert org.get("/deployments/some-org/by-hand").json["current_release"]["version"] == house.version
    assert "some-org/by-hand" in berth("deployments", "list").stdout
    assert "0-2 instances" in berth("deployments", "update", "by-hand", "--max-instances", "2").stdout
    shown = json.loads(berth("deployments", "show", "some-org/by-hand", "--json").stdout)
    assert shown["current_release"]["number"] == 2
    refused = berth("deployments", "update", "by-hand", "--max-instances", "many", code=1)
    assert "max_instances: This must be an integer" in refused.stderr
    assert berth("deployments", "delete", "by-hand").stdout == ""
    assert "/by-hand: it does not exist" in berth("deployments", "show", "by-hand", code=1).stderr
    assert "--model" in berth("deployments", "create", "by-hand", code=2).stderr


def test_models(berth):
    shown = berth("models", "show", "some-org/some-model").stdout
    assert "public" in berth("models", "list").stdout
    assert "steps" in shown and "How often" in shown


def test_help_names_every_command(berth):
    said = berth("--help").stdout
    assert berth("-h").stdout == said and berth("logs", "-h").stdout == berth("logs", "--help").stdout
    for words in ("login", "run", "logs", "predictions list", "deployments create", "models show", "collection add"):
        assert words in said
    rows = [line for line in said.split("Commands:")[1].split("`berth COMMAND")[0].splitlines() if line.strip()]
    starts = {len(row) - len(row[2:].split("  ", 1)[1].lstrip()) for row in rows}
    assert len(starts) == 1, said  # what the commands do stands in one column
