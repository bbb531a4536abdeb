"""Which names a definition takes from outside: Python's own rules, checked against its own compiler."""

from __future__ import annotations

import ast
import symtable

import pytest

from engine.planning.fingerprint.scopes import uses_of

FUNCTIONS = [
    "def f(a, b=K, *c, d=L, **e):\n    return a + b + c + d + e + G",
    "def f():\n    x = 1\n    return x + y",
    "def f():\n    return x\n    x = 1",
    "def f():\n    return [x for x in y if x in z for y in x]",
    "def f():\n    return {k: v for k, v in m.items()}, k",
    "def f():\n    return [y := x for x in s], y, x",
    "def f():\n    def g(a):\n        return a + b + h\n    b = 1\n    return g",
    "def f():\n    class C(B):\n        x = 1\n        def m(self):\n            return x + C.y\n    return C",
    "def f():\n    global x\n    x = 1\n    def g():\n        return x\n    return g",
    "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y\n    return g",
    "def f():\n    try:\n        a()\n    except E as e:\n        return e",
    "def f():\n    with b() as c, d as (g, *h):\n        return c, g, h",
    "def f(v):\n    match v:\n        case P(x=1, y=q):\n            return q\n        case u:\n            return u",
    "def f(v):\n    match v:\n        case [*r]:\n            return r",
    "def f(v):\n    match v:\n        case {'k': s, **t}:\n            return s, t",
    "def f():\n    for i, (j, k) in x:\n        del i\n    return lambda a=i: a + j + m",
    "def f():\n    import a.b as c, d.e\n    from g import h as i\n    return c, d, i, h",
    "async def f():\n    async for x in y:\n        await z(x)\n    return [w async for w in y]",
    "def f(x: Annotation) -> Other:\n    y: Third = x\n    return y",
    "@deco(arg)\ndef f():\n    return f",
    "def f():\n    a.b.c = d[e].g\n    x += 1\n    return f'{p:{q}} {r!r}'",
]


def globals_by_compiler(table: symtable.SymbolTable) -> set[str]:
    """Return the global names that the functions of a compiled text use."""
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    if isinstance(table, symtable.Function):
        names |= {name for name in table.get_globals() if table.lookup(name).is_assigned()}
    return names.union(*map(globals_by_compiler, table.get_children()))


@pytest.mark.parametrize("text", FUNCTIONS)
def test_names_from_outside_are_those_of_the_compiler(text: str) -> None:
    """The names found are exactly those that Python looks up as globals, and those of decorators and defaults."""
    definition = ast.parse(text).body[0]
    table = symtable.symtable("from __future__ import annotations\n" + text, "text", "exec")
    expected = globals_by_compiler(table.get_children()[0])
    outside = {s.get_name() for s in table.get_symbols() if s.is_referenced() and not s.is_imported()}
    found = {use.names[0] for use in uses_of(definition) if use.origin is None}
    assert found == (expected | outside) - {"Annotation", "Other", "Third"}


def test_attributes_imports_and_arguments_are_told() -> None:
    """A use says the attributes taken, the import behind the name, and how many arguments a call has."""
    text = (
        "def f():\n    from ..p import q as r\n    import s.t\n    r.u(1, x=2)\n    s.t.v()\n    w.x.y\n    w.x().y\n"
    )
    uses = {".".join(use.names): use for use in uses_of(ast.parse(text).body[0])}
    assert set(uses) == {"r.u", "s.t.v", "w.x.y", "w.x"}
    assert uses["r.u"].origin == ("p", "q", 2)
    assert uses["s.t.v"].origin == ("s", None, 0)
    assert [uses[name].arguments for name in ("r.u", "s.t.v", "w.x.y", "w.x")] == [2, 0, None, 0]
