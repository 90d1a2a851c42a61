# SPDX-License-Identifier: Apache-2.0
"""A machine with GPUs, as nvidia-smi tells of it: a program of that name stands first in the server's PATH."""

import os

import pytest
from berth import wait_for

NVIDIA_SMI = """#!/bin/sh
[ "$*" = "--query-gpu=index,name,memory.total --format=csv,noheader,nounits" ] || exit 1
echo "0, NVIDIA L40S, 46068"
echo "2, NVIDIA L40S, 46068"
echo "3, NVIDIA GB10, [N/A]"
"""

HARDWARE = """hardware:
  - {sku: small, name: L40S, price: 0.001, cpus: 0.25, memory: 512MB, gpus: 1, gpu_kind: L40S, gpu_memory: 48GB}
  - {sku: shared, name: GB10, price: 0.001, cpus: 0.25, memory: 512MB, gpus: 1, gpu_kind: GB10, gpu_memory: 100GB}
"""

MODEL = """import os

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, name: str) -> str:
        return os.environ.get(name, "not set")
"""


@pytest.fixture
def machine(new_server, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nvidia-smi").write_text(NVIDIA_SMI)
    (tmp_path / "bin/nvidia-smi").chmod(0o755)
    server = new_server(start=False)
    server.environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    (server.data / "berth.yaml").write_text(HARDWARE)
    return server.start()


@pytest.fixture
def version(machine, tmp_path):
    folder = tmp_path / "tells"
    folder.mkdir()
    (folder / "cog.yaml").write_text('build:\n  python_version: "3.11"\npredict: "predict.py:Predictor"\n')
    (folder / "predict.py").write_text(MODEL)
    return machine.push(machine.account("me"), folder, "tells")


def gpus(me):
    return me.get("/capacity").json["machine"]["gpus"]


def test_gpus_are_what_nvidia_smi_says(machine, version):
    """Each instance has one of its kind for itself, by the machine's number of it."""
    me = machine.account("me")
    free = [{"index": 0, "name": "NVIDIA L40S", "memory_bytes": 46068 << 20, "taken": False},
            {"index": 2, "name": "NVIDIA L40S", "memory_bytes": 46068 << 20, "taken": False},
            {"index": 3, "name": "NVIDIA GB10", "memory_bytes": 0, "taken": False}]
    assert gpus(me) == free
    paths = [me.deploy(name, "me/tells", version, low=1, hardware=sku)
             for name, sku in (("one", "small"), ("two", "small"), ("three", "shared"))]
    seen = [me.predict(path, {"name": "CUDA_VISIBLE_DEVICES"}, wait=False) for path in paths]
    seen = [me.ended(one)["output"] for one in seen]
    assert sorted(seen[:2]) == ["0", "2"] and seen[2] == "3", seen
    assert me.ended(me.predict(paths[0], {"name": "ROCR_VISIBLE_DEVICES"}))["output"] == "not set"
    assert gpus(me) == [{**one, "taken": True} for one in free]
    last = me.deploy("last", "me/tells", version, low=1, hardware="small")
    made = me.predict(last, {"name": "CUDA_VISIBLE_DEVICES"}, wait=False)
    reason = wait_for(lambda: me.prediction(made)["queue"]["reason"], "a reason")
    assert reason.startswith("needs 1 GPU") and "2 of 2 are taken" in reason, reason
    # Whoever ends gives its own back, and that one goes on.
    me.patch(paths[1], {"min_instances": 0, "max_instances": 0})
    assert me.ended(made)["output"] == seen[1]
