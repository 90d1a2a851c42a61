# SPDX-License-Identifier: Apache-2.0
"""The scripts that guard the source and count the tests must themselves be able to fail."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool(name, *words):
    return subprocess.run([str(ROOT / "tools" / name), *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path, include, words", [
    ("core/price.c", '#include "http/server.h"', "core may include base, not http"),
    ("base/buf.c", '#include "loop/loop.h"', "base may include no other room, not loop"),
    ("run/pool.c", '#  include  "api/api.h"', "not api"),
    ("api/model.c", '#include "cli/cli.h"', "not cli"),
    ("store/db.c", '#include "serve/serve.h"', "nobody may include serve/"),
    ("api/model.c", '#include "api.h"', "must be written with its room"),
    ("core/input.c", "#include <uv.h>", "<uv.h> belongs to"),
    ("api/model.c", "#include <curl/curl.h>", "<curl/curl.h> belongs to http"),
    ("cellar/wine.c", "#include <stdio.h>", "does not name the room cellar"),
])
def test_import_law(tmp_path, path, include, words):
    file = tmp_path / path
    file.parent.mkdir()
    file.write_text(f"/* first */\n{include}\n")
    done = tool("check-includes", tmp_path)
    assert done.returncode == 1 and words in done.stderr
    assert str(file) in done.stderr


def test_import_law_that_is_kept(tmp_path):
    for path, text in {"main.c": '#include "serve/serve.h"\n', "serve/serve.c": '#include "cli/cli.h"\n',
                       "run/pool.c": '#include "core/scale.h"\n#include <stdio.h>\n'}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert tool("check-includes", tmp_path).returncode == 0
    (tmp_path / "empty").mkdir()
    assert tool("check-includes", tmp_path / "empty").returncode == 1


def sum_up(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    done = tool("sum-up", folder)
    return done.returncode, done.stdout.strip().splitlines()


CMOCKA = "[ RUN      ] test_a\n[       OK ] test_a\n[ RUN      ] test_b\n[  FAILED  ] test_b\n[  SKIPPED ] test_c\n"
JUNIT = ('<testsuites><testsuite><testcase classname="m" name="one"/><testcase classname="m" name="two"><failure/></testcase>'
         '<testcase classname="m" name="three"><skipped message="no node"/></testcase></testsuite></testsuites>')


def test_sum(tmp_path):
    unit = [{"name": "core/x", "result": "FAIL", "stdout": CMOCKA}, {"name": "core/y", "result": "OK"},
            {"name": "core/z", "result": "TIMEOUT", "stdout": "[       OK ] test_d\n"},
            {"name": "core/w", "result": "SKIP", "stdout": "no such thing here\n"}]
    code, lines = sum_up(tmp_path, checks="pass\ta\nskip\tb\twhy not\nfail\tc\n", u_json="\n".join(map(json.dumps, unit)),
                         p_xml=JUNIT)
    assert code == 1
    assert lines[-1] == "5 passed, 4 failed, 4 skipped"
    assert "skipped: b (why not)" in lines and "skipped: m.three (no node)" in lines
    assert "skipped: core/w (no such thing here)" in lines
    assert "FAILED: c" in lines and "FAILED: core/x: test_b" in lines and "FAILED: core/z (timeout)" in lines


def test_sum_of_what_is_well(tmp_path):
    code, lines = sum_up(tmp_path, checks="pass\ta\n")
    assert (code, lines) == (0, ["1 passed, 0 failed, 0 skipped"])


def test_sum_of_nothing(tmp_path):
    code, lines = sum_up(tmp_path)
    assert (code, lines) == (1, ["0 passed, 0 failed, 0 skipped"])


@pytest.mark.parametrize("script, words, said", [
    ("run", ["--colour"], "there is no option --colour"), ("run", ["no-such-example"], "The examples are: "),
    ("run", ["--listen", "nowhere"], "is not HOST:PORT"), ("run", ["a", "b"], "one word too many"),
    ("run", ["--listen"], "needs a value"), ("test", ["--colour"], "there is no option --colour")])
def test_words_that_are_wrong(script, words, said):
    done = subprocess.run([str(ROOT / script), *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and said in done.stderr


@pytest.mark.parametrize("script", ["run", "test"])
def test_help(script):
    done = subprocess.run([str(ROOT / script), "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("Usage: ")


def test_lock_file_names_no_registry():
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/replicate"]["version"].startswith("1.4.")
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_server_and_simulators_hold_one_object_of_the_policy():
    """What decides in the server is what decides in `simulate`, in tests/sim and in bench/autoscale: one object file."""
    builds = [b for b in (ROOT / "build/san", ROOT / "build") if (b / "build.ninja").exists()]
    assert builds, "nothing is built: ninja -C build/san"
    for build in builds:
        compiled = json.loads((build / "compile_commands.json").read_text())
        for source in ("plan.c", "need.c", "keep.c", "learn.c"):
            objects = [c["output"] for c in compiled if c["file"].endswith("src/core/scale/" + source)]
            assert objects == [f"src/libcore.a.p/core_scale_{source}.o"]
        for program in ("src/berth", "tests/sim/sim"):
            query = subprocess.run(["ninja", "-C", build, "-t", "query", program], capture_output=True, text=True, check=True)
            assert "src/libcore.a" in query.stdout.split()
