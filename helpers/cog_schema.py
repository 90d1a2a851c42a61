# SPDX-License-Identifier: Apache-2.0
"""Write the OpenAPI document of a Cog model from its source, without importing it.

Cog's model server (coglet) reads its schema from a file that only Cog's image build writes. A model that runs
without an image has no such file, and importing the model to ask it would mean importing gigabytes of libraries
and running code that nobody has looked at yet. So this program reads the source as text, with Python's own
parser, and works out what Cog would have written.

    python3 -I cog_schema.py FOLDER REF [--mode predict|train] [--train-ref REF]

REF is what cog.yaml says under `run`, `predict` or `train`: `predict.py:Predictor`, `train.py:train`, or a file
alone. One JSON document goes to standard output. Where the source cannot be understood, one line on standard
error names the file, the line, what was expected and what to do, and the exit status is 1.

It runs on the standard library alone, on every Python from 3.9 on.
"""

import argparse
import ast
import copy
import json
import math
import operator
import os
import re
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Set, Tuple, Union

COG_VERSION = "0.23.1"

MAX_SOURCE_BYTES = 8 * 1024 * 1024
MAX_ITEMS = 100_000
MAX_DEPTH = 60

FRAMEWORK_CLASSES = {"cog.BasePredictor", "cog.BaseRunner"}
PYDANTIC_MODELS = {"pydantic.BaseModel", "pydantic.v1.BaseModel", "pydantic.main.BaseModel"}
ENUM_CLASSES = {"enum.Enum", "enum.IntEnum", "enum.StrEnum"}
DATACLASS_DECORATORS = {"dataclasses.dataclass", "pydantic.dataclasses.dataclass"}
PATH_CLASSES = {
    "cog.Path", "cog.URLPath", "os.PathLike",
    "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePath", "pathlib.PurePosixPath",
}

# What `from cog import *` and `from typing import *` bring, as far as signatures care.
STAR_NAMES = {
    "cog": {
        "AsyncConcatenateIterator", "BaseModel", "BasePredictor", "BaseRunner", "ConcatenateIterator", "File",
        "Input", "Opaque", "Path", "Secret", "concurrent", "streaming",
    },
    "typing": {
        "Annotated", "Any", "AsyncGenerator", "AsyncIterator", "Dict", "Generator", "Iterable", "Iterator", "List",
        "Literal", "Mapping", "NewType", "Optional", "Sequence", "TypedDict", "Union",
    },
    "enum": {"Enum", "IntEnum", "StrEnum", "auto"},
    "dataclasses": {"dataclass", "field"},
}

BUILTIN_TYPES = {"bool", "dict", "float", "int", "list", "set", "str", "tuple", "bytes", "frozenset", "object"}

INPUT_KEYWORDS = (
    "default", "default_factory", "description", "ge", "le", "min_length", "max_length", "regex", "choices",
    "deprecated", "accept",
)


class SchemaError(Exception):
    """The model cannot be described; the text is for its author."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")


class Unreadable(Exception):
    """An expression whose value only running the model could tell."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(reason)
        self.where = where
        self.reason = reason


# ---------------------------------------------------------------------------------------------------------------
# Source files and the names in them


@dataclass(frozen=True)
class External:
    """Something that is defined outside the folder, known by its dotted name only."""

    name: str


@dataclass
class Imported:
    """A name bound by an import statement: looked up when it is needed."""

    module: str
    level: int
    original: Optional[str]


@dataclass
class Assigned:
    """A name bound by an assignment, and what later statements of the same module did to it."""

    module: "Module"
    expression: ast.expr
    steps: List[ast.stmt] = field(default_factory=list)


@dataclass(frozen=True)
class ClassValue:
    """A class of the folder."""

    module: "Module"
    node: ast.ClassDef

    @property
    def name(self) -> str:
        return self.node.name


@dataclass(frozen=True)
class FunctionValue:
    """A function of the folder."""

    module: "Module"
    node: Union[ast.FunctionDef, ast.AsyncFunctionDef]
    owner: Optional[ClassValue] = None

    @property
    def name(self) -> str:
        return self.node.name


@dataclass(frozen=True)
class ModuleValue:
    """A module of the folder."""

    module: "Module"


@dataclass(frozen=True)
class EnumMember:
    """One member of an enumeration of the folder."""

    owner: str
    name: str
    value: Any


@dataclass
class InputCall:
    """What an `Input(...)` call says."""

    where: str
    keywords: Dict[str, Any]
    unreadable: Dict[str, Unreadable]


class Module:
    """One source file: its tree and the names that its top level binds."""

    def __init__(self, path: str, dotted: str, is_package: bool, tree: ast.Module) -> None:
        self.path = path
        self.dotted = dotted
        self.is_package = is_package
        self.names: Dict[str, Any] = {}
        self.stars: List[Imported] = []
        for statement in tree.body:
            self._bind(statement, override=True)

    def at(self, node: Optional[ast.AST]) -> str:
        """Where a node stands, as people write it: file and line."""
        line = getattr(node, "lineno", None)
        return self.path if line is None else f"{self.path}:{line}"

    def package(self) -> str:
        """The package that relative imports of this module start from."""
        return self.dotted if self.is_package else self.dotted.rpartition(".")[0]

    def _set(self, name: str, value: Any, override: bool) -> None:
        if override or name not in self.names:
            self.names[name] = value

    def _bind(self, statement: ast.stmt, override: bool) -> None:
        """Take in what one statement binds. A fall-back (except, else) never hides the first choice."""
        if isinstance(statement, ast.ClassDef):
            self._set(statement.name, ClassValue(self, statement), override)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._set(statement.name, FunctionValue(self, statement), override)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            self._bind_import(statement, override)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                self._bind_target(target, statement.value, statement, override)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            self._bind_target(statement.target, statement.value, statement, override)
        elif type(statement).__name__ == "TypeAlias":  # Python 3.12: type Name = ...
            self._set(statement.name.id, Assigned(self, statement.value), override)  # type: ignore[attr-defined]
        elif isinstance(statement, ast.AugAssign):
            self._add_step(statement.target, statement)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            function = statement.value.func
            if isinstance(function, ast.Attribute):
                self._add_step(function.value, statement)
        else:
            self._bind_block(statement, override)

    def _bind_block(self, statement: ast.stmt, override: bool) -> None:
        for part in ("body", "orelse", "handlers", "finalbody"):
            for inner in getattr(statement, part, []):
                if isinstance(inner, ast.ExceptHandler):
                    for deeper in inner.body:
                        self._bind(deeper, override=False)
                elif isinstance(inner, ast.stmt):
                    self._bind(inner, override=override and part in ("body", "finalbody"))

    def _bind_import(self, statement: Union[ast.Import, ast.ImportFrom], override: bool) -> None:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                module = alias.name if alias.asname else alias.name.partition(".")[0]
                self._set(alias.asname or module, Imported(module, 0, None), override)
            return
        for alias in statement.names:
            imported = Imported(statement.module or "", statement.level, alias.name)
            if alias.name == "*":
                self.stars.append(imported)
            else:
                self._set(alias.asname or alias.name, imported, override)

    def _bind_target(self, target: ast.expr, value: ast.expr, statement: ast.stmt, override: bool) -> None:
        if isinstance(target, ast.Name):
            self._set(target.id, Assigned(self, value), override)
        elif isinstance(target, ast.Subscript):
            if isinstance(statement, ast.Assign) and statement.targets == [target]:
                self._add_step(target.value, statement)
        elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            if len(target.elts) == len(value.elts):
                for one, its_value in zip(target.elts, value.elts):
                    self._bind_target(one, its_value, statement, override)

    def _add_step(self, target: ast.expr, statement: ast.stmt) -> None:
        if isinstance(target, ast.Name) and isinstance(self.names.get(target.id), Assigned):
            self.names[target.id].steps.append(statement)


class Project:
    """The model folder. It never reads outside of it, whatever names and links say."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.realpath(folder)
        self.warnings: List[str] = []
        self._modules: Dict[str, Optional[Module]] = {}
        if not os.path.isdir(self.folder):
            raise SchemaError(os.path.basename(folder.rstrip("/")) or folder, "there is no such folder")

    def warn(self, where: str, message: str) -> None:
        """Remember something that the author should know, once."""
        text = f"{where}: {message}"
        if text not in self.warnings:
            self.warnings.append(text)

    def load_file(self, path: str, dotted: Optional[str] = None) -> Module:
        """Parse one file, given relative to the folder."""
        path = os.path.normpath(path)
        if path in self._modules and self._modules[path] is not None:
            return self._modules[path]  # type: ignore[return-value]
        stem = path[:-3] if path.endswith(".py") else path
        is_package = os.path.basename(stem) == "__init__"
        name = dotted if dotted is not None else stem.replace(os.sep, ".")
        module = Module(path, name, is_package, self._parse(path))
        self._modules[path] = module
        return module

    def _parse(self, path: str) -> ast.Module:
        full = os.path.realpath(os.path.join(self.folder, path))
        if os.path.isabs(path) or not full.startswith(self.folder + os.sep):
            raise SchemaError(path, "this file lies outside the model's folder; move it inside")
        if not os.path.isfile(full):
            raise SchemaError(path, "there is no such file in the model's folder; correct the name in cog.yaml")
        if os.path.getsize(full) > MAX_SOURCE_BYTES:
            raise SchemaError(path, f"this source file is larger than {MAX_SOURCE_BYTES >> 20} MiB")
        with open(full, "rb") as source:
            text = source.read()
        try:
            return ast.parse(text, filename=path)
        except SyntaxError as error:
            where = path if error.lineno is None else f"{path}:{error.lineno}"
            version = "%d.%d" % sys.version_info[:2]
            raise SchemaError(where, f"this is not valid Python {version}: {error.msg}; correct the line") from None
        except ValueError as error:
            raise SchemaError(path, f"this is not Python source: {error}") from None

    def find_module(self, dotted: str, importer: Module) -> Optional[Module]:
        """The folder's module of this name, if it has one; beside the importing file as a last resort."""
        if not dotted:
            return None
        relative = dotted.replace(".", os.sep)
        candidates = [relative]
        beside = os.path.dirname(importer.path)
        if beside:
            candidates.append(os.path.join(beside, relative))
        for candidate in candidates:
            for path in (candidate + ".py", os.path.join(candidate, "__init__.py")):
                if os.path.isfile(os.path.join(self.folder, path)):
                    return self.load_file(path, dotted)
        return None

    def is_package_folder(self, dotted: str) -> bool:
        """True for a folder of modules without an __init__.py."""
        return bool(dotted) and os.path.isdir(os.path.join(self.folder, dotted.replace(".", os.sep)))

    def find(self, module: Module, name: str, depth: int = 0) -> Any:
        """What a name of a module stands for, imports followed; None when nothing defines it."""
        if depth > MAX_DEPTH:
            return None
        bound = module.names.get(name)
        if isinstance(bound, Imported):
            return self._follow(module, bound, depth + 1)
        if bound is not None:
            return bound
        for star in module.stars:
            found = self._follow(module, Imported(star.module, star.level, name), depth + 1, star=True)
            if found is not None:
                return found
        return None

    def _follow(self, module: Module, imported: Imported, depth: int, star: bool = False) -> Any:
        dotted = self._absolute(module, imported)
        target = self.find_module(dotted, module)
        if imported.original is None:
            return self._module_or_external(target, dotted)
        if target is not None:
            found = self.find(target, imported.original, depth)
            if found is not None:
                return found
        inner = f"{dotted}.{imported.original}" if dotted else imported.original
        submodule = self.find_module(inner, module)
        if submodule is not None:
            return ModuleValue(submodule)
        if target is not None or imported.level:
            return None
        if star and imported.original not in STAR_NAMES.get(dotted, ()):
            return None
        return External(canonical(inner))

    def _module_or_external(self, target: Optional[Module], dotted: str) -> Any:
        if target is not None:
            return ModuleValue(target)
        return External(canonical(dotted))

    @staticmethod
    def _absolute(module: Module, imported: Imported) -> str:
        if not imported.level:
            return imported.module
        package = module.package()
        for _ in range(imported.level - 1):
            package = package.rpartition(".")[0]
        return ".".join(part for part in (package, imported.module) if part)


def source_of(node: ast.AST) -> str:
    """An expression as the author wrote it, short enough for a message."""
    text = ast.unparse(node).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def canonical(dotted: str) -> str:
    """One name for things that several modules offer."""
    for old, new in (
        ("typing_extensions.", "typing."), ("collections.abc.", "typing."), ("cog.types.", "cog."),
        ("cog.input.", "cog."), ("cog.predictor.", "cog."), ("cog.model.", "cog."),
    ):
        if dotted.startswith(old):
            return new + dotted[len(old):]
    return dotted


# ---------------------------------------------------------------------------------------------------------------
# Values: what an expression is, without running the model


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: a module, perhaps a class body, perhaps the arguments of a small function."""

    module: Module
    owner: Optional[ClassValue] = None
    names: Tuple[Tuple[str, Any], ...] = ()
    depth: int = 0

    def deeper(self, **names: Any) -> "Scope":
        """The same place with further names, one level down."""
        return Scope(self.module, self.owner, self.names + tuple(names.items()), self.depth + 1)

    def get(self, name: str) -> Tuple[bool, Any]:
        for known, value in reversed(self.names):
            if known == name:
                return True, value
        return False, None


BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}
UNARY = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Invert: operator.invert}
COMPARE = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}
FUNCTIONS = {
    "abs": abs, "bool": bool, "dict": dict, "float": float, "frozenset": frozenset, "int": int, "len": len,
    "list": list, "max": max, "min": min, "range": range, "reversed": lambda x: list(reversed(x)), "round": round,
    "set": set, "sorted": sorted, "str": str, "sum": sum, "tuple": tuple, "zip": lambda *x: list(zip(*x)),
    "enumerate": lambda x, start=0: list(enumerate(x, start)),
}
METHODS = {
    str: {"capitalize", "format", "join", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rstrip",
          "split", "splitlines", "strip", "title", "upper"},
    dict: {"copy", "get", "items", "keys", "values"},
    list: {"copy", "index", "count"},
    tuple: {"index", "count"},
    set: {"union", "copy"},
}
MUTATORS = {list: {"append", "extend", "insert"}, dict: {"update", "setdefault"}, set: {"add", "update"}}
PLAIN = (str, int, float, bool, type(None), list, tuple, dict, set, frozenset, range)
EXTERNAL_CONSTANTS = {"math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "sys.maxsize": sys.maxsize}


class Reader:
    """Evaluates the expressions that signatures are made of, and nothing that could do harm."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def value(self, node: ast.expr, scope: Scope) -> Any:
        """The value of an expression; raises Unreadable where only running it would tell."""
        if scope.depth > MAX_DEPTH:
            raise self._unreadable(node, scope, "it refers to itself or is nested too deeply")
        method = getattr(self, "_" + type(node).__name__.lower(), None)
        if method is None:
            raise self._unreadable(node, scope)
        try:
            result = method(node, scope)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._unreadable(node, scope, f"{type(error).__name__}: {error}") from None
        if isinstance(result, (str, list, tuple, dict, set, range)) and len(result) > MAX_ITEMS:
            raise self._unreadable(node, scope, "it is too large")
        return result

    @staticmethod
    def _unreadable(node: ast.AST, scope: Scope, reason: str = "") -> Unreadable:
        text = source_of(node)
        why = f" ({reason})" if reason else ""
        return Unreadable(scope.module.at(node), f"the value of `{text}` cannot be read without running it{why}")

    def _plain(self, node: ast.expr, scope: Scope) -> Any:
        """A value of Python's own kinds, enumeration members taken by their value."""
        result = self.value(node, scope)
        if isinstance(result, EnumMember):
            result = result.value
        if not isinstance(result, PLAIN):
            raise self._unreadable(node, scope)
        return result

    # Literals and displays

    @staticmethod
    def _constant(node: ast.Constant, _scope: Scope) -> Any:
        return node.value

    def _items(self, nodes: List[ast.expr], scope: Scope) -> List[Any]:
        items: List[Any] = []
        for item in nodes:
            if isinstance(item, ast.Starred):
                items.extend(self._iterate(item.value, scope))
            else:
                items.append(self.value(item, scope))
        return items

    def _list(self, node: ast.List, scope: Scope) -> Any:
        return self._items(node.elts, scope)

    def _tuple(self, node: ast.Tuple, scope: Scope) -> Any:
        return tuple(self._items(node.elts, scope))

    def _set(self, node: ast.Set, scope: Scope) -> Any:
        # A list keeps the order that the author wrote; a set would lose it.
        unique: List[Any] = []
        for item in self._items(node.elts, scope):
            if item not in unique:
                unique.append(item)
        return unique

    def _dict(self, node: ast.Dict, scope: Scope) -> Any:
        result: Dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values):
            if key is None:
                result.update(self._plain(value, scope))
            else:
                result[self._key(self.value(key, scope))] = self._entry(value, scope)
        return result

    def _entry(self, node: ast.expr, scope: Scope) -> Any:
        """A dictionary's value may be anything (a class, a call): only those that are asked for must be readable."""
        try:
            return self.value(node, scope)
        except Unreadable as unreadable:
            return unreadable

    @staticmethod
    def _key(key: Any) -> Any:
        return tuple(key) if isinstance(key, list) else key

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> str:
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                parts.append(self._formatted(part, scope))
            else:
                parts.append(str(self._plain(part, scope)))
        return "".join(parts)

    def _formatted(self, node: ast.FormattedValue, scope: Scope) -> str:
        value = self._plain(node.value, scope)
        convert = {ord("s"): str, ord("r"): repr, ord("a"): ascii}.get(node.conversion)
        if convert:
            value = convert(value)
        spec = self._joinedstr(node.format_spec, scope) if isinstance(node.format_spec, ast.JoinedStr) else ""
        if len(re.sub(r"\D", "", spec)) > 4:
            raise self._unreadable(node, scope, "it is too large")
        return format(value, spec)

    # Operators

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        left, right = self._plain(node.left, scope), self._plain(node.right, scope)
        function = BINARY.get(type(node.op))
        if function is None or self._too_costly(node.op, left, right):
            raise self._unreadable(node, scope)
        return function(left, right)

    @staticmethod
    def _too_costly(op: ast.operator, left: Any, right: Any) -> bool:
        if isinstance(op, (ast.Pow, ast.LShift)):
            return not (abs(left) <= 1 << 32 and abs(right) <= 64)
        if isinstance(op, ast.Mult):
            sizes = [len(x) if hasattr(x, "__len__") else x for x in (left, right)]
            sequence = any(hasattr(x, "__len__") for x in (left, right))
            return sequence and sizes[0] * sizes[1] > MAX_ITEMS
        return isinstance(op, ast.Mod) and isinstance(left, str) and bool(re.search(r"%[^a-z%]*\d{5}", left))

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        return UNARY[type(node.op)](self._plain(node.operand, scope))

    def _boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        is_or = isinstance(node.op, ast.Or)
        result = None
        for operand in node.values:
            result = self.value(operand, scope)
            if bool(result) == is_or:
                break
        return result

    def _compare(self, node: ast.Compare, scope: Scope) -> bool:
        left = self._plain(node.left, scope)
        for op, comparator in zip(node.ops, node.comparators):
            right = self._plain(comparator, scope)
            if not COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        return self.value(node.body if self.value(node.test, scope) else node.orelse, scope)

    # Names

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        known, value = scope.get(node.id)
        if known:
            return value
        if scope.owner is not None:
            found = self.class_attribute(scope.owner, node.id, scope)
            if found is not None:
                return found[0]
        found = self.project.find(scope.module, node.id)
        if found is None:
            if node.id in FUNCTIONS or node.id in BUILTIN_TYPES:
                return External("builtins." + node.id)
            raise self._unreadable(node, scope, "nothing in the folder defines it")
        return self._bound(found, scope)

    def _bound(self, found: Any, scope: Scope) -> Any:
        if isinstance(found, Assigned):
            inner = Scope(found.module, depth=scope.depth + 1)
            value = copy.deepcopy(self.value(found.expression, inner)) if found.steps else self.value(
                found.expression, inner)
            for step in found.steps:
                value = self._apply(step, value, inner)
            return value
        if isinstance(found, External) and found.name in EXTERNAL_CONSTANTS:
            return EXTERNAL_CONSTANTS[found.name]
        return found

    def _apply(self, step: ast.stmt, value: Any, scope: Scope) -> Any:
        """Do to a module-level value what a later statement of the module does to it."""
        if isinstance(step, ast.AugAssign):
            function = BINARY.get(type(step.op))
            right = self._plain(step.value, scope)
            if function is None or self._too_costly(step.op, value, right):
                raise self._unreadable(step, scope)
            return function(value, right)
        if isinstance(step, ast.Assign):
            target = step.targets[0]
            assert isinstance(target, ast.Subscript)
            value[self._key(self.value(target.slice, scope))] = self._entry(step.value, scope)
            return value
        assert isinstance(step, ast.Expr) and isinstance(step.value, ast.Call)
        call = step.value
        name = call.func.attr  # type: ignore[attr-defined]
        if name in MUTATORS.get(type(value), ()):
            arguments = [self._plain(argument, scope) for argument in call.args]
            keywords = {k.arg: self._plain(k.value, scope) for k in call.keywords if k.arg}
            getattr(value, name)(*arguments, **keywords)
        elif name in ("sort", "reverse", "pop", "remove", "clear", "discard", "popitem"):
            raise self._unreadable(step, scope)
        return value

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        base = self.value(node.value, scope)
        if isinstance(base, External):
            return self._bound(External(canonical(f"{base.name}.{node.attr}")), scope)
        if isinstance(base, ModuleValue):
            found = self.project.find(base.module, node.attr)
            if found is None:
                submodule = self.project.find_module(f"{base.module.dotted}.{node.attr}", base.module)
                found = ModuleValue(submodule) if submodule else None
            if found is None:
                raise self._unreadable(node, scope, f"{base.module.path} does not define {node.attr}")
            return self._bound(found, scope)
        if isinstance(base, ClassValue):
            found = self.class_attribute(base, node.attr, scope)
            if found is not None:
                return found[0]
        if isinstance(base, EnumMember) and node.attr in ("name", "value"):
            return getattr(base, node.attr)
        raise self._unreadable(node, scope)

    def class_attribute(self, owner: ClassValue, name: str, scope: Scope) -> Optional[Tuple[Any]]:
        """The value of a class attribute, boxed so that None is a value too."""
        for cls in self.ancestry(owner):
            members = self.enum_members(cls, scope) if self.is_enum(cls) else {}
            if name in members:
                return (members[name],)
            for statement in cls.node.body:
                if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == name:
                    return (FunctionValue(cls.module, statement, cls),)
                if isinstance(statement, ast.ClassDef) and statement.name == name:
                    return (ClassValue(cls.module, statement),)
                value = assigned_value(statement, name)
                if value is not None:
                    return (self.value(value, Scope(cls.module, cls, depth=scope.depth + 1)),)
        return None

    # Subscripts, calls, comprehensions

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        base = self.value(node.value, scope)
        if isinstance(base, ClassValue) and self.is_enum(base):
            return self.enum_members(base, scope)[self._plain(node.slice, scope)]
        if not isinstance(base, (str, list, tuple, dict, range)):
            raise self._unreadable(node, scope)
        if isinstance(node.slice, ast.Slice):
            bounds = [None if part is None else self._plain(part, scope)
                      for part in (node.slice.lower, node.slice.upper, node.slice.step)]
            return base[slice(*bounds)]
        result = base[self._key(self.value(node.slice, scope))]
        if isinstance(result, Unreadable):
            raise result
        return result

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        method = self._method_call(node, scope)
        if method is not None:
            return method[0]
        function = self.value(node.func, scope)
        if isinstance(function, External):
            return self._external_call(function.name, node, scope)
        if isinstance(function, FunctionValue):
            return self._small_function(function, node, scope)
        if isinstance(function, ClassValue) and self.is_enum(function) and len(node.args) == 1:
            wanted = self._plain(node.args[0], scope)
            for member in self.enum_members(function, scope).values():
                if member.value == wanted:
                    return member
        raise self._unreadable(node, scope)

    def _arguments(self, node: ast.Call, scope: Scope) -> Tuple[List[Any], Dict[str, Any]]:
        positional = self._items(node.args, scope)
        keywords: Dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                keywords.update(self._plain(keyword.value, scope))
            else:
                keywords[keyword.arg] = self.value(keyword.value, scope)
        return positional, keywords

    def _method_call(self, node: ast.Call, scope: Scope) -> Optional[Tuple[Any]]:
        """`D.keys()` and the like on a plain value; None when it is not such a call."""
        if not isinstance(node.func, ast.Attribute):
            return None
        base = self.value(node.func.value, scope)
        if isinstance(base, EnumMember):
            base = base.value
        name = node.func.attr
        if name not in METHODS.get(type(base), ()):
            return None
        positional, keywords = self._arguments(node, scope)
        if name == "format" and re.search(r"\{[^}]*([\[.!]|\d{5})", base):
            raise self._unreadable(node, scope)
        result = getattr(base, name)(*positional, **keywords)
        if isinstance(result, Unreadable):
            raise result
        return (list(result) if name in ("items", "keys", "values") else result,)

    def _external_call(self, name: str, node: ast.Call, scope: Scope) -> Any:
        if name == "cog.Input":
            return self._input_call(node, scope)
        if name in ("os.environ.get", "os.getenv", "builtins.os.getenv"):
            return self._environment(node, scope)
        if name == "enum.auto":
            return External("enum.auto()")
        if name in ("os.path.join", "posixpath.join"):
            return "/".join(self._plain(argument, scope) for argument in node.args)
        short = name.rpartition(".")[2]
        if name.startswith("builtins.") and short in FUNCTIONS:
            return self._builtin_call(short, node, scope)
        if name == "collections.OrderedDict":
            return self._builtin_call("dict", node, scope)
        raise self._unreadable(node, scope)

    def _builtin_call(self, name: str, node: ast.Call, scope: Scope) -> Any:
        positional: List[Any] = []
        for argument in node.args:
            value = self._maybe_iterable(argument, scope)
            positional.append(value)
        keywords = {k.arg: self.value(k.value, scope) for k in node.keywords if k.arg}
        if name == "range" and len(FUNCTIONS["range"](*positional)) > MAX_ITEMS:
            raise self._unreadable(node, scope, "it is too large")
        if name in ("set", "frozenset"):
            return sorted(set(positional[0]), key=repr) if positional else []
        if "key" in keywords:
            raise self._unreadable(node, scope)
        return FUNCTIONS[name](*positional, **keywords)

    def _maybe_iterable(self, node: ast.expr, scope: Scope) -> Any:
        if isinstance(node, ast.Starred):
            raise self._unreadable(node, scope)
        value = self.value(node, scope)
        if isinstance(value, ClassValue) and self.is_enum(value):
            return list(self.enum_members(value, scope).values())
        if isinstance(value, EnumMember):
            return value.value
        if not isinstance(value, PLAIN):
            raise self._unreadable(node, scope)
        return value

    def _environment(self, node: ast.Call, scope: Scope) -> Any:
        arguments = list(node.args) + [k.value for k in node.keywords if k.arg == "default"]
        fallback = self.value(arguments[1], scope) if len(arguments) > 1 else None
        self.project.warn(scope.module.at(node), "this reads an environment variable; the schema uses the value for "
                          f"when it is not set, {fallback!r}")
        return fallback

    def _small_function(self, function: FunctionValue, node: ast.Call, scope: Scope) -> Any:
        """Call a function of the folder whose body is one return statement: helpers that build inputs or lists."""
        body = [s for s in function.node.body if not is_docstring(s)]
        if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
            raise self._unreadable(node, scope, f"{function.name}() does more than return an expression")
        positional, keywords = self._arguments(node, scope)
        names = self._bind_arguments(function, positional, keywords, scope)
        inner = Scope(function.module, None, tuple(names.items()), scope.depth + 1)
        return self.value(body[0].value, inner)

    def _bind_arguments(self, function: FunctionValue, positional: List[Any], keywords: Dict[str, Any],
                        scope: Scope) -> Dict[str, Any]:
        arguments = function.node.args
        names = [a.arg for a in arguments.posonlyargs + arguments.args]
        if function.owner is not None and names[:1] in (["self"], ["cls"]):
            names = names[1:]
        bound: Dict[str, Any] = {}
        inner = Scope(function.module, function.owner, depth=scope.depth + 1)
        for name, default in zip(reversed(names), reversed(arguments.defaults)):
            bound[name] = self.value(default, inner)
        for argument, default_node in zip(arguments.kwonlyargs, arguments.kw_defaults):
            if default_node is not None:
                bound[argument.arg] = self.value(default_node, inner)
        bound.update(zip(names, positional))
        if arguments.kwarg is not None:
            known = set(names) | {a.arg for a in arguments.kwonlyargs}
            bound[arguments.kwarg.arg] = {k: v for k, v in keywords.items() if k not in known}
        bound.update(keywords)
        return bound

    def _input_call(self, node: ast.Call, scope: Scope) -> InputCall:
        """Take an Input(...) apart; what cannot be read is kept aside, for the field to judge."""
        result = InputCall(scope.module.at(node), {}, {})
        pairs: List[Tuple[str, ast.expr]] = []
        if len(node.args) > 1:
            raise SchemaError(result.where, "Input() takes the default as its only positional argument; "
                              "name the others, as in Input(1, description=\"...\")")
        pairs.extend(("default", argument) for argument in node.args)
        for keyword in node.keywords:
            if keyword.arg is None:
                try:
                    result.keywords.update(self._plain(keyword.value, scope))
                except Unreadable as unreadable:
                    raise SchemaError(unreadable.where, f"{unreadable.reason}; write the arguments of Input() "
                                      "out, or as a dictionary of constants") from None
            else:
                pairs.append((keyword.arg, keyword.value))
        for name, value in pairs:
            try:
                result.keywords[name] = self.value(value, scope)
            except Unreadable as unreadable:
                result.unreadable[name] = unreadable
        for name in list(result.keywords) + list(result.unreadable):
            if name not in INPUT_KEYWORDS:
                known = ", ".join(k for k in INPUT_KEYWORDS if k != "default_factory")
                raise SchemaError(result.where, f"Input() has no argument {name!r}; it knows {known}")
        return result

    def _iterate(self, node: ast.expr, scope: Scope) -> List[Any]:
        value = self.value(node, scope)
        if isinstance(value, ClassValue) and self.is_enum(value):
            return list(self.enum_members(value, scope).values())
        if not isinstance(value, (str, list, tuple, dict, set, frozenset, range)):
            raise self._unreadable(node, scope)
        return list(value)

    def _comprehend(self, node: Any, scope: Scope) -> List[Scope]:
        scopes = [scope]
        for generator in node.generators:
            following = []
            for current in scopes:
                for item in self._iterate(generator.iter, current):
                    inner = current.deeper(**self._unpack(generator.target, item, current))
                    inner = Scope(inner.module, inner.owner, inner.names, current.depth)
                    if all(self.value(test, inner) for test in generator.ifs):
                        following.append(inner)
                if len(following) > MAX_ITEMS:
                    raise self._unreadable(node, scope, "it is too large")
            scopes = following
        return scopes

    def _unpack(self, target: ast.expr, item: Any, scope: Scope) -> Dict[str, Any]:
        if isinstance(target, ast.Name):
            return {target.id: item}
        if isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == len(item):
            names: Dict[str, Any] = {}
            for one, value in zip(target.elts, item):
                names.update(self._unpack(one, value, scope))
            return names
        raise self._unreadable(target, scope)

    def _listcomp(self, node: ast.ListComp, scope: Scope) -> List[Any]:
        return [self.value(node.elt, inner) for inner in self._comprehend(node, scope)]

    _generatorexp = _listcomp

    def _setcomp(self, node: ast.SetComp, scope: Scope) -> List[Any]:
        unique: List[Any] = []
        for inner in self._comprehend(node, scope):
            value = self.value(node.elt, inner)
            if value not in unique:
                unique.append(value)
        return unique

    def _dictcomp(self, node: ast.DictComp, scope: Scope) -> Dict[Any, Any]:
        return {self._key(self.value(node.key, inner)): self._entry(node.value, inner)
                for inner in self._comprehend(node, scope)}

    # Classes

    def bases(self, cls: ClassValue) -> List[Any]:
        """The base classes, each a class of the folder or something external; unreadable ones are left out."""
        found = []
        for base in cls.node.bases:
            node = base.value if isinstance(base, ast.Subscript) else base
            try:
                value = self.value(node, Scope(cls.module))
            except Unreadable:
                continue
            if isinstance(value, (ClassValue, External)):
                found.append(value)
        return found

    def ancestry(self, cls: ClassValue) -> List[ClassValue]:
        """The class and its bases within the folder, in the order in which Python asks them for a method."""
        order: List[ClassValue] = []
        self._collect_ancestry(cls, order, set())
        return order

    def _collect_ancestry(self, cls: ClassValue, order: List[ClassValue], seen: Set[Tuple[str, str]]) -> None:
        key = (cls.module.path, cls.name)
        if key in seen or len(seen) > MAX_DEPTH:
            return
        seen.add(key)
        order.append(cls)
        for base in self.bases(cls):
            if isinstance(base, External) and base.name in FRAMEWORK_CLASSES:
                return
            if isinstance(base, ClassValue):
                self._collect_ancestry(base, order, seen)

    def external_bases(self, cls: ClassValue) -> Set[str]:
        """The dotted names of all bases that the folder does not define."""
        return {base.name for one in self.ancestry(cls) for base in self.bases(one) if isinstance(base, External)}

    def is_enum(self, cls: ClassValue) -> bool:
        return bool(self.external_bases(cls) & ENUM_CLASSES)

    def is_dataclass(self, cls: ClassValue) -> bool:
        """True when the class or a base carries a dataclass decorator."""
        for one in self.ancestry(cls):
            for decorator in one.node.decorator_list:
                node = decorator.func if isinstance(decorator, ast.Call) else decorator
                try:
                    value = self.value(node, Scope(one.module))
                except Unreadable:
                    continue
                if isinstance(value, External) and value.name in DATACLASS_DECORATORS:
                    return True
        return False

    def enum_members(self, cls: ClassValue, scope: Scope) -> Dict[str, EnumMember]:
        """The members of an enumeration, `auto()` counted as Python counts it."""
        members: Dict[str, EnumMember] = {}
        lower_names = "enum.StrEnum" in self.external_bases(cls)
        inner = Scope(cls.module, depth=scope.depth + 1)
        last = 0
        for statement in cls.node.body:
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                continue
            name = statement.targets[0].id
            if name.startswith("_"):
                continue
            known = {known: member.value for known, member in members.items()}
            value = self.value(statement.value, inner.deeper(**known))
            if value == External("enum.auto()"):
                value = name.lower() if lower_names else last + 1
            last = value if isinstance(value, int) else last
            members[name] = EnumMember(cls.name, name, value)
        return members


def assigned_value(statement: ast.stmt, name: str) -> Optional[ast.expr]:
    """The expression that a statement of a class body gives to a name."""
    if isinstance(statement, ast.Assign):
        if any(isinstance(t, ast.Name) and t.id == name for t in statement.targets):
            return statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if statement.target.id == name:
            return statement.value
    return None


def is_docstring(statement: ast.stmt) -> bool:
    """A string that stands alone."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


# ---------------------------------------------------------------------------------------------------------------
# Types: what an annotation means


@dataclass
class Type:
    """An annotation, resolved.

    kind is one of bool int float str path file secret any list dict object union enum iterator concat none custom.
    """

    kind: str
    items: Optional["Type"] = None
    variants: List["Type"] = field(default_factory=list)
    fields: Dict[str, "Field"] = field(default_factory=dict)
    values: List[Any] = field(default_factory=list)
    nullable: bool = False
    name: str = ""
    source: str = ""  # for objects: model, dataclass, typeddict


@dataclass
class Field:
    """One field of an object type."""

    type: Type
    required: bool


PRIMITIVES = {"bool": "boolean", "int": "integer", "float": "number", "str": "string"}
SIMPLE_TYPES = {
    "builtins.bool": "bool", "builtins.int": "int", "builtins.float": "float", "builtins.str": "str",
    "cog.File": "file", "cog.Secret": "secret", "typing.Any": "any", "builtins.dict": "any", "typing.Dict": "any",
    "typing.Mapping": "any", "typing.AnyStr": "str", "typing.Text": "str",
    "pydantic.SecretStr": "secret",
}
LIST_TYPES = {"builtins.list", "typing.List", "typing.Sequence", "typing.Iterable", "typing.MutableSequence",
              "typing.Collection"}
DICT_TYPES = {"builtins.dict", "typing.Dict", "typing.Mapping", "typing.MutableMapping", "collections.OrderedDict",
              "typing.OrderedDict", "typing.DefaultDict"}
ITERATOR_TYPES = {"typing.Iterator", "typing.AsyncIterator", "typing.Generator", "typing.AsyncGenerator",
                  "typing.AsyncIterable"}
CONCAT_TYPES = {"cog.ConcatenateIterator", "cog.AsyncConcatenateIterator"}


class TypeReader:
    """Resolves annotations, through aliases, imports, strings and classes of the folder."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.project = reader.project
        self._open_classes: List[Tuple[str, str]] = []

    def type_of(self, node: ast.expr, scope: Scope) -> Type:
        """What an annotation means; raises SchemaError for what Cog cannot carry."""
        if scope.depth > MAX_DEPTH:
            raise self._error(node, scope, "refers to itself or is nested too deeply")
        if isinstance(node, ast.Constant):
            return self._from_constant(node, scope)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._union([node.left, node.right], scope)
        if isinstance(node, ast.Subscript):
            return self._generic(node, scope)
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._named(node, scope)
        if isinstance(node, ast.Call):
            return self._called(node, scope)
        raise self._error(node, scope, "is not a type that Cog knows")

    @staticmethod
    def _error(node: ast.AST, scope: Scope, what: str) -> SchemaError:
        return SchemaError(scope.module.at(node), f"the annotation `{source_of(node)}` {what}; use str, int, float, "
                           "bool, dict, list[...], cog.Path, cog.Secret, or a BaseModel for outputs")

    def _from_constant(self, node: ast.Constant, scope: Scope) -> Type:
        if node.value is None:
            return Type("none")
        if not isinstance(node.value, str):
            raise self._error(node, scope, "is not a type")
        try:
            inner = ast.parse(node.value.strip(), mode="eval").body
        except SyntaxError:
            raise self._error(node, scope, "is not a type") from None
        for part in ast.walk(inner):
            ast.copy_location(part, node)
        return self.type_of(inner, Scope(scope.module, scope.owner, depth=scope.depth + 1))

    def definition(self, node: ast.expr, scope: Scope) -> Any:
        """What a name in an annotation refers to: External, ClassValue, Assigned, or None."""
        if isinstance(node, ast.Name):
            return self._definition_of_name(node, scope)
        if isinstance(node, ast.Attribute):
            try:
                base = self.reader.value(node.value, scope)
            except Unreadable:
                return None
            if isinstance(base, External):
                return External(canonical(f"{base.name}.{node.attr}"))
            if isinstance(base, ModuleValue):
                return self.project.find(base.module, node.attr)
            if isinstance(base, ClassValue):
                return self._nested_class(base, node.attr)
        return None

    def _definition_of_name(self, node: ast.Name, scope: Scope) -> Any:
        if scope.owner is not None:
            nested = self._nested_class(scope.owner, node.id)
            if nested is not None:
                return nested
        found = self.project.find(scope.module, node.id)
        if found is None and node.id in BUILTIN_TYPES:
            return External("builtins." + node.id)
        return found

    @staticmethod
    def _nested_class(owner: ClassValue, name: str) -> Any:
        for statement in owner.node.body:
            if isinstance(statement, ast.ClassDef) and statement.name == name:
                return ClassValue(owner.module, statement)
            value = assigned_value(statement, name)
            if value is not None:
                return Assigned(owner.module, value)
        return None

    def _named(self, node: ast.expr, scope: Scope) -> Type:
        found = self.definition(node, scope)
        if isinstance(found, Assigned):
            return self.type_of(found.expression, Scope(found.module, depth=scope.depth + 1))
        if isinstance(found, ClassValue):
            return self._class(found, node, scope)
        if isinstance(found, External):
            return self._external(found.name, node, scope)
        raise self._error(node, scope, "is not defined in the folder")

    def _external(self, name: str, node: ast.expr, scope: Scope) -> Type:
        if name in SIMPLE_TYPES:
            return Type(SIMPLE_TYPES[name])
        if name in PATH_CLASSES:
            return Type("path")
        if name in LIST_TYPES:
            return Type("list", items=Type("any"))
        if name in DICT_TYPES:
            return Type("any")
        if name in ITERATOR_TYPES | CONCAT_TYPES:
            raise SchemaError(scope.module.at(node), f"`{source_of(node)}` needs the type of its elements, "
                              f"as in {source_of(node)}[str]")
        raise self._error(node, scope, "is not a type that Cog knows")

    def _called(self, node: ast.Call, scope: Scope) -> Type:
        function = self.definition(node.func, scope)
        if function == External("typing.NewType") and len(node.args) == 2:
            return self.type_of(node.args[1], scope)
        raise self._error(node, scope, "is not a type that Cog knows")

    def _arguments(self, node: ast.Subscript) -> List[ast.expr]:
        return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]

    def _generic(self, node: ast.Subscript, scope: Scope) -> Type:
        outer = self.definition(node.value, scope)
        name = outer.name if isinstance(outer, External) else ""
        arguments = self._arguments(node)
        inner = Scope(scope.module, scope.owner, depth=scope.depth + 1)
        if name == "typing.Optional":
            return self._union(arguments + [ast.copy_location(ast.Constant(None), node)], inner)
        if name == "typing.Union":
            return self._union(arguments, inner)
        if name == "typing.Literal":
            return self._literal(node, arguments, inner)
        if name == "typing.Annotated":
            return self._annotated(arguments, inner)
        if name in ("typing.Required", "typing.NotRequired", "typing.Final", "typing.ReadOnly", "typing.ClassVar"):
            return self.type_of(arguments[0], inner)
        if name in LIST_TYPES:
            return Type("list", items=self.type_of(arguments[0], inner))
        if name in DICT_TYPES:
            return self._dict_of(arguments, inner)
        if name in ITERATOR_TYPES:
            return Type("iterator", items=self.type_of(arguments[0], inner))
        if name in CONCAT_TYPES:
            return self._concatenated(node, arguments, inner)
        if isinstance(outer, ClassValue):
            return self._class(outer, node.value, scope)
        raise self._error(node, scope, "is not a type that Cog knows")

    def _concatenated(self, node: ast.Subscript, arguments: List[ast.expr], scope: Scope) -> Type:
        items = self.type_of(arguments[0], scope)
        if items.kind != "str" or items.nullable:
            raise SchemaError(scope.module.at(node), f"`{source_of(node)}` must yield str; use Iterator for others")
        return Type("concat", items=items)

    def _dict_of(self, arguments: List[ast.expr], scope: Scope) -> Type:
        values = self.type_of(arguments[-1], scope) if len(arguments) == 2 else Type("any")
        return Type("dict", items=values)

    def _annotated(self, arguments: List[ast.expr], scope: Scope) -> Type:
        for note in arguments[1:]:
            if self.definition(note, scope) == External("cog.Opaque"):
                return self._opaque(arguments[0], scope)
        return self.type_of(arguments[0], scope)

    def _opaque(self, node: ast.expr, scope: Scope) -> Type:
        """A type that Cog carries as plain JSON: only whether it is a list or may be None is kept."""
        if isinstance(node, ast.BinOp):
            sides = [node.left, node.right]
        elif isinstance(node, ast.Subscript) and self.definition(node.value, scope) == External("typing.Optional"):
            sides = [node.slice, ast.Constant(None)]
        else:
            sides = [node]
        rest = [side for side in sides if not (isinstance(side, ast.Constant) and side.value is None)]
        base = rest[0].value if isinstance(rest[0], ast.Subscript) else rest[0]
        outer = self.definition(base, scope)
        is_list = isinstance(outer, External) and outer.name in LIST_TYPES
        result = Type("list", items=Type("any")) if is_list and len(rest) == 1 else Type("any")
        result.nullable = len(rest) < len(sides)
        return result

    def _literal(self, node: ast.expr, arguments: List[ast.expr], scope: Scope) -> Type:
        values: List[Any] = []
        for argument in arguments:
            try:
                value = self.reader.value(argument, scope)
            except Unreadable as unreadable:
                raise SchemaError(unreadable.where, f"{unreadable.reason}; Literal takes constants") from None
            values.append(value.value if isinstance(value, EnumMember) else value)
        nullable = None in values
        values = [value for value in values if value is not None]
        return self._enumeration(values, nullable, node, scope)

    def _enumeration(self, values: List[Any], nullable: bool, node: ast.expr, scope: Scope) -> Type:
        kinds = {type(value).__name__ for value in values}
        if len(kinds) != 1 or not kinds <= set(PRIMITIVES):
            raise SchemaError(scope.module.at(node), f"the values of `{source_of(node)}` must be all str, all int, "
                              "all float or all bool")
        return Type("enum", values=values, nullable=nullable, name=kinds.pop())

    def _union(self, nodes: List[ast.expr], scope: Scope) -> Type:
        variants: List[Type] = []
        nullable = False
        for node in nodes:
            one = self.type_of(node, scope)
            nullable = nullable or one.nullable or one.kind == "none"
            members = one.variants if one.kind == "union" else [one]
            for member in members:
                if member.kind != "none" and member not in variants:
                    variants.append(copy.copy(member))
        for variant in variants:
            variant.nullable = False
        if not variants:
            return Type("none")
        if len(variants) == 1:
            variants[0].nullable = nullable
            return variants[0]
        return Type("union", variants=variants, nullable=nullable)

    def _class(self, cls: ClassValue, node: ast.expr, scope: Scope) -> Type:
        external = self.reader.external_bases(cls)
        if external & ENUM_CLASSES:
            members = self._enum_values(cls)
            return self._enumeration(members, False, node, scope)
        if external & PATH_CLASSES:
            return Type("path")
        if "typing.TypedDict" in external:
            return self._object(cls, "typeddict")
        if external & (PYDANTIC_MODELS | {"cog.BaseModel"}):
            return self._object(cls, "model")
        if self.reader.is_dataclass(cls):
            return self._object(cls, "dataclass")
        return Type("custom", name=cls.name)

    def _enum_values(self, cls: ClassValue) -> List[Any]:
        try:
            return [member.value for member in self.reader.enum_members(cls, Scope(cls.module)).values()]
        except Unreadable as unreadable:
            raise SchemaError(unreadable.where, f"{unreadable.reason}; give the members of {cls.name} "
                              "constant values") from None

    def _object(self, cls: ClassValue, source: str) -> Type:
        key = (cls.module.path, cls.name)
        if key in self._open_classes:  # a class that contains itself: Cog says "object" and so do we
            return Type("any")
        self._open_classes.append(key)
        try:
            fields: Dict[str, Field] = {}
            for one in reversed(self.reader.ancestry(cls)):
                fields.update(self._fields(one, source))
        finally:
            self._open_classes.pop()
        return Type("object", fields=fields, name=cls.name, source=source)

    def _fields(self, cls: ClassValue, source: str) -> Dict[str, Field]:
        total = not any(k.arg == "total" and isinstance(k.value, ast.Constant) and k.value.value is False
                        for k in cls.node.keywords)
        fields: Dict[str, Field] = {}
        for statement in cls.node.body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            name = statement.target.id
            wrapper = self._wrapper(statement.annotation, cls)
            if wrapper == "typing.ClassVar" or (name.startswith("_") and source == "model"):
                continue
            its_type = self.type_of(statement.annotation, Scope(cls.module, cls))
            required = not its_type.nullable and not self._has_default(statement.value, cls)
            if source == "typeddict":
                required = wrapper == "typing.Required" or (total and wrapper != "typing.NotRequired")
            fields[name] = Field(its_type, required)
        return fields

    def _wrapper(self, annotation: ast.expr, cls: ClassValue) -> str:
        if isinstance(annotation, ast.Subscript):
            outer = self.definition(annotation.value, Scope(cls.module))
            return outer.name if isinstance(outer, External) else ""
        return ""

    def _has_default(self, value: Optional[ast.expr], cls: ClassValue) -> bool:
        """Field(...) and field() without a default leave a field required."""
        if value is None:
            return False
        if not isinstance(value, ast.Call):
            return not (isinstance(value, ast.Constant) and value.value is Ellipsis)
        function = self.definition(value.func, Scope(cls.module))
        if not isinstance(function, External) or function.name.rpartition(".")[2] not in ("Field", "field"):
            return True
        first = value.args[0] if value.args else None
        for keyword in value.keywords:
            if keyword.arg in ("default", "default_factory"):
                first = keyword.value
        return first is not None and not (isinstance(first, ast.Constant) and first.value is Ellipsis)


# ---------------------------------------------------------------------------------------------------------------
# JSON Schema


def title_of(name: str) -> str:
    """A name as a title: max_new_tokens becomes Max New Tokens."""
    return name.replace("_", " ").title()


def type_schema(its: Type) -> Dict[str, Any]:
    """The JSON Schema of a type, as Cog writes it."""
    schema = bare_schema(its)
    if its.nullable:
        schema["nullable"] = True
    return schema


def bare_schema(its: Type) -> Dict[str, Any]:
    """The JSON Schema of a type, whether it may be null left aside."""
    if its.kind in PRIMITIVES:
        return {"type": PRIMITIVES[its.kind]}
    if its.kind in ("path", "file"):
        return {"type": "string", "format": "uri"}
    if its.kind == "secret":
        return {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
    if its.kind == "enum":
        return {"type": PRIMITIVES[its.name], "enum": its.values}
    if its.kind == "union":
        return {"anyOf": [type_schema(Type(**{**vars(v), "nullable": its.nullable})) for v in its.variants]}
    if its.kind in ("list", "iterator", "concat"):
        return array_schema(its)
    if its.kind == "dict":
        return {"type": "object", "additionalProperties": type_schema(its.items or Type("any"))}
    if its.kind == "object":
        return object_schema(its)
    return {"type": "object"}


def array_schema(its: Type) -> Dict[str, Any]:
    """Lists, and iterators with the marks that clients stream by."""
    schema: Dict[str, Any] = {"type": "array", "items": type_schema(its.items or Type("any"))}
    if its.kind in ("iterator", "concat"):
        schema["x-cog-array-type"] = "iterator"
    if its.kind == "concat":
        schema["x-cog-array-display"] = "concatenate"
    return schema


def object_schema(its: Type) -> Dict[str, Any]:
    """An object with named fields."""
    properties = {}
    for name, one in its.fields.items():
        properties[name] = dict(type_schema(one.type), title=title_of(name))
    schema: Dict[str, Any] = {"type": "object", "properties": properties}
    required = [name for name, one in its.fields.items() if one.required]
    if required:
        schema["required"] = required
    return schema


def fits(value: Any, its: Type, choices: Optional[List[Any]], limits: Dict[str, Any]) -> bool:
    """Whether Cog's server would accept this value for this input: it checks defaults too, once they are sent."""
    if value is None:
        return False
    if its.kind == "list":
        return isinstance(value, list) and all(fits(v, its.items or Type("any"), choices, {}) for v in value)
    if its.kind == "union":
        return any(fits(value, variant, None, {}) for variant in its.variants)
    if choices is not None and not any(type(value) is type(c) and value == c for c in choices):
        return False
    if its.kind == "enum":
        return any(type(value) is type(v) and value == v for v in its.values)
    if its.kind == "bool":
        return isinstance(value, bool)
    if its.kind in ("int", "float"):
        return is_number(value, its.kind) and limits.get("minimum", value) <= value <= limits.get("maximum", value)
    if its.kind in ("any", "dict"):
        return isinstance(value, dict)
    if not isinstance(value, str):
        return False
    if not limits.get("minLength", 0) <= len(value) <= limits.get("maxLength", len(value)):
        return False
    return "pattern" not in limits or re.search(limits["pattern"], value) is not None


def is_number(value: Any, kind: str) -> bool:
    """A finite number; for int a whole one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return kind == "float" or value == int(value)


def json_value(value: Any) -> Any:
    """A value as JSON has it: enumeration members by value, tuples and sets as lists, dictionary keys as text."""
    if isinstance(value, Unreadable):
        raise value
    if isinstance(value, EnumMember):
        return json_value(value.value)
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(json_value(key)): json_value(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(type(value).__name__)


# ---------------------------------------------------------------------------------------------------------------
# Inputs


@dataclass
class Parameter:
    """One argument of the model's function."""

    name: str
    node: ast.arg
    annotation: ast.expr
    default: Optional[ast.expr]


class InputReader:
    """Turns the arguments of a function into the properties of an Input schema."""

    def __init__(self, types: TypeReader, function: FunctionValue) -> None:
        self.types = types
        self.reader = types.reader
        self.project = types.project
        self.function = function
        self.scope = Scope(function.module, function.owner)
        self.properties: Dict[str, Dict[str, Any]] = {}
        self.required: List[str] = []
        self.enums: Dict[str, Dict[str, Any]] = {}

    def read(self) -> None:
        """Read all arguments, in order."""
        for order, parameter in enumerate(self._parameters()):
            self._read_one(order, parameter)

    def _where(self, parameter: Parameter) -> str:
        return self.function.module.at(parameter.node)

    def _parameters(self) -> List[Parameter]:
        arguments = self.function.node.args
        where = self.function.module.at(self.function.node)
        name = self.function.name
        for kind, argument in (("*", arguments.vararg), ("**", arguments.kwarg)):
            if argument is not None:
                raise SchemaError(self.function.module.at(argument), f"{name}() must not have {kind}{argument.arg}; "
                                  "name each input as an argument of its own")
        if arguments.kwonlyargs:
            raise SchemaError(self.function.module.at(arguments.kwonlyargs[0]),
                              f"{name}() must not have keyword-only arguments; leave the * out")
        nodes = arguments.posonlyargs + arguments.args
        defaults: List[Optional[ast.expr]] = [None] * (len(nodes) - len(arguments.defaults))
        defaults += arguments.defaults
        pairs = list(zip(nodes, defaults))
        if self.function.owner is not None and not self._is_static():
            if not pairs or pairs[0][0].arg != "self":
                raise SchemaError(where, f"{name}() must have self as its first argument")
            pairs = pairs[1:]
        return [self._parameter(node, default) for node, default in pairs]

    def _is_static(self) -> bool:
        return any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in self.function.node.decorator_list)

    def _parameter(self, node: ast.arg, default: Optional[ast.expr]) -> Parameter:
        if node.annotation is None:
            raise SchemaError(self.function.module.at(node), f"the input {node.arg!r} of {self.function.name}() has "
                              f"no type; annotate it, as in `{node.arg}: str`")
        return Parameter(node.arg, node, node.annotation, default)

    def _read_one(self, order: int, parameter: Parameter) -> None:
        its = self._input_type(parameter)
        call = self._input_call(parameter)
        choices = self._choices(parameter, its, call)
        limits = self._limits(parameter, its, call)
        schema: Dict[str, Any] = {"x-order": order}
        schema.update(self._shape(parameter, its, choices))
        nullable = its.nullable
        if "default" in call.keywords and call.keywords["default"] is None and its.kind == "secret":
            nullable = True  # the usual way to say that a credential may be left out
        self._set_default(parameter, its, call, choices, limits, nullable, schema)
        self._set_texts(parameter, its, call, schema)
        schema.update(limits)
        self.properties[parameter.name] = schema

    def _input_type(self, parameter: Parameter) -> Type:
        its = self.types.type_of(parameter.annotation, self.scope)
        self._check_input_type(parameter, its)
        if its.kind == "enum" and self._names_class(its, parameter):
            self.project.warn(self._where(parameter), f"the input {parameter.name!r} reaches the model as a plain "
                              "value, not as a member of the enumeration")
        return its

    def _names_class(self, its: Type, parameter: Parameter) -> bool:
        return any(isinstance(self.types.definition(n, self.scope), ClassValue)
                   for n in ast.walk(parameter.annotation) if isinstance(n, (ast.Name, ast.Attribute)))

    def _check_input_type(self, parameter: Parameter, its: Type, inside: str = "") -> None:
        text = source_of(parameter.annotation)
        if its.kind in ("iterator", "concat", "none", "custom") or (
                its.kind == "object" and its.source != "typeddict"):
            raise SchemaError(self._where(parameter), f"the input {parameter.name!r} cannot be of type {text}; use "
                              "str, int, float, bool, dict, list[...], cog.Path or cog.Secret")
        if inside == "union" and its.kind in ("path", "file", "secret"):
            raise SchemaError(self._where(parameter), f"the input {parameter.name!r} of type {text} mixes a file or "
                              "secret with other types; Cog cannot tell them apart: use one of them")
        for inner in its.variants:
            self._check_input_type(parameter, inner, "union")
        if its.items is not None and its.kind == "list":
            self._check_input_type(parameter, its.items, inside)

    def _input_call(self, parameter: Parameter) -> InputCall:
        """The Input(...) of an argument; a plain default counts as Input(default)."""
        empty = InputCall(self._where(parameter), {}, {})
        if parameter.default is None:
            return empty
        try:
            value = self.reader.value(parameter.default, self.scope)
        except Unreadable as unreadable:
            empty.unreadable["default"] = unreadable
            return empty
        if isinstance(value, InputCall):
            self._check_call(parameter, value)
            return value
        empty.keywords["default"] = value
        return empty

    def _check_call(self, parameter: Parameter, call: InputCall) -> None:
        if call.keywords.get("default_factory") is not None or "default_factory" in call.unreadable:
            raise SchemaError(call.where, f"the input {parameter.name!r} uses default_factory, which Cog does not "
                              "know; write default=... with a constant")
        for name in ("ge", "le", "min_length", "max_length", "regex", "choices"):
            if name in call.unreadable:
                unreadable = call.unreadable[name]
                raise SchemaError(unreadable.where, f"{unreadable.reason}, and {name}= of the input "
                                  f"{parameter.name!r} must be known; write it as a constant")

    def _error(self, parameter: Parameter, call: InputCall, message: str) -> SchemaError:
        return SchemaError(call.where, f"the input {parameter.name!r}: {message}")

    def _choices(self, parameter: Parameter, its: Type, call: InputCall) -> Optional[List[Any]]:
        choices = call.keywords.get("choices")
        if choices is None:
            return None
        if isinstance(choices, ClassValue) and self.reader.is_enum(choices):
            choices = list(self.reader.enum_members(choices, self.scope).values())
        if isinstance(choices, str) or not isinstance(choices, (list, tuple, dict, set, range)):
            raise self._error(parameter, call, "choices must be a list of str or int")
        values = json_value(list(choices))
        if not values:
            raise self._error(parameter, call, "choices is empty; name the values that are allowed")
        element = its.items if its.kind == "list" and its.items else its
        wanted = {"str": str, "int": int}.get(element.kind)
        if wanted is None:
            raise self._error(parameter, call, "choices are for inputs of type str or int")
        if not all(type(value) is wanted for value in values):
            raise self._error(parameter, call, f"all choices must be of type {element.kind}")
        if any(call.keywords.get(k) is not None for k in ("ge", "le", "min_length", "max_length")):
            raise self._error(parameter, call, "choices cannot stand beside ge, le, min_length or max_length")
        return values

    def _limits(self, parameter: Parameter, its: Type, call: InputCall) -> Dict[str, Any]:
        """The constraints of an input, each checked against its type."""
        element = its.items if its.kind == "list" and its.items else its
        limits: Dict[str, Any] = {}
        for name, key in (("ge", "minimum"), ("le", "maximum")):
            value = call.keywords.get(name)
            if value is not None:
                if element.kind not in ("int", "float") or not is_number(value, "float"):
                    raise self._error(parameter, call, f"{name} needs a number, and an input of type int or float")
                limits[key] = value
        for name, key in (("min_length", "minLength"), ("max_length", "maxLength")):
            value = call.keywords.get(name)
            if value is not None:
                if element.kind != "str" or not is_number(value, "int") or value < 0:
                    raise self._error(parameter, call, f"{name} needs a whole number, and an input of type str")
                limits[key] = int(value)
        self._pattern(parameter, element, call, limits)
        return limits

    def _pattern(self, parameter: Parameter, element: Type, call: InputCall, limits: Dict[str, Any]) -> None:
        regex = call.keywords.get("regex")
        if regex is None:
            return
        if element.kind != "str" or not isinstance(regex, str):
            raise self._error(parameter, call, "regex needs a text, and an input of type str")
        try:
            re.compile(regex)
        except re.error as error:
            raise self._error(parameter, call, f"regex is not a regular expression: {error}") from None
        limits["pattern"] = regex

    def _shape(self, parameter: Parameter, its: Type, choices: Optional[List[Any]]) -> Dict[str, Any]:
        """The type of a property. Choices become a component that is named like the input."""
        element = its.items if its.kind == "list" and its.items else its
        if choices is None and element.kind == "enum":
            choices = element.values
        if choices is None:
            shape = {"title": title_of(parameter.name)}
            shape.update(bare_schema(simplified(its)))
            return shape
        kind = element.name if element.kind == "enum" else element.kind
        self.enums[parameter.name] = {"title": parameter.name, "description": "An enumeration.", "enum": choices,
                                      "type": PRIMITIVES[kind]}
        reference = {"$ref": "#/components/schemas/" + parameter.name}
        if its.kind == "list":
            # Cog puts the reference beside the list, where no list can ever satisfy it.
            return {"title": title_of(parameter.name), "type": "array", "items": reference}
        return {"allOf": [reference]}

    def _set_default(self, parameter: Parameter, its: Type, call: InputCall, choices: Optional[List[Any]],
                     limits: Dict[str, Any], nullable: bool, schema: Dict[str, Any]) -> None:
        """Set default and nullable, and note a required input.

        A default that the schema cannot carry is left out: the model's own code then supplies it. Such an input is
        not nullable, because Cog's server would put null in the place of what the model would have supplied.
        """
        if "default" in call.unreadable:
            unreadable = call.unreadable["default"]
            self.project.warn(unreadable.where, f"{unreadable.reason}; the default of {parameter.name!r} is not "
                              "shown, the model supplies it")
            return
        default = call.keywords.get("default")
        if default is None:
            if nullable:
                schema["nullable"] = True  # and no default: Cog's server then fills in null by itself
            else:
                self.required.append(parameter.name)
            return
        try:
            value = json_value(default)
        except (TypeError, Unreadable):
            value = None
        if not fits(value, its, choices, limits):
            self.project.warn(call.where, f"the default of {parameter.name!r} does not satisfy the input's own type "
                              "and limits; it is not shown, and the model supplies it")
            return
        schema["default"] = float(value) if its.kind == "float" else value
        if nullable:
            schema["nullable"] = True

    def _set_texts(self, parameter: Parameter, its: Type, call: InputCall, schema: Dict[str, Any]) -> None:
        description = call.keywords.get("description")
        if isinstance(description, EnumMember):
            description = description.value
        if isinstance(description, str):
            schema["description"] = description
        elif description is not None or "description" in call.unreadable:
            self.project.warn(call.where, f"the description of {parameter.name!r} cannot be read without running the "
                              "model; it is left out")
        if call.keywords.get("deprecated") is True:
            schema["deprecated"] = True
        accept = call.keywords.get("accept")
        if accept is not None:
            element = its.items if its.kind == "list" and its.items else its
            if element.kind not in ("path", "file"):
                raise self._error(parameter, call, "accept is for inputs of type cog.Path")
            schema["x-cog-accept"] = accept


def simplified(its: Type) -> Type:
    """Inputs carry dictionaries as plain objects, as Cog does: their inside is the model's business."""
    if its.kind in ("dict", "object"):
        return Type("any", nullable=its.nullable)
    if its.kind == "list" and its.items is not None:
        return Type("list", items=simplified(its.items), nullable=its.nullable)
    if its.kind == "union":
        return Type("union", variants=[simplified(v) for v in its.variants], nullable=its.nullable)
    return its


# ---------------------------------------------------------------------------------------------------------------
# The model: its class or function


@dataclass
class Model:
    """What one reference of cog.yaml describes."""

    inputs: InputReader
    output: Type
    function: FunctionValue
    concurrency: Optional[int]
    yields: bool

    @property
    def is_async(self) -> bool:
        return isinstance(self.function.node, ast.AsyncFunctionDef)


class ModelReader:
    """Finds the function that a reference names and describes it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.reader = Reader(project)
        self.types = TypeReader(self.reader)

    def read(self, reference: str, mode: str) -> Model:
        """Describe `file.py:Name`."""
        path, _, name = reference.partition(":")
        if not path.endswith(".py"):
            path += ".py"
        module = self.project.load_file(path, os.path.basename(path)[:-3])
        target = self._target(module, name, mode)
        function = target if isinstance(target, FunctionValue) else self._method(target, mode)
        inputs = InputReader(self.types, function)
        inputs.read()
        model = Model(inputs, self._output(function), function, self._concurrency(function), yields(function.node))
        self._check(model)
        return model

    def _target(self, module: Module, name: str, mode: str) -> Any:
        names = [name] if name else (["train", "Trainer"] if mode == "train" else ["Runner", "Predictor"])
        for candidate in names:
            found = self.project.find(module, candidate)
            seen = 0
            while isinstance(found, Assigned) and isinstance(found.expression, ast.Name) and seen < MAX_DEPTH:
                found = self.project.find(found.module, found.expression.id)
                seen += 1
            if isinstance(found, (ClassValue, FunctionValue)):
                return found
            if isinstance(found, External):
                raise SchemaError(module.path, f"{candidate} comes from {found.name.rpartition('.')[0]}, which is not "
                                  "in the folder; define it in the model's own files")
            if found is not None and name:
                raise SchemaError(module.path, f"{candidate} is neither a class nor a function")
        wanted = " or ".join(names)
        known = [n for n, v in module.names.items() if isinstance(v, (ClassValue, FunctionValue))]
        hint = f"; the file defines {', '.join(known[:8])}" if known else ""
        raise SchemaError(module.path, f"there is no {wanted} in this file{hint}; correct the name in cog.yaml")

    def _method(self, cls: ClassValue, mode: str) -> FunctionValue:
        self._check_setup(cls)
        if mode == "train":
            found = self._find_method(cls, "train")
            if found is not None:
                return found
            raise SchemaError(cls.module.at(cls.node), f"the class {cls.name} has no train(); define it")
        run, predict = self._find_method(cls, "run"), self._find_method(cls, "predict")
        if run is not None and predict is not None:
            raise SchemaError(cls.module.at(cls.node), f"the class {cls.name} must define either run() or predict(), "
                              "not both; remove one")
        found = run or predict
        if found is None:
            outside = sorted(self.reader.external_bases(cls) - FRAMEWORK_CLASSES)
            hint = f" (what it inherits from {', '.join(outside)} cannot be read)" if outside else ""
            raise SchemaError(cls.module.at(cls.node), f"the class {cls.name} has no run() or predict(){hint}; "
                              "define one")
        return found

    def _find_method(self, cls: ClassValue, name: str) -> Optional[FunctionValue]:
        for one in self.reader.ancestry(cls):
            latest = None
            for statement in one.node.body:
                if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == name:
                    latest = FunctionValue(one.module, statement, one)
            if latest is not None:
                return latest
        return None

    def _check_setup(self, cls: ClassValue) -> None:
        """setup() is called with the weights at most."""
        setup = self._find_method(cls, "setup")
        if setup is None:
            return
        arguments = setup.node.args
        nodes = (arguments.posonlyargs + arguments.args)[1:]
        needed = nodes[:len(nodes) - len(arguments.defaults)]
        for node in needed:
            if node.arg != "weights":
                raise SchemaError(setup.module.at(setup.node), f"setup() cannot get the argument {node.arg!r}; it may "
                                  "take self and weights only")

    def _output(self, function: FunctionValue) -> Type:
        where = function.module.at(function.node)
        if function.node.returns is None:
            raise SchemaError(where, f"{function.name}() does not say what it returns; add a return type, as in "
                              f"`def {function.name}(...) -> str:`")
        output = self.types.type_of(function.node.returns, Scope(function.module, function.owner))
        if output.kind == "none":
            raise SchemaError(where, f"{function.name}() is said to return None; a model must have an output: "
                              "name its type")
        self._check_output(output, where)
        if output.nullable:
            self.project.warn(where, "the output may be None; Cog's own image build refuses Optional outputs")
        if output.kind == "union":
            self.project.warn(where, "the output is of one of several types; Cog's own image build refuses this")
        return output

    def _check_output(self, output: Type, where: str) -> None:
        if output.kind == "custom":
            raise SchemaError(where, f"the output type {output.name} is not one that Cog can return; make it a "
                              "cog.BaseModel")
        inner = list(output.variants) + [f.type for f in output.fields.values()]
        for one in inner + ([output.items] if output.items else []):
            self._check_output(one, where)

    def _concurrency(self, function: FunctionValue) -> Optional[int]:
        """The number in @cog.concurrent(max=N), if the function carries it."""
        scope = Scope(function.module, function.owner)
        for decorator in function.node.decorator_list:
            node = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not isinstance(node, (ast.Name, ast.Attribute)):
                continue
            if self.types.definition(node, scope) != External("cog.concurrent"):
                continue
            if not isinstance(decorator, ast.Call) or not decorator.keywords:
                return 1
            return self._concurrency_number(decorator, function, scope)
        return None

    def _concurrency_number(self, decorator: ast.Call, function: FunctionValue, scope: Scope) -> int:
        where = function.module.at(decorator)
        try:
            number = self.reader.value(decorator.keywords[0].value, scope)
        except Unreadable as unreadable:
            raise SchemaError(where, f"{unreadable.reason}; write @concurrent(max=4) with a number") from None
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise SchemaError(where, "@concurrent needs max=N with a whole number of at least 1")
        if number > 1 and not isinstance(function.node, ast.AsyncFunctionDef):
            raise SchemaError(where, f"@concurrent(max={number}) needs an async function; write "
                              f"`async def {function.name}`")
        return number

    def _check(self, model: Model) -> None:
        where = model.function.module.at(model.function.node)
        declared = model.output.kind in ("iterator", "concat")
        if model.yields and not declared:
            self.project.warn(where, f"{model.function.name}() yields but does not return an Iterator; its output will "
                              "be a list")
        if declared and model.is_async and model.yields:
            self.project.warn(where, "an async generator's output arrives all at once at the end; use a plain `def` "
                              "to stream it")


def yields(function: Union[ast.FunctionDef, ast.AsyncFunctionDef]) -> bool:
    """Whether a function is a generator; functions inside it do not count."""
    waiting: List[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return False


# ---------------------------------------------------------------------------------------------------------------
# The document


@dataclass(frozen=True)
class Kind:
    """How the two kinds of runs are called."""

    path: str
    prefix: str
    request: str
    response: str
    summary: str
    noun: str


PREDICT = Kind("/predictions", "", "PredictionRequest", "PredictionResponse", "Predict", "prediction")
TRAIN = Kind("/trainings", "Training", "TrainingRequest", "TrainingResponse", "Train", "training")


def reference_to(name: str) -> Dict[str, str]:
    return {"$ref": "#/components/schemas/" + name}


def json_body(schema: Dict[str, Any]) -> Dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def answer(schema: Dict[str, Any], description: str = "Successful Response") -> Dict[str, Any]:
    return {"description": description, **json_body(schema)}


def simple_get(summary: str, operation: str) -> Dict[str, Any]:
    return {"get": {"summary": summary, "operationId": operation, "responses": {"200": answer({})}}}


def validation_answer() -> Dict[str, Any]:
    return answer(reference_to("HTTPValidationError"), "Validation Error")


def run_operation(kind: Kind) -> Dict[str, Any]:
    """POST /predictions or /trainings."""
    operation: Dict[str, Any] = {
        "summary": kind.summary,
        "description": f"Run a single {kind.noun} on the model",
        "operationId": f"{kind.summary.lower()}_{kind.noun}s_post",
        "requestBody": json_body(reference_to(kind.request)),
        "responses": {"200": answer(reference_to(kind.response)), "422": validation_answer()},
    }
    if kind is PREDICT:
        # coglet streams any model whose schema says so; there is no reason ever to refuse.
        operation["x-cog-streaming"] = True
    return {"post": operation}


def cancel_operation(kind: Kind) -> Dict[str, Any]:
    """POST /predictions/{prediction_id}/cancel."""
    name = f"{kind.noun}_id"
    return {"post": {
        "summary": "Cancel",
        "operationId": f"cancel_{kind.noun}s__{name}__cancel_post",
        "parameters": [{"required": True, "schema": {"title": title_of(name), "type": "string"}, "name": name,
                        "in": "path"}],
        "responses": {"200": answer({}), "422": validation_answer()},
    }}


def string_property(title: str, **more: str) -> Dict[str, str]:
    return {"title": title, "type": "string", **more}


def common_components() -> Dict[str, Any]:
    """The schemas that are the same for every model."""
    return {
        "Status": {"title": "Status", "description": "An enumeration.", "type": "string",
                   "enum": ["starting", "processing", "succeeded", "canceled", "failed"]},
        "HTTPValidationError": {
            "title": "HTTPValidationError", "type": "object",
            "properties": {"detail": {"title": "Detail", "type": "array",
                                      "items": reference_to("ValidationError")}},
        },
        "ValidationError": {
            "title": "ValidationError", "type": "object", "required": ["loc", "msg", "type"],
            "properties": {
                "loc": {"title": "Location", "type": "array",
                        "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                "msg": string_property("Message"),
                "type": string_property("Error Type"),
            },
        },
    }


def envelope_components(kind: Kind) -> Dict[str, Any]:
    """The request and the answer around an input and an output."""
    given, produced = reference_to(kind.prefix + "Input"), reference_to(kind.prefix + "Output")
    times = {name: string_property(title_of(name), format="date-time")
             for name in ("created_at", "started_at", "completed_at")}
    return {
        kind.request: {"title": kind.request, "type": "object",
                       "properties": {"id": string_property("Id"), "input": given}},
        kind.response: {"title": kind.response, "type": "object", "properties": {
            "input": given, "output": produced, "id": string_property("Id"), "version": string_property("Version"),
            **times, "status": string_property("Status"), "error": string_property("Error"),
            "logs": string_property("Logs"), "metrics": {"title": "Metrics", "type": "object"},
        }},
    }


def model_components(kind: Kind, model: Model, taken: Dict[str, Any]) -> Dict[str, Any]:
    """Input, Output and one component for each input with choices."""
    inputs = model.inputs
    schema: Dict[str, Any] = {"title": kind.prefix + "Input", "type": "object", "properties": inputs.properties}
    if inputs.required:
        schema["required"] = inputs.required
    components: Dict[str, Any] = {
        kind.prefix + "Input": schema,
        kind.prefix + "Output": dict(type_schema(model.output), title=kind.prefix + "Output"),
    }
    for name, enum in inputs.enums.items():
        component = free_name(name, enum, {**taken, **components})
        components[component] = enum
        rename_reference(inputs.properties[name], component)
    return components


def free_name(name: str, schema: Dict[str, Any], taken: Dict[str, Any]) -> str:
    """The input's own name, unless it would hide a component of another meaning."""
    while name in taken and taken[name] != schema:
        name += "_choices"
    return name


def rename_reference(schema: Dict[str, Any], component: str) -> None:
    if "allOf" in schema:
        schema["allOf"] = [reference_to(component)]
    else:
        schema["items"] = reference_to(component)


def build_document(models: List[Tuple[Kind, Model]]) -> Dict[str, Any]:
    """The whole OpenAPI document of a model."""
    paths: Dict[str, Any] = {
        "/": simple_get("Root", "root__get"),
        "/health-check": simple_get("Healthcheck", "healthcheck_health_check_get"),
    }
    fixed = common_components()
    for kind, _ in models:
        fixed.update(envelope_components(kind))
    names = {prefix + part: None for prefix in ("", "Training") for part in ("Input", "Output")}
    components: Dict[str, Any] = {}
    for kind, model in models:
        components.update(model_components(kind, model, {**names, **fixed, **components}))
        paths[kind.path] = run_operation(kind)
        paths[f"{kind.path}/{{{kind.noun}_id}}/cancel"] = cancel_operation(kind)
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": COG_VERSION},
        "paths": paths,
        "components": {"schemas": {**components, **fixed}},
    }


def describe(folder: str, reference: str, mode: str = "predict",
             train_reference: Optional[str] = None) -> Dict[str, Any]:
    """All that the server wants to know of a model folder."""
    project = Project(folder)
    reader = ModelReader(project)
    main_model = reader.read(reference, mode)
    models = [(TRAIN if mode == "train" else PREDICT, main_model)]
    if train_reference and mode != "train":
        models.append((TRAIN, reader.read(train_reference, "train")))
    return {
        "openapi": build_document(models),
        "max_concurrency": main_model.concurrency,
        "async": main_model.is_async,
        "iterator": main_model.yields or main_model.output.kind in ("iterator", "concat"),
        "warnings": project.warnings,
    }


def main(arguments: Optional[List[str]] = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the OpenAPI document of a Cog model from its source.")
    parser.add_argument("folder")
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("--mode", choices=("predict", "train"), default="predict")
    parser.add_argument("--train-ref", metavar="REF")
    options = parser.parse_args(arguments)
    try:
        document = describe(options.folder, options.reference, options.mode, options.train_ref)
        text = json.dumps(document, allow_nan=False)
    except SchemaError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    except (RecursionError, MemoryError):
        print(f"{options.reference}: the source is nested too deeply to be read; simplify it", file=sys.stderr)
        return 1
    except (Unreadable, ValueError, TypeError, OSError) as error:
        print(" ".join(f"{options.reference}: the model cannot be described: {error}".split()), file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
