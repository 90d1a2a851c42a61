# SPDX-License-Identifier: Apache-2.0
"""What one does with a deployment that runs; the steps are in playground.mjs."""

from conftest import MODELS


def test_the_playground(house, drive, hello):
    acme = hello["client"]
    path = acme.deploy("kinds", "acme/kinds", house.push(acme, MODELS / "ctl", "kinds"))
    # Its webhook cannot be reached: what the page shows is how often it was tried.
    made = acme.post(path + "/predictions", {"input": {"text": "told"}, "webhook": "https://localhost:1/hook"}).json
    assert acme.ended(made)["status"] == "succeeded"
    drive("playground.mjs", acme, deployment="kinds", hooked=made["id"])
