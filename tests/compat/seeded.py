# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin, loaded into the generated SDK's tests: the objects that they name are there, and each test that takes
one away gets one of its own. Where a test says model_name="model_name", its copy says model_name=seeded("model_name")."""

import builtins
import itertools
import json
import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

import pytest
from berth import EXAMPLES, MODELS, Client, Server


class Seeds:
    def __init__(self, given):
        self.server = Server(given["data"])
        self.server.port = given["port"]
        self.client = Client(self.server, given["me"], given["token"])
        self.me = given["me"]
        self.numbers = itertools.count(1)
        self.test = ""

    def ends(self, what):
        """Whether the test takes the object away: then it gets one that nobody else needs."""
        return f"_{what}[" in self.test

    @property
    def is_training(self):
        return "test_trainings" in self.test

    def must(self, answer, *codes):
        assert answer.status in codes, f"{answer} for {self.test}"
        return answer.json if answer.body else None

    def push(self, folder, name):
        return self.server.push(self.client, folder, name)

    def new_model(self, name):
        self.must(self.client.post("/models", {"owner": self.me, "name": name, "visibility": "private", "hardware": "cpu"}),
                  201)
        return name

    def new_version(self):
        """Of the same model; the same files would be the same version."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(MODELS / "chat", folder, dirs_exist_ok=True)
            (Path(folder) / "number.txt").write_text(str(next(self.numbers)))
            return self.push(folder, "model_name")

    @cached_property
    def version(self):
        version = self.push(MODELS / "chat", "model_name")
        self.must(self.client.patch(f"/models/{self.me}/model_name", {"readme": "# A model"}), 200)
        made = self.client.predict(f"/models/{self.me}/model_name", {"prompt": "an example"})
        self.must(self.client.call("PUT", f"/models/{self.me}/model_name/examples/{made['id']}"), 204)
        return version

    @cached_property
    def trainable(self):
        return self.push(EXAMPLES / "train", "trainable")

    @cached_property
    def destination(self):
        return self.new_model("destination")

    @cached_property
    def deployment(self):
        self.client.deploy("deployment_name", f"{self.me}/model_name", self.version, hardware="cpu")
        return "deployment_name"

    def new_file(self):
        body = b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'
        sent = self.client.post("/files", body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        return self.must(sent, 201)["id"]

    @cached_property
    def prediction(self):
        _ = self.version
        return self.client.predict(f"/models/{self.me}/model_name", {"prompt": "hello"})["id"]

    def new_training(self):
        path = f"/models/{self.me}/trainable/versions/{self.trainable}/trainings"
        return self.must(self.client.post(path, {"destination": f"{self.me}/{self.destination}", "input": {}}), 201)["id"]

    @cached_property
    def training(self):
        return self.new_training()

    def give(self, name):
        if "test_path_params" in self.test or "download[" in self.test:
            return name  # nothing reaches a server
        return getattr(self, f"give_{name}")()

    def give_model_owner(self):
        return self.me

    give_deployment_owner = give_model_owner

    def give_model_name(self):
        if "test_models.py" in self.test and self.ends("delete"):
            return self.new_model(f"gone-{next(self.numbers)}")
        _ = self.trainable if self.is_training else self.version
        return "trainable" if self.is_training else "model_name"

    def give_model(self):
        return f"{self.me}/{self.give_model_name()}"

    def give_version_id(self):
        if self.ends("delete"):
            return self.new_version()
        return self.trainable if self.is_training else self.version

    give_version = give_version_id

    def give_deployment_name(self):
        if self.ends("delete"):
            return self.client.deploy(f"gone-{next(self.numbers)}", f"{self.me}/model_name", self.version,
                                      hardware="cpu").split("/")[-1]
        # A test before this one may have changed it.
        self.must(self.client.patch(f"/deployments/{self.me}/{self.deployment}",
                                    {"version": self.version, "hardware": "cpu", "max_instances": 1}), 200)
        return self.deployment

    def give_file_id(self):
        return self.new_file()

    def give_prediction_id(self):
        if self.ends("cancel"):
            _ = self.version
            return self.client.predict(f"/models/{self.me}/model_name", {"prompt": "hello"}, wait=False)["id"]
        return self.prediction

    def give_training_id(self):
        return self.new_training() if self.ends("cancel") else self.training

    def give_destination(self):
        return f"{self.me}/{self.destination}"

    def take_away(self):
        """What a test before this one made, and this one makes again."""
        model = f"/models/{self.me}/hot-dog-detector"
        if self.client.get(model).status == 200:
            self.must(self.client.patch(model, {"visibility": "private"}), 200)
        for path in (f"/deployments/{self.me}/name", model):
            if self.client.get(path).status == 200:
                self.must(self.client.delete(path), 204)


seeds = Seeds(json.loads(os.environ["COMPAT_HOUSE"]))
builtins.seeded = seeds.give


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    seeds.test = item.nodeid
    seeds.take_away()
