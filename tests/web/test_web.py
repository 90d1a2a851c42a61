# SPDX-License-Identifier: Apache-2.0
"""What the dashboard must show; the steps are in the scripts beside this file."""

import shutil
import sqlite3

from conftest import EXAMPLES, MODELS, wait_for

ROWS = 10000
VERSIONS = 130


def test_a_deployments_life(drive, hello):
    drive("story.mjs", hello["client"], old=hello["old"], version=hello["version"])


def test_every_page(house, drive, hello, tmp_path):
    acme = hello["client"]
    path = acme.deploy("greeter", "acme/hello", hello["version"], 1, 2)
    made = acme.predict(path, {"text": "everyone"})
    assert acme.patch(path, {"max_instances": 1}).status == 200
    acme.patch("/models/acme/hello", {"readme": "# Hello\n\nIt *greets*.\n\n- one\n- two\n", "description": "Greets"})
    version = house.push(acme, MODELS / "ctl", "ctl")
    failed = acme.predict(acme.deploy("ctl", "acme/ctl", version), {"mode": "raise"})
    bad = tmp_path / "bad"
    shutil.copytree(MODELS / "ctl", bad)
    (bad / "setup.txt").write_text("raise")
    broken = acme.deploy("broken", "acme/broken", house.push(acme, bad, "broken"), 1)
    releases = lambda: acme.get(broken + "/releases").json["results"]
    wait_for(lambda: releases()[0]["failed_at"], releases)
    drive("pages.mjs", acme, version=hello["version"], deployment="greeter", prediction=made["id"], failed=failed["id"])


def test_the_first_visit(house, drive):
    drive("first.mjs", house.account("new-here"))


def test_the_account(house, drive, hello):
    acme = hello["client"]
    made = acme.predict(acme.deploy("spender", "acme/hello", hello["version"]), {"text": "x"})
    assert made["status"] == "succeeded"
    wait_for(lambda: acme.get("/account/cost").json["seconds"] > 0, "a cost")
    drive("account.mjs", acme, deployment="spender")


def test_a_server_that_answers_errors(drive, hello):
    acme = hello["client"]
    made = acme.predict(acme.deploy("shaky", "acme/hello", hello["version"], 1), {"text": "x"})
    assert made["status"] == "succeeded"
    drive("errors.mjs", acme, version=hello["version"], deployment="shaky", prediction=made["id"])


def test_more_models_than_a_page_of_them(house, drive):
    me = house.account("much")
    for n in range(60):
        made = me.post("/models", {"owner": "much", "name": f"{'pick' if n % 2 else 'other'}-{n}", "visibility": "private", "hardware": "cpu"})
        assert made.status == 201, made
    pages, answer = [], me.get("/models").json
    while True:
        pages += answer["results"]
        if not answer["next"]:
            break
        answer = me.get(answer["next"].split("/v1", 1)[1]).json
    drive("picker.mjs", me, models=len(pages), word="pick", found=30)


def test_the_network_is_cut(drive, hello):
    acme = hello["client"]
    acme.deploy("cut-off", "acme/hello", hello["version"], 1)
    drive("network.mjs", acme, deployment="cut-off")


def deepen(base, version):
    """The model `deep` gets VERSIONS versions, which all are that one; their ids, the oldest first."""
    names = [row[1] for row in base.execute("PRAGMA table_info(version)")]
    others = ", ".join(name for name in names if name not in ("seq", "model_id", "id"))
    seq, = base.execute("SELECT seq FROM version WHERE id = ?", [version]).fetchone()
    ids = [f"{n:08x}" * 8 for n in range(1, VERSIONS + 1)]
    with base:
        base.executemany(f"INSERT INTO version (seq, model_id, id, {others}) SELECT ?, (SELECT id FROM model WHERE name = 'deep'), ?, {others} "
                         "FROM version WHERE id = ?", [(f"{seq[:20]}{n:06d}", name, version) for n, name in enumerate(ids)])
    return ids


def test_what_waits_for_a_machine(drive, hello):
    acme = hello["client"]
    path = acme.deploy("far", "acme/hello", hello["version"], 1, hardware="gpu-a100-large-8x")
    drive("waits.mjs", acme, deployment="far")
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200


def test_many(house, drive, hello):
    """The predictions are written beside the server: what one of them says, ten thousand times."""
    acme = hello["client"]
    assert acme.post("/models", {"owner": "acme", "name": "deep", "visibility": "private", "hardware": "cpu"}).status == 201
    for n in range(200):
        acme.deploy(f"many-{n}", "acme/hello", hello["version"])
    made = acme.predict("/deployments/acme/many-0", {"text": "x"})
    house.stop()
    base = sqlite3.connect(house.data / "berth.db")
    oldest = deepen(base, hello["version"])
    names = [row[1] for row in base.execute("PRAGMA table_info(prediction)")]
    others = ", ".join(name for name in names if name not in ("id", "created_at", "stream_secret"))
    first = base.execute("SELECT id, created_at FROM prediction WHERE id = ?", [made["id"]]).fetchone()
    with base:
        base.executemany(f"INSERT INTO prediction (id, created_at, stream_secret, {others}) "
                         f"SELECT ?, ?, NULL, {others} FROM prediction WHERE id = ?",
                         [(f"{first[0][:21]}{n:05d}", first[1] + n + 1, first[0]) for n in range(ROWS)])
    base.close()
    house.start()
    drive("lists.mjs", acme)
    acme.deploy("deep", "acme/deep", oldest[1])
    drive("versions.mjs", acme, model="deep", deployment="deep", versions=VERSIONS, oldest=oldest[0])
