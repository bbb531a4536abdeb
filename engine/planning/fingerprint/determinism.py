"""Determinism: calls whose result the code does not decide, and calls that reach code no reading can find."""

from __future__ import annotations

_DIFFERS = "differs at every call"
_OUTSIDE = "comes from outside"

_CALLS: dict[str, str] = {
    "datetime.date.today": _DIFFERS,
    "datetime.datetime.now": _DIFFERS,
    "datetime.datetime.today": _DIFFERS,
    "datetime.datetime.utcnow": _DIFFERS,
    "os.environ": _OUTSIDE,
    "os.getenv": _OUTSIDE,
    "os.getpid": _DIFFERS,
    "os.urandom": _DIFFERS,
    "pandas.Timestamp.now": _DIFFERS,
    "pandas.Timestamp.today": _DIFFERS,
    "pandas.Timestamp.utcnow": _DIFFERS,
    "time.localtime": _DIFFERS,
    "time.monotonic": _DIFFERS,
    "time.perf_counter": _DIFFERS,
    "time.time": _DIFFERS,
    "time.time_ns": _DIFFERS,
    "urllib.request.urlopen": _OUTSIDE,
    "urllib.request.urlretrieve": _OUTSIDE,
    "uuid.uuid1": _DIFFERS,
    "uuid.uuid4": _DIFFERS,
}

_MODULES: dict[str, str] = {
    "aiohttp": _OUTSIDE,
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
    "inspect.get_annotations": "reads annotations, which do not count as code",
    "inspect.getdoc": "reads docstrings, which do not count as code",
    "inspect.getsource": "reads comments, which do not count as code",
    "runpy.run_path": "runs text as code",
    "typing.get_type_hints": "reads annotations, which do not count as code",
}

_ATTRIBUTES = {"__doc__": "reads docstrings", "__annotations__": "reads annotations"}


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
    module = path
    while "." in module:
        module = module.rpartition(".")[0]
        if module in _MODULES:
            return _MODULES[module]
    return None


def dynamics(path: str, names: tuple[str, ...]) -> str | None:
    """Say in what way a use reaches what reading cannot find, or None.

    Args:
        path: The dotted name of what is used, if a third party's or Python's own.
        names: The names of the use.

    >>> dynamics("builtins.eval", ("eval",))
    'runs text as code'
    """
    attribute = next((name for name in names[1:] if name in _ATTRIBUTES), None)
    return _DYNAMIC.get(path) or (f"{_ATTRIBUTES[attribute]}, which do not count as code" if attribute else None)
