"""Determinism: calls whose result the code does not decide, and calls that reach code no reading can find."""

from __future__ import annotations

import ast
import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIFFERS = "differs at every call"
_OUTSIDE = "comes from outside and is not watched"

_CALLS: dict[str, str] = {
    "datetime.date.today": _DIFFERS,
    "datetime.datetime.now": _DIFFERS,
    "datetime.datetime.today": _DIFFERS,
    "datetime.datetime.utcnow": _DIFFERS,
    "os.environ": _OUTSIDE,
    "os.getcwd": _OUTSIDE,
    "os.getenv": _OUTSIDE,
    "os.getpid": _DIFFERS,
    "os.urandom": _DIFFERS,
    "pandas.Timestamp.now": _DIFFERS,
    "pandas.Timestamp.today": _DIFFERS,
    "pandas.Timestamp.utcnow": _DIFFERS,
    "time.ctime": _DIFFERS,
    "time.gmtime": _DIFFERS,
    "time.localtime": _DIFFERS,
    "time.monotonic": _DIFFERS,
    "time.perf_counter": _DIFFERS,
    "time.strftime": _DIFFERS,
    "time.time": _DIFFERS,
    "time.time_ns": _DIFFERS,
    "urllib.request.urlopen": _OUTSIDE,
    "urllib.request.urlretrieve": _OUTSIDE,
    "uuid.uuid1": _DIFFERS,
    "uuid.uuid4": _DIFFERS,
}

_READERS = (
    "builtins.open",
    "duckdb.connect",
    "duckdb.read_*",
    "fsspec.*",
    "glob.*glob",
    "importlib.resources.*",
    "io.open",
    "joblib.load",
    "numpy.fromfile",
    "numpy.genfromtxt",
    "numpy.load*",
    "os.listdir",
    "os.popen",
    "os.scandir",
    "os.stat",
    "os.walk",
    "pandas.read_*",
    "pickle.load",
    "pkgutil.get_data",
    "platform.*",
    "polars.read_*",
    "polars.scan_*",
    "psycopg.connect",
    "pyarrow.*.read_*",
    "pyarrow.dataset.dataset",
    "sqlalchemy.create_engine",
    "sqlite3.connect",
    "subprocess.*",
    "sys.argv",
)
"""Third parties' functions that read files, folders and databases, as patterns of their names."""

_METHODS = frozenset({"glob", "iterdir", "open", "read_bytes", "read_text", "rglob"})
"""Methods of paths, archives and the like that read files and folders."""

_SEEDS = frozenset({"counts", "k", "random_state", "seed"})
"""Options by which the sample of a frame is decided, or which are those of another kind of sample."""

_MODULES: dict[str, str] = {
    "aiohttp": _OUTSIDE,
    "boto3": _OUTSIDE,
    "http.client": _OUTSIDE,
    "httpx": _OUTSIDE,
    "numpy.random": _DIFFERS,
    "random": _DIFFERS,
    "requests": _OUTSIDE,
    "secrets": _DIFFERS,
    "socket": _OUTSIDE,
    "urllib3": _OUTSIDE,
}

_SEEDED = frozenset(
    {
        "numpy.random.Generator",
        "numpy.random.PCG64",
        "numpy.random.RandomState",
        "numpy.random.SeedSequence",
        "numpy.random.default_rng",
        "numpy.random.seed",
        "random.Random",
        "random.seed",
    }
)
"""Deterministic when given a seed, or a type when only named."""

_DYNAMIC: dict[str, str] = {
    "builtins.__import__": "imports by name",
    "builtins.compile": "runs text as code",
    "builtins.eval": "runs text as code",
    "builtins.exec": "runs text as code",
    "builtins.globals": "looks variables up by name",
    "importlib.import_module": "imports by name",
    "importlib.reload": "imports by name",
    "gc.get_objects": "finds objects by their kind",
    "inspect.currentframe": "looks variables up by name",
    "inspect.get_annotations": "reads annotations, which do not count as code",
    "inspect.getdoc": "reads docstrings, which do not count as code",
    "inspect.getsource": "reads comments, which do not count as code",
    "inspect.signature": "reads annotations, which do not count as code",
    "inspect.stack": "looks variables up by name",
    "pkgutil.resolve_name": "imports by name",
    "runpy.run_module": "runs text as code",
    "runpy.run_path": "runs text as code",
    "sys._getframe": "looks variables up by name",
    "sys.modules": "looks modules up by name",
    "typing.get_type_hints": "reads annotations, which do not count as code",
}

_ATTRIBUTES = {
    "__annotations__": "reads annotations, which do not count as code",
    "__doc__": "reads docstrings, which do not count as code",
    "__globals__": "looks variables up by name",
    "__subclasses__": "finds classes wherever they are defined",
}


def nondeterminism(path: str, arguments: int | None) -> str | None:
    """Say in what way a third party's object makes a result undecided by the code, or None.

    Args:
        path: Its dotted name.
        arguments: How many arguments it is called with; None where it is not called.

    >>> nondeterminism("random.random", 0), nondeterminism("random.Random", 1), nondeterminism("math.sqrt", 1)
    ('differs at every call', None, None)
    """
    if path in _SEEDED:
        return None if arguments != 0 else _DIFFERS
    if found := _CALLS.get(path) or _CALLS.get(path.rpartition(".")[0]):
        return found
    if any(fnmatch.fnmatchcase(path, pattern) for pattern in _READERS):
        return _OUTSIDE
    module = path
    while "." in module:
        module = module.rpartition(".")[0]
        if module in _MODULES:
            return _MODULES[module]
    return None


def doubtful_methods(definition: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the methods a definition calls that read files or draw rows, and what that makes of its result."""
    called = [node for node in ast.walk(definition) if isinstance(node, ast.Call)]
    names = {call.func.attr for call in called if isinstance(call.func, ast.Attribute)}
    yield from ((name, _OUTSIDE) for name in sorted(names & _METHODS))
    if any(_is_unseeded_sample(call) for call in called):
        yield "sample", _DIFFERS


def _is_unseeded_sample(call: ast.Call) -> bool:
    is_sample = isinstance(call.func, ast.Attribute) and call.func.attr == "sample" and len(call.args) <= 1
    return is_sample and _SEEDS.isdisjoint(keyword.arg for keyword in call.keywords)


def dynamics(path: str, names: tuple[str, ...]) -> str | None:
    """Say in what way a use reaches what reading cannot find, or None.

    Args:
        path: The dotted name of what is used, if a third party's or Python's own.
        names: The names of the use.

    >>> dynamics("builtins.eval", ("eval",))
    'runs text as code'
    """
    attribute = next((name for name in names[1:] if name in _ATTRIBUTES), None)
    return _DYNAMIC.get(path) or _DYNAMIC.get(path.rpartition(".")[0]) or _ATTRIBUTES.get(attribute or "")
