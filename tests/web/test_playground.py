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


def test_the_log_of_a_boot_is_live(house, drive, hello, tmp_path):
    acme = hello["client"]
    slow = tmp_path / "slow"
    shutil.copytree(MODELS / "ctl", slow)
    (slow / "setup.txt").write_text("hang")
    source = (slow / "predict.py").read_text()
    says = '            for step in range(10000):\n                print(f"step {step} of 10000", flush=True)\n                time.sleep(0.3)\n'
    assert 'if HOW == "hang":\n' in source
    (slow / "predict.py").write_text(source.replace('if HOW == "hang":\n', 'if HOW == "hang":\n' + says))
    path = acme.deploy("slow", "acme/slow", house.push(acme, slow, "slow"), 1)
    drive("booting.mjs", acme, deployment="slow")
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200


def test_a_canary(house, drive, hello, tmp_path):
    acme = hello["client"]
    first = house.push(acme, MODELS / "ctl", "yellow")
    other = tmp_path / "other"
    shutil.copytree(MODELS / "ctl", other)
    (other / "predict.py").write_text((MODELS / "ctl/predict.py").read_text() + "\n# Another one.\n")
    path = acme.deploy("yellow", "acme/yellow", first, 1, 2)
    assert acme.predict(path, {"text": "first"})["status"] == "succeeded"
    drive("canary.mjs", acme, deployment="yellow", version=house.push(acme, other, "yellow"))


def test_a_shadow(house, drive, hello, tmp_path):
    acme = hello["client"]
    first = house.push(acme, MODELS / "judge", "judge")
    other = tmp_path / "other"
    shutil.copytree(MODELS / "judge", other)
    source = (other / "predict.py").read_text()
    assert "NEW = False" in source
    (other / "predict.py").write_text(source.replace("NEW = False", "NEW = True"))
    path = acme.deploy("watched", "acme/judge", first, 1, 2)
    assert acme.predict(path, {})["status"] == "succeeded"
    drive("shadow.mjs", acme, deployment="watched", version=house.push(acme, other, "judge"))
    assert acme.patch(path, {"min_instances": 0, "max_instances": 0}).status == 200


def test_files_secrets_and_json(house, drive, hello):
    acme = hello["client"]
    acme.deploy("forms", "acme/forms", house.push(acme, MODELS / "forms", "forms"))
    drive("media.mjs", acme, deployment="forms")
