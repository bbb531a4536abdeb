"""Code versions: what they are made of, what they warn of, and what they do not depend on."""

from __future__ import annotations

import functools
import math
import os
import shutil
import subprocess
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.ad_hoc_utils import module_from_source
from engine.io.nodes import LoadData
from engine.planning.fingerprint import Fingerprinter, fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conftest import Workspace

F1, F2 = "def f(x):\n    return x + 1\n", "def f(x):\n    return x + 2\n"
BASE = """
    import math
    RATE = 3
    def helper(x):
        return x * RATE
    def node(a, b=2):
        return helper(a) + b
"""
DECORATOR = """
    import functools
    def scaled(by):
        def wrap(function):
            @functools.wraps(function)
            def inner(*args):
                return function(*args) * by
            return inner
        return wrap
    @scaled(BY)
    def node(a):
        return a
"""


def helpers(text: str, use: str = "from helpers import f", call: str = "f(a)") -> dict[str, str]:
    """Return a dataflow whose helper is in another module."""
    return {"flow": f"{use}\ndef node(a):\n    return {call}\n", "helpers": text}


@pytest.mark.parametrize(
    "decorator", ["tag(owner=OWNER)", "fm.tag(owner='me')", "nightly", "engine.function_modifiers.tag(a='b')"]
)
def test_own_modifiers_do_not_count(workspace: Workspace, decorator: str) -> None:
    """The engine's modifiers leave the code version alone, however they are reached: the node holds what they mean."""
    text = """
        import engine.function_modifiers
        import engine.function_modifiers as fm
        from engine.function_modifiers import tag
        OWNER = "me"
        nightly = tag(schedule="nightly")
        {}
        def node(a: int) -> int:
            return a
    """
    plain, tagged = (workspace.version(text.format(line)) for line in ("", f"@{decorator}"))
    assert plain.version == tagged.version
    assert len(plain.units) == len(tagged.units) == 1


def test_a_changed_helper_is_named(workspace: Workspace) -> None:
    """Two versions differ in exactly the unit that was edited, which bears its name, module and file."""
    units = {}
    for text in (F1, F2):
        version = workspace.version(helpers(text, "import helpers", "helpers.f(a)"))
        units[text] = {unit.reference: unit for unit in version.units}
    changed = [name for name, unit in units[F1].items() if units[F2][name].unit_hash != unit.unit_hash]
    assert changed == ["helpers.f"]
    unit = units[F2]["helpers.f"]
    assert (unit.qualname, unit.module, unit.kind, unit.source, unit.line) == ("f", "helpers", "function", F2, 1)
    assert Path(unit.file_path or "").name == "helpers.py"


def test_the_nodes_own_function_is_the_first_unit(workspace: Workspace) -> None:
    """The first unit is the user's function, also behind a decorator, a partial or a method."""
    assert workspace.version(DECORATOR.replace("BY", "2")).units[0].qualname == "node"
    assert workspace.version(BASE).units[0].reference == "node"
    partial = f"import functools\n{F1}node = functools.partial(f, 1)\n"
    assert workspace.version(partial).units[0].qualname == "f"
    method = "class C:\n    def m(self):\n        return 1\nnode = C().m\n"
    assert workspace.version(method).units[0].qualname == "C.m"


def test_lambdas_on_one_line_differ() -> None:
    """Lambdas that share a line are told apart."""
    first, second, third = lambda a: a + 1, lambda a: a + 2, lambda a: lambda b: a + b
    versions = [Fingerprinter().code_version(f) for f in (first, second, third, third(1))]
    assert len({version.version for version in versions}) == 4
    assert {version.completeness for version in versions} == {"complete"}


def test_two_closures_of_one_function_differ() -> None:
    """Functions made by one function with other values have other versions."""

    def make(rate: float) -> Any:
        def scaled(value: float) -> float:
            return value * rate

        return scaled

    fingerprinter = Fingerprinter()
    assert fingerprinter.code_version(make(1.0)).version != fingerprinter.code_version(make(2.0)).version
    assert fingerprinter.code_version(make(1.0)).version == fingerprinter.code_version(make(1.0)).version


@pytest.mark.parametrize("function", [len, math.sqrt, os.path.join, dict, str.upper, "a".join, functools.reduce])
def test_foreign_functions_count_by_name(function: Any) -> None:
    """Builtins and third parties' functions have a complete version made of their name."""
    version = Fingerprinter().code_version(function)
    assert version.completeness == "complete"
    assert version.version == Fingerprinter().code_version(function).version


def test_names_of_foreign_functions_differ() -> None:
    """Two third parties' functions have two versions."""
    fingerprinter = Fingerprinter()
    assert len({fingerprinter.code_version(f).version for f in (len, abs, math.sin, math.cos, "a".join, "b".join)}) == 6


@dataclass(frozen=True)
class Loader:
    """Stands for a user's loader class."""

    path: str

    def load_data(self, type_: type) -> Any:
        """Give something."""
        return type_(self.path)


@dataclass(frozen=True)
class OtherLoader(Loader):
    """Stands for another loader class."""


def test_own_callables_count_by_name_and_fields() -> None:
    """The engine's callables count by name and fields, a user's class among these by its code."""
    fingerprinter = Fingerprinter()
    one, same, other = (fingerprinter.code_version(LoadData(loader, int)) for loader in (Loader, Loader, OtherLoader))
    assert one.version == same.version != other.version
    assert one.version != fingerprinter.code_version(LoadData(Loader, str)).version
    assert "Loader" in {unit.qualname for unit in one.units}
    assert one.completeness == "complete"


def test_the_code_of_a_users_loader_counts(workspace: Workspace) -> None:
    """Editing the class inside one of the engine's callables changes the version."""
    text = "class UserLoader:\n    def load_data(self, kind):\n        return 1\n"
    versions = []
    for edition in (text, text.replace("return 1", "return 2")):
        loader = workspace.load(edition, "flow:UserLoader")
        versions.append(Fingerprinter().code_version(LoadData(functools.partial(loader), int)).version)
    assert versions[0] != versions[1]


def test_functions_that_call_one_another_do_not_depend_on_the_order(workspace: Workspace) -> None:
    """Members of a circle have the same version whichever was asked for first."""
    text = """
        def a(n): return b(n) + c(n)
        def b(n): return c(n) - 1
        def c(n): return a(n) * 2 + d(n)
        def d(n): return d(n - 1)
    """
    functions = [workspace.load(text, "flow:a")]
    functions += [functions[0].__globals__[name] for name in "bcd"]
    forwards, backwards = Fingerprinter(), Fingerprinter()
    first = [forwards.code_version(function).version for function in functions]
    second = [backwards.code_version(function).version for function in reversed(functions)]
    assert first == second[::-1]
    assert len(set(first)) == 4


def test_names_exchanged_in_a_circle_count(workspace: Workspace) -> None:
    """Which of two functions a name stands for counts inside a circle too."""
    text = "def a(n):\n    return x(n) - y(n)\ndef x(n):\n    return a(n) + 1\ndef y(n):\n    return a(n) + 2\n"
    exchanged = f"{text}x, y = y, x\n"
    assert workspace.version(text, "flow:a").version != workspace.version(exchanged, "flow:a").version


def test_a_chain_of_thousands_of_helpers(workspace: Workspace) -> None:
    """5,000 functions that call one another in a row do not exhaust the stack."""
    lines = [f"def f{n}(x):\n    return f{n + 1}(x)\n" for n in range(5000)]
    version = workspace.version("".join(lines) + "def f5000(x):\n    return 1\n", "flow:f0")
    assert len(version.units) == 5001
    assert version.completeness == "complete"


def test_a_very_long_expression(workspace: Workspace) -> None:
    """A sum of a thousand terms has a version."""
    terms = " + ".join(["a"] * 1000)
    assert workspace.version(f"def node(a):\n    return {terms}\n").completeness == "complete"


WARNED: dict[str, tuple[str, str, str]] = {
    "random": ("import random\ndef node():\n    return random.random()\n", "random.random", "complete"),
    "random by name": ("from random import choice\ndef node():\n    return choice([1])\n", "choice", "complete"),
    "now": ("from datetime import datetime\ndef node():\n    return datetime.now()\n", "datetime.now", "complete"),
    "time": ("import time\ndef node():\n    return time.time()\n", "time.time", "complete"),
    "uuid": ("def node():\n    from uuid import uuid4\n    return uuid4()\n", "uuid4", "complete"),
    "network": ("import urllib.request as r\ndef node():\n    return r.urlopen('u')\n", "r.urlopen", "complete"),
    "numpy": ("import numpy as np\ndef node():\n    return np.random.rand()\n", "np.random.rand", "complete"),
    "unseeded": ("import random\ndef node():\n    return random.Random()\n", "random.Random", "complete"),
    "environment": ("import os\ndef node():\n    return os.environ['A']\n", "os.environ", "complete"),
    "a file": ("def node(path):\n    with open(path) as file:\n        return file.read()\n", "open", "complete"),
    "a file of frames": ("import pandas as pd\ndef node(p):\n    return pd.read_csv(p)\n", "pd.read_csv", "complete"),
    "a path": ("def node(path):\n    return path.read_text()\n", ".read_text()", "complete"),
    "a sample": ("def node(a):\n    return a.sample(frac=0.1)\n", ".sample()", "complete"),
    "a program": ("import subprocess\ndef node():\n    return subprocess.run(['a'])\n", "subprocess.run", "complete"),
    "a helper's environment": (
        "import os\ndef _home():\n    return os.getenv('A')\ndef node():\n    return _home()\n",
        "_home() in flow.py uses os.getenv",
        "complete",
    ),
    "eval": ("def node():\n    return eval('1')\n", "eval", "dynamic"),
    "import by name": (
        "import importlib\ndef node():\n    return importlib.import_module('a')\n",
        "importlib.import_module",
        "dynamic",
    ),
    "docstrings read": ("def node():\n    return node.__doc__\n", "node.__doc__", "dynamic"),
    "opaque": ("import socket\nS = iter(())\ndef node():\n    return S\n", "S in flow", "opaque"),
}


@pytest.mark.parametrize(("text", "word", "completeness"), WARNED.values(), ids=WARNED)
def test_doubts_are_told(workspace: Workspace, text: str, word: str, completeness: str) -> None:
    """What the code does not decide, or reading cannot see, is said in one sentence that names it."""
    version = workspace.version(text)
    assert [warning for warning in version.warnings if word in warning]
    assert version.completeness == completeness


@pytest.mark.parametrize(
    "text",
    [
        "import random\ndef node():\n    return random.Random(4).random()\n",
        "import numpy as np\ndef node():\n    return np.random.default_rng(7).random()\n",
        "import threading, logging\nL = threading.Lock()\ndef node():\n    with L:\n        return 1\n",
        "import datetime\nD = datetime.date(2024, 1, 1)\ndef node():\n    return D\n",
        "import typing as t\nT = t.TypeVar('T')\nU = list[int | T]\ndef node(a):\n    return t.cast(T, t.cast(U, a))\n",
        "import polars as pl\nS = {'a': pl.Int64, 'b': pl.List(pl.String)}\ndef node():\n    return S\n",
        "import operator\nG = operator.itemgetter('a')\ndef node(a):\n    return G(a)\n",
        "import polars as pl\nE = pl.col('a') * 2\ndef node(a):\n    return a.select(E, pl.col.b)\n",
        "import sqlalchemy as sa\nM = sa.MetaData()\nT = sa.Table('t', M)\ndef node():\n    return sa.select(T)\n",
        "def node(a):\n    return a.sample(n=2, random_state=1), a.sample(3, seed=4)\n",
        "MISSING = object()\ndef node(a=MISSING):\n    return a is MISSING\n",
    ],
)
def test_the_harmless_is_not_warned_of(workspace: Workspace, text: str) -> None:
    """Seeded generators, locks, dates, type expressions and the like are complete and without a warning."""
    version = workspace.version(text)
    assert (version.completeness, version.warnings) == ("complete", ())


def test_whole_modules_are_dynamic(workspace: Workspace) -> None:
    """A module used as a value counts whole, and the version says that it is not airtight."""
    version = workspace.version(helpers(F1, "import helpers", "getattr(helpers, a)"))
    assert version.completeness == "dynamic"
    assert "module helpers is used as a value" in version.warnings[0]


def test_code_without_source() -> None:
    """Code made by exec counts in compiled form, and what it uses counts."""
    versions = []
    for rate in (1, 2):
        space: dict[str, Any] = {"__name__": "nowhere", "RATE": rate}
        exec("def node(a):\n    'Doc.'\n    return [a * RATE for a in a]", space)  # noqa: S102 - that is the case
        versions.append(Fingerprinter().code_version(space["node"]))
    assert versions[0].version != versions[1].version
    assert versions[0].completeness == "no_source"
    assert versions[0].units[0].unit_hash == versions[1].units[0].unit_hash


def test_a_module_made_from_text() -> None:
    """A module made from text is project code with source, whatever its name."""
    versions = []
    for number in (1, 2, 3):
        text = f"K = {min(number, 2)}\ndef node(a):\n    return a + K\n"
        versions.append(Fingerprinter().code_version(module_from_source(text, f"made_{number}").node))
    assert versions[0].completeness == "complete"
    assert versions[0].version != versions[1].version == versions[2].version


@pytest.mark.parametrize("bearer", ["module", "function"])
def test_source_carried_by_an_attribute(bearer: str) -> None:
    """``__engine_source__`` of a module or a function is its source."""
    text = "def node(a):\n    # why\n    return a + 1\n"
    versions = []
    for edition in (text, text.replace("# why", "# what")):
        module = types.ModuleType("carried")
        exec(compile(edition, "<carried>", "exec"), vars(module))  # noqa: S102 - that is the case
        vars(module if bearer == "module" else module.node)["__engine_source__"] = edition
        versions.append(Fingerprinter().code_version(module.node))
    assert versions[0].version == versions[1].version
    assert versions[0].completeness == "complete"


def test_a_file_edited_after_its_import(workspace: Workspace) -> None:
    """The code that runs counts, not a text that was saved since; the warning says so."""
    function = workspace.load(BASE)
    path = Path(function.__code__.co_filename)
    path.write_text(path.read_text().replace("helper(a) + b", "helper(a) - b"))
    version = Fingerprinter().code_version(function)
    assert version.completeness == "no_source"
    assert "was edited after it was imported" in version.warnings[0]


def test_project_modules_are_project_code_wherever_they_are(workspace: Workspace) -> None:
    """A module in site-packages counts by name unless it is declared to be the project's."""
    folder = workspace.write({"site-packages.vendored": F1})
    sys.path.insert(0, str(folder / "site-packages"))
    try:
        import vendored
    finally:
        sys.path.pop(0)
        sys.modules.pop("vendored", None)
    sys.modules["vendored"] = vendored
    try:
        assert Fingerprinter().code_version(vendored.f).units[0].kind == "external"
        assert Fingerprinter(["vendored.sub"]).code_version(vendored.f).units[0].kind == "function"
    finally:
        del sys.modules["vendored"]


def test_values_with_code_in_them(workspace: Workspace) -> None:
    """A fingerprinter hashes values by the code of the functions and objects in them."""
    values = [workspace.load(text, "flow:f") for text in (F1, F2, F1)]
    hashes = [Fingerprinter().value_hash({"apply": function, "n": 1}) for function in values]
    assert hashes[0] == hashes[2] != hashes[1]
    assert Fingerprinter().value_hash(iter("")) is None


def test_a_fields_identity_can_be_left_out() -> None:
    """A field that does not take part in comparison is no part of what one of the engine's callables is."""

    @dataclass(frozen=True)
    class Task:
        table: str
        connection: Any = field(compare=False, default=None)

        def __call__(self) -> str:
            return self.table

    Task.__module__ = "engine.made.up"
    fingerprinter = Fingerprinter()
    versions = [fingerprinter.code_version(Task("t", connection)) for connection in (None, iter(()))]
    assert versions[0].version == versions[1].version
    assert versions[1].completeness == "complete"


SCRIPT = """
import sys
sys.path[:0] = [{engine!r}, {folder!r}]
import flow
from engine.planning.fingerprint import Fingerprinter
version = Fingerprinter().code_version(flow.node)
print(version.version, version.completeness, len(version.units))
"""
PORTABLE = {
    "flow": '''
        import enum, re, decimal, datetime, pathlib
        from dataclasses import dataclass
        from pathlib import Path
        import helpers
        NAMES = {"a", "b", "c", ("d", 1), None}
        LIMITS = {"x": decimal.Decimal("1.0"), 2: datetime.timedelta(1), "p": Path("a") / "b"}
        PATTERN = re.compile("a+b")
        class Kind(enum.Enum):
            A = enum.auto()
            B = "b"
        @dataclass
        class Options:
            kind: Kind = Kind.B
            low: "int | None" = None
        OPTIONS = Options()
        def node(a, *rest, k=NAMES, **more):
            """Doc."""
            text = f"{a!r:>{k}} {a=} {a:%Y-{k}} {{}}" "and" rf"\\d{a:\\d}"
            match a:
                case {"k": [1, *others], **left} if left: return others
                case None | Kind.A: return None
            try:
                total = [x for x in a if (y := x) and PATTERN.match(x)]
            except* ValueError as error:
                raise
            async def inner(b: int = 1) -> str:
                async with b as c: yield c
            low = helpers.f(a) + LIMITS[text] + 1j + 2.5 + OPTIONS.low
            return low, ..., b"a", 0xFF, (lambda z, /: z)(1), a[1:2, ::3]
    ''',
    "helpers": F1,
}


def run(interpreter: str, folder: Path, **environment: str) -> str:
    """Fingerprint the portable dataflow in another process."""
    script = SCRIPT.format(engine=str(Path(__file__).parents[3]), folder=str(folder))
    return subprocess.run(  # noqa: S603 - our own script
        [interpreter, "-B", "-c", script],
        env={**os.environ, "PYTHONPATH": "", **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_versions_do_not_depend_on_the_process(workspace: Workspace) -> None:
    """Processes with other hash seeds and other folders agree on the version."""
    folders = [workspace.write(PORTABLE), workspace.write(PORTABLE)]
    results = {run(sys.executable, folder, PYTHONHASHSEED=seed) for seed in ("0", "1", "77") for folder in folders}
    assert len(results) == 1
    assert " complete " in results.pop()


@pytest.mark.parametrize("name", ["python3.12", "python3.13", "python3.14"])
def test_versions_do_not_depend_on_pythons_version(workspace: Workspace, name: str) -> None:
    """Other versions of Python agree on the version."""
    interpreter = shutil.which(name)
    if interpreter is None or subprocess.run([interpreter, "-V"], capture_output=True, check=False).returncode:  # noqa: S603 - asks for the version
        pytest.skip(f"there is no {name} here")
    folder = workspace.write(PORTABLE)
    assert run(interpreter, folder) == run(sys.executable, folder)


def test_fold_takes_plain_data_only() -> None:
    """Folding refuses what has no plain form, so that nobody folds an object by mistake."""
    with pytest.raises(TypeError, match="not object"):
        fold(object())
    mapping: Mapping[str, int] = types.MappingProxyType({"b": 1, "a": 2})
    assert fold(mapping) == fold({"a": 2, "b": 1})
