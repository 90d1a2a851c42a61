# SPDX-License-Identifier: Apache-2.0
"""The schema program must say what Cog would have said, for models as people really write them.

The expected values are written out by hand from Cog's own output format. Each small source isolates one rule; the
corpus at the end holds whole models, as a net for what nobody thought of.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPER = Path(__file__).resolve().parents[2] / "helpers" / "cog_schema.py"
CORPUS = Path(__file__).resolve().parent / "corpus"

SIMPLE = "from cog import BasePredictor, Input, Path, Secret, File\n"


def run(folder, *arguments):
    """Run the program as the server does: isolated, in a process of its own."""
    command = [sys.executable, "-I", str(HELPER), str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def describe(folder, *arguments):
    done = run(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    document = json.loads(done.stdout)
    check_openapi(document["openapi"])
    return document


def check_openapi(openapi):
    """The shape that every document must have; above all, every reference must lead somewhere."""
    assert openapi["openapi"] == "3.0.2"
    assert openapi["info"]["title"] == "Cog"
    assert {"/", "/health-check"} <= set(openapi["paths"])
    schemas = openapi["components"]["schemas"]
    assert {"Status", "HTTPValidationError", "ValidationError"} <= set(schemas)
    for node in walk(openapi):
        reference = node.get("$ref")
        if reference is not None:
            prefix, _, name = reference.rpartition("/")
            assert prefix == "#/components/schemas"
            assert name in schemas
    for name in ("Input", "TrainingInput"):
        if name in schemas:
            check_input(schemas[name])


def check_input(schema):
    assert schema["type"] == "object"
    properties = schema["properties"]
    assert sorted(p["x-order"] for p in properties.values()) == list(range(len(properties)))
    for name in schema.get("required", []):
        assert "default" not in properties[name]
        assert "nullable" not in properties[name]


def walk(node):
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from walk(item)


@pytest.fixture
def model(tmp_path):
    """Write files and describe predict.py:Predictor."""

    def write_and_describe(source, *arguments, reference="predict.py:Predictor", **files):
        (tmp_path / "predict.py").write_text(source)
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/", 1) + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return describe(tmp_path, reference, *arguments)

    return write_and_describe


@pytest.fixture
def refuse(tmp_path):
    """Write predict.py and return the one line of the refusal."""

    def write_and_refuse(source, *arguments, reference="predict.py:Predictor"):
        (tmp_path / "predict.py").write_text(source)
        done = run(tmp_path, reference, *arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert str(tmp_path) not in done.stderr
        return done.stderr

    return write_and_refuse


def schemas_of(document):
    return document["openapi"]["components"]["schemas"]


def predictor(arguments, returns="str", before="", body="return x"):
    return f"{SIMPLE}{before}\nclass Predictor(BasePredictor):\n    def predict(self, {arguments}) -> {returns}:\n" \
           f"        {body}\n"


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
URI = {"type": "string", "format": "uri"}
OBJECT = {"type": "object"}
SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}


def strings(**more):
    return {"type": "array", "items": STRING, **more}


# annotation and default of one input -> its property without title and x-order, and whether it is required
INPUTS = [
    # plain types
    ("str", STRING, True),
    ("int", INTEGER, True),
    ("float", {"type": "number"}, True),
    ("bool", {"type": "boolean"}, True),
    ("Path", URI, True),
    ("cog.Path", URI, True),
    ("pathlib.Path", URI, True),
    ("File", URI, True),
    ("Secret", SECRET, True),
    ("dict", OBJECT, True),
    ("Any", OBJECT, True),
    ("Dict[str, int]", OBJECT, True),
    ("list", {"type": "array", "items": OBJECT}, True),
    ("List[str]", strings(), True),
    ("list[Path]", {"type": "array", "items": URI}, True),
    ("typing.Sequence[int]", {"type": "array", "items": INTEGER}, True),
    ("collections.abc.Sequence[str]", strings(), True),
    ("List[Dict[str, Any]]", {"type": "array", "items": OBJECT}, True),
    ("list[list[int]]", {"type": "array", "items": {"type": "array", "items": INTEGER}}, True),
    ("'str'", STRING, True),
    ("\"List['str']\"", strings(), True),
    ("Annotated[str, 'note']", STRING, True),
    ("Annotated[MyThing, cog.Opaque]", OBJECT, True),
    ("Annotated[list[MyThing], Opaque]", {"type": "array", "items": OBJECT}, True),
    # optional
    ("Optional[int]", {"type": "integer", "nullable": True}, False),
    ("int | None", {"type": "integer", "nullable": True}, False),
    ("None | int", {"type": "integer", "nullable": True}, False),
    ("Union[str, None]", {"type": "string", "nullable": True}, False),
    ("Optional[int] = None", {"type": "integer", "nullable": True}, False),
    ("Optional[int] = Input(default=None)", {"type": "integer", "nullable": True}, False),
    ("Optional[int] = 3", {"type": "integer", "nullable": True, "default": 3}, False),
    ("Optional[List[str]] = None", strings(nullable=True), False),
    ("list[str] | None = Input(description='d')", strings(nullable=True, description="d"), False),
    # None on a type that is not optional means: no default
    ("int = None", INTEGER, True),
    ("int = Input(default=None)", INTEGER, True),
    ("Path = Input(default=None)", URI, True),
    ("Secret = Input(default=None)", {**SECRET, "nullable": True}, False),
    ("Secret = Input()", SECRET, True),
    # unions
    ("Union[str, float]", {"anyOf": [STRING, {"type": "number"}]}, True),
    ("str | List[str] = 'a'", {"anyOf": [STRING, strings()], "default": "a"}, False),
    ("str | int | None", {"anyOf": [{**STRING, "nullable": True}, {**INTEGER, "nullable": True}], "nullable": True},
     False),
    # defaults
    ("str = 'a'", {"type": "string", "default": "a"}, False),
    ("str = Input('a')", {"type": "string", "default": "a"}, False),
    ("str = Input(default='a')", {"type": "string", "default": "a"}, False),
    ("str = cog.Input(default='')", {"type": "string", "default": ""}, False),
    ("int = -1", {"type": "integer", "default": -1}, False),
    ("float = 2", {"type": "number", "default": 2.0}, False),
    ("bool = False", {"type": "boolean", "default": False}, False),
    ("List[str] = Input(default=['a', 'b'])", strings(default=["a", "b"]), False),
    ("List[int] = (1, 2)", {"type": "array", "items": INTEGER, "default": [1, 2]}, False),
    ("dict = {'a': 1}", {"type": "object", "default": {"a": 1}}, False),
    ("Path = Input(default='https://example.org/a.png')", {**URI, "default": "https://example.org/a.png"}, False),
    # constraints
    ("int = Input(ge=0, le=10)", {"type": "integer", "minimum": 0, "maximum": 10}, True),
    ("float = Input(default=1, ge=0.5)", {"type": "number", "default": 1.0, "minimum": 0.5}, False),
    ("str = Input(min_length=1, max_length=9)", {"type": "string", "minLength": 1, "maxLength": 9}, True),
    ("str = Input(regex='^a+$')", {"type": "string", "pattern": "^a+$"}, True),
    ("str = Input(deprecated=True)", {"type": "string", "deprecated": True}, True),
    ("Path = Input(accept='image/*')", {**URI, "x-cog-accept": "image/*"}, True),
    ("List[Path] = Input(accept='.wav')", {"type": "array", "items": URI, "x-cog-accept": ".wav"}, True),
    # values that stand elsewhere
    ("int = LIMIT", {"type": "integer", "default": 64}, False),
    ("int = Input(le=LIMIT * 2 + 1)", {"type": "integer", "maximum": 129}, True),
    ("int = Input(le=2 ** 31 - 1)", {"type": "integer", "maximum": 2147483647}, True),
    ("str = Input(description=f'up to {LIMIT} and {0.5:.2f}')", {"type": "string", "description": "up to 64 and 0.50"},
     True),
    ("str = Input(description='a ' 'b' + ' c')", {"type": "string", "description": "a b c"}, True),
    ("str = Input(description='a {}'.format(LIMIT))", {"type": "string", "description": "a 64"}, True),
    ("str = Input(description='%d px' % LIMIT)", {"type": "string", "description": "64 px"}, True),
    ("str = ', '.join(sorted(['b', 'a']))", {"type": "string", "default": "a, b"}, False),
    ("str = SIZES['small']", {"type": "string", "default": "s"}, False),
    ("str = NAMES[-1].upper()", {"type": "string", "default": "TWO"}, False),
    ("int = len(NAMES)", {"type": "integer", "default": 2}, False),
    ("str = 'x' if LIMIT > 3 else 'y'", {"type": "string", "default": "x"}, False),
    ("str = Settings.name", {"type": "string", "default": "settings"}, False),
    ("str = Color.RED", {"type": "string", "default": "red"}, False),
    ("str = Color.RED.value", {"type": "string", "default": "red"}, False),
    ("List[str] = NAMES + ['three']", strings(default=["one", "two", "three"]), False),
    ("List[str] = [n for n in NAMES if n != 'one']", strings(default=["two"]), False),
    ("str = Input(**COMMON)", {"type": "string", "default": "d", "description": "common"}, False),
    ("str = make('m')", {"type": "string", "default": "m", "description": "made"}, False),
    ("str = PROMPT", {"type": "string", "description": "a shared input"}, True),
    ("Alias", strings(), True),
    ("Name", STRING, True),
    ("Config", OBJECT, True),
    ("List[Config]", {"type": "array", "items": OBJECT}, True),
]

BEFORE = """
import collections.abc
import enum
import os
import pathlib
import typing
import cog
from cog import Opaque
from typing import Annotated, Any, Dict, List, NewType, Optional, TypedDict, Union

LIMIT = 32
LIMIT += 32
NAMES = ["one"]
NAMES.append("two")
SIZES = {"small": "s"}
SIZES["large"] = "l"
COMMON = dict(default="d", description="common")
PROMPT = Input(description="a shared input")
Alias = List[str]
Name = NewType("Name", str)


class Settings:
    base = "sett"
    name = base + "ings"


class Color(str, enum.Enum):
    RED = "red"


class Config(TypedDict):
    a: int


def make(default):
    '''Build an input.'''
    return Input(default=default, description="made")
"""


@pytest.mark.parametrize("source, expected, required", INPUTS, ids=[row[0] for row in INPUTS])
def test_input(model, source, expected, required):
    schemas = schemas_of(model(predictor(f"x: {source}", before=BEFORE)))
    assert schemas["Input"]["properties"]["x"] == {"title": "X", "x-order": 0, **expected}
    assert schemas["Input"].get("required", []) == (["x"] if required else [])


CHOICES = [
    ("str = Input(choices=['a', 'b'])", "string", ["a", "b"], None),
    ("int = Input(default=2, choices=[1, 2])", "integer", [1, 2], 2),
    ("str = Input(default='s', choices=list(SIZES.values()))", "string", ["s", "l"], "s"),
    ("str = Input(choices=list(SIZES.keys()))", "string", ["small", "large"], None),
    ("str = Input(choices=list(SIZES))", "string", ["small", "large"], None),
    ("str = Input(choices=SIZES)", "string", ["small", "large"], None),
    ("str = Input(choices=sorted(SIZES))", "string", ["large", "small"], None),
    ("str = Input(choices=[*NAMES, 'three'])", "string", ["one", "two", "three"], None),
    ("str = Input(choices={'b', 'a'})", "string", ["b", "a"], None),
    ("str = Input(choices=('a', 'b'))", "string", ["a", "b"], None),
    ("int = Input(choices=list(range(1, 4)))", "integer", [1, 2, 3], None),
    ("str = Input(choices=[c.value for c in Color])", "string", ["red"], None),
    ("str = Input(default=Color.RED, choices=list(Color))", "string", ["red"], "red"),
    ("str = Input(choices=[f'{k}-{v}' for k, v in SIZES.items()])", "string", ["small-s", "large-l"], None),
    ("typing.Literal['a', 'b'] = 'b'", "string", ["a", "b"], "b"),
    ("Color", "string", ["red"], None),
    ("Color = Color.RED", "string", ["red"], "red"),
]


@pytest.mark.parametrize("source, kind, values, default", CHOICES, ids=[row[0] for row in CHOICES])
def test_choices(model, source, kind, values, default):
    schemas = schemas_of(model(predictor(f"x: {source}", before=BEFORE)))
    assert schemas["x"] == {"title": "x", "description": "An enumeration.", "enum": values, "type": kind}
    expected = {"x-order": 0, "allOf": [{"$ref": "#/components/schemas/x"}]}
    if default is not None:
        expected["default"] = default
    assert schemas["Input"]["properties"]["x"] == expected
    assert ("x" in schemas["Input"].get("required", [])) == (default is None)


def test_choices_of_a_list_apply_to_its_items(model):
    schemas = schemas_of(model(predictor("x: List[str] = Input(default=['a'], choices=['a', 'b'])", before=BEFORE)))
    assert schemas["Input"]["properties"]["x"] == {
        "title": "X", "x-order": 0, "type": "array", "items": {"$ref": "#/components/schemas/x"}, "default": ["a"]}


@pytest.mark.parametrize("name", ["Status", "Output", "Input", "PredictionResponse", "ValidationError"])
def test_choices_never_hide_a_component(model, name):
    schemas = schemas_of(model(predictor(f"{name}: str = Input(choices=['a', 'b'])", body="return 'x'")))
    assert schemas["Input"]["properties"][name]["allOf"] == [{"$ref": f"#/components/schemas/{name}_choices"}]
    assert schemas[f"{name}_choices"]["enum"] == ["a", "b"]
    assert schemas[name].get("enum") != ["a", "b"]


OUTPUTS = [
    ("str", STRING),
    ("int", INTEGER),
    ("Path", URI),
    ("bool", {"type": "boolean"}),
    ("dict", OBJECT),
    ("Any", OBJECT),
    ("List[Path]", {"type": "array", "items": URI}),
    ("list", {"type": "array", "items": OBJECT}),
    ("List[List[float]]", {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
    ("Dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
    ("dict[str, list[int]]", {"type": "object", "additionalProperties": {"type": "array", "items": INTEGER}}),
    ("Iterator[Path]", {"type": "array", "items": URI, "x-cog-array-type": "iterator"}),
    ("typing.AsyncIterator[str]", strings(**{"x-cog-array-type": "iterator"})),
    ("typing.Generator[str, None, None]", strings(**{"x-cog-array-type": "iterator"})),
    ("cog.ConcatenateIterator[str]",
     strings(**{"x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"})),
    ("AsyncConcatenateIterator[str]",
     strings(**{"x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"})),
    ("'str'", STRING),
    ("Color", {"type": "string", "enum": ["red"]}),
    ("typing.Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
    ("Optional[str]", {"type": "string", "nullable": True}),
    ("Point", {
        "type": "object",
        "properties": {"x": {"title": "X", "type": "number"}, "the_name": {"title": "The Name", "type": "string"},
                       "note": {"title": "Note", "type": "string", "nullable": True}},
        "required": ["x"],
    }),
    ("Shape", {
        "type": "object",
        "properties": {
            "points": {"title": "Points", "type": "array", "items": {
                "type": "object",
                "properties": {"x": {"title": "X", "type": "number"},
                               "the_name": {"title": "The Name", "type": "string"},
                               "note": {"title": "Note", "type": "string", "nullable": True}},
                "required": ["x"]}},
            "file": {"title": "File", **URI},
        },
        "required": ["points", "file"],
    }),
    ("Derived", {
        "type": "object",
        "properties": {"a": {"title": "A", **INTEGER}, "b": {"title": "B", **INTEGER}},
        "required": ["a", "b"],
    }),
    ("Tree", {"type": "object", "properties": {
        "left": {"title": "Left", "type": "object", "nullable": True}}}),
    ("Row", {"type": "object", "properties": {"a": {"title": "A", **INTEGER}, "b": {"title": "B", **INTEGER}},
             "required": ["a"]}),
    ("Loose", {"type": "object", "properties": {"a": {"title": "A", **INTEGER}, "b": {"title": "B", **INTEGER}},
               "required": ["b"]}),
    ("Data", {"type": "object", "properties": {"a": {"title": "A", **INTEGER}, "b": strings(title="B")},
              "required": ["a"]}),
    ("Iterator[Data]", {"type": "array", "x-cog-array-type": "iterator", "items": {
        "type": "object", "properties": {"a": {"title": "A", **INTEGER}, "b": strings(title="B")},
        "required": ["a"]}}),
]

OUTPUT_BEFORE = BEFORE + """
from dataclasses import dataclass, field
from cog import AsyncConcatenateIterator, BaseModel
from pydantic import BaseModel as Pydantic, Field
from typing import Iterator
from typing_extensions import NotRequired, Required


class Point(Pydantic):
    x: float = Field(..., description="abscissa")
    the_name: str = Field(default="p")
    note: Optional[str] = None


class Shape(BaseModel):
    points: List[Point]
    file: cog.Path


class Base(BaseModel):
    a: int


class Derived(Base):
    b: int


class Tree(BaseModel):
    left: Optional["Tree"]


class Row(TypedDict):
    a: int
    b: NotRequired[int]


class Loose(TypedDict, total=False):
    a: int
    b: Required[int]


@dataclass
class Data:
    a: int
    b: List[str] = field(default_factory=list)
"""


@pytest.mark.parametrize("returns, expected", OUTPUTS, ids=[row[0] for row in OUTPUTS])
def test_output(model, returns, expected):
    schemas = schemas_of(model(predictor("x: str", returns, OUTPUT_BEFORE)))
    assert schemas["Output"] == {"title": "Output", **expected}


REFUSALS = [
    (predictor("x"), "predict.py:4", "annotate it, as in `x: str`"),
    (predictor("*x: str"), "predict.py:4", "must not have *x"),
    (predictor("**x: str"), "predict.py:4", "must not have **x"),
    (predictor("*, x: str"), "predict.py:4", "leave the * out"),
    (predictor("x: Unknown"), "predict.py:4", "is not defined in the folder"),
    (predictor("x: np.ndarray", before="import numpy as np"), "predict.py:4", "is not a type that Cog knows"),
    (predictor("x: set"), "predict.py:4", "is not a type that Cog knows"),
    (predictor("x: Union[str, Path]", before="from typing import Union"), "predict.py:4", "cannot tell them apart"),
    (predictor("x: str = Input(default_factory=list)"), "predict.py:4", "default_factory"),
    (predictor("x: str = Input(multiple_of=2)"), "predict.py:4", "has no argument 'multiple_of'"),
    (predictor("x: str = Input('a', 'b')"), "predict.py:4", "only positional argument"),
    (predictor("x: str = Input(choices=load())", before="from data import load"), "predict.py:4", "must be known"),
    (predictor("x: str = Input(choices=[])"), "predict.py:4", "choices is empty"),
    (predictor("x: str = Input(choices=['a', 1])"), "predict.py:4", "must be of type str"),
    (predictor("x: float = Input(choices=[1.0, 2.0])"), "predict.py:4", "of type str or int"),
    (predictor("x: int = Input(choices=[1, 2], ge=1)"), "predict.py:4", "cannot stand beside"),
    (predictor("x: str = Input(ge=1)"), "predict.py:4", "ge needs a number"),
    (predictor("x: int = Input(min_length=1)"), "predict.py:4", "min_length needs"),
    (predictor("x: str = Input(regex='(')"), "predict.py:4", "not a regular expression"),
    (predictor("x: str = Input(accept='image/*')"), "predict.py:4", "accept is for"),
    (predictor("x: int = Input(le=10 ** 1000)"), "predict.py:4", "cannot be read without running"),
    (predictor("x: str", "None"), "predict.py:4", "a model must have an output"),
    (predictor("x: str", "cog.ConcatenateIterator[int]", "import cog"), "predict.py:4", "must yield str"),
    (predictor("x: str", "Thing", "class Thing: pass"), "predict.py:4", "make it a cog.BaseModel"),
    ("class Predictor:\n    def predict(self, x: str):\n        return x\n", "predict.py:2", "add a return type"),
    ("class Predictor:\n    def predict() -> str:\n        return ''\n", "predict.py:2", "self as its first argument"),
    ("class Predictor:\n    pass\n", "predict.py:1", "no run() or predict()"),
    ("from lib import Base\nclass Predictor(Base):\n    pass\n", "predict.py:2", "lib.Base cannot be read"),
    ("class Predictor:\n    def run(self) -> str: ...\n    def predict(self) -> str: ...\n", "predict.py:1",
     "not both"),
    ("class Predictor:\n    def setup(self, extra): ...\n    def run(self) -> str: ...\n", "predict.py:2", "'extra'"),
    ("class Other:\n    pass\n", "predict.py", "the file defines Other"),
    ("from lib import Predictor\n", "predict.py", "comes from lib"),
    ("Predictor = 3\n", "predict.py", "neither a class nor a function"),
    ("def broken(:\n", "predict.py:1", "not valid Python"),
    ("import cog\nclass Predictor:\n    @cog.concurrent(max=2)\n    def run(self) -> str: ...\n", "predict.py:3",
     "needs an async function"),
    ("import cog\nclass Predictor:\n    @cog.concurrent(max=0)\n    async def run(self) -> str: ...\n",
     "predict.py:3", "at least 1"),
    ("class Predictor:\n    def predict(self, x: " + "list[" * 100 + "str" + "]" * 100 + ") -> str: ...\n",
     "predict.py:2", "nested too deeply"),
]


@pytest.mark.parametrize("source, where, message", REFUSALS, ids=[row[2] + " " + row[1] for row in REFUSALS])
def test_refusal(refuse, source, where, message):
    line = refuse(source)
    assert line.startswith(where + ": ")
    assert message in line


@pytest.mark.parametrize("reference, message", [
    ("missing.py:Predictor", "no such file"),
    ("../outside.py:Predictor", "outside the model's folder"),
    ("linked.py:Predictor", "outside the model's folder"),
])
def test_only_files_of_the_folder_are_read(tmp_path, reference, message):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside.py").write_text(predictor("x: str"))
    (folder / "linked.py").symlink_to("../outside.py")
    done = run(folder, reference)
    assert done.returncode == 1
    assert message in done.stderr


def test_an_import_never_leads_out_of_the_folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside.py").write_text("LIMIT = 3\n")
    (folder / "linked.py").symlink_to("../outside.py")
    (folder / "predict.py").write_text(predictor("x: int = linked.LIMIT", before="import linked"))
    done = run(folder, "predict.py:Predictor")
    assert done.returncode == 1
    assert "outside the model's folder" in done.stderr


# What cannot be read is left to the model, and said.
WARNED = [
    ("int = Input(default=random())", INTEGER, "cannot be read without running it"),
    ("Optional[int] = compute()", INTEGER, "the model supplies it"),
    ("str = Path('a.txt')", STRING, "cannot be read without running it"),
    ("int = Input(default=-1, ge=0)", {"type": "integer", "minimum": 0}, "does not satisfy"),
    ("int = 'three'", INTEGER, "does not satisfy"),
    ("float = float('inf')", {"type": "number"}, "does not satisfy"),
    ("str = Input(default='no', regex='^y')", {"type": "string", "pattern": "^y"}, "does not satisfy"),
    ("str = os.environ.get('MODEL', 'base')", {"type": "string", "default": "base"}, "environment variable"),
    ("str = os.getenv('MODEL', default='base')", {"type": "string", "default": "base"}, "environment variable"),
    ("str = Input(default='a', description=load())", {"type": "string", "default": "a"}, "description"),
]


@pytest.mark.parametrize("source, expected, warning", WARNED, ids=[row[0] for row in WARNED])
def test_what_cannot_be_read_is_left_to_the_model(model, source, expected, warning):
    document = model(predictor(f"x: {source}", before=BEFORE))
    schema = schemas_of(document)["Input"]
    assert schema["properties"]["x"] == {"title": "X", "x-order": 0, **expected}
    assert "required" not in schema
    assert [w for w in document["warnings"] if warning in w and w.startswith("predict.py:")]


def test_values_are_bounded(model):
    document = model(predictor("x: str = 'a' * 10 ** 9, y: str = '{:99999999}'.format(1)"))
    assert "default" not in schemas_of(document)["Input"]["properties"]["x"]
    assert "default" not in schemas_of(document)["Input"]["properties"]["y"]


def test_future_annotations(model):
    document = model("from __future__ import annotations\n" + predictor("x: 'list[str]' = Input(default=['a'])"))
    assert schemas_of(document)["Input"]["properties"]["x"] == strings(title="X", default=["a"], **{"x-order": 0})


def test_type_checking_imports_and_fall_backs(model):
    before = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from typing import Optional
try:
    from fast import SIZES
except ImportError:
    SIZES = None
try:
    LIMIT = 5
except ValueError:
    LIMIT = 6
"""
    document = model(predictor("x: Optional[int] = None, y: int = LIMIT, z: list[str] = SIZES", before=before))
    properties = schemas_of(document)["Input"]["properties"]
    assert properties["x"] == {"title": "X", "x-order": 0, "type": "integer", "nullable": True}
    assert properties["y"]["default"] == 5
    assert "default" not in properties["z"]


RUNNER = "class {name}:\n    def {method}(self, x: int) -> {type}: ...\n"


@pytest.mark.parametrize("reference, method, names, expected", [
    ("predict.py:Predictor", "predict", ["Predictor"], "string"),
    ("predict.py:Predictor", "run", ["Predictor"], "string"),
    ("predict.py:Custom", "run", ["Predictor", "Custom"], "integer"),
    ("predict.py", "run", ["Predictor", "Runner"], "integer"),
    ("predict.py", "predict", ["Predictor"], "string"),
    ("predict", "predict", ["Predictor"], "string"),
])
def test_which_class_is_read(model, reference, method, names, expected):
    types = ["str", "int"]
    source = "".join(RUNNER.format(name=n, method=method, type=types[i]) for i, n in enumerate(names))
    assert schemas_of(model(source, reference=reference))["Output"]["type"] == expected


def test_function_and_alias(model):
    source = "def generate(x: int, y: str = 'a') -> str: ...\nserve = generate\n"
    for reference in ("predict.py:generate", "predict.py:serve"):
        assert list(schemas_of(model(source, reference=reference))["Input"]["properties"]) == ["x", "y"]


def test_class_from_another_module(model):
    document = model("from lib.model import Model as Predictor\n",
                     lib__model="from .sizes import SIZES\nfrom cog import *\n\n\nclass Model(BaseRunner):\n"
                                "    CHOICES = list(SIZES)\n"
                                "    def run(self, x: str = Input(choices=CHOICES)) -> str: ...\n",
                     lib__sizes="SIZES = {'s': 1, 'm': 2}\n", lib____init__="")
    assert schemas_of(document)["x"]["enum"] == ["s", "m"]


def test_inherited_method(model):
    document = model("import base\n\n\nclass Middle(base.Base): ...\n\n\nclass Predictor(Middle):\n    pass\n",
                     base="from cog import BasePredictor, Input\nLIMIT = 7\n\n\nclass Base(BasePredictor):\n"
                          "    def predict(self, x: int = Input(le=LIMIT)) -> int: ...\n")
    assert schemas_of(document)["Input"]["properties"]["x"]["maximum"] == 7


def test_imported_modules_and_output_types(model):
    source = predictor("x: str = settings.DEFAULT, y: int = pkg.deep.LIMIT", "Result",
                       "import settings\nimport pkg.deep\nfrom pkg.types import Result\n")
    document = model(source, settings="from pkg.deep import NAME as DEFAULT\n", pkg____init__="",
                     pkg__deep="NAME = 'n'\nLIMIT: int = 4\n",
                     pkg__types="from pydantic import BaseModel\n\n\nclass Result(BaseModel):\n    ok: bool\n")
    properties = schemas_of(document)["Input"]["properties"]
    assert (properties["x"]["default"], properties["y"]["default"]) == ("n", 4)
    assert schemas_of(document)["Output"]["required"] == ["ok"]


FLAGS = [
    ("def run(self) -> str:\n        return ''", False, False, None, ""),
    ("async def run(self) -> str:\n        return ''", True, False, None, ""),
    ("@cog.concurrent(max=LIMIT)\n    async def run(self) -> str:\n        return ''", True, False, 3, ""),
    ("@concurrent\n    async def run(self) -> str:\n        return ''", True, False, 1, ""),
    ("@cog.streaming\n    def run(self) -> cog.ConcatenateIterator[str]:\n        yield ''", False, True, None, ""),
    ("def run(self) -> str:\n        yield ''", False, True, None, "does not return an Iterator"),
    ("async def run(self) -> cog.AsyncConcatenateIterator[str]:\n        yield ''", True, True, None, "all at once"),
    ("def run(self) -> str:\n        def inner():\n            yield 1\n        return ''", False, False, None, ""),
    ("@torch.inference_mode()\n    def run(self) -> str:\n        return ''", False, False, None, ""),
]


@pytest.mark.parametrize("method, is_async, iterator, concurrency, warning", FLAGS, ids=[row[0] for row in FLAGS])
def test_flags(model, method, is_async, iterator, concurrency, warning):
    source = f"import cog\nimport torch\nfrom cog import concurrent\nLIMIT = 3\n\n\nclass Predictor:\n    {method}\n"
    document = model(source)
    assert document["async"] is is_async
    assert document["iterator"] is iterator
    assert document["max_concurrency"] == concurrency
    assert (warning in " ".join(document["warnings"])) and (bool(document["warnings"]) == bool(warning))
    assert document["openapi"]["paths"]["/predictions"]["post"]["x-cog-streaming"] is True


TRAIN = """
from cog import BaseModel, Input, Path


class TrainingOutput(BaseModel):
    weights: Path


def train(size: str = Input(choices=["s", "m"]), steps: int = 3) -> TrainingOutput: ...


class Trainer:
    def train(self, data: Path) -> Path: ...


class Predictor:
    def predict(self, size: str = Input(choices=["a", "b"])) -> str: ...
"""


def test_train_beside_predict(model):
    document = model(TRAIN, "--train-ref", "predict.py:train")
    schemas = schemas_of(document)
    assert {"/predictions", "/trainings", "/trainings/{training_id}/cancel"} <= set(document["openapi"]["paths"])
    assert {"TrainingRequest", "TrainingResponse", "PredictionRequest", "PredictionResponse"} <= set(schemas)
    assert schemas["TrainingOutput"] == {"title": "TrainingOutput", "type": "object", "required": ["weights"],
                                         "properties": {"weights": {"title": "Weights", **URI}}}
    # Both have an input called size, with different choices.
    assert schemas["size"]["enum"] == ["a", "b"]
    reference = schemas["TrainingInput"]["properties"]["size"]["allOf"][0]["$ref"]
    assert schemas[reference.rpartition("/")[2]]["enum"] == ["s", "m"]


@pytest.mark.parametrize("reference, inputs", [
    ("predict.py:train", ["size", "steps"]), ("predict.py", ["size", "steps"]), ("predict.py:Trainer", ["data"])])
def test_train_alone(model, reference, inputs):
    document = model(TRAIN, "--mode", "train", reference=reference)
    assert list(schemas_of(document)["TrainingInput"]["properties"]) == inputs
    assert "/predictions" not in document["openapi"]["paths"]
    assert "Input" not in schemas_of(document)
    assert "x-cog-streaming" not in document["openapi"]["paths"]["/trainings"]["post"]


def corpus_models():
    return sorted(path for path in CORPUS.glob("*.py"))


# For each model of the corpus: the names of its inputs, those required, the kind of its output.
EXPECTED = json.loads((CORPUS / "expected.json").read_text())


def test_corpus_is_complete():
    assert sorted(EXPECTED) == [path.stem for path in corpus_models()]


@pytest.mark.parametrize("path", corpus_models(), ids=lambda path: path.stem)
def test_corpus(path):
    expected = EXPECTED[path.stem]
    document = describe(CORPUS, expected.get("ref", f"{path.name}"), *expected.get("arguments", []))
    schemas = schemas_of(document)
    assert list(schemas["Input"]["properties"]) == expected["inputs"]
    assert schemas["Input"].get("required", []) == expected["required"]
    output = {key: value for key, value in schemas["Output"].items() if key in ("type", "items", "format")}
    assert output == expected["output"]
    for name, default in expected.get("defaults", {}).items():
        assert schemas["Input"]["properties"][name]["default"] == default
    for name, values in expected.get("choices", {}).items():
        assert schemas[name]["enum"] == values
    assert document["max_concurrency"] == expected.get("max_concurrency")
    assert document["async"] == expected.get("async", False)
    assert document["warnings"] == expected.get("warnings", [])


def test_nothing_is_imported_or_run(tmp_path):
    marker = tmp_path / "ran"
    source = f"open({str(marker)!r}, 'w')\n" + predictor(f"x: int = Input(default=open({str(marker)!r}, 'w'))")
    (tmp_path / "predict.py").write_text(source)
    describe(tmp_path, "predict.py:Predictor")
    assert not marker.exists()
    assert not (tmp_path / "__pycache__").exists()
