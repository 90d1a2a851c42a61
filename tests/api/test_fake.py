# SPDX-License-Identifier: Apache-2.0
"""Fake instances: what the benchmarks run on, and what nobody gets without the option."""

from pathlib import Path

MODEL = Path(__file__).resolve().parents[2] / "bench/models/echo"


def test_instances_are_fake_with_the_option_only(new_server):
    server = new_server("--enable-fake")
    acme = server.account("acme")
    version = server.push(acme, MODEL, "echo")
    path = acme.deploy("echo", "acme/echo", version)

    made = acme.predict(path, {"text": "hi"})

    assert made["status"] == "succeeded" and made["output"] == {"text": "hi", "clock": False}, made
    assert "instances of the fake driver are not real" in acme.get("/capacity").text
    stamp = acme.predict(path, {"clock": True})["output"]
    assert isinstance(stamp, int) and stamp > 10**15

    many = [acme.predict(path, {"text": str(n)}, wait=False) for n in range(100)]
    for n, one in enumerate(many):
        assert acme.ended(one)["output"]["text"] == str(n)

    # The same data folder, and no fake instance any more: a real one is booted for what comes.
    server.stop()
    server.options = ()
    server.start()
    assert "fake" not in acme.get("/capacity").text
    made = acme.predict(path, {"text": "hi"})
    assert made["status"] == "succeeded" and made["output"] == "hi", made
