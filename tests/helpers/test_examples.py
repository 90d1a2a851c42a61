# SPDX-License-Identifier: Apache-2.0
"""The examples are what people try first: each must be described without a warning, and agree with itself."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELPER = ROOT / "helpers" / "cog_schema.py"
EXAMPLES = ROOT / "examples"


def describe(name, *arguments):
    done = subprocess.run([sys.executable, "-I", str(HELPER), str(EXAMPLES / name), *arguments], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name, required, is_async", [
    ("hello", [], False), ("image", ["image"], False), ("ocr", ["image"], False), ("embed", [], True),
    ("train", [], False)])
def test_described(name, required, is_async):
    document = describe(name, "predict.py:Predictor")
    assert document["warnings"] == []
    assert document["async"] is is_async
    assert document["openapi"]["components"]["schemas"]["Input"].get("required", []) == required


def test_the_training_is_described_too():
    document = describe("train", "predict.py:Predictor", "--train-ref", "train.py:train")
    schemas = document["openapi"]["components"]["schemas"]
    assert schemas["TrainingOutput"]["properties"]["weights"]["format"] == "uri"


@pytest.mark.parametrize("name", ["ocr", "embed"])
def test_the_empty_wheel_is_what_its_script_makes(name, tmp_path):
    folder = EXAMPLES / name / "wheels"
    spec = importlib.util.spec_from_file_location("build", folder / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = Path(module.build(str(tmp_path)))
    assert (folder / made.name).read_bytes() == made.read_bytes()
    assert f"./wheels/{made.name}" in (EXAMPLES / name / "requirements.txt").read_text().splitlines()
