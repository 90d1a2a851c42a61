# SPDX-License-Identifier: Apache-2.0
"""One server for the tests that do not harm it, and a maker of others for those that do."""

import shutil

import pytest
from berth import EXAMPLES, MODELS, Server


@pytest.fixture(autouse=True)
def meeting_place(request):
    """Models may run as users of their own: the folder where a test meets its model is open to them."""
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
        folder.chmod(0o777)
        folder.parent.chmod(0o711)


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """The shared server, with an organization, two models and their versions."""
    server = Server(tmp_path_factory.mktemp("house") / "data", "--delete-after", "1h").start()
    try:
        server.account("acme", "organization", "--full-name", "Acme Corp", "--github-url", "https://example.com/acme")
        server.account("some-org", "organization")
        server.version = server.push(server.account("some-org"), MODELS / "ctl", "some-model", "--public")
        server.hello = server.push(server.account("acme"), EXAMPLES / "hello", "hello")
        yield server
        server.stop()
    finally:
        server.end()


@pytest.fixture(scope="session")
def acme(house):
    return house.account("acme")


@pytest.fixture(scope="session")
def org(house):
    return house.account("some-org")


@pytest.fixture(scope="session")
def running(house, acme):
    """A deployment of the model that does what its input says."""
    return acme.deploy("running", "some-org/some-model", house.version)


@pytest.fixture
def new_server(tmp_path):
    """Makes servers with a data folder of their own: new_server(option, ...) or new_server(..., start=False)."""
    made = []

    def make(*options, start=True):
        server = Server(tmp_path / f"data{len(made)}", *options)
        made.append(server)
        return server.start() if start else server

    yield make
    try:
        for server in made:
            if server.process and server.process.poll() is None:
                server.stop()
    finally:
        for server in made:
            server.end()


@pytest.fixture
def variant(tmp_path):
    """A copy of the test model whose setup does something else."""

    def make(how):
        folder = tmp_path / f"model-{how}"
        shutil.copytree(MODELS / "ctl", folder)
        (folder / "setup.txt").write_text(how)
        return folder

    return make
