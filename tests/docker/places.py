# SPDX-License-Identifier: Apache-2.0
"""Where instances run, for tests that are the same everywhere: a server, models of this repository pushed to it as its runtime
takes them, and gates that the models wait for."""

import contextlib
import itertools
import shutil

import engine as engines
from berth import MODELS, Server, wait_for

numbers = itertools.count()
HARDWARE = "hardware:\n  - {{sku: cpu-small, price: 0.000025, cpus: 1, memory: 512MB, processes: 200, runtimes: [{}]}}\n"


class Place:
    """`folder` is for what the tests share with the models."""

    runtime = None

    def __init__(self, folder, *options):
        data = folder / "data"
        data.mkdir(parents=True)
        (data / "berth.yaml").write_text(HARDWARE.format(self.runtime))
        self.folder = folder
        self.server = Server(data, "--cpu-overcommit", "40", "--keep-instances", "--drain-timeout", "1s", *options)

    def start(self):
        self.server.start()
        self.client = self.server.account("acme")
        self.versions = {"ctl": self.push("ctl", "model"), "other": self.push("ctl", "model", files={"new.txt": "another"})}
        return self

    def push(self, model, name, ref="predict.py:Predictor", concurrency=None, files=()):
        """A version of one of tests/models, with more files in it."""
        folder = self.folder / f"model{next(numbers)}"
        shutil.copytree(MODELS / model, folder, ignore=shutil.ignore_patterns("__pycache__"))
        config = folder / "cog.yaml"
        config.write_text(config.read_text().replace("predict.py:One", ref))
        for file, text in dict(files).items():
            (folder / file).write_text(text)
        return self.push_folder(folder, name, ref, concurrency)

    def deploy(self, name, version, model="model", low=0, high=1, **scaling):
        """Its path; what is not busy stays for ten minutes."""
        path = self.client.deploy(name, f"acme/{model}", version, low, high)
        assert self.client.patch(path, {"scaling": {"keep_alive": "10m", **scaling}}).status == 200
        return path

    def instances(self, path):
        return self.client.get(path + "/instances").json["results"]

    def end(self):
        """The server keeps its instances when it ends: they go here."""
        self.server.end()

    def gate(self):
        """What a model waits for: its path, as instances see it, and a call that opens it to those there are."""
        raise NotImplementedError


class Processes(Place):
    runtime = "process"

    def push_folder(self, folder, name, ref, concurrency):
        return self.server.push(self.client, folder, name)

    def gate(self):
        path = self.folder / f"gate{next(numbers)}"
        return str(path), path.touch


class Containers(Place):
    runtime = "docker"

    def __init__(self, folder, engine, base):
        super().__init__(folder, "--docker-socket", str(engine.socket))
        self.engine, self.base, self.owner = engine, base, None

    def push_folder(self, folder, name, ref, concurrency):
        ready = wait_for(lambda: self.server.records("the container engine is ready"), "that it has found the engine")
        self.owner = ready[0]["container_owner"]
        image = f"{folder.name}:v1"
        engines.make_image(self.engine, self.base, folder, image, ref, config={"concurrency": {"max": concurrency or 1}})
        return self.server.admin("push", image, f"acme/{name}").rpartition(":")[2]

    def containers(self, running=False):
        return self.engine.containers(f"berth.server={self.owner}", running)

    def end(self):
        super().end()
        self.engine.forget(self.server)

    def gate(self):
        path = f"/tmp/gate{next(numbers)}"

        def pass_through():
            for one in self.containers(running=True):
                with contextlib.suppress(engines.EngineError):  # one that ends meanwhile
                    made = self.engine.ask("POST", f"/containers/{one['Id']}/exec",
                                           {"Cmd": ["python3", "-c", f"open('{path}', 'w')"]})
                    self.engine.ask("POST", f"/exec/{made['Id']}/start", {"Detach": True})

        return path, pass_through
