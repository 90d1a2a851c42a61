# SPDX-License-Identifier: Apache-2.0
"""The suites of others that are known here: how each is found, made ready and run. None of their code is here."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
LIMIT = 900  # seconds, for one step


class Result(NamedTuple):
    name: str
    how: str  # passed, failed, skipped
    says: str


class Suite:
    """One suite in one checkout."""

    name = what = ""
    known = ()  # what cannot pass: (pattern of the test's name, words of what it says, why)

    def __init__(self, checkout, folder, arguments):
        self.checkout, self.arguments = checkout, arguments
        self.folder = folder / self.name
        self.cache = (arguments.cache or folder / "cache").resolve()
        self.title = f"{self.name}: {self.what}, {self.version(checkout)}{self.commit()}"

    def commit(self):
        done = subprocess.run(["git", "-C", str(self.checkout), "rev-parse", "--short", "HEAD"], capture_output=True,
                              text=True, check=False)
        return f" ({done.stdout.strip()})" if done.returncode == 0 else ""

    def why(self, result):
        """Why that test cannot pass, where it failed in the way that is known."""
        return next((reason for name, words, reason in self.known
                     if re.search(name, result.name) and words in result.says), None)

    def call(self, command, folder, environment=None, fails=False):
        done = subprocess.run([str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True,
                              errors="replace", check=False, timeout=LIMIT)
        if self.arguments.verbose:
            print(done.stdout + done.stderr, flush=True)
        if done.returncode and not fails:
            sys.exit(f"compat: {' '.join(map(str, command))} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def copy(self, *parts):
        for part in parts:
            source, target = self.checkout / part, self.folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)

    def change(self, pattern, *rules):
        """Replaces in the copies; a rule that finds nothing anywhere is a mistake of ours."""
        files = sorted(self.folder.glob(pattern))
        for before, after in rules:
            found = 0
            for file in files:
                text, n = re.subn(before, after, file.read_text())
                file.write_text(text)
                found += n
            if not found:
                sys.exit(f"compat: {self.name} has nothing like {before} in {pattern}: is this another version?")


# --- Python -------------------------------------------------------------------------------------------------------------


def project(checkout, key):
    try:
        text = (checkout / "pyproject.toml").read_text()
    except OSError:
        return ""
    found = re.search(rf'^{key} = "([^"]+)"', text, re.M)
    return found[1] if found else ""


class PythonSuite(Suite):
    extra, needs, options = "", (), ()

    @staticmethod
    def version(checkout):
        return project(checkout, "version")

    def environment(self):
        """The Python of a virtual environment with the released client, and what its tests need."""
        if self.arguments.python:
            return self.arguments.python
        wanted = [f"replicate{self.extra}=={self.version(self.checkout)}", *self.needs]
        folder = self.cache / self.name
        if not (folder / "made").exists() or (folder / "made").read_text() != repr(wanted):
            shutil.rmtree(folder, ignore_errors=True)
            self.call([sys.executable, "-m", "venv", folder], self.folder)
            self.call([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *wanted], self.folder)
            (folder / "made").write_text(repr(wanted))
        return folder / "bin/python"

    def pytest(self, house, *words):
        report = self.folder / "report.xml"
        only = ["-k", self.arguments.only] if self.arguments.only else []
        environment = {**house.environment, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent / "api")])}
        done = self.call([self.environment(), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *only,
                          *words], self.folder, environment, fails=True)
        if not report.exists():
            sys.exit(f"compat: pytest did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        found = [self.result(case) for case in ElementTree.parse(report).iter("testcase")]
        # One that fails, and then again while it is taken down, stands there twice.
        return list({one.name: one for one in sorted(found, key=lambda one: one.how != "passed")}.values())

    @staticmethod
    def result(case):
        name = f"{case.get('classname').removeprefix('tests.')}::{case.get('name')}"
        for tag, how in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
            found = case.find(tag)
            if found is not None:
                return Result(name, how, (found.get("message") or "").strip()[:600].replace("\n", "\n      "))
        return Result(name, "passed", "")


class PythonStream(PythonSuite):
    name, what = "python-stream", "tests/test_stream.py of the Python client 1.x"
    needs = ("pytest==8.*", "pytest-asyncio", "pytest-recording", "respx")

    @classmethod
    def is_in(cls, checkout):
        return project(checkout, "name") == "replicate" and cls.version(checkout).startswith("1.") and \
            (checkout / "tests/test_stream.py").exists()

    def run(self, house):
        self.copy("tests/__init__.py", "tests/conftest.py", "tests/test_stream.py", "pyproject.toml")
        self.change("tests/test_stream.py", (r"\b[0-9a-f]{64}\b", house.version("replicate/canary")))
        return self.pytest(house, "tests/test_stream.py")


class PythonGenerated(PythonSuite):
    name, what = "python-generated", "tests/api_resources of the generated Python SDK"
    extra = "[aiohttp]"
    needs = ("pytest==8.*", "pytest-asyncio", "respx", "dirty-equals", "time-machine", "rich")
    PLACES = ("model_owner", "model_name", "deployment_owner", "deployment_name", "version_id", "file_id", "prediction_id",
              "training_id", "destination", "model", "version")

    @classmethod
    def is_in(cls, checkout):
        return project(checkout, "name") == "replicate" and (checkout / "tests/api_resources").is_dir()

    known = tuple((rf"{where}.*::test_method_{what}_with_all_params", said,
                   f'the test sends {sent}; Berth refuses that and names the field')
                  for where, what, said, sent in (
                      ("test_files", "create", '"type" is not a media type', 'the word "type" as the media type'),
                      ("test_models", "create", '"cover_image_url" is not a URL', 'the word "license_url" as a URL'),
                      ("test_models", "update", '"license_url" is not a URL', 'the word "license_url" as a URL'),
                      ("test_trainings", "create", "webhook: Does not match format", 'the word "webhook" as a URL')))

    def run(self, house):
        self.copy("tests/__init__.py", "tests/conftest.py", "tests/utils.py", "tests/api_resources", "pyproject.toml")
        self.change("tests/conftest.py", ('"My Bearer Token"', 'os.environ["REPLICATE_API_TOKEN"]'))
        hello = house.version("replicate/hello-world")
        self.change("tests/api_resources/**/test_*.py",
                    (r" *@pytest\.mark\.skip\(reason=\"Prism [^\n]*\n", ""),
                    (r"(replicate/hello-world:)[0-9a-f]{64}", rf"\g<1>{hello}"),
                    *((rf'\b{place}="{place}"', f'{place}=seeded("{place}")') for place in self.PLACES))
        return self.pytest(house, "-p", "seeded", "-o", "addopts=", "tests/api_resources")


# --- JavaScript -----------------------------------------------------------------------------------------------------------


class JavaScript(Suite):
    name, what = "javascript", "integration/ of the JavaScript client for CommonJS, ESM and TypeScript"
    KINDS = ("commonjs", "esm", "typescript")

    @staticmethod
    def package(checkout):
        try:
            return json.loads((checkout / "package.json").read_text())
        except (OSError, ValueError):
            return {}

    @classmethod
    def version(cls, checkout):
        return cls.package(checkout)["version"]

    @classmethod
    def is_in(cls, checkout):
        return cls.package(checkout).get("name") == "replicate" and \
            all((checkout / "integration" / kind).is_dir() for kind in cls.KINDS)

    def run(self, house):
        return [result for kind in self.KINDS for result in self.program(house, kind)]

    def program(self, house, kind):
        place = f"integration/{kind}"
        self.copy(place)
        shutil.rmtree(self.folder / place / "node_modules", ignore_errors=True)
        self.change(f"{place}/index.[jt]s", (r"\b[0-9a-f]{64}\b", house.version("replicate/canary")),
                    (r"new Replicate\(\{", f'new Replicate({{\n  baseUrl: "{house.server.url}/v1",'))
        self.change(f"{place}/package.json", (r'"file:\.\./\.\./?"', f'"{self.version(self.checkout)}"'))
        self.call(["npm", "install", "--no-progress", "--cache", self.cache / "npm"], self.folder / place)
        environment = {**house.environment, "NODE_OPTIONS": "--test-reporter=tap"}
        done = self.call(["npm", "test"], self.folder / place, environment, fails=True)
        said = done.stdout + done.stderr
        cases = re.findall(r"^ *(ok|not ok) \d+ - (.*)$", said, re.M)
        return [Result(f"{kind}: {name}", "passed" if how == "ok" else "failed", said[-1500:]) for how, name in cases] or \
            [Result(f"{kind}: npm test", "failed", said[-1500:])]


SUITES = (PythonStream, JavaScript, PythonGenerated)
