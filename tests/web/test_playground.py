# SPDX-License-Identifier: Apache-2.0
"""What one does with a deployment that runs; the steps are in playground.mjs."""

import shutil

from conftest import MODELS


def test_the_playground(house, drive, hello):
    acme = hello["client"]
    path = acme.deploy("kinds", "acme/kinds", house.push(acme, MODELS / "ctl", "kinds"))
    # Its webhook cannot be reached: what the page shows is how often it was tried.
    made = acme.post(path + "/predictions", {"input": {"text": "told"}, "webhook": "https://localhost:1/hook"}).json
    assert acme.ended(made)["status"] == "succeeded"
    drive("playground.mjs", acme, deployment="kinds", hooked=made["id"])


def test_a_canary(house, drive, hello, tmp_path):
    acme = hello["client"]
    first = house.push(acme, MODELS / "ctl", "yellow")
    other = tmp_path / "other"
    shutil.copytree(MODELS / "ctl", other)
    (other / "predict.py").write_text((MODELS / "ctl/predict.py").read_text() + "\n# Another one.\n")
    path = acme.deploy("yellow", "acme/yellow", first, 1, 2)
    assert acme.predict(path, {"text": "first"})["status"] == "succeeded"
    drive("canary.mjs", acme, deployment="yellow", version=house.push(acme, other, "yellow"))
