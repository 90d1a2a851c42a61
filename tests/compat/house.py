# SPDX-License-Identifier: Apache-2.0
"""A Berth with the accounts and models that the suites of others name; the models are ours."""

import json
import os

from berth import EXAMPLES, MODELS, Server

# Whose token the suites get: the owner that the generated SDK's tests name.
ME = "alice"

# The models, under their names; a suite finds the version of each by it.
STAND_INS = {
    "replicate/canary": EXAMPLES / "hello",
    "replicate/hello-world": EXAMPLES / "hello",
}

# A kind of hardware with the name that the generated SDK's tests give.
HARDWARE = """
hardware:
  - {sku: cpu, name: CPU, price: 0.0001, cpus: 1, memory: 1GB}
  - {sku: hardware, name: What the tests call hardware, price: 0.0001, cpus: 1, memory: 1GB}
"""


class House:
    def __init__(self, data):
        data.mkdir(parents=True)
        (data / "berth.yaml").write_text(HARDWARE)
        # Of webhooks one attempt: the suites name receivers that are not there.
        self.server = Server(data, "--delete-after", "0s", "--webhook-retry-for", "0s", "--webhook-timeout", "1s")
        self.versions = {}

    def start(self):
        self.server.start()
        self.client = self.server.account(ME, "user", "--full-name", "Alice", "--github-url", "https://github.com/alice")
        for name, folder in STAND_INS.items():
            self.version(name, folder)
        self.server.admin("collection", "create", "collection_slug", "--name", "A collection", "--description", "Of models")
        self.server.admin("collection", "add", "collection_slug", *STAND_INS)

    def version(self, name, folder=None):
        """The version of a model, which is pushed if it is new."""
        if name not in self.versions:
            owner, _, model = name.partition("/")
            self.versions[name] = self.server.push(self.server.account(owner, "organization" if owner != ME else "user"),
                                                   folder or MODELS / "chat", model, "--public")
        return self.versions[name]

    @property
    def environment(self):
        """What a suite's process gets: whom to ask, as whom, and what is there."""
        base = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "REPLICATE_"))}
        return {**base, "REPLICATE_API_TOKEN": self.client.token, "REPLICATE_BASE_URL": self.server.url,
                "TEST_API_BASE_URL": f"{self.server.url}/v1", "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1",
                "BERTH_TEST_BIN": os.environ.get("BERTH_TEST_BIN", ""),
                "COMPAT_HOUSE": json.dumps({"port": self.server.port, "data": str(self.server.data), "me": ME,
                                            "token": self.client.token, "versions": self.versions})}

    def stop(self):
        self.server.stop()

    def end(self):
        self.server.end()
