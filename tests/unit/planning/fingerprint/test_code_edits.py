"""What counts in a code version and what does not, edit by edit."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Workspace

Files = dict[str, str] | str

BASE = """
    import math
    RATE = 3
    def helper(x):
        return x * RATE
    def node(a, b=2):
        return helper(a) + b
"""


def edit(*changes: str) -> str:
    """Return the plain dataflow with texts replaced: what was and what shall be, in turn."""
    text = textwrap.dedent(BASE)
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return text


def helpers(text: str, use: str = "from helpers import f", call: str = "f(a)") -> dict[str, str]:
    """Return a dataflow whose helper is in another module."""
    return {"flow": f"{use}\ndef node(a):\n    return {call}\n", "helpers": text}


F1, F2 = "def f(x):\n    return x + 1\n", "def f(x):\n    return x + 2\n"
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
METHOD = """
    class C:
        def __init__(self, k):
            self.k = k
        def m(self):
            return self.k
    node = C(1).m
"""
DISPATCH = """
    import functools
    @functools.singledispatch
    def f(a):
        return 0
    @f.register
    def _(a: int):
        return 1
    def node(a):
        return f(a)
"""
CLASS = """
    from dataclasses import dataclass
    @dataclass
    class Options:
        '''Doc.'''
        low: int = 1
        def width(self) -> int:
            return 2 - self.low
    def node(a):
        return Options().width()
"""

SAME: dict[str, tuple[Files, Files]] = {
    "a comment": (BASE, edit("return helper(a) + b", "# why\n    return helper(a) + b  # what")),
    "a docstring": (BASE, edit("def node(a, b=2):", 'def node(a, b=2):\n    """Say it."""')),
    "a helper's docstring": (BASE, edit("def helper(x):", 'def helper(x):\n    """Say it."""')),
    "pass besides a docstring": ("def node():\n    pass\n", "def node():\n    'Nothing.'\n"),
    "annotations": (BASE, edit("def node(a, b=2):", "def node(a: int, b: 'float' = 2) -> math.nan:")),
    "an annotation of a variable": (
        "def node(a):\n    b = a\n    return b\n",
        "def node(a):\n    b: int = a\n    return b\n",
    ),
    "an annotation of the constant": (BASE, edit("RATE = 3", "RATE: int = 3")),
    "formatting": (BASE, edit("return helper(a) + b", "return (\n        helper( a, )\n        +b\n    )")),
    "a text's quotes and prefix": ("def node():\n    return 'ab'\n", 'def node():\n    return u"a" "b"\n'),
    "the function on another line": (BASE, "\n\n\nOTHER = 1\n" + edit()),
    "an unused constant": (BASE, edit("RATE = 3", "RATE = 3\nUNUSED = 4")),
    "another function of the module": (BASE, edit("def node", "def other(q):\n    return q\ndef node")),
    "another function of the helper's module": (
        helpers(F1, "import helpers", "helpers.f(a)"),
        helpers(F1 + "def g():\n    return 1\n", "import helpers", "helpers.f(a)"),
    ),
    "the helper in another module": (
        helpers(F1),
        {"flow": "from tools import f\ndef node(a):\n    return f(a)\n", "tools": F1},
    ),
    "how the constant is computed": (BASE, edit("RATE = 3", "RATE = 1 + 2")),
    "a dictionary in another order": (
        "D = {'a': 1, 'b': [2]}\ndef node():\n    return D\n",
        "D = {'b': [2], 'a': 1}\ndef node():\n    return D\n",
    ),
    "a set in another order": (
        "S = {'a', 'b', 'c'}\ndef node():\n    return S\n",
        "S = {'c', 'b', 'a'}\ndef node():\n    return S\n",
    ),
    "a class's docstring": (CLASS, CLASS.replace("Doc.", "Other.")),
    "the annotation of a method": (CLASS, CLASS.replace("-> int", "-> float")),
    "the code under a pin": (
        "def node(a):\n    return 1\nnode.__engine_version__ = '3'\n",
        "def node(a):\n    return 2\nnode.__engine_version__ = '3'\n",
    ),
    "a logger's name": (
        "import logging\nlog = logging.getLogger('a')\ndef node():\n    log.info('x')\n",
        "import logging\nlog = logging.getLogger('b')\ndef node():\n    log.info('x')\n",
    ),
    "local variables named as constants": (
        "K = 1\ndef node(a):\n    K = a\n    return [K for K in a]\n",
        "K = 2\ndef node(a):\n    K = a\n    return [K for K in a]\n",
    ),
    "an attribute named as a constant": (
        "K = 1\ndef node(a):\n    return a.K\n",
        "K = 2\ndef node(a):\n    return a.K\n",
    ),
}

DIFFERENT: dict[str, tuple[Files, Files]] = {
    "the body": (BASE, edit("helper(a) + b", "helper(a) - b")),
    "a helper": (BASE, edit("x * RATE", "x / RATE")),
    "a constant": (BASE, edit("RATE = 3", "RATE = 4")),
    "a constant's type": (BASE, edit("RATE = 3", "RATE = 3.0")),
    "1 and True": ("K = 1\ndef node():\n    return K\n", "K = True\ndef node():\n    return K\n"),
    "1 and '1'": ("K = 1\ndef node():\n    return K\n", "K = '1'\ndef node():\n    return K\n"),
    "1 and True in the text": ("def node():\n    return 1\n", "def node():\n    return True\n"),
    "0.0 and -0.0": ("K = 0.0\ndef node():\n    return K\n", "K = -0.0\ndef node():\n    return K\n"),
    "a default": (BASE, edit("b=2", "b=3")),
    "a computed default": (
        "K = 1\ndef node(a=K + 1):\n    return a\n",
        "K = 2\ndef node(a=K + 1):\n    return a\n",
    ),
    "a keyword default": (
        "K = 1\ndef node(*, a=K):\n    return a\nK = 0\n",
        "K = 2\ndef node(*, a=K):\n    return a\nK = 0\n",
    ),
    "a parameter": (BASE, edit("def node(a, b=2)", "def node(a, b=2, c=3)")),
    "a helper imported by name": (helpers(F1), helpers(F2)),
    "a helper through its module": (
        helpers(F1, "import helpers", "helpers.f(a)"),
        helpers(F2, "import helpers", "helpers.f(a)"),
    ),
    "a helper through an alias": (
        helpers(F1, "import helpers as h", "h.f(a)"),
        helpers(F2, "import helpers as h", "h.f(a)"),
    ),
    "a helper two modules away": (
        {**helpers("from deep import g\ndef f(x):\n    return g(x)\n"), "deep": F1.replace("f(", "g(")},
        {**helpers("from deep import g\ndef f(x):\n    return g(x)\n"), "deep": F2.replace("f(", "g(")},
    ),
    "a helper in a package": (
        {"flow": "import pkg.sub\ndef node(a):\n    return pkg.sub.f(a)\n", "pkg.__init__": "", "pkg.sub": F1},
        {"flow": "import pkg.sub\ndef node(a):\n    return pkg.sub.f(a)\n", "pkg.__init__": "", "pkg.sub": F2},
    ),
    "a helper imported relatively": (
        {"pkg.__init__": "", "pkg.low": F1, "flow": "from pkg.flow import node\n"}
        | {"pkg.flow": "from .low import f\ndef node(a):\n    return f(a)\n"},
        {"pkg.__init__": "", "pkg.low": F2, "flow": "from pkg.flow import node\n"}
        | {"pkg.flow": "from .low import f\ndef node(a):\n    return f(a)\n"},
    ),
    "a helper imported in the body": (
        {"flow": "def node(a):\n    from helpers import f\n    return f(a)\n", "helpers": F1},
        {"flow": "def node(a):\n    from helpers import f\n    return f(a)\n", "helpers": F2},
    ),
    "a module imported in the body": (
        {"flow": "def node(a):\n    import helpers\n    return helpers.f(a)\n", "helpers": F1},
        {"flow": "def node(a):\n    import helpers\n    return helpers.f(a)\n", "helpers": F2},
    ),
    "a submodule imported in the body": (
        {"flow": "def node(a):\n    from pkg import sub\n    return sub.f(a)\n", "pkg.__init__": "", "pkg.sub": F1},
        {"flow": "def node(a):\n    from pkg import sub\n    return sub.f(a)\n", "pkg.__init__": "", "pkg.sub": F2},
    ),
    "a relative import in the body": (
        {"pkg.__init__": "", "pkg.low": F1, "flow": "from pkg.flow import node\n"}
        | {"pkg.flow": "def node(a):\n    from . import low\n    return low.f(a)\n"},
        {"pkg.__init__": "", "pkg.low": F2, "flow": "from pkg.flow import node\n"}
        | {"pkg.flow": "def node(a):\n    from . import low\n    return low.f(a)\n"},
    ),
    "a helper used in a nested function": (
        edit("return helper(a) + b", "return [(lambda q: helper(q))(i) for i in a]"),
        edit("return helper(a) + b", "return [(lambda q: helper(q))(i) for i in a]", "x * RATE", "x"),
    ),
    "what a module is asked for": (
        helpers(F1, "import helpers", "getattr(helpers, 'f')(a)"),
        helpers(F2, "import helpers", "getattr(helpers, 'f')(a)"),
    ),
    "a closure's variable": (
        "def make(n):\n    def node(a):\n        return a + n\n    return node\nnode = make(1)\n",
        "def make(n):\n    def node(a):\n        return a + n\n    return node\nnode = make(2)\n",
    ),
    "a closure's function": (
        F1 + "def make(n):\n    def node(a):\n        return n(a)\n    return node\nnode = make(f)\n",
        F2 + "def make(n):\n    def node(a):\n        return n(a)\n    return node\nnode = make(f)\n",
    ),
    "a partial's argument": (
        "import functools\ndef f(a, b):\n    return a\nnode = functools.partial(f, b=1)\n",
        "import functools\ndef f(a, b):\n    return a\nnode = functools.partial(f, b=2)\n",
    ),
    "a partial's function": (
        f"import functools\n{F1}node = functools.partial(f, 1)\n",
        f"import functools\n{F2}node = functools.partial(f, 1)\n",
    ),
    "a bound method's object": (METHOD, METHOD.replace("C(1)", "C(2)")),
    "another method of a bound method's object": (
        "class C:\n    def m(self):\n        return self.n()\n    def n(self):\n        return 1\nnode = C().m\n",
        "class C:\n    def m(self):\n        return self.n()\n    def n(self):\n        return 2\nnode = C().m\n",
    ),
    "a callable object": (
        "class C:\n    def __call__(self):\n        return 1\nnode = C()\n",
        "class C:\n    def __call__(self):\n        return 2\nnode = C()\n",
    ),
    "a callable object's state": (
        "class C:\n    __slots__ = ('k',)\n    def __call__(self):\n        return 1\nnode = C()\nnode.k = 1\n",
        "class C:\n    __slots__ = ('k',)\n    def __call__(self):\n        return 1\nnode = C()\nnode.k = 2\n",
    ),
    "a lambda": ("node = lambda a: a + 1\n", "node = lambda a: a + 2\n"),
    "a decorator's body": (
        DECORATOR.replace("BY", "2"),
        DECORATOR.replace("BY", "2").replace("* by", "/ by"),
    ),
    "a decorator's argument": (DECORATOR.replace("BY", "2"), DECORATOR.replace("BY", "3")),
    "a decorator's named argument": (
        DECORATOR.replace("BY", "K").replace("import f", "K = 2\n    import f"),
        DECORATOR.replace("BY", "K").replace("import f", "K = 3\n    import f"),
    ),
    "the decorated function": (
        DECORATOR.replace("BY", "2"),
        DECORATOR.replace("BY", "2").replace("return a\n", "return -a\n"),
    ),
    "a cached helper": (
        f"import functools\n@functools.cache\n{F1}def node(a):\n    return f(a)\n",
        f"import functools\n@functools.cache\n{F2}def node(a):\n    return f(a)\n",
    ),
    "an implementation of a single dispatch": (DISPATCH, DISPATCH.replace("return 1", "return 2")),
    "a dataclass's default": (CLASS, CLASS.replace("low: int = 1", "low: int = 0")),
    "a dataclass's annotation": (CLASS, CLASS.replace("low: int = 1", "low: float = 1")),
    "a method": (CLASS, CLASS.replace("2 - self.low", "3 - self.low")),
    "a base class": (
        "class B:\n    k = 1\nclass C(B):\n    pass\ndef node():\n    return C.k\n",
        "class B:\n    k = 2\nclass C(B):\n    pass\ndef node():\n    return C.k\n",
    ),
    "a property": (
        "class C:\n    @property\n    def p(self):\n        return 1\ndef node():\n    return C().p\n",
        "class C:\n    @property\n    def p(self):\n        return 2\ndef node():\n    return C().p\n",
    ),
    "a computed attribute of a class": (
        "import os\nK = 1\nclass C:\n    k = K + 1\nK = 0\ndef node():\n    return C.k\n",
        "import os\nK = 2\nclass C:\n    k = K + 1\nK = 0\ndef node():\n    return C.k\n",
    ),
    "an enumeration's member": (
        "import enum\nclass E(enum.Enum):\n    A = 1\ndef node():\n    return E.A\n",
        "import enum\nclass E(enum.Enum):\n    A = 2\ndef node():\n    return E.A\n",
    ),
    "a named tuple's fields": (
        "import collections\nP = collections.namedtuple('P', 'x y')\ndef node():\n    return P(1, 2)\n",
        "import collections\nP = collections.namedtuple('P', 'y x')\ndef node():\n    return P(1, 2)\n",
    ),
    "a function in a dictionary": (
        F1 + "TABLE = {'k': f}\ndef node(a):\n    return TABLE['k'](a)\n",
        F2 + "TABLE = {'k': f}\ndef node(a):\n    return TABLE['k'](a)\n",
    ),
    "lambdas exchanged in a dictionary": (
        "def m(n):\n    return lambda a: a + n\nT = {'k': m(1), 'l': m(2)}\ndef node(a):\n    return T['k'](a)\n",
        "def m(n):\n    return lambda a: a + n\nT = {'k': m(2), 'l': m(1)}\ndef node(a):\n    return T['k'](a)\n",
    ),
    "a function's attribute": (
        "def f():\n    return f.k\nf.k = 1\ndef node():\n    return f()\n",
        "def f():\n    return f.k\nf.k = 2\ndef node():\n    return f()\n",
    ),
    "a third party's function": (
        "from math import sin as f\ndef node(a):\n    return f(a)\n",
        "from math import cos as f\ndef node(a):\n    return f(a)\n",
    ),
    "a third party's module": ("import math as m\nnode = lambda: m.inf\n", "import cmath as m\nnode = lambda: m.inf\n"),
    "the pin": (
        "def node(a):\n    return 1\nnode.__engine_version__ = '3'\n",
        "def node(a):\n    return 1\nnode.__engine_version__ = '4'\n",
    ),
    "the statement that makes an opaque value": (
        "import random\nR = random.Random(1)\ndef node():\n    return R.random()\n",
        "import random\nR = random.Random(2)\ndef node():\n    return R.random()\n",
    ),
    "a name that shadows a builtin": (
        "def node(a):\n    return len(a)\n",
        "def len(a):\n    return 1\ndef node(a):\n    return len(a)\n",
    ),
    "a global declared": (
        "K = 1\ndef node():\n    global K\n    K += 1\n    return K\n",
        "K = 2\ndef node():\n    global K\n    K += 1\n    return K\n",
    ),
    "one of two functions that call each other": (
        "def even(n):\n    return n == 0 or node(n - 1)\ndef node(n):\n    return n != 0 and even(n - 1)\n",
        "def even(n):\n    return n <= 0 or node(n - 1)\ndef node(n):\n    return n != 0 and even(n - 1)\n",
    ),
    "what a circle of functions uses": (
        "K = 1\ndef even(n):\n    return n == K or node(n - 1)\ndef node(n):\n    return n != 0 and even(n - 1)\n",
        "K = 2\ndef even(n):\n    return n == K or node(n - 1)\ndef node(n):\n    return n != 0 and even(n - 1)\n",
    ),
    "pattern of a regular expression": (
        "import re\nP = re.compile('a')\ndef node(a):\n    return P.match(a)\n",
        "import re\nP = re.compile('a', re.I)\ndef node(a):\n    return P.match(a)\n",
    ),
    "an expression": (
        "import polars as pl\nK = 1\nE = pl.col('a') * K\ndef node():\n    return E\n",
        "import polars as pl\nK = 2\nE = pl.col('a') * K\ndef node():\n    return E\n",
    ),
    "a frame": (
        "import pandas\nD = pandas.DataFrame({'a': [1, 2]})\ndef node():\n    return D\n",
        "import pandas\nD = pandas.DataFrame({'a': [1, 3]})\ndef node():\n    return D\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_edits_that_do_not_count(workspace: Workspace, before: Files, after: Files) -> None:
    """An edit that cannot change a result leaves the code version as it is."""
    assert workspace.version(before).version == workspace.version(after).version


@pytest.mark.parametrize(("before", "after"), DIFFERENT.values(), ids=DIFFERENT)
def test_edits_that_count(workspace: Workspace, before: Files, after: Files) -> None:
    """An edit that may change a result changes the code version, and repeating the text gives the version back."""
    first, second, again = (workspace.version(files) for files in (before, after, before))
    assert first.version != second.version
    assert first.version == again.version
